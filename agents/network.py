"""The policy network: its parameters do not depend on how many blocks a child has."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mse_rl.envs.layout import Layout


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
    the pair i < j. There is no critic: the others of an episode's group are its baseline.

    Args:
        layout: names the inputs and the logits.
        hidden: units of each layer.
    """

    def __init__(self, layout: Layout, hidden: int = 64) -> None:
        super().__init__()
        self.layout = layout
        self.encode_block = _mlp(len(layout.blocks), hidden, hidden)
        self.encode_child = _mlp(len(layout.globals) + 2 * hidden, hidden, hidden)
        self.join = _Join(1, hidden)
        self.block_logits = nn.Linear(hidden, len(layout.block_operations))
        self.join_pair = _Join(2, hidden)
        self.pair_logits = nn.Linear(hidden, len(layout.pair_operations))
        self.child_logits = nn.Linear(hidden, len(layout.child_operations))

    @torch.no_grad()
    def birth_(self, generator: torch.Generator) -> None:
        """Draw orthogonal weights; the last maps are small, so that the first policy is near uniform."""
        for name, parameter in self.named_parameters():
            if parameter.dim() == 1:
                nn.init.zeros_(parameter)
            else:
                last = "logits" in name
                nn.init.orthogonal_(parameter, gain=0.01 if last else 2**0.5, generator=generator)

    def forward(self, globals_: Tensor, blocks: Tensor) -> Tensor:
        """Return logits (n, actions), in the order of a table of the layout's operations.

        Args:
            globals_: (n, global features).
            blocks: (n, rows · block features); rows whose ``present`` is zero are ignored.
        """
        blocks = blocks.reshape(len(blocks), -1, len(self.layout.blocks))
        rows, used = blocks.shape[1], max(1, int(blocks[..., 0].sum(dim=1).max()))
        blocks = blocks[:, :used]  # most rows are empty most of the time, and what they give is masked
        present = blocks[..., :1]  # (n, used, 1)
        encoded = self.encode_block(blocks) * present
        mean = encoded.sum(dim=1) / present.sum(dim=1).clamp(min=1)
        highest = encoded.masked_fill(present == 0, -1.0).amax(dim=1)
        child = self.encode_child(torch.cat([globals_, mean, highest], dim=1))  # (n, hidden)
        joined = self.join(encoded, child, torch.arange(used))
        block_logits = F.pad(self.block_logits(joined), (0, 0, 0, rows - used))  # (n, rows, operations)
        first, second = torch.triu_indices(rows, rows, offset=1)
        both = second < used
        first, second = first[both], second[both]
        pairs = self.join_pair(encoded, child, first, second)
        pair_logits = child.new_zeros(len(child), len(both), self.pair_logits.out_features)
        pair_logits[:, both] = self.pair_logits(pairs)
        return torch.cat([self.child_logits(child), block_logits.flatten(1), pair_logits.flatten(1)], dim=1)
