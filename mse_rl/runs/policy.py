"""A learned policy on disk: policy.safetensors, policy.json, and a card, README.md."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from mse_rl.agents.controller import DecisionPoint
from mse_rl.agents.learned import BlockNetwork, Learned, attributions
from mse_rl.costs.reward import RewardConfig
from mse_rl.envs.actions import Layout
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidConfig, InvalidController, brief, counted
from mse_rl.files import FileKind, is_file, named_path, sealed
from mse_rl.plain import from_plain, to_plain
from mse_rl.plugins import is_path
from mse_rl.runs.folders import (
    make_folder,
    new_folder,
    write_bytes,
    write_json,
    write_tensors,
)
from mse_rl.tensors import MOST_TENSOR_BYTES, Tensors, load_weights
from mse_rl.transformations import TRANSFORMATIONS, operations, transformation

PLURALS = {"image": "images", "vector": "tables", "sequence": "series", "tokens": "texts"}
"""For each kind of input what many of them are called."""


@dataclass(frozen=True)
class Experience:
    """What a policy was trained on.

    Args:
        inputs: kinds of the tasks' inputs.
        families: of the children.
    """

    inputs: tuple[str, ...]
    families: tuple[str, ...]

    @classmethod
    def of(cls, env: ExpansionEnv) -> "Experience":
        """Return the families and kinds of input of an environment."""
        contexts = [Context(index, 0, 1.0, 1.0) for index in range(len(env.tasks))]
        return cls(
            tuple(sorted({task.kind for task in env.tasks})),
            tuple(sorted({env.first_architecture(context).family for context in contexts})),
        )

    def covers(self, other: "Experience") -> bool:
        """Return whether nothing of the other is new."""
        return {*other.inputs} <= {*self.inputs} and {*other.families} <= {*self.families}

    def __str__(self) -> str:
        """Describe it in words."""
        inputs = " and ".join(PLURALS.get(kind, kind) for kind in self.inputs)
        return f"{inputs}, read by {' and '.join(self.families)} children"


FORMAT = 4
"""Of policy.json. The layout in it says what the weights are for; what it names may change without another
format, what a name means may not."""
FIRST_LIKE_OTHERS = 3
"""The format of policies to which the first decision was one like the others."""
UNSTANDARDISED = 2
"""The format of policies whose features were not standardised, either."""
SHIPPED = {
    file.parent.name: file.parent for file in sorted(Path(__file__).parents[1].glob("policies/*/policy.json"))
}
"""The policies that come along, by name."""
MOST_SLICES = 10_000
"""Of an episode of a policy that was trained; a file may say anything."""
_ADVICE = "copy it again, or train a new one"
_RECORD = FileKind("a policy in JSON", InvalidController, advice=_ADVICE)
_CARD = FileKind("the card of a policy", InvalidController, advice=_ADVICE)
_WEIGHTS = FileKind("a policy's weights as safetensors", InvalidController, MOST_TENSOR_BYTES, _ADVICE)


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
        with new_folder(named_path(folder)) as made:
            save_policy(made, self)

    def decide(self, point: DecisionPoint) -> int:
        """Return the action that the policy takes."""
        return self.controller.decide(point)

    def attributions(self, point: DecisionPoint) -> dict[str, float]:
        """Return how much each feature contributes to the decision that is due; see
        ``mse_rl.agents.learned``.
        """
        return attributions(self.controller, point)

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
        return from_plain(str | None, family)  # type: ignore[no-any-return]

    @property
    def slices(self) -> int:
        """Decisions of its episodes."""
        return from_plain(int, self._env["growth"]["slices"])  # type: ignore[no-any-return]

    @property
    def cost(self) -> str:
        """The cost that its episodes were priced by."""
        return from_plain(str, self._env["budget"]["cost"])  # type: ignore[no-any-return]

    @property
    def transformations(self) -> tuple[str, ...] | None:
        """The transformations that it could choose from; None for all."""
        names = self._env["growth"]["transformations"]
        return from_plain(tuple[str, ...] | None, names)  # type: ignore[no-any-return]

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
        f"{counted(record['episodes'], 'episode')}. Use it with `mse-rl apply FOLDER --task TASK`.\n\n"
        + (f"On held-out seeds, against the rules at the same budgets:\n\n{table}\n" if table else "")
    )


def save_policy(folder: Path, policy: Policy) -> None:
    """Write a policy into ``folder``, which is made if it is not there."""
    make_folder(folder)
    network = policy.network
    write_tensors(folder / "policy.safetensors", network.state_dict())
    trained_on = {} if policy.experience is None else {"trained_on": to_plain(policy.experience)}
    content = {"format": FORMAT, "layout": to_plain(network.layout), **trained_on}
    write_json(folder / "policy.json", sealed(content | {"training": policy.training}))
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
    folder = _folder_of(path)
    card = folder / "README.md"
    text = _CARD.text(card) if is_file(card) else ""

    def build(data: Any) -> tuple[Policy, Tensors]:
        policy = _policy_of(path, data, text)
        _check_trust(path, policy, trust)
        _check_record(policy)
        return policy, _lacking(policy.network, data["format"])

    policy, lacking = _RECORD.load(folder / "policy.json", build)
    load_weights(policy.network, folder / "policy.safetensors", _WEIGHTS, lacking=lacking)
    if not (policy.network.deviation > 0).all():
        raise InvalidController(f"expected positive deviations of features at {brief(path)}: {_ADVICE}")
    return policy


def _lacking(network: BlockNetwork, policy_format: int) -> Tensors:
    """Return tensors that policies of a format have not got, so that they decide as they did."""
    layout, tensors = network.layout, Tensors()
    if policy_format <= FIRST_LIKE_OTHERS:
        tensors["first_decision"] = torch.zeros(len(layout.child_operations))
    if policy_format <= UNSTANDARDISED:
        count = len(layout.globals)
        tensors |= {"mean": torch.zeros(count), "deviation": torch.ones(count)}
    return tensors


def _folder_of(path: str | Path) -> Path:
    """Return the folder that a policy is in, given its own, that of its run, or its name."""
    given = named_path(path)
    parts = (given, given / "policy")
    found = [folder for folder in parts if is_file(folder / "policy.json")]
    if (shipped := SHIPPED.get(str(path))) and found:
        raise InvalidController(
            f"{path} is a policy that comes along, and a folder here: write ./{path} for the folder, or "
            "rename it"
        )
    if not shipped and not found:
        raise InvalidController(
            f"expected a rule, a run folder or a policy bundle, but {brief(path)} has no policy.json"
        )
    return shipped or found[0]


def _policy_of(path: str | Path, data: Any, card: str) -> Policy:
    """Return the policy that policy.json describes, without weights."""
    _check_format(path, data["format"])
    layout: Layout = from_plain(Layout, data["layout"])
    experience: Experience | None = from_plain(Experience | None, data.get("trained_on"))
    with torch.device("meta"):
        return Policy(BlockNetwork(layout), experience, data["training"], card)


def _check_trust(path: str | Path, policy: Policy, trust: bool) -> None:
    if policy.foreign and not trust:
        raise InvalidController(
            f"{path} was trained with code that does not come along, {' and '.join(policy.foreign)}, "
            "which would be imported: where you trust who trained it, say `trust_policy`, or trust=True "
            "in Python"
        )


def _check_record(policy: Policy) -> None:
    """Read all of a policy's record that growth depends on, so that what is wrong is said now."""
    for name in ("family", "cost", "transformations", "reward"):
        getattr(policy, name)
    if not 1 <= policy.slices <= MOST_SLICES:
        raise ValueError(f"expected slices from 1 on and at most {MOST_SLICES:,}, got {policy.slices}")


def _check_format(path: str | Path, got: object) -> None:
    """Raise unless a policy is of this version's format."""
    if not isinstance(got, int) or isinstance(got, bool):
        raise ValueError(f"expected format {FORMAT}, got {got!r}")
    if got > FORMAT:
        raise InvalidController(
            f"{path} is of a later version: expected a policy of format {FORMAT}, got {got}; update mse-rl"
        )
    if got not in (UNSTANDARDISED, FIRST_LIKE_OTHERS, FORMAT):
        raise InvalidController(
            f"{path} is of an earlier version: expected a policy of format {FORMAT}, got {got}; "
            "train a new one"
        )


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
