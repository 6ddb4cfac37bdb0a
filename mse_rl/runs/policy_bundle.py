"""A learned policy on disk: policy.safetensors, policy.json, and a card, README.md."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from mse_rl.agents.network import BlockNetwork
from mse_rl.envs.layout import Layout
from mse_rl.errors import InvalidController, InvalidRun
from mse_rl.plain import from_plain, to_plain
from mse_rl.plugins import is_path
from mse_rl.reward import RewardConfig
from mse_rl.runs.directory import write_json
from mse_rl.runs.experience import Experience
from mse_rl.runs.safe_tensors import load_weights

FORMAT = 2
"""Of policy.json. The layout in it says what the weights are for; what it names may change without another
format, what a name means may not."""
SHIPPED = {
    file.parent.name: file.parent for file in sorted(Path(__file__).parents[1].glob("policies/*/policy.json"))
}
"""The policies that come along, by name."""


def save_policy(
    folder: Path, network: BlockNetwork, experience: Experience, record: dict[str, Any], table: str
) -> None:
    """Write a policy into ``folder``.

    Args:
        folder: made if it is not there.
        network: the policy.
        experience: what it was trained on.
        record: how it was trained, and what came of it.
        table: the comparison with the rules, in Markdown, for the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: t.contiguous() for name, t in network.state_dict().items()}, folder / "policy.safetensors"
    )
    content = {
        "format": FORMAT,
        "layout": to_plain(network.layout),
        "trained_on": to_plain(experience),
        "training": record,
    }
    write_json(folder / "policy.json", content)
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
        experience: what it was trained on; None where its file does not say.
    """

    network: BlockNetwork
    family: str | None
    slices: int
    reward: RewardConfig
    cost: str
    transformations: tuple[str, ...] | None
    experience: Experience | None


def load_policy(path: str | Path, *, trust: bool = False) -> Policy:
    """Return the policy of a run folder or a policy bundle, or one that comes along, by its name. Nothing is
    unpickled.

    It may read other features and decide other operations than this version: see ``Learned``.

    Args:
        path: of the folder.
        trust: import the code of others that it was trained with: a reward, cost or transformations that are
            not the package's. Without it, no name in a file makes anything run.

    Raises:
        InvalidController: if there is none, it is of a later version, weights and layout do not fit, or it
            asks for trust that it has not got.
    """
    folder = SHIPPED.get(str(path), Path(path))
    folder = folder if (folder / "policy.json").is_file() else folder / "policy"
    file = folder / "policy.json"
    try:
        data = json.loads(file.read_text(errors="replace"))
        _check_format(path, data["format"])
        layout: Layout = from_plain(Layout, data["layout"])
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
        experience: Experience | None = from_plain(Experience | None, data.get("trained_on"))
    except OSError as error:
        raise InvalidController(
            f"expected a rule, a run folder or a policy bundle, but {path} has no policy.json"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidController(
            f"expected a policy in {file}, got: {error!r}; copy it again, or train a new one"
        ) from error
    with torch.device("meta"):
        network = BlockNetwork(layout)
    try:
        load_weights(network, folder / "policy.safetensors")
    except InvalidRun as error:
        raise InvalidController(str(error)) from error
    return Policy(network, family, slices, reward, cost, transformations, experience)


def _check_format(path: str | Path, got: object) -> None:
    """Raise unless a policy is of this version's format."""
    if not isinstance(got, int):
        raise ValueError(f"expected format {FORMAT}, got {got!r}")
    if got > FORMAT:
        raise InvalidController(
            f"{path} is of a later version: expected a policy of format {FORMAT}, got {got}; update mse-rl"
        )
    if got != FORMAT:
        raise InvalidController(
            f"{path} is of an earlier version: expected a policy of format {FORMAT}, got {got}; "
            "train a new one"
        )
