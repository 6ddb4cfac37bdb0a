"""A transformation of your own: one stage of a child becomes wider by half, streams and units alike.

On the command line: ``mse-rl apply random --task digits --transformations
examples.own_transformation:WidenStage``.
"""

from collections.abc import Iterator

import mse_rl
from mse_rl.spec.architecture import ENTRY
from mse_rl.transformations.base import Part


class WidenStage(mse_rl.Transformation):
    """Widen the units of every block of a stage, then its stream, by half; it is aimed at the entry."""

    name = "widen_stage"

    def targets(self, architecture: mse_rl.Architecture) -> Iterator[mse_rl.Position]:
        """Yield the entry of every stage."""
        yield from (mse_rl.Position(stage, ENTRY) for stage in range(len(architecture.stages)))

    def parts(self, architecture: mse_rl.Architecture, target: mse_rl.Position) -> Iterator[Part]:
        """Yield the transformations that it is made of."""
        for position, _ in architecture:
            if position.stage == target.stage:
                yield Part(mse_rl.TRANSFORMATIONS["widen_inner_x1.5"], position)
        yield Part(mse_rl.TRANSFORMATIONS["widen_stream_x1.5"], target)

    def edit(self, architecture, target, space):
        """Return the architecture after all of them."""
        for part, at in self.parts(architecture, target):
            architecture = part.edit(architecture, at, space)
        return architecture


if __name__ == "__main__":
    grown = mse_rl.apply("digits", "random", transformations=(WidenStage,), training_flops=1e9)
    print([entry.get("transformation") for entry in grown.growth["timeline"]])
