"""The families of children, and the kinds of their blocks. No torch here.

A new family is a new file here with its line in FAMILIES, and one in ``mse_rl.networks`` that builds it.
"""

from mse_rl.spec import cnn, mlp, rnn, transformer
from mse_rl.spec.architecture import Inputs
from mse_rl.spec.family import ACTIVATIONS, Cost, Family, Kind, Widths

FAMILIES: dict[str, Family] = {
    "cnn": cnn.CNN,
    "mlp": mlp.MLP,
    "rnn": rnn.RNN,
    "transformer": transformer.TRANSFORMER,
}
FIRST_FAMILIES = {"image": "cnn", "vector": "mlp", "sequence": "cnn", "tokens": "cnn"}
"""For each kind of input the family of children where none is named: what measured best
(docs/experiments.md)."""
LONG_TEXT = 64
"""Texts of more tokens are told by an mlp: in long ones it matters which words there are, not their order."""
KINDS: dict[str, Kind] = cnn.KINDS | mlp.KINDS | rnn.KINDS | transformer.KINDS


def first_family(inputs: Inputs) -> str:
    """Return the family of children for what the inputs are, where none is named."""
    long = inputs.kind == "tokens" and inputs.shape[0] > LONG_TEXT
    return "mlp" if long else FIRST_FAMILIES[inputs.kind]


__all__ = ["ACTIVATIONS", "FAMILIES", "KINDS", "Cost", "Family", "Kind", "Widths", "first_family"]
