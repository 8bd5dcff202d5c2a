"""What is recorded of the estimators of scikit-learn once they are fitted, against what they hold."""

from __future__ import annotations

import itertools
import math
import threading
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.covariance import GraphicalLasso
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import NMF, PCA, DictionaryLearning, FactorAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import RFECV, SelectKBest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
)
from sklearn.manifold import MDS, TSNE
from sklearn.metrics import balanced_accuracy_score, make_scorer
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from autotrack import events
from autotrack.plugin_api import strand_of
from autotrack.testing import Recording, recording
from autotrack_sklearn import importances
from autotrack_sklearn.learned import report_learned

__all__ = ["recording"]

X, Y = load_iris(return_X_y=True)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
TWO = Y > 0
CURVE = X[:, 3]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def no_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else this machine does, the budget suffices."""
    monkeypatch.setattr("autotrack_sklearn.learned.BUDGET", 10.0)


def summary(strand: Any) -> dict[str, Any]:
    return {name: value for event in strand.of(events.StrandSummary) for name, value in event.values.items()}


def only(recording: Recording) -> tuple[dict[str, list[tuple[int, float]]], dict[str, Any]]:
    (strand,) = recording.strands(steps=True)
    return strand.points, summary(strand)


def curve(values: Any) -> list[tuple[int, float]]:
    return list(enumerate(map(float, values)))


# Curves


def test_perceptrons(recording: Recording) -> None:
    model = MLPClassifier((5,), max_iter=30, early_stopping=True, random_state=0).fit(X, Y)
    points, values = only(recording)
    assert points == {"train/loss": curve(model.loss_curve_), "valid/accuracy": curve(model.validation_scores_)}
    assert values["n_iter"] == model.n_iter_
    assert values["best_validation_score"] == model.best_validation_score_
    assert values["classes"] == [0, 1, 2]
    assert "best_loss" not in values


def test_perceptrons_that_regress(recording: Recording) -> None:
    stopping = MLPRegressor(hidden_layer_sizes=(5,), max_iter=20, early_stopping=True, random_state=0).fit(X, CURVE)
    newton = MLPRegressor(hidden_layer_sizes=(5,), max_iter=20, solver="lbfgs", random_state=0).fit(X, CURVE)
    first, second = recording.strands()
    assert first.points["valid/r2"] == curve(stopping.validation_scores_)
    assert second.points == {"train/loss": [(0, newton.loss_)]}


def test_a_fit_that_goes_on_adds_the_new_points(recording: Recording) -> None:
    model = MLPClassifier((5,), random_state=0)
    for _ in range(4):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    points, values = only(recording)
    assert points == {"train/loss": curve(model.loss_curve_)}
    assert len(model.loss_curve_) == 4
    assert values["n_iter"] == model.n_iter_


def test_warm_starts_of_boosting(recording: Recording) -> None:
    model = GradientBoostingRegressor(n_estimators=3, warm_start=True, random_state=0).fit(X, CURVE)
    model.set_params(n_estimators=5).fit(X, CURVE)
    model.set_params(n_estimators=8, subsample=0.5).fit(X, CURVE)
    model.set_params(n_estimators=9).fit(X, CURVE)
    model.set_params(n_estimators=12, subsample=1.0).fit(X, CURVE)
    points, _ = only(recording)
    assert points["train/loss"] == curve(model.train_score_)
    assert points["oob/loss"] == curve(model.oob_scores_)[5:9]
    assert points["oob/improvement"] == curve(model.oob_improvement_)[5:9]


def test_another_curve_of_the_same_run_follows_the_first(recording: Recording) -> None:
    if "lower_bounds_" not in str(GaussianMixture.__doc__):
        pytest.skip("this version of scikit-learn keeps no lower_bounds_")
    model = GaussianMixture(3, warm_start=True, max_iter=3, tol=0.0, random_state=0).fit(X)
    first = list(model.lower_bounds_)
    second = list(model.fit(X).lower_bounds_)
    points, _ = only(recording)
    assert points["train/lower_bound"] == curve(first + second)


def test_fits_without_warm_start_are_two_runs(recording: Recording) -> None:
    model = MLPClassifier((5,), max_iter=5, random_state=0)
    assert [len(model.fit(X, Y).loss_curve_) for _ in range(2)] == [5, 5]
    assert [len(strand.points["train/loss"]) for strand in recording.strands()] == [5, 5]


def test_gradient_boosting_keeps_losses(recording: Recording) -> None:
    model = GradientBoostingClassifier(n_estimators=20, subsample=0.6, n_iter_no_change=3, random_state=0).fit(X, Y)
    points, values = only(recording)
    assert points == {
        "train/loss": curve(model.train_score_),
        "oob/loss": curve(model.oob_scores_),
        "oob/improvement": curve(model.oob_improvement_),
    }
    assert values["n_estimators"] == model.n_estimators_


def test_histogram_boosting_keeps_negative_losses(recording: Recording) -> None:
    model = HistGradientBoostingClassifier(max_iter=5, early_stopping=True, random_state=0).fit(X, Y)
    points, values = only(recording)
    assert points == {"train/loss": curve(-model.train_score_), "valid/loss": curve(-model.validation_score_)}
    assert points["train/loss"][0][1] > points["train/loss"][-1][1] > 0.0
    assert values["n_iter"] == model.n_iter_ == 5
    assert len(points["train/loss"]) == 6  # before the first tree, too


@pytest.mark.parametrize(
    ("scoring", "name"),
    [
        (None, "r2"),
        ("neg_mean_absolute_error", "neg_mean_absolute_error"),
        (make_scorer(balanced_accuracy_score), "balanced_accuracy"),
        (lambda estimator, X, y: 0.5, "<lambda>"),
    ],
)
def test_histogram_boosting_that_scores(recording: Recording, scoring: Any, name: str) -> None:
    cls = HistGradientBoostingClassifier if name == "balanced_accuracy" else HistGradientBoostingRegressor
    model = cls(max_iter=3, early_stopping=True, scoring=scoring, random_state=0).fit(X, Y)
    points, _ = only(recording)
    assert points == {f"train/{name}": curve(model.train_score_), f"valid/{name}": curve(model.validation_score_)}


def test_histogram_boosting_without_early_stopping(recording: Recording) -> None:
    HistGradientBoostingRegressor(max_iter=3, warm_start=True).fit(X, CURVE)
    points, values = only(recording)
    assert points == {}
    assert values["n_iter"] == 3


def test_adaboost_that_stops_early_has_no_padding(recording: Recording) -> None:
    separable = AdaBoostClassifier(n_estimators=10, random_state=0).fit(X, Y == 0)
    assert list(separable.estimator_errors_) == [0.0] + [1.0] * 9
    whole = AdaBoostClassifier(n_estimators=4, random_state=0).fit(X, Y)
    AdaBoostRegressor(DecisionTreeRegressor(max_depth=1), n_estimators=9, random_state=0).fit(X, CURVE)
    first, second, third = recording.strands()
    assert first.points == {"train/estimator_error": [(0, 0.0)]}
    assert second.points == {"train/estimator_error": curve(whole.estimator_errors_)}
    assert all(value < 0.5 for _, value in third.points["train/estimator_error"])


def test_likelihoods(recording: Recording) -> None:
    factors = FactorAnalysis(2).fit(X)
    bayesian = BayesianRidge(compute_score=True).fit(X[:, :3], CURVE)
    relevance = ARDRegression(compute_score=True).fit(X[:, :3], CURVE)
    process = GaussianProcessRegressor().fit(X[:20, :3], CURVE[:20])
    found = [strand.points for strand in recording.strands()]
    assert found[0] == {"train/log_likelihood": curve(factors.loglike_)}
    assert found[1] == {"train/log_marginal_likelihood": curve(bayesian.scores_)}
    assert found[2] == {"train/objective": curve(relevance.scores_)}
    assert found[3] == {"train/log_marginal_likelihood": [(0, process.log_marginal_likelihood_value_)]}
    values = summary(recording.strands()[1])
    assert (values["alpha"], values["lambda"]) == (bayesian.alpha_, bayesian.lambda_)
    assert "alpha" not in summary(recording.strands()[3])


def test_mixtures(recording: Recording) -> None:
    model = GaussianMixture(3, random_state=0).fit(X)
    points, values = only(recording)
    assert points == {"train/lower_bound": curve(getattr(model, "lower_bounds_", [model.lower_bound_]))}
    assert (values["converged"], values["n_iter"]) == (True, model.n_iter_)


def test_transformers_are_steps_and_have_values_alone(recording: Recording) -> None:
    dictionary = DictionaryLearning(3, max_iter=4, random_state=0).fit(X)
    lasso = GraphicalLasso().fit(X)
    factors = NMF(2, max_iter=500, random_state=0).fit(X)
    StandardScaler().fit(X)
    chosen = SelectKBest(k=2).fit(X, Y)
    LabelEncoder().fit(["b", "a"])
    TSNE(random_state=0, init="random", perplexity=5).fit(X[:30])
    scaled = MDS(max_iter=5, n_init=1, random_state=0, **({"init": "random"} if sklearn.__version__ >= "1.9" else {}))
    scaled.fit(X[:30])
    strands = recording.strands(steps=True)
    assert {strand.kind for strand in strands} == {"step"}
    assert all(strand.points == {} for strand in strands)
    found = {strand.name: summary(strand) for strand in strands}
    assert found["DictionaryLearning"]["error"] == dictionary.error_[-1]
    assert found["GraphicalLasso"]["objective"] == lasso.costs_[-1][0]
    assert found["GraphicalLasso"]["dual_gap"] == lasso.costs_[-1][1]
    assert found["NMF"]["reconstruction_err"] == factors.reconstruction_err_
    assert found["StandardScaler"] == {"n_features_in": 4}
    assert found["SelectKBest"]["scores"] == chosen.scores_.tolist()
    assert found["SelectKBest"]["pvalues"] == chosen.pvalues_.tolist()
    assert found["LabelEncoder"] == {"classes": ["a", "b"]}
    assert found["TSNE"]["kl_divergence"] > 0.0
    assert found["MDS"]["stress"] == scaled.stress_


# Measures and values


def test_out_of_bag_scores(recording: Recording) -> None:
    given: dict[str, Any] = {"n_estimators": 30, "oob_score": True, "random_state": 0}
    forest = RandomForestClassifier(**given).fit(X, Y)
    regression = RandomForestRegressor(**given).fit(X, CURVE)
    bagging = BaggingClassifier(**given).fit(X, Y)
    own = RandomForestClassifier(**{**given, "oob_score": balanced_accuracy_score}).fit(X, Y)
    found = [strand.points for strand in recording.strands()]
    assert found == [
        {"oob/accuracy": [(0, forest.oob_score_)]},
        {"oob/r2": [(0, regression.oob_score_)]},
        {"oob/accuracy": [(0, bagging.oob_score_)]},
        {"oob/balanced_accuracy": [(0, own.oob_score_)]},
    ]


def test_clusters(recording: Recording) -> None:
    model = KMeans(3, n_init=1, random_state=0).fit(X)
    points, values = only(recording)
    assert points == {"train/inertia": [(0, model.inertia_)]}
    assert values == {"n_features_in": 4, "n_iter": model.n_iter_}


def test_a_measure_of_every_partial_fit_is_a_point(recording: Recording) -> None:
    model = MiniBatchKMeans(3, n_init=1, random_state=0)
    inertias = [model.partial_fit(X[start : start + 50]).inertia_ for start in (0, 50, 100)]
    points, _ = only(recording)
    assert points == {"train/inertia": curve(inertias)}


def test_components(recording: Recording) -> None:
    model = PCA(3).fit(FRAME)
    _, values = only(recording)
    assert values["explained_variance_ratio"] == model.explained_variance_ratio_.tolist()
    assert values["noise_variance"] == model.noise_variance_
    assert values["n_components"] == 3
    assert "feature_names_in" not in values


def test_chosen_by_cross_validation(recording: Recording) -> None:
    loo = RidgeCV([0.1, 1.0]).fit(X, CURVE)
    folds = RidgeCV([0.1, 1.0], cv=3).fit(X, CURVE)
    classes = RidgeClassifierCV([0.1, 1.0], cv=3).fit(X, Y)
    named = RidgeCV([0.1, 1.0], scoring="neg_mean_absolute_error").fit(X, CURVE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logistic = LogisticRegressionCV(Cs=5, cv=3, max_iter=200).fit(X, Y)
    found = recording.strands()
    assert found[0].points == {"cv/neg_mean_squared_error": [(0, loo.best_score_)]}
    assert found[1].points == {"cv/r2": [(0, folds.best_score_)]}
    assert found[2].points == {"cv/accuracy": [(0, classes.best_score_)]}
    assert found[3].points == {"cv/neg_mean_absolute_error": [(0, named.best_score_)]}
    assert summary(found[0])["alpha"] == loo.alpha_
    assert summary(found[4])["C"] == logistic.C_.tolist()
    if logistic.n_iter_.size > 32:
        assert summary(found[4])["n_iter.max"] == logistic.n_iter_.max()


def test_support_vectors(recording: Recording) -> None:
    model = SVC(kernel="linear").fit(X, Y)
    _, values = only(recording)
    assert values["n_support"] == len(model.support_)
    assert "coef" not in values  # a property, a product with rows of the data


# Coefficients


def test_coefficients(recording: Recording) -> None:
    plain = LinearRegression().fit(X[:, :3], CURVE)
    named = Lasso(alpha=0.01).fit(FRAME, CURVE)
    binary = LogisticRegression().fit(FRAME, TWO)
    several = LogisticRegression(max_iter=500).fit(FRAME, Y)
    flat, by_name, two, three = [summary(strand) for strand in recording.strands()]
    assert flat["coef"] == plain.coef_.tolist()
    assert flat["intercept"] == plain.intercept_
    assert by_name["coef"] == dict(zip("abcd", named.coef_.tolist(), strict=True))
    assert two["coef"] == dict(zip("abcd", binary.coef_[0].tolist(), strict=True))
    assert two["intercept"] == binary.intercept_[0]
    assert three["coef"] == [dict(zip("abcd", row, strict=True)) for row in several.coef_.tolist()]
    assert three["intercept"] == several.intercept_.tolist()


def test_sparse_coefficients(recording: Recording) -> None:
    class Sparse(RegressorMixin, BaseEstimator):
        def fit(self, X: Any, y: Any) -> Sparse:
            inner = Lasso(alpha=0.1).fit(X, y)
            self.coef_, self.intercept_ = inner.sparse_coef_, inner.intercept_
            return self

        def predict(self, X: Any) -> Any:
            return X @ self.coef_.T

    small = Sparse().fit(X, CURVE)
    Sparse().fit(np.random.default_rng(0).normal(size=(20, 400)), CURVE[:20])
    first, second = [summary(strand) for strand in recording.strands()]
    assert scipy.sparse.issparse(small.coef_)
    assert first["coef"] == small.coef_.toarray()[0].tolist()
    assert "coef" not in second


def test_many_coefficients_are_left_out(recording: Recording) -> None:
    digits, labels = load_digits(return_X_y=True)
    SGDClassifier(max_iter=5, random_state=0).fit(digits, labels)
    LinearRegression().fit(np.random.default_rng(0).normal(size=(30, 256)), CURVE[:30])
    LinearRegression().fit(np.random.default_rng(0).normal(size=(30, 201)), CURVE[:30])
    assert all("coef" not in summary(strand) for strand in recording.strands())


def test_features_of_the_same_name(recording: Recording) -> None:
    Own(coef_=np.array([1.0, 2.0]), feature_names_in_=np.array(["a", "a"], dtype=object)).fit(X)
    assert only(recording)[1] == {"coef": [1.0, 2.0]}


# Importances


@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeClassifier(random_state=0),
        DecisionTreeRegressor(max_depth=2, random_state=0),
        RandomForestClassifier(20, random_state=0, n_jobs=2),
        ExtraTreesRegressor(20, random_state=0),
        GradientBoostingClassifier(n_estimators=10, random_state=0),
        GradientBoostingRegressor(n_estimators=10, random_state=0),
        AdaBoostClassifier(n_estimators=10, random_state=0),
        AdaBoostRegressor(RandomForestRegressor(3), n_estimators=3, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("named", [False, True])
def test_importances_are_those_of_scikit_learn(recording: Recording, model: Any, named: bool) -> None:
    given = FRAME if named else X
    model = clone(model).fit(given, Y)
    found = only(recording)[1]["feature_importances"]
    truth = model.feature_importances_
    if named:
        assert list(found) == [name for _, name in sorted(zip(-truth, "abcd", strict=True))]
        found = [found[name] for name in "abcd"]
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-12)


def test_importances_start_no_threads(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    model = RandomForestClassifier(10, n_jobs=2).fit(X, Y)
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail("a thread was started"))
    assert importances._importances(model, math.inf) is not None


def test_trees_of_a_single_node(recording: Recording) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RandomForestRegressor(3).fit(X, np.ones(len(X)))
        GradientBoostingRegressor(n_estimators=2).fit(X, np.ones(len(X)))
        AdaBoostRegressor(n_estimators=2).fit(X, np.ones(len(X)))
    for strand in recording.strands():
        assert summary(strand).get("feature_importances", [0.0] * 4) == [0.0] * 4


def test_estimators_without_importances(recording: Recording) -> None:
    IsolationForest(n_estimators=3, random_state=0).fit(X)
    AdaBoostClassifier(LogisticRegression(), n_estimators=2).fit(X, Y)
    BaggingClassifier(n_estimators=2).fit(X, Y)
    HistGradientBoostingRegressor(max_iter=2).fit(X, CURVE)
    for strand in recording.strands():
        assert "feature_importances" not in summary(strand)
        assert "feature_importances" not in strand.gaps


def test_importances_over_budget_are_a_gap(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autotrack_sklearn.learned.BUDGET", 0.0)
    monkeypatch.setattr("autotrack_sklearn.learned.SHARE", 1e-9)
    RandomForestClassifier(50).fit(X, Y)
    (strand,) = recording.strands()
    assert "feature_importances" in strand.gaps
    assert "feature_importances" not in summary(strand)


def test_importances_of_many_features(recording: Recording) -> None:
    rng = np.random.default_rng(0)
    some = DecisionTreeRegressor(random_state=0).fit(rng.normal(size=(100, 300)), rng.normal(size=100))
    DecisionTreeRegressor().fit(rng.normal(size=(20, 1_001)), rng.normal(size=20))
    LinearRegression().fit(rng.normal(size=(20, 1_001)), rng.normal(size=20))
    first, second, third = recording.strands()
    kept = summary(first)["feature_importances"]
    assert kept["length"] == 300
    best = np.argsort(-some.feature_importances_)[:5]
    assert list(kept["$cut"])[:5] == [str(index) for index in best]
    assert "1,001 features" in second.gaps["feature_importances"]
    assert "feature_importances" not in third.gaps


# Estimators that hold others


def test_pipelines_and_searches(recording: Recording) -> None:
    pipe = make_pipeline(StandardScaler(), Ridge()).fit(FRAME, CURVE)
    search = GridSearchCV(RidgeCV(), {"fit_intercept": [True]}, cv=3).fit(FRAME, CURVE)
    trees = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [2]}, cv=3).fit(FRAME, Y)
    first, second, third = recording.strands()
    assert summary(first)["coef"] == pipe[-1].coef_.tolist()  # the last step was given an array
    assert summary(second)["best_score"] == search.best_score_
    assert summary(second)["alpha"] == search.best_estimator_.alpha_
    assert set(second.points) == {"cv/r2"}
    assert summary(third)["feature_importances"] == pytest.approx(
        dict(zip("abcd", trees.best_estimator_.feature_importances_, strict=True)), abs=1e-12
    )


def test_of_what_holds_estimators_nothing_of_the_inner_ones(recording: Recording) -> None:
    tree = DecisionTreeClassifier(max_depth=2)
    OneVsRestClassifier(MLPClassifier((3,), max_iter=3)).fit(X, Y)
    MultiOutputRegressor(LinearRegression()).fit(X, X[:, :2])
    VotingClassifier([("a", tree), ("b", LogisticRegression(max_iter=500))]).fit(X, Y)
    StackingClassifier([("a", tree)], final_estimator=tree).fit(X, Y)
    for strand in recording.strands():
        assert strand.points == {}
        assert summary(strand).keys() <= {"classes", "n_features_in"}


# The user's own


class Own(ClassifierMixin, BaseEstimator):
    """An estimator of the user's that holds what a test gives it."""

    def __init__(self, **held: Any) -> None:
        self.held = held

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def fit(self, X: Any, y: Any = None) -> Own:
        vars(self).update(self.held)
        return self

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X))


def test_own_estimators(recording: Recording) -> None:
    Own(
        loss_curve_=[3, np.float32(2), 1.5, math.nan, math.inf],
        train_score_=0.75,
        inertia_=np.float64(2.5),
        feature_importances_=np.array([0.25, 0.75]),
        feature_names_in_=np.array(["x", "y"], dtype=object),
        scores_=[1.0, 2.0],
        lower_bounds_=np.array([1.0, np.nan, np.nan, np.nan]),
        n_iter_=np.int64(2),
        classes_=np.array(["no", "yes"], dtype=object),
    ).fit(X)
    points, values = only(recording)
    assert points.keys() == {"train/loss", "train/score", "train/inertia", "train/lower_bound"}
    assert points["train/loss"][:3] == [(0, 3.0), (1, 2.0), (2, 1.5)]
    assert math.isnan(points["train/loss"][3][1])
    assert points["train/loss"][4:] == [(4, math.inf)]
    assert [step for step, _ in points["train/lower_bound"]] == [0, 1]  # two iterations, the second one was nan
    assert values["feature_importances"] == {"y": 0.75, "x": 0.25}
    assert values["classes"] == ["no", "yes"]


class Hostile:
    """Not to be touched."""

    def _touched(self, *_: Any) -> Any:
        raise AssertionError("an object of the user's was used")

    __len__ = __iter__ = __float__ = __eq__ = __lt__ = __bool__ = __getitem__ = __array__ = __index__ = _touched  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


class HostileFloat(float):
    """A number with methods of the user's."""

    __eq__ = __float__ = __ne__ = __lt__ = __neg__ = __mul__ = Hostile._touched  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


NAMES = (
    "loss_curve_ train_score_ validation_score_ validation_scores_ oob_scores_ oob_improvement_ estimator_errors_ "
    "estimator_weights_ loglike_ lower_bounds_ costs_ error_ scores_ n_iter_ oob_score_ inertia_ lower_bound_ "
    "converged_ alpha_ C_ best_score_ n_features_in_ classes_ noise_variance_ explained_variance_ratio_ coef_ "
    "intercept_ feature_importances_ feature_names_in_ estimators_ tree_ support_"
).split()
HOSTILE_ARRAY = np.empty(2, dtype=object)
HOSTILE_ARRAY[0] = Hostile()
ODD = {
    "text": "0.5",
    "none": None,
    "ragged": [[1.0], [2.0, 3.0]],
    "mixed": [1.0, None, "x"],
    "hostile": Hostile(),
    "hostile_float": HostileFloat(1.0),
    "list of hostile": [Hostile(), HostileFloat(2.0)],
    "objects": HOSTILE_ARRAY,
    "texts": np.array(["a", "b"]),
    "dates": np.array(["2026-01-01"], dtype="datetime64[D]"),
    "complex": np.array([1j]),
    "none at all": [],
    "empty": np.array([]),
    "scalar array": np.array(1.0),
    "cube": np.zeros((2, 2, 2)),
    "large": 10**400,
    "list of large": [10**400, 1.0],
    "dict": {"a": 1.0},
    "generator": (number for number in [1.0]),
    "series": pd.Series([1.0, 2.0]),
    "sparse": scipy.sparse.csr_matrix((0, 3)),
    "bool": True,
    "extended": np.longdouble(1.5),
}


@pytest.mark.parametrize("value", list(ODD.values()), ids=list(ODD))
def test_odd_attributes_are_passed_over(recording: Recording, value: Any) -> None:
    for name in NAMES:
        Own(**{name: value}).fit(X)
    Own(**dict.fromkeys(NAMES, value)).fit(X)
    assert len(recording.strands()) == len(NAMES) + 1


@pytest.mark.parametrize(
    "cls",
    [
        RandomForestClassifier,
        GradientBoostingRegressor,
        HistGradientBoostingRegressor,
        AdaBoostClassifier,
        BayesianRidge,
        DecisionTreeClassifier,
        GraphicalLasso,
    ],
)
def test_odd_attributes_of_what_is_like_scikit_learns(recording: Recording, cls: Any) -> None:
    cases = itertools.product(ODD.values(), ("", "feature_importances_", "n_features_in_", "estimator_weights_"))
    for value, left_out in cases:
        held = {name: value for name in NAMES if name not in (left_out, left_out and "feature_importances_")}
        if left_out == "estimator_weights_":
            held |= {"estimator_weights_": np.array([1.0, math.inf, -math.inf]), "n_features_in_": 4}
        odd = type("Odd", (cls,), {"fit": lambda self, X, y=None, held=held: vars(self).update(held) or self})
        with np.errstate(all="raise"):
            odd().fit(X)
    assert len(recording.strands(steps=True)) == 4 * len(ODD)


def test_properties_of_the_user_are_never_asked(recording: Recording) -> None:
    def fail(self: Any) -> Any:
        raise AssertionError("a property of the user's was asked")

    own = type("Lazy", (Own,), {name: property(fail) for name in NAMES if name != "tree_"})
    own().fit(X)
    assert only(recording) == ({}, {})
    forest = type("Forest", (RandomForestClassifier,), {"feature_importances_": property(fail)})
    forest(n_estimators=3).fit(X, Y)
    assert "feature_importances" not in summary(recording.strands()[1])


@pytest.mark.parametrize("model", [RandomForestClassifier(5), AdaBoostClassifier(n_estimators=3), BayesianRidge()])
def test_estimators_are_only_read(recording: Recording, model: Any) -> None:
    model.fit(X, Y)
    holders = [model, *getattr(model, "estimators_", ())]
    before = [{name: id(value) for name, value in vars(holder).items()} for holder in holders]
    strand = strand_of(model)
    assert strand is not None
    report_learned(strand, model, 1.0)
    assert [{name: id(value) for name, value in vars(holder).items()} for holder in holders] == before


def test_a_long_curve_is_cut_and_goes_on(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autotrack_sklearn.learned.SECONDS_A_POINT", 2.0)  # five in the budget
    own = Own(loss_curve_=[float(value) for value in range(8)])
    own.warm_start = True  # type: ignore[attr-defined]
    own.fit(X)
    own.fit(X)
    (strand,) = recording.strands()
    assert strand.points["train/loss"] == curve(range(8))
    assert strand.gaps["train/loss"] == "5 of 8 points are recorded"


def test_scores_of_a_cross_validation_inside_a_fit(recording: Recording) -> None:
    selected = RFECV(DecisionTreeClassifier(random_state=0), cv=3).fit(X, Y)
    chosen = LogisticRegressionCV(Cs=3, cv=3, max_iter=1000).fit(X, Y)
    path = LassoCV(cv=3).fit(X, Y)
    first, second, third = (summary(strand) for strand in recording.strands())
    assert first["cv_results.mean_test_score"] == selected.cv_results_["mean_test_score"].tolist()
    means = {name: value for name, value in second.items() if name.startswith("scores.mean")}
    if isinstance(chosen.scores_, dict):
        assert list(means.values()) == [scores.mean(axis=0).tolist() for scores in chosen.scores_.values()]
    assert third["mse_path.mean"] == path.mse_path_.mean(axis=-1).tolist()
