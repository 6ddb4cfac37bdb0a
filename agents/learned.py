"""A learned policy: its network, as a controller, and which features its decisions rest on."""

from math import log

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mse_rl.agents.controller import DecisionPoint
from mse_rl.envs.actions import Layout, columns
from mse_rl.envs.observation import DECISIONS_LEFT, HIGH, UNSEEN, Observation
from mse_rl.transformations import WAIT, transformation

MOST_FIRST_WAIT_LOGIT = 5.0
"""What was measured, with all operations; more of them would make it larger by little."""
FIRST_DECISION_LOGIT = -2.4
"""By this waiting is less likely at the first decision of an episode."""
FIRST_CHILD_LOGIT = log(4)
"""Operations on the whole child have one target, those on blocks several: this makes them as likely."""
LEAST_DEVIATION = 1e-3
"""Features that vary by less than this, in their own scale, count as constant."""


def first_logits(layout: Layout) -> Tensor:
    """Return the logits of the operations on the child in a policy that has not learned; all others are
    near 0.

    A new policy waits at most decisions (at three of four, if every operation is legal at one target); at the
    first one of an episode ``FIRST_DECISION_LOGIT`` makes a change more likely than not. So it learns
    what a change is worth in a child that is otherwise left alone, and that grows early. If every decision
    were drawn uniformly, nearly all would be changes, and the worth of each would be lost among the others
    (docs/experiments.md).

    Args:
        layout: names the operations.
    """
    own = layout.child_operations
    logits = torch.tensor([0.0 if transformation(name).ends_growth else FIRST_CHILD_LOGIT for name in own])
    others = max(1, len(layout.operations) - 1)
    logits[own.index(WAIT.name)] = min(MOST_FIRST_WAIT_LOGIT, log(6 * others))
    return logits


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs), nn.Tanh())


class _Join(nn.Sequential):
    """tanh(W [h_i, h_j, ..., g] + b), as wide as each of them.

    W is applied to every block before it is joined with others, since a block is in many pairs.

    Args:
        places: blocks that are joined.
        hidden: units.
    """

    def __init__(self, places: int, hidden: int) -> None:
        super().__init__(nn.Linear((places + 1) * hidden, hidden), nn.Tanh())

    def forward(self, encoded: Tensor, child: Tensor, *rows: Tensor) -> Tensor:  # type: ignore[override]
        """Return (n, m, hidden).

        Args:
            encoded: blocks (n, blocks, hidden).
            child: (n, hidden).
            rows: for each place, which blocks are in it, (m,).
        """
        linear, tanh = self
        assert isinstance(linear, nn.Linear)
        *weights, of_child = torch.split(linear.weight, child.shape[1], dim=1)
        total = F.linear(child, of_child, linear.bias).unsqueeze(1)
        for weight, blocks in zip(weights, rows, strict=True):
            total = total + F.linear(encoded, weight).index_select(1, blocks)
        joined: Tensor = tanh(total)
        return joined


class BlockNetwork(nn.Module):
    """Deep Sets over the rows of blocks (Zaheer et al., 2017, https://arxiv.org/abs/1703.06114).

    h_i = φ(block_i),  g = ρ(globals, mean_i h_i, max_i h_i); a linear map of g gives the logits of the
    operations on the child, another, of (h_i, g), those on block i, a third, of (h_i, h_j, g), those on
    the pair i < j. At the first decision of an episode, ``first_decision`` is added to the logits of the
    operations on the child. There is no critic: the others of an episode's group are its baseline.

    Features of the child are standardised, (x - mean) / deviation, by what the first episodes show: a
    feature that varies little, as its distance from the right size does, would else be learned last. What
    was not seen yet is left as it is.

    Args:
        layout: names the inputs and the logits.
        hidden: units of each layer.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, layout: Layout, hidden: int = 64) -> None:
        super().__init__()
        self.layout = layout
        self.register_buffer("mean", torch.zeros(len(layout.globals)))
        self.register_buffer("deviation", torch.ones(len(layout.globals)))
        self.encode_block = _mlp(len(layout.blocks), hidden, hidden)
        self.encode_child = _mlp(len(layout.globals) + 2 * hidden, hidden, hidden)
        self.join = _Join(1, hidden)
        self.block_logits = nn.Linear(hidden, len(layout.block_operations))
        self.join_pair = _Join(2, hidden)
        self.pair_logits = nn.Linear(hidden, len(layout.pair_operations))
        self.child_logits = nn.Linear(hidden, len(layout.child_operations))
        self.first_decision = nn.Parameter(torch.empty(len(layout.child_operations)))

    @torch.no_grad()
    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw orthogonal weights; the last maps are small, so that the first policy is near uniform but for
        ``first_logits``.
        """
        for name, parameter in self.named_parameters():
            if parameter.dim() == 1:
                nn.init.zeros_(parameter)
            else:
                last = "logits" in name
                nn.init.orthogonal_(parameter, gain=0.01 if last else 2**0.5, generator=generator)
        self.child_logits.bias.copy_(first_logits(self.layout))
        self.first_decision[self.layout.child_operations.index(WAIT.name)] = FIRST_DECISION_LOGIT

    @torch.no_grad()
    def standardise_(self, globals_: Tensor) -> None:
        """Standardise the features of the child from now on by how they vary in ``globals_``
        (n, global features); those that do not vary are left as they are.
        """
        seen = torch.where(globals_ > UNSEEN, globals_, torch.nan)
        mean = seen.nanmean(dim=0)
        deviation = (seen - mean).square().nanmean(dim=0).sqrt()
        varies = deviation > LEAST_DEVIATION  # NaN, of what was never seen, is no more
        self.mean.copy_(torch.where(varies, mean, 0.0))
        self.deviation.copy_(torch.where(varies, deviation, 1.0))

    def standardised(self, globals_: Tensor) -> Tensor:
        """Return the features of the child (n, global features) as the layers read them."""
        values = ((globals_ - self.mean) / self.deviation).clamp(-HIGH, HIGH)
        return torch.where(globals_ > UNSEEN, values, globals_)

    def forward(self, globals_: Tensor, blocks: Tensor) -> Tensor:
        """Return logits (n, actions), in the order of a table of the layout's operations.

        Args:
            globals_: (n, global features).
            blocks: (n, rows · block features); rows whose ``present`` is zero are ignored.
        """
        logits = self.logits(self.standardised(globals_), blocks)
        return logits + self.of_first_decision(globals_, logits.shape[1])

    def of_first_decision(self, globals_: Tensor, actions: int) -> Tensor:
        """Return what the first decision of an episode adds to the logits (n, actions); 0 at others."""
        more = globals_.new_zeros(len(globals_), actions)
        if DECISIONS_LEFT in self.layout.globals:
            is_first = globals_[:, [self.layout.globals.index(DECISIONS_LEFT)]] >= 1  # (n, 1): all are left
            more = F.pad(is_first * self.first_decision, (0, actions - len(self.first_decision)))
        return more

    def logits(self, standardised: Tensor, blocks: Tensor) -> Tensor:
        """Return the logits without ``first_decision``, of features of the child that are standardised."""
        blocks = blocks.reshape(len(blocks), -1, len(self.layout.blocks))
        rows, used = blocks.shape[1], max(1, int(blocks[..., 0].sum(dim=1).max()))
        blocks = blocks[:, :used]  # most rows are empty most of the time, and what they give is masked
        present = blocks[..., :1]  # (n, used, 1)
        encoded = self.encode_block(blocks) * present
        mean = encoded.sum(dim=1) / present.sum(dim=1).clamp(min=1)
        highest = encoded.masked_fill(present == 0, -1.0).amax(dim=1)
        child = self.encode_child(torch.cat([standardised, mean, highest], dim=1))  # (n, hidden)
        joined = self.join(encoded, child, torch.arange(used))
        block_logits = F.pad(self.block_logits(joined), (0, 0, 0, rows - used))  # (n, rows, operations)
        first, second = torch.triu_indices(rows, rows, offset=1)
        both = second < used
        first, second = first[both], second[both]
        pairs = self.join_pair(encoded, child, first, second)
        pair_logits = child.new_zeros(len(child), len(both), self.pair_logits.out_features)
        pair_logits[:, both] = self.pair_logits(pairs)
        return torch.cat([self.child_logits(child), block_logits.flatten(1), pair_logits.flatten(1)], dim=1)


def known_features(
    observation: Observation, shown: Layout, known: Layout
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the features that a policy knows, with 0 for those that are gone.

    Args:
        observation: what the environment shows.
        shown: its layout.
        known: that of the policy.

    Returns:
        The features of the child (1, global features), and of each row (rows, block features).
    """
    globals_ = columns(observation["globals"][None], shown.globals, known.globals, 0.0)
    blocks = observation["blocks"].reshape(-1, len(shown.blocks))
    return globals_, columns(blocks, shown.blocks, known.blocks, 0.0)


class Learned:
    """Takes the most probable legal action of a policy network, or draws one.

    Its own layout may be another one than the environment's: it is shown the features that it knows, with 0
    for those that are gone, and never takes an operation that it does not know; where it knows none that is
    legal, it waits.

    Args:
        network: the policy.
        draws: sample from the policy, as it does while it learns, instead of taking its best.
    """

    def __init__(self, network: BlockNetwork, *, draws: bool = False) -> None:
        self.network, self.draws = network, draws

    def decide(self, point: DecisionPoint) -> int:
        """Return the chosen action."""
        logits = self._logits(point.observation, point.env.layout)
        if self.draws:
            logits = logits + point.rng.gumbel(size=logits.shape)  # argmax(logits + Gumbel) ~ softmax(logits)
        return int(np.where(point.mask, logits, -np.inf).argmax())

    def _logits(self, observation: Observation, shown: Layout) -> NDArray[np.float64]:
        """Return the logits (actions,) of a table of the operations that ``shown`` has."""
        own = self.network.layout
        globals_, blocks = known_features(observation, shown, own)
        rows = len(blocks)
        logits = self._forward(globals_, blocks.reshape(1, -1))
        parts = (
            (1, own.child_operations, shown.child_operations),
            (rows, own.block_operations, shown.block_operations),
            (rows * (rows - 1) // 2, own.pair_operations, shown.pair_operations),
        )  # (targets, operations of the policy, those that are shown) each
        ends = np.cumsum([targets * len(known) for targets, known, _ in parts])
        return np.concatenate(
            [
                columns(values.reshape(targets, len(known)), known, wanted, -np.inf).ravel()
                for values, (targets, known, wanted) in zip(np.split(logits, ends[:-1]), parts, strict=True)
            ]
        )

    @torch.no_grad()
    def _forward(self, globals_: NDArray[np.floating], blocks: NDArray[np.floating]) -> NDArray[np.float64]:
        logits: torch.Tensor = self.network(torch.from_numpy(globals_), torch.from_numpy(blocks))
        return logits[0].double().numpy()


STEPS = 64
"""Points of the path from nothing seen to what is seen."""


def attributions(learned: Learned, point: DecisionPoint) -> dict[str, float]:
    """Return how much each feature contributes to a policy's decision: its integrated gradient.

    a_i = (x_i - x'_i) mean over t of d f(x' + t (x - x')) / d x_i, where f is the logit of the action that is
    taken less the mean logit of the legal ones, x the features as the layers read them, and x' the same child
    with every feature at 0, which is the mean of those that are standardised. What the first decision adds is
    put down to how many are left. They add up to f(x) - f(x')
    (Sundararajan et al., 2017, https://arxiv.org/abs/1703.01365).

    Args:
        learned: the policy.
        point: the decision that is due.

    Returns:
        By the name of the feature; those of blocks, as ``blocks.NAME``, are added up over the rows.
    """
    action, network = learned.decide(point), learned.network
    layout = network.layout
    globals_, blocks = (
        torch.from_numpy(np.array(part))
        for part in known_features(point.observation, point.env.layout, layout)
    )
    mask = torch.from_numpy(point.mask)
    first = network.of_first_decision(globals_, len(mask))[0].detach()
    present = blocks[:, :1]  # which rows there are is no feature of theirs
    shares = (torch.arange(STEPS) + 0.5) / STEPS
    globals_ = network.standardised(globals_)
    path_globals = (shares[:, None] * globals_).requires_grad_()
    path_blocks = (shares[:, None, None] * blocks[:, 1:]).requires_grad_()
    rows = torch.cat([present.expand(STEPS, -1, -1), path_blocks], dim=2)
    logits = network.logits(path_globals, rows.flatten(1))  # (steps, actions)
    margin: Tensor = logits[:, action] - logits[:, mask].mean(dim=1)
    of_globals, of_blocks = torch.autograd.grad(margin.sum(), (path_globals, path_blocks))
    by_global = (of_globals.mean(dim=0) * globals_[0]).tolist()
    by_block = (of_blocks.mean(dim=0) * blocks[:, 1:]).sum(dim=0).tolist()
    of_globals_by_name = dict(zip(layout.globals, by_global, strict=True))
    if DECISIONS_LEFT in of_globals_by_name:
        of_globals_by_name[DECISIONS_LEFT] += (first[action] - first[mask].mean()).item()
    return of_globals_by_name | {
        f"blocks.{name}": value for name, value in zip(layout.blocks[1:], by_block, strict=True)
    }
