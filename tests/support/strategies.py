"""Random architectures for property tests."""

from hypothesis import strategies as st

from mse_rl.spec import ACTIVATIONS, FAMILIES, KINDS
from mse_rl.spec.architecture import ENTRY, Architecture, Block, Link, Position, Stage

SIZES = st.integers(1, 6)
FAMILY_NAMES = tuple(FAMILIES)


@st.composite
def blocks_of(draw, family):
    """Draw one block of a family."""
    kind = draw(st.sampled_from(FAMILIES[family].kinds))
    head = draw(st.integers(1, 3)) if kind == "attention" else 1
    return Block(
        kind=kind,
        inner=head * draw(st.integers(1, 3)) if kind == "attention" else draw(SIZES),
        kernel=draw(st.sampled_from((1, 3, 5, 7))) if KINDS[kind].kernels else 1,
        activation=draw(st.sampled_from(ACTIVATIONS)) if KINDS[kind].activations else "none",
        head_width=head,
        fading=draw(st.sampled_from((None, *ACTIVATIONS))) if KINDS[kind].activations else None,
    )


@st.composite
def inputs_of(draw, family):
    """Draw (input shape, vocabulary) of a kind that the family reads."""
    kind = draw(st.sampled_from(FAMILIES[family].reads))
    side = st.integers(1, 17 if family == "cnn" else 7)
    if kind == "tokens":
        return (draw(side),), draw(st.integers(2, 9))
    if kind == "image":
        return (draw(st.sampled_from((1, 3))), draw(side), draw(side)), 0
    return (draw(side), draw(SIZES)) if kind == "sequence" else (draw(SIZES),), 0


@st.composite
def of_family(draw, family, *, most_stages=4, most_blocks=3, most_links=2):
    """Draw an architecture of one family; a stage may have no blocks, and its entry any stride."""
    blocks = st.lists(blocks_of(family), max_size=most_blocks).map(tuple)
    stage = st.builds(Stage, SIZES, blocks, st.integers(1, 4), st.sampled_from(ACTIVATIONS))
    stages = tuple(draw(st.lists(stage, min_size=1, max_size=most_stages)))
    shape, vocabulary = draw(inputs_of(family))
    sites = [Position(s, b) for s, stage in enumerate(stages) for b in range(ENTRY, len(stage.blocks))]
    pairs = [Link(a, b) for a in sites for b in sites if a < b and b.block != ENTRY]
    links = draw(st.sets(st.sampled_from(pairs), max_size=most_links)) if pairs else set()
    return Architecture(
        family,
        shape,
        draw(st.integers(2, 5)),
        stages,
        vocabulary=vocabulary,
        links=tuple(sorted(links)),
    )


def cnns(**limits):
    """Draw convolutional architectures, of odd and even resolutions and strides."""
    return of_family("cnn", **limits)


def mlps(**limits):
    """Draw fully connected architectures."""
    return of_family("mlp", **limits)


def architectures(**limits):
    """Draw an architecture of any family."""
    return st.sampled_from(FAMILY_NAMES).flatmap(lambda family: of_family(family, **limits))
