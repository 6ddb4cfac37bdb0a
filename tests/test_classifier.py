"""The scikit-learn classifier."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import mse_rl
from mse_rl import GrowingClassifier

ROWS, CLASSES = load_wine(return_X_y=True)


@parametrize_with_checks([GrowingClassifier()])
def test_it_is_what_scikit_learn_asks_of_a_classifier(estimator, check):
    check(estimator)


def test_it_learns_and_tells_how_it_grew():
    classifier = GrowingClassifier(random_state=0).fit(*load_breast_cancer(return_X_y=True))
    assert classifier.score(*load_breast_cancer(return_X_y=True)) > 0.95
    assert len(classifier.growth_) == len(classifier.learning_curve_) == 11
    assert classifier.architecture_.family == "mlp"
    assert classifier.n_features_in_ == 30


def test_random_state_decides_all():
    told = [GrowingClassifier(random_state=s).fit(ROWS, CLASSES).predict_proba(ROWS) for s in (3, 3, 4)]
    assert np.array_equal(told[0], told[1])
    assert not np.array_equal(told[0], told[2])


def test_it_goes_into_pipelines_searches_and_validation():
    pipeline = make_pipeline(StandardScaler(), GrowingClassifier(random_state=0))
    assert cross_val_score(pipeline, ROWS, CLASSES, cv=3).mean() > 0.9
    grid = {"growingclassifier__controller": ["wait", "widen"]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=1).fit(ROWS, CLASSES)
    assert search.best_score_ > 0.9
    assert clone(search.best_estimator_).fit(ROWS, CLASSES).score(ROWS, CLASSES) > 0.9


def test_it_is_pickled_with_what_it_has_learnt():
    classifier = GrowingClassifier(random_state=0).fit(ROWS, CLASSES)
    again = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(again.predict_proba(ROWS), classifier.predict_proba(ROWS))


def test_joblib_keeps_it_and_spreads_its_work(tmp_path):
    classifier = GrowingClassifier(random_state=0, training_flops=3e8).fit(ROWS, CLASSES)
    joblib.dump(classifier, tmp_path / "classifier")
    assert np.array_equal(joblib.load(tmp_path / "classifier").predict(ROWS), classifier.predict(ROWS))
    alone, shared = (cross_val_score(classifier, ROWS, CLASSES, cv=2, n_jobs=jobs) for jobs in (1, 2))
    assert np.array_equal(alone, shared)


@pytest.mark.parametrize(
    "classes",
    [
        np.array([5, 6, 9]),
        np.array([-1.0, 0.0, 2.0]),
        np.array([2**63, 2**63 + 1, 2**64 - 1], dtype=np.uint64),
        np.array(["ant", "bee", "cow"]),
        np.array(["ant", "bee", "cow"], dtype=object),
    ],
    ids=lambda classes: f"{classes.dtype}",
)
def test_what_is_saved_tells_the_classes_that_it_was_given(tmp_path, classes):
    rows, labels = stream(60, 0)
    classifier = GrowingClassifier(random_state=0, epochs=20).fit(rows, classes[labels])
    for folder in ("fitted", "went on"):
        classifier.grown_.save(tmp_path / folder)
        told = mse_rl.load(tmp_path / folder).predict(rows)
        assert told.tolist() == classifier.predict(rows).tolist()
        assert set(told) <= set(classes)
        classifier.partial_fit(rows, classes[labels])


def test_what_is_saved_tells_truth_values_and_classes_that_came_later(tmp_path):
    rows, labels = stream(60, 0)
    classifier = GrowingClassifier(random_state=0, epochs=20).fit(rows, labels == 1)
    classifier.grown_.save(tmp_path / "truth")
    assert mse_rl.load(tmp_path / "truth").classes_.tolist() == [False, True]
    early = labels != 1
    classifier = GrowingClassifier(random_state=0, epochs=20)
    classifier.partial_fit(rows[early], labels[early] + 5, [5, 6, 7])
    classifier.grown_.save(tmp_path / "early")
    assert mse_rl.load(tmp_path / "early").classes_.tolist() == [5, 6, 7]


def test_dates_are_saved_by_name(tmp_path):
    rows, labels = stream(60, 0)
    days = np.array(["2020-01-01", "2020-01-02", "2020-01-03"], dtype="datetime64[D]")
    classifier = GrowingClassifier(random_state=0, epochs=20).fit(rows, days[labels])
    classifier.grown_.save(tmp_path / "days")
    told = mse_rl.load(tmp_path / "days").predict(rows)
    assert told.tolist() == classifier.predict(rows).astype(str).tolist()


def test_it_records_no_test_accuracy_as_it_has_no_test_split():
    rows, labels = stream(60, 0)
    classifier = GrowingClassifier(random_state=0, epochs=20).fit(rows, labels)
    assert classifier.grown_.growth["test_accuracy"] is None
    assert classifier.partial_fit(rows, labels).grown_.growth["test_accuracy"] is None


@pytest.mark.parametrize("family", ["cnn", "mlp", "rnn"])
def test_it_reads_images_by_any_family_that_can(family):
    images, digits = load_digits(return_X_y=True)
    images, digits = images.reshape(-1, 1, 8, 8)[:300], digits[:300]
    classifier = GrowingClassifier(family=family, epochs=4, random_state=0).fit(images, digits)
    assert classifier.architecture_.family == family
    assert classifier.architecture_.input_shape == (1, 8, 8)
    assert classifier.score(images, digits) > 0.3


def test_it_reads_sequences():
    steps = np.random.default_rng(0).normal(size=(120, 9, 2))
    steps[::2] += 1
    classifier = GrowingClassifier(random_state=0, training_flops=1e9).fit(steps, ["up", "down"] * 60)
    assert classifier.classes_.tolist() == ["down", "up"]
    assert classifier.score(steps, ["up", "down"] * 60) > 0.9


def test_it_keeps_to_its_budgets():
    settings = {"controller": "widen", "random_state": 0, "training_flops": 1e9}
    free = GrowingClassifier(**settings).fit(ROWS, CLASSES)
    assert free.growth_[0]["flops_budget"] == 16 * free.growth_[0]["flops"]
    for budget, cost in (("flops_budget", "flops"), ("params_budget", "params")):
        most = int(1.5 * free.growth_[0][cost])
        bound = GrowingClassifier(**settings, **{budget: most}).fit(ROWS, CLASSES)
        assert bound.growth_[-1][budget] == most
        assert bound.growth_[0][cost] < bound.growth_[-1][cost] <= most < free.growth_[-1][cost]


def stream(samples: int, seed: int, *, turned: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of three classes, each around its own place; ``turned`` exchanges two of the places."""
    rng = np.random.default_rng(seed)
    places = np.array([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]])
    y = rng.integers(3, size=samples)
    return places[[1, 0, 2] if turned else [0, 1, 2]][y] + rng.normal(size=(samples, 3)), y


def test_on_a_stream_it_trains_on_and_grows_only_where_accuracy_falls():
    classifier = GrowingClassifier("widen", random_state=0).partial_fit(*stream(200, 0))
    first = classifier.architecture_
    classifier.partial_fit(*stream(200, 1))
    assert classifier.architecture_ == first
    assert {entry["transformation"] for entry in classifier.growth_[12:]} == {"wait"}
    drifted = stream(400, 2, turned=True)
    assert classifier.score(*stream(400, 2)) > classifier.least_accuracy_
    assert classifier.score(*drifted) < 0.5 < classifier.least_accuracy_
    classifier.partial_fit(*stream(200, 3, turned=True))
    assert classifier.architecture_ != first
    assert classifier.score(*drifted) > 0.85
    assert len(classifier.growth_) == len(classifier.learning_curve_) == 3 * 11


def test_going_on_begins_where_it_was():
    classifier = GrowingClassifier(random_state=0).fit(*stream(300, 0))
    skill = classifier.learning_curve_[-1]
    classifier.set_params(training_flops=3e8).partial_fit(*stream(300, 1))
    begun, receipt = classifier.learning_curve_[11], classifier.growth_[11]["receipt"]
    assert begun > skill - 0.1
    assert receipt["made_new"] == ()
    again = GrowingClassifier(random_state=0).fit(*stream(300, 0))
    again.set_params(training_flops=3e8).partial_fit(*stream(300, 1))
    assert np.array_equal(again.predict_proba(ROWS[:, :3]), classifier.predict_proba(ROWS[:, :3]))


def test_classes_may_come_later_if_they_are_named_at_first():
    rows, labels = stream(200, 0)
    names = np.array(["a", "b", "c"])
    early = labels != 1
    classifier = GrowingClassifier(random_state=0).partial_fit(rows[early], names[labels[early]], names)
    assert classifier.predict_proba(rows).shape == (200, 3)
    assert "b" not in classifier.predict(rows)
    classifier.partial_fit(rows, names[labels])
    assert classifier.score(rows, names[labels]) > 0.8


def test_a_batch_may_lack_classes_and_have_one_sample_of_others():
    classifier = GrowingClassifier(random_state=0).fit(*stream(200, 0))
    rows, labels = stream(60, 1)
    kept = np.flatnonzero(labels == 0).tolist() + np.flatnonzero(labels == 1)[:1].tolist()
    assert classifier.partial_fit(rows[kept], labels[kept]).predict_proba(rows).shape == (60, 3)


@pytest.mark.parametrize("samples", [1, 2])
def test_a_batch_too_small_to_go_on_from_is_a_value_error(samples):
    rows, labels = stream(60, 0)
    classifier = GrowingClassifier(random_state=0, epochs=20).fit(rows, labels)
    with pytest.raises(ValueError, match=f"at least 3 samples, .*, got {samples}: collect more"):
        classifier.partial_fit(rows[:samples], labels[:samples])
    assert classifier.partial_fit(rows[:3], labels[:3]).predict(rows).shape == (60,)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.ones((5, 3, 1)), r"shape \(n, features\)"),
        (np.full((5, 3), 1e300), "the size of the training samples"),
    ],
    ids=["rank", "size"],
)
def test_rows_that_cannot_be_read_are_a_value_error_wherever_they_come(rows, message):
    classifier = GrowingClassifier(random_state=0, epochs=20).fit(*stream(60, 0))
    for ask in (
        classifier.predict,
        classifier.predict_proba,
        lambda rows: classifier.partial_fit(rows, [0, 1, 2, 0, 1]),
    ):
        with pytest.raises(ValueError, match=message):
            ask(rows)


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0, 1, 2, 3], None, "name all that may come as `classes`"),
        ([0, 1, 2, 2], [0, 1], "expected the first classes"),
    ],
)
def test_what_a_stream_cannot_bring_is_a_value_error(labels, classes, message):
    classifier = GrowingClassifier(random_state=0, training_flops=3e8).fit(*stream(200, 0))
    with pytest.raises(ValueError, match=message):
        classifier.partial_fit(stream(4, 1)[0], labels, classes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"controller": "wide"}, "controller"),
        ({"training_flops": 1.0}, "training FLOPs"),
        ({"family": "cnn"}, "family"),
        ({"epochs": 1, "minutes": 1}, "leave all but one out"),
        ({"flops_budget": 1}, "FLOPs budget"),
        ({"device": "abacus"}, "device"),
    ],
)
def test_settings_that_cannot_be_are_a_value_error(settings, message):
    with pytest.raises(ValueError, match=message):
        GrowingClassifier(**settings).fit(ROWS, CLASSES)


def test_masked_samples_and_classes_are_refused():
    rows, classes = load_wine(return_X_y=True)
    with pytest.raises(ValueError, match="expected values everywhere in X"):
        GrowingClassifier().fit(np.ma.masked_greater(rows, 1000), classes)
    with pytest.raises(ValueError, match="expected values everywhere in y"):
        GrowingClassifier().fit(rows, np.ma.masked_equal(classes, 2))


def test_images_may_be_in_other_units_than_those_it_was_fitted_on():
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 1, 8, 8) * 15.9).astype(np.uint8)[:400]
    classifier = GrowingClassifier("wait", training_flops=1e8).fit(images, labels[:400])
    expected = classifier.predict(images)
    for others in (images / 255, images.astype(float), images.astype(np.uint16) * 257):
        assert (classifier.predict(others) == expected).all()
