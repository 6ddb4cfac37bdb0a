"""A scikit-learn classifier that grows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin  # type: ignore[import-untyped]
from sklearn.utils import check_random_state  # type: ignore[import-untyped]
from sklearn.utils.multiclass import check_classification_targets  # type: ignore[import-untyped]
from sklearn.utils.validation import check_is_fitted, validate_data  # type: ignore[import-untyped]

from mse_rl.agents.controller import Controller
from mse_rl.api import apply
from mse_rl.config.commands import DEFAULT_CONTROLLER, VALIDATION_FRACTION
from mse_rl.config.training import TaskConfig
from mse_rl.costs.measures import Budgets
from mse_rl.data import Split, Task
from mse_rl.data.raw import check_unmasked
from mse_rl.data.split import stratified_split
from mse_rl.errors import MOST_SEED, MseRlError, counted
from mse_rl.runs.best_child import MARGIN, standard_error
from mse_rl.runs.grown import Grown

_NAME = "fit"
"""Of every task: their classes are the same."""
_INPUTS: dict[int, Any] = {2: "vector", 3: "sequence"}
"""What samples are, by the rank of their array; images if it is not here."""
_LEAST_BATCH = 3
"""Samples that a network goes on from: two to train on (see ``GrowthConfig``), one held out."""


class GrowingClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A network that grows while it is fitted.

    It reads rows of numbers (n, F), sequences (n, T, F) and images (n, C, H, W) or (n, H, W, C). A tenth of
    them is held out, by class, to decide on; once all is decided, the network learns from them as well.

    Args:
        controller: as ``mse_rl.apply`` takes it: a rule, a policy, or one of your own.
        training_flops: length of training, of each call of ``fit`` or ``partial_fit``; as long as suits the
            data if neither this nor ``epochs`` nor ``minutes`` is given.
        epochs: the same in passes over the data, whatever they cost.
        minutes: the same in minutes, about.
        family: cnn, mlp, rnn or transformer; the one for what the samples are if None.
        flops_budget: most FLOPs per forward pass of one sample; 16 times those of the first network if None.
        params_budget: most parameters; no bound if None.
        latency_budget_ms: most milliseconds per forward pass of one sample; no bound if None.
        device: where the network is trained and asked: cpu, cuda, cuda:1, ...
        random_state: decides all that is drawn.

    Attributes:
        classes_: (K,) the classes.
        n_features_in_: number of features F; the second size of arrays of more dimensions.
        grown_: the network, as ``mse_rl.apply`` returns it.
        growth_: what was known at the start and after every slice, of all calls since ``fit``.
        architecture_: of the network.
        learning_curve_: validation skill, 0 at chance and 1 at best, of each entry of ``growth_``; that of
            the entry before where it was not measured.
        least_accuracy_: on new samples, below which ``partial_fit`` grows: two standard errors less than the
            validation accuracy before the last slice.

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
        epochs: float | None = None,
        minutes: float | None = None,
        family: str | None = None,
        flops_budget: int | None = None,
        params_budget: int | None = None,
        latency_budget_ms: float | None = None,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.controller = controller
        self.training_flops = training_flops
        self.epochs = epochs
        self.minutes = minutes
        self.family = family
        self.flops_budget = flops_budget
        self.params_budget = params_budget
        self.latency_budget_ms = latency_budget_ms
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Grow a new network.

        Args:
            X: (n, …) samples.
            y: (n,) their classes.

        Raises:
            ValueError: if they are no such things, or there are less than two samples of a class.
        """
        X, y = self._checked(X, y, reset=True)
        return self._begin(X, y, np.unique(y))

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Self:
        """Train on new samples only, and grow if accuracy has fallen.

        Without a network, one is grown as ``fit`` does. A network is trained on; samples are read as those
        that it was fitted to. It may grow, as the controller decides, if its accuracy on the new samples,
        before it has learnt from any of them, is below ``least_accuracy_``; else its architecture stays as
        it is.

        Args:
            X: (n, …) samples.
            y: (n,) their classes.
            classes: in the first call all classes that may ever come; those in ``y`` if not given.

        Raises:
            ValueError: if they are no such things, a class is new, or ``classes`` differ from the first ones.
        """
        begun = hasattr(self, "grown_")
        X, y = self._checked(X, y, reset=not begun)
        if not begun:
            return self._begin(X, y, np.unique(y if classes is None else classes))
        if classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"expected the first classes, {self.classes_}, got {np.unique(classes)}")
        return self._go_on(X, _numbers(y, self.classes_))

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class (n, K) for samples (n, …)."""
        check_is_fitted(self)
        with _value_errors():
            check_unmasked("X", X)
        X = validate_data(self, X, dtype=_type_of(X), allow_nd=True, reset=False)
        with _value_errors():
            found: NDArray[np.float64] = self.grown_.predict_proba(X)
        return found

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class (n,) for samples (n, …)."""
        best = self.predict_proba(X).argmax(axis=1)
        found: NDArray[Any] = self.classes_[best]
        return found

    def _checked(self, X: ArrayLike, y: ArrayLike, *, reset: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        with _value_errors():
            check_unmasked("X", X)
            check_unmasked("y", y)
        X, y = validate_data(self, X, y, dtype=_type_of(X), allow_nd=True, reset=reset)
        check_classification_targets(y)
        return np.asarray(X), np.asarray(y)

    def _begin(self, X: NDArray[Any], y: NDArray[Any], classes: NDArray[Any]) -> Self:
        numbers = _numbers(y, classes)
        config = TaskConfig(validation_fraction=VALIDATION_FRACTION, input=_INPUTS.get(X.ndim, "image"))
        found = counted(len(np.unique(y)), "class", "classes")
        with _value_errors(f" ({counted(len(y), 'sample')} of {found})"):
            task = Task.from_arrays(X, numbers, X, numbers, name=_NAME, config=config)
            task = _with_classes(task, np.unique(numbers), classes)
            grown = self._grow(task, self.controller)
        self.classes_ = classes
        self.growth_: list[dict[str, Any]] = []
        return self._hold(grown, len(task.validation))

    def _go_on(self, X: NDArray[Any], numbers: NDArray[np.int64]) -> Self:
        if len(X) < _LEAST_BATCH:
            raise ValueError(
                f"expected at least {_LEAST_BATCH} samples, to train on and to hold out, got {len(X)}: "
                "collect more before partial_fit"
            )
        with _value_errors():
            right = self.grown_.predict_proba(X).argmax(axis=1) == numbers
            controller = self.controller if right.mean() < self.least_accuracy_ else "wait"
            task = _task_like(self.grown_, X, numbers)
            grown = self._grow(task, controller, init=self.grown_)
        return self._hold(grown, len(task.validation))

    def _grow(
        self,
        task: Task,
        controller: str | Controller | Callable[[], Controller],
        init: Grown | None = None,
    ) -> Grown:
        return apply(
            task,
            controller,
            init=init,
            training_flops=self.training_flops,
            epochs=self.epochs,
            minutes=self.minutes,
            family=self.family,
            budget=Budgets(
                flops_budget=self.flops_budget,
                params_budget=self.params_budget,
                latency_budget_ms=self.latency_budget_ms,
            ),
            device=self.device,
            seed=int(check_random_state(self.random_state).randint(MOST_SEED)),
        )

    def _hold(self, grown: Grown, held_out: int) -> Self:
        grown.child.double()  # so that a row's probabilities do not depend on the rows beside it
        record = grown.growth | {"test_accuracy": None}  # there is no test split but what was trained on
        self.grown_ = replace(grown, classes_=self.classes_, growth=record)
        self.growth_ = [*self.growth_, *grown.growth["timeline"]]
        self.architecture_ = grown.architecture
        self.learning_curve_ = [entry["skill"] for entry in self.growth_]
        accuracy = grown.growth["timeline"][grown.growth["kept_slice"]]["accuracy"]
        self.least_accuracy_ = accuracy - MARGIN * standard_error(accuracy, held_out)
        return self


@contextmanager
def _value_errors(given: str = "") -> Iterator[None]:
    """Raise the package's errors as scikit-learn expects them, with what was given at their end."""
    try:
        yield
    except MseRlError as error:
        raise ValueError(f"{error}{given}") from error


def _type_of(X: ArrayLike) -> Any:
    """Return the type that samples are read in: images keep theirs, which tells what white is."""
    return "numeric" if isinstance(X, np.ndarray) and X.ndim == 4 else np.float64


def _numbers(y: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """Return the place (n,) of each label among ``classes`` (K,), which are ascending."""
    if len(unknown := np.setdiff1d(y, classes)):
        raise ValueError(
            f"expected labels among {classes}, got {unknown}: name all that may come as `classes` in the "
            "first call of partial_fit"
        )
    return np.searchsorted(classes, y).astype(np.int64)


def _with_classes(task: Task, numbers: NDArray[np.int64], classes: NDArray[Any]) -> Task:
    """Return a task with the given classes (K,), in which its own are those of the given numbers."""
    places = torch.from_numpy(numbers)
    train, validation, test = (
        Split(split.x, places[split.y]) for split in (task.train, task.validation, task.test)
    )
    encoding = {key: value for key, value in task.encoding.items() if key != "labels"} | _record_of(classes)
    return replace(
        task, classes=len(classes), train=train, validation=validation, test=test, encoding=encoding
    )


def _record_of(classes: NDArray[Any]) -> dict[str, Any]:
    """Return classes (K,) as ``Task.encoding`` has them: numbers and truth values as labels, all else by
    name.
    """
    if classes.dtype.kind in "biuf":
        return {"labels": classes.tolist()}
    return {"classes": [str(name) for name in classes]}


def _task_like(grown: Grown, X: NDArray[Any], numbers: NDArray[np.int64]) -> Task:
    """Return a task of new samples, read as a network's first ones; a tenth is held out, by class."""
    reader, y = grown.reader, torch.from_numpy(numbers)
    x = reader(X)
    held_out = max(1, round(VALIDATION_FRACTION * len(y)))
    validation, train = stratified_split(numbers, held_out, rng=np.random.default_rng(0), least=0, leave=0)
    return Task(
        _NAME,
        reader.kind,
        grown.architecture.classes,
        Split(x[train], y[train]),
        Split(x[validation], y[validation]),
        Split(x, y),
        mean=reader.mean,
        deviation=reader.deviation,
        encoding=dict(reader.encoding),
    )
