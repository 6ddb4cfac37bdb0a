"""A learned policy on disk: policy.safetensors, policy.json, and a card, README.md."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from mse_rl.agents.network import BlockNetwork
from mse_rl.envs.actions import BLOCK_OPERATIONS, CHILD_OPERATIONS, PAIR_OPERATIONS
from mse_rl.envs.observation import BLOCK_FEATURES, GLOBAL_FEATURES
from mse_rl.errors import InvalidController, InvalidRun
from mse_rl.plugins import is_path
from mse_rl.reward import RewardConfig
from mse_rl.runs.directory import write_json
from mse_rl.runs.safe_tensors import load_weights

FORMAT = 2
LAYOUT = {
    "globals": list(GLOBAL_FEATURES),
    "blocks": list(BLOCK_FEATURES),
    "child_operations": list(CHILD_OPERATIONS),
    "block_operations": list(BLOCK_OPERATIONS),
    "pair_operations": list(PAIR_OPERATIONS),
}
"""What a policy reads and what it decides, in order."""


def save_policy(folder: Path, network: BlockNetwork, record: dict[str, Any], table: str) -> None:
    """Write a policy into ``folder``.

    Args:
        folder: made if it is not there.
        network: the policy.
        record: how it was trained, and what came of it.
        table: the comparison with the rules, in Markdown, for the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: t.contiguous() for name, t in network.state_dict().items()}, folder / "policy.safetensors"
    )
    write_json(folder / "policy.json", {"format": FORMAT, "layout": LAYOUT, "training": record})
    (folder / "README.md").write_text(
        "# A policy that grows neural networks\n\n"
        f"Trained by `mse-rl train` on {', '.join(record['config']['env']['task'])} for "
        f"{record['episodes']} episodes. Use it with `mse-rl apply FOLDER --task TASK`.\n\n"
        f"On held-out seeds, against the rules at the same budgets:\n\n{table}\n"
    )


@dataclass(frozen=True)
class Policy:
    """A policy, and what it was trained for.

    Args:
        network: decides.
        family: of the children that it was trained on; None where it followed the tasks.
        slices: decisions of its episodes.
        reward: what its episodes were worth.
        cost: which cost they were priced by.
        transformations: that it could choose from; None for all.
    """

    network: BlockNetwork
    family: str | None
    slices: int
    reward: RewardConfig
    cost: str
    transformations: tuple[str, ...] | None


def load_policy(path: str | Path, *, trust: bool = False) -> Policy:
    """Return the policy of a run folder or a policy bundle. Nothing is unpickled.

    Args:
        path: of the folder.
        trust: import the code of others that it was trained with: a reward, cost or transformations that are
            not the package's. Without it, no name in a file makes anything run.

    Raises:
        InvalidController: if there is none, it reads or decides other things than this version, or it asks
            for trust that it has not got.
    """
    folder = Path(path)
    folder = folder if (folder / "policy.json").is_file() else folder / "policy"
    try:
        data = json.loads((folder / "policy.json").read_text(errors="replace"))
        layout = data["layout"]
        if data["format"] != FORMAT or layout != LAYOUT:
            raise InvalidController(
                f"{path} does not fit this version: {_difference(layout)}; train a new policy"
            )
        env = data["training"]["config"]["env"]
        family, slices = env["growth"]["family"], int(env["growth"]["slices"])
        family = None if family is None else str(family)
        cost, names = str(env["budget"]["cost"]), env["growth"]["transformations"]
        transformations = None if names is None else tuple(map(str, names))
        named = (str(env["reward"]["reward"]), cost, *(transformations or ()))
        own = [name for name in named if is_path(name)]
        if own and not trust:
            raise InvalidController(
                f"{path} was trained with code that does not come along, {' and '.join(own)}, which would be "
                "imported: where you trust who trained it, say `trust_policy`, or trust=True in Python"
            )
        reward = RewardConfig(**env["reward"])
    except OSError as error:
        raise InvalidController(
            f"expected a rule, a run folder or a policy bundle, but {path} has no policy.json"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidController(f"expected a policy in {folder / 'policy.json'}, got: {error!r}") from error
    network = BlockNetwork()
    try:
        load_weights(network, folder / "policy.safetensors")
    except InvalidRun as error:
        raise InvalidController(str(error)) from error
    return Policy(network, family, slices, reward, cost, transformations)


def _difference(layout: Any) -> str:
    """Say where a policy's layout first differs from this version's."""
    for key, expected in LAYOUT.items():
        got = layout.get(key) if isinstance(layout, dict) else None
        if got != expected:
            return f"its {key} are {got}, expected {expected}"
    return f"its format is not {FORMAT}"
