"""Grow children by a policy that was trained on another dataset, against every rule.

    python scripts/experiments/transfer.py small --task fashion_mnist --max-train 10000

Every controller gets the same seeds, orders of data, training FLOPs, decisions (as ``mse-rl apply`` spreads
them) and FLOPs budget. Prints a table in Markdown, and writes ``summary.json`` as ``mse-rl train`` does.
"""

from dataclasses import dataclass, field
from pathlib import Path

import tyro
from tqdm import tqdm
from tyro.conf import OmitArgPrefixes, Positional

from mse_rl.agents.evaluation import compare, figures_of, summarise
from mse_rl.agents.jobs import PolicyWeights
from mse_rl.agents.pool import WorkerPool
from mse_rl.agents.rules import GROWING_RULES
from mse_rl.config.commands import ApplyConfig
from mse_rl.config.training import TaskConfig
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.runs.folders import write_json
from mse_rl.runs.policy import load_policy
from mse_rl.runs.report import markdown


@dataclass(frozen=True)
class Arguments:
    """The comparison."""

    policy: Positional[str]
    """A policy that comes along, or the folder of a run or policy."""
    task: str = "fashion_mnist"
    """The dataset to grow on."""
    rules: tuple[str, ...] = GROWING_RULES
    """The rules to compare with."""
    seeds: int = 5
    """Children per controller."""
    first_seed: int = 0
    """Their seeds are this one and those that follow."""
    budget_multiple: float = 8.0
    """FLOPs budget, over those of the first child."""
    passes: float = 20.0
    """Training FLOPs, in passes of the first child over the training split."""
    workers: int = 2
    """Processes, each with one thread."""
    out: Path | None = None
    """Where summary.json goes; nowhere if not given."""
    data: TaskConfig = field(default_factory=lambda: TaskConfig(max_train=10_000))


def main(arguments: Arguments) -> None:
    """Run the comparison."""
    policy = load_policy(arguments.policy)
    config = ApplyConfig(
        controller="",
        task=arguments.task,
        cost=policy.cost,
        family=policy.family,
        transformations=policy.transformations,
        data=arguments.data,
    ).expansion(slices=policy.slices, reward=policy.reward)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    contexts = [Context(0, seed, arguments.budget_multiple, arguments.passes) for seed in seeds]
    learned = PolicyWeights.of(policy.network, draws=False)
    controllers: dict[str, str | PolicyWeights] = {
        "learned": learned,
        **{name: name for name in arguments.rules},
    }
    with WorkerPool(ExpansionEnv(config), arguments.workers) as pool:
        each = compare(pool, controllers, contexts, seed=0, decisions=config.growth.slices)
        played = list(tqdm(each, total=arguments.seeds, desc="seeds"))
    episodes = {name: [one[name] for one in played] for name in controllers}
    summary = summarise(figures_of(episodes), policy.cost)
    print(markdown(summary))
    if arguments.out:
        write_json(arguments.out, summary)


if __name__ == "__main__":
    main(tyro.cli(Arguments, config=(OmitArgPrefixes,)))
