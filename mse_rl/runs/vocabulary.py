"""The transformations that a policy may use: those that it knows and that are here."""

from collections.abc import Callable

from mse_rl.errors import InvalidConfig
from mse_rl.runs.policy_bundle import Policy
from mse_rl.transformations import TRANSFORMATIONS, operations, transformation


def asked_of(
    policy: Policy, name: str, asked: tuple[str, ...], tell: Callable[[str], None]
) -> tuple[str, ...]:
    """Return those of the transformations asked for that a policy knows; the others are said.

    Args:
        policy: what was loaded.
        name: of the policy.
        asked: names of transformations.
        tell: gets a line.

    Raises:
        InvalidConfig: if there is no transformation of such a name.
    """
    operations(asked)  # so that a name that nobody knows is an error
    unknown = [each for each in asked if each not in policy.network.layout.operations]
    if unknown:
        tell(f"policy {name} does not know {', '.join(unknown)}: it goes without")
    return tuple(each for each in asked if each not in unknown)


def own_of(policy: Policy, name: str, tell: Callable[[str], None]) -> tuple[str, ...] | None:
    """Return the transformations of a policy that are here, None for all there are; the others are said.

    Args:
        policy: what was loaded.
        name: of the policy.
        tell: gets a line.
    """
    own, layout = policy.transformations, policy.network.layout
    known = sorted(layout.operations) if own is None else own
    gone = [each for each in known if not _is_here(each)]
    if gone:
        tell(f"policy {name} knows {', '.join(gone)}, which is not here: it goes without")
    here = tuple(each for each in known if each not in gone)
    return None if own is None and {*here} == TRANSFORMATIONS.keys() else here


def _is_here(name: str) -> bool:
    try:
        transformation(name)
    except InvalidConfig:
        return False
    return True
