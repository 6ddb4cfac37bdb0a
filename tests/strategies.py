"""Random architectures for property tests."""

from hypothesis import strategies as st

from mse_rl.architecture import Architecture, Block, Stage

SIZES = st.integers(1, 6)


def stages(kind, kernels, *, most_stages=4, most_blocks=3):
    """Draw stages of blocks of one kind."""
    block = st.builds(Block, st.just(kind), SIZES, st.sampled_from(kernels))
    blocks = st.lists(block, min_size=1, max_size=most_blocks).map(tuple)
    return st.lists(st.builds(Stage, SIZES, blocks), min_size=1, max_size=most_stages).map(tuple)


def cnns(**limits):
    """Draw convolutional architectures, of odd and even resolutions."""
    side = st.integers(1, 17)
    return st.builds(
        Architecture,
        st.just("cnn"),
        st.tuples(st.sampled_from((1, 3)), side, side),
        st.integers(2, 5),
        stages("conv", (1, 3, 5, 7), **limits),
        st.integers(1, 4),
    )


def mlps(**limits):
    """Draw fully connected architectures, over inputs of one to three dimensions."""
    return st.builds(
        Architecture,
        st.just("mlp"),
        st.lists(SIZES, min_size=1, max_size=3).map(tuple),
        st.integers(2, 5),
        stages("linear", (1,), **limits),
    )


def architectures(**limits):
    """Draw an architecture of any family."""
    return st.one_of(cnns(**limits), mlps(**limits))
