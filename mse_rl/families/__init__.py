"""The families of children, and the kinds of their blocks. No torch here.

A new family is a new file here with its line in FAMILIES, and one in ``mse_rl.networks`` that builds it.
"""

from mse_rl.families import cnn, mlp, rnn, transformer
from mse_rl.families.base import ACTIVATIONS, Cost, Family, Inputs, Kind, Widths

FAMILIES: dict[str, Family] = {
    "cnn": cnn.CNN,
    "mlp": mlp.MLP,
    "rnn": rnn.RNN,
    "transformer": transformer.TRANSFORMER,
}
FIRST_FAMILIES = {"image": "cnn", "vector": "mlp", "sequence": "rnn", "tokens": "rnn"}
"""For each kind of input the family of children where none is named: what measured best
(docs/experiments.md)."""
KINDS: dict[str, Kind] = cnn.KINDS | mlp.KINDS | rnn.KINDS | transformer.KINDS

__all__ = ["ACTIVATIONS", "FAMILIES", "FIRST_FAMILIES", "KINDS", "Cost", "Family", "Inputs", "Kind", "Widths"]
