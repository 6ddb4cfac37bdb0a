"""A scikit-learn classifier that grows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin  # type: ignore[import-untyped]
from sklearn.utils import check_random_state  # type: ignore[import-untyped]
from sklearn.utils.multiclass import check_classification_targets  # type: ignore[import-untyped]
from sklearn.utils.validation import check_is_fitted, validate_data  # type: ignore[import-untyped]

from mse_rl.agents.controller import Controller
from mse_rl.api import apply
from mse_rl.apply_config import DEFAULT_CONTROLLER, VALIDATION_FRACTION
from mse_rl.config import TaskConfig
from mse_rl.data import Task
from mse_rl.errors import MseRlError
from mse_rl.validation import MOST_SEED


class GrowingClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fully connected network that grows while it is fitted.

    It reads rows of numbers (n, F). A tenth of them is held out, by class, to decide on.

    Args:
        controller: as ``mse_rl.apply`` takes it: a rule, a policy, or one of your own.
        training_flops: of fitting; as many as suit the data if None.
        random_state: decides all that is drawn.

    Attributes:
        classes_: (K,) the classes.
        n_features_in_: number of features F.
        growth_: what was known at the start and after every slice.
        architecture_: of the network.
        learning_curve_: validation skill, 0 at chance and 1 at best, at the start and after every slice.

    Examples:
        >>> from sklearn.datasets import load_wine
        >>> from mse_rl import GrowingClassifier
        >>> rows, classes = load_wine(return_X_y=True)
        >>> GrowingClassifier(random_state=0).fit(rows, classes).score(rows, classes) > 0.95
        True
    """

    def __init__(
        self,
        controller: str | Controller | Callable[[], Controller] = DEFAULT_CONTROLLER,
        *,
        training_flops: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.controller = controller
        self.training_flops = training_flops
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Grow a network on rows (n, F) and their classes (n,).

        Raises:
            ValueError: if they are no such things, or there are less than two rows of a class.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        config = TaskConfig(validation_fraction=VALIDATION_FRACTION, input="vector")
        try:
            task = Task.from_arrays(X, numbers, X, numbers, name="fit", config=config)
            seed = int(check_random_state(self.random_state).randint(MOST_SEED))
            self.grown_ = apply(task, self.controller, training_flops=self.training_flops, seed=seed)
        except MseRlError as error:
            raise ValueError(f"{error} ({len(numbers)} samples of {len(self.classes_)} classes)") from error
        self.grown_.child.double()  # so that a row's probabilities do not depend on the rows beside it
        self.grown_ = replace(self.grown_, classes_=self.classes_)
        self.growth_ = self.grown_.growth["timeline"]
        self.architecture_ = self.grown_.architecture
        self.learning_curve_ = [entry["skill"] for entry in self.growth_]
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class (n, K) for rows (n, F)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self.grown_.predict_proba(X)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class (n,) for rows (n, F)."""
        best = self.predict_proba(X).argmax(axis=1)
        found: NDArray[Any] = self.classes_[best]
        return found
