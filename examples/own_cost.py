"""A cost of your own: bytes that a forward pass moves.

On the command line: ``mse-rl apply --task digits --cost examples.own_cost:memory_traffic``, and
``--own-budget 200000`` for a budget of it.
"""

import mse_rl
from mse_rl.costs import activation_bytes, cost
from mse_rl.costs.measures import Budgets, Meter


def memory_traffic(architecture: mse_rl.Architecture, meter: Meter) -> float:
    """Return the bytes of all weights, and of all activations of one sample, in float32."""
    return 4 * cost(architecture).parameters + activation_bytes(architecture)


def main() -> None:
    """Grow a network within a budget of it; without one it is 16 times what the first child costs."""
    budget = Budgets(own_budget=200_000)
    grown = mse_rl.apply("digits", "widen", cost=memory_traffic, budget=budget, training_flops=2e9)
    last = grown.growth["timeline"][-1]
    print(f"{last['cost']:,} of {last['cost_budget']:,} bytes")


if __name__ == "__main__":
    main()
