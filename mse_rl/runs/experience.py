"""What a policy was trained on, and what is new to it."""

from dataclasses import dataclass

from mse_rl.envs.expansion import Context, ExpansionEnv

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
        """Return what there is to see in an environment."""
        contexts = [Context(index, 0, 1.0, 1.0) for index in range(len(env.tasks))]
        return cls(
            tuple(sorted({task.kind for task in env.tasks})),
            tuple(sorted({env.first_architecture(context).family for context in contexts})),
        )

    def covers(self, other: "Experience") -> bool:
        """Say whether nothing of the other is new."""
        return {*other.inputs} <= {*self.inputs} and {*other.families} <= {*self.families}

    def __str__(self) -> str:
        """Say it in words."""
        inputs = " and ".join(PLURALS.get(kind, kind) for kind in self.inputs)
        return f"{inputs}, read by {' and '.join(self.families)} children"
