"""The scikit-learn classifier."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

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


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"controller": "wide"}, "controller"), ({"training_flops": 1.0}, "training FLOPs")],
)
def test_settings_that_cannot_be_are_a_value_error(settings, message):
    with pytest.raises(ValueError, match=message):
        GrowingClassifier(**settings).fit(ROWS, CLASSES)
