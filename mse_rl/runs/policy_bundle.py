"""A learned policy on disk: policy.safetensors, policy.json, and a card, README.md."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from mse_rl.agents.attributions import attributions
from mse_rl.agents.controller import Turn
from mse_rl.agents.learned import Learned
from mse_rl.agents.network import BlockNetwork
from mse_rl.envs.layout import Layout
from mse_rl.errors import InvalidController, InvalidRun
from mse_rl.plain import from_plain, to_plain
from mse_rl.plugins import is_path
from mse_rl.reward import RewardConfig
from mse_rl.runs.directory import new_directory, write_bytes, write_json, write_tensors
from mse_rl.runs.experience import Experience
from mse_rl.runs.safe_tensors import load_weights

FORMAT = 2
"""Of policy.json. The layout in it says what the weights are for; what it names may change without another
format, what a name means may not."""
SHIPPED = {
    file.parent.name: file.parent for file in sorted(Path(__file__).parents[1].glob("policies/*/policy.json"))
}
"""The policies that come along, by name."""


@dataclass(frozen=True)
class Policy:
    """A policy, and what it was trained for. It is a controller.

    Args:
        network: decides.
        experience: what it was trained on; None where its file does not say.
        training: how it was trained, and what came of it: ``config``, ``episodes``, ``paired``.
        card: its README.md, in Markdown.
    """

    network: BlockNetwork
    experience: Experience | None
    training: dict[str, Any]
    card: str

    @classmethod
    def load(cls, path: str | Path, *, trust: bool = False) -> "Policy":
        """Return a policy from its folder, from that of its run, or by the name of one that comes along; see
        ``load_policy``.
        """
        return load_policy(path, trust=trust)

    def save(self, folder: str | Path) -> None:
        """Write policy.safetensors, policy.json and README.md into ``folder``.

        Raises:
            InvalidRun: if something is there already, or nothing can be written there.
        """
        save_policy(new_directory(Path(folder)), self)

    def decide(self, turn: Turn) -> int:
        """Return the action that the policy takes."""
        return self.controller.decide(turn)

    def attributions(self, turn: Turn) -> dict[str, float]:
        """Return how much each feature contributes to the decision that is due; see
        ``mse_rl.agents.attributions``.
        """
        return attributions(self.controller, turn)

    @property
    def controller(self) -> Learned:
        """What decides."""
        return Learned(self.network)

    @property
    def _env(self) -> dict[str, Any]:
        env: dict[str, Any] = self.training["config"]["env"]
        return env

    @property
    def family(self) -> str | None:
        """The family of the children that it was trained on; None where it followed the tasks."""
        family = self._env["growth"]["family"]
        return None if family is None else str(family)

    @property
    def slices(self) -> int:
        """Decisions of its episodes."""
        return int(self._env["growth"]["slices"])

    @property
    def cost(self) -> str:
        """The cost that its episodes were priced by."""
        return str(self._env["budget"]["cost"])

    @property
    def transformations(self) -> tuple[str, ...] | None:
        """The transformations that it could choose from; None for all."""
        names = self._env["growth"]["transformations"]
        return None if names is None else tuple(map(str, names))

    @cached_property
    def reward(self) -> RewardConfig:
        """What its episodes were worth."""
        return RewardConfig(**self._env["reward"])

    @property
    def foreign(self) -> tuple[str, ...]:
        """Import paths of code that it was trained with and that does not come along."""
        names = {self.cost, str(self._env["reward"]["reward"]), *self.network.layout.operations}
        return tuple(sorted(name for name in names | {*(self.transformations or ())} if is_path(name)))


def card_of(record: dict[str, Any], table: str) -> str:
    """Return the README.md of a policy.

    Args:
        record: how it was trained.
        table: the comparison with the rules, in Markdown; empty where there was none yet.
    """
    return (
        "# A policy that grows neural networks\n\n"
        f"Trained by `mse-rl train` on {', '.join(record['config']['env']['task'])} for "
        f"{record['episodes']} episodes. Use it with `mse-rl apply FOLDER --task TASK`.\n\n"
        + (f"On held-out seeds, against the rules at the same budgets:\n\n{table}\n" if table else "")
    )


def save_policy(folder: Path, policy: Policy) -> None:
    """Write a policy into ``folder``, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    network = policy.network
    write_tensors(folder / "policy.safetensors", network.state_dict())
    trained_on = {} if policy.experience is None else {"trained_on": to_plain(policy.experience)}
    content = {"format": FORMAT, "layout": to_plain(network.layout), **trained_on}
    write_json(folder / "policy.json", content | {"training": policy.training})
    write_bytes(folder / "README.md", policy.card.encode())


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
        experience: Experience | None = from_plain(Experience | None, data.get("trained_on"))
        card = folder / "README.md"
        text = card.read_text(errors="replace") if card.is_file() else ""
        with torch.device("meta"):
            policy = Policy(BlockNetwork(layout), experience, data["training"], text)
        if policy.foreign and not trust:
            raise InvalidController(
                f"{path} was trained with code that does not come along, {' and '.join(policy.foreign)}, "
                "which would be imported: where you trust who trained it, say `trust_policy`, or trust=True "
                "in Python"
            )
        _check_record(policy)
    except OSError as error:
        raise InvalidController(
            f"expected a rule, a run folder or a policy bundle, but {path} has no policy.json"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidController(
            f"expected a policy in {file}, got: {error!r}; copy it again, or train a new one"
        ) from error
    try:
        load_weights(policy.network, folder / "policy.safetensors")
    except InvalidRun as error:
        raise InvalidController(str(error)) from error
    return policy


def _check_record(policy: Policy) -> None:
    """Read all of a policy's record that growth depends on, so that what is missing is said now."""
    for name in ("family", "slices", "transformations", "reward"):
        getattr(policy, name)


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
