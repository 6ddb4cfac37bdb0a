"""Transformations of a user's own, for tests that name them by where they are imported from."""

from mse_rl.transformations.widths import WidenStream

wider = WidenStream(3)
"""It calls itself widen_stream_x3."""


class Wider(WidenStream):
    """Can be made without arguments."""

    def __init__(self) -> None:
        super().__init__(5)


unlike = "a transformation"


class Scopeless(Wider):
    scope = "foo"  # type: ignore[assignment]


class Aimless(Wider):
    def targets(self, architecture):
        return None


class Astray(Wider):
    def targets(self, architecture):
        yield None


class Thoughtless(Wider):
    def edit(self, architecture, target, space):
        return None
