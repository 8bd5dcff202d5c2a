"""Scores find the run of their model, the split of their data, and their name."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path
from typing import Any

import joblib
import matplotlib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn import metrics
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import RFECV, SelectFromModel
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_validate,
    learning_curve,
    train_test_split,
    validation_curve,
)
from sklearn.model_selection._search import BaseSearchCV
from sklearn.multiclass import OneVsOneClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import autotrack
from autotrack import events
from autotrack.testing import Recording, recording, run_program
from autotrack.testing.recordings import Strand

__all__ = ["recording"]
matplotlib.use("Agg")

X, Y = load_iris(return_X_y=True)
CANCER, SICK = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(CANCER, SICK, random_state=0)


def last(recording: Recording) -> Strand:
    return recording.strands()[-1]


def summary(strand: Strand) -> dict[str, Any]:
    return {name: value for event in strand.of(events.StrandSummary) for name, value in event.values.items()}


@pytest.mark.parametrize(
    "derive",
    [
        lambda p: p.argmax(axis=1),
        lambda p: (p[:, 1] > 0.3).astype(int),
        lambda p: (p[:, 1].copy() > 0.3).tolist(),
        lambda p: np.round(p[:, 1]),
        lambda p: pd.Series(p.argmax(axis=1)),
        lambda p: np.array(["well", "sick"])[p.argmax(axis=1)],
    ],
    ids=["argmax", "threshold", "list", "round", "Series", "names"],
)
def test_what_is_derived_from_probabilities_is_the_models(
    recording: Recording, derive: Any, request: pytest.FixtureRequest
) -> None:
    model = LogisticRegression(solver="liblinear").fit(X_train, y_train)
    derived = derive(model.predict_proba(X_test))
    truth = y_test if not isinstance(derived[0], str) else np.array(["well", "sick"])[y_test]
    score = metrics.accuracy_score(truth, derived)
    (name,) = [name for name in last(recording).points if name.startswith("test/")]
    assert name == (
        "test/accuracy(threshold)" if request.node.callspec.id in ("threshold", "list") else "test/accuracy"
    )
    assert last(recording).points[name] == [(0, score)]


def test_a_copy_of_a_prediction_and_a_function_of_it(recording: Recording) -> None:
    target = np.log1p(np.arange(len(X)))
    model = LinearRegression().fit(X[::2], target[::2])
    predicted = np.expm1(model.predict(X[1::2]))
    error = metrics.mean_squared_error(np.arange(len(X))[1::2], predicted)
    again = metrics.mean_absolute_error(target[1::2], model.predict(X[1::2]).tolist())
    points = last(recording).points
    assert points["test/mean_squared_error(expm1)"] == [(0, error)]
    assert points["test/mean_absolute_error"] == [(0, again)]


def test_classes_by_other_names(recording: Recording) -> None:
    model = KMeans(3, n_init=1, random_state=0).fit(X)
    found = model.predict(X)
    names = np.array([np.bincount(Y[found == cluster]).argmax() for cluster in range(3)])
    score = metrics.accuracy_score(Y, [int(names[cluster]) for cluster in found])
    assert last(recording).points["train/accuracy"] == [(0, score)]


def test_values_of_no_model_are_of_no_run(recording: Recording) -> None:
    LogisticRegression(solver="liblinear").fit(X_train, y_train).predict(X_test)
    metrics.accuracy_score(y_test, np.random.default_rng(0).integers(0, 2, len(y_test)))
    metrics.accuracy_score([0, 1], [1, 1])
    assert not [name for name in last(recording).points if "accuracy" in name]


def test_several_models_that_fit_are_said_to(recording: Recording) -> None:
    first, second = Ridge().fit(X, Y), Ridge().fit(X, Y)
    predictions = first.predict(X[:50] + 1), second.predict(X[:50] + 1)
    error = metrics.mean_squared_error(Y[:50], predictions[0].copy())
    one, two = recording.strands()
    assert "test/mean_squared_error" not in one.points
    assert two.points["test/mean_squared_error"] == [(0, error)]
    assert "2 models fit" in two.gaps["which model mean_squared_error is of"]


def test_arguments_in_the_wrong_order(recording: Recording) -> None:
    model = GaussianNB().fit(X_train, y_train)
    score = metrics.accuracy_score(model.predict(X_test), y_test)
    assert last(recording).points["test/accuracy"] == [(0, score)]


def test_splits_are_named_as_the_variables_are(recording: Recording) -> None:
    X_val, y_val = X_test[:70], y_test[:70]
    X_rest, y_rest = X_test[70:], y_test[70:]
    model = GaussianNB().fit(X_train, y_train)
    model.score(X_val, y_val)
    model.score(X_rest, y_rest)
    metrics.f1_score(y_val, model.predict(X_val))
    names = {name for name in last(recording).points if not name.startswith("cv")}
    assert names == {"valid/accuracy", "test/accuracy", "valid/f1"}


def test_data_that_is_scored_is_recorded(recording: Recording) -> None:
    model = GaussianNB().fit(X_train, y_train)
    for _ in range(3):
        model.score(X_test, y_test)
        metrics.f1_score(y_test, model.predict(X_test))
    model.score(X_train, y_train)
    autotrack.disable()
    datasets = [event.dataset for event in last(recording).datasets.values()]
    roles = [event.role for event in last(recording).datasets.values()]
    assert roles == ["train", "test"]
    assert [part.rows for part in datasets[1].parts] == [len(X_test), len(y_test)]
    assert all(part.method == "whole" for part in datasets[1].parts)


@pytest.mark.parametrize(
    ("whole", "take"),
    [
        (pd.DataFrame(CANCER), lambda data, rows: data.iloc[rows]),
        (pd.DataFrame(CANCER).assign(word=["a", "b", "c"][0]), lambda data, rows: data.iloc[rows]),
        (pl.DataFrame(CANCER), lambda data, rows: data[rows]),
        (sp.csr_array(CANCER), lambda data, rows: data[rows]),
        (CANCER, lambda data, rows: data[rows]),
    ],
    ids=["pandas", "pandas with texts", "polars", "csr", "array"],
)
def test_parts_of_the_training_data_are_told_from_others(recording: Recording, whole: Any, take: Any) -> None:
    class Constant(GaussianNB):  # type: ignore[misc]
        def fit(self, X: Any, y: Any) -> Constant:
            self.classes_ = np.unique(y)
            return self

        def predict(self, X: Any) -> Any:
            return np.ones(X.shape[0] if hasattr(X, "shape") else len(X), dtype=int)

    known = take(whole, list(range(400)))
    model = Constant().fit(known, SICK[:400])
    model.score(take(whole, list(range(10, 60))), SICK[10:60])
    assert set(last(recording).points) == {"train/accuracy"}
    model.score(take(whole, list(range(420, 480))), SICK[420:480])
    assert set(last(recording).points) == {"train/accuracy", "test/accuracy"}


FRAME = pd.DataFrame(CANCER, columns=[f"c{at}" for at in range(CANCER.shape[1])])
WHOLE = (CANCER * 100).astype(np.int64)


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        (FRAME, CANCER), (CANCER, FRAME), (WHOLE, WHOLE.astype(float)), (CANCER, CANCER.astype("f4")),
        (pd.DataFrame(WHOLE), pd.DataFrame(WHOLE.astype(float))), (FRAME, FRAME.assign(c1=FRAME.c1.astype("f4"))),
    ],
    ids=["table and array", "array and table", "integers", "single precision", "tables", "one column"],
)  # fmt: skip
def test_rows_are_told_in_other_containers_and_types(recording: Recording, known: Any, asked: Any) -> None:
    model = DecisionTreeClassifier(max_depth=2).fit(known[:400], SICK[:400])
    train, test = asked[10:60], asked[420:480]
    model.score(train, SICK[10:60])
    assert set(last(recording).points) == {"train/accuracy"}
    model.score(test, SICK[420:480])
    assert set(last(recording).points) == {"train/accuracy", "test/accuracy"}


def test_data_that_is_gone_is_told_by_some_of_its_rows(recording: Recording) -> None:
    train, test = CANCER[:400], CANCER[400:]
    leaking = np.concatenate([train[:8], test])
    half = np.concatenate([train[:100], test[:100]])

    def scored(data: Any) -> set[str]:
        model = DecisionTreeClassifier(max_depth=2).fit(train + 0, SICK[:400])
        model.score(data, SICK[: len(data)])
        return {name for name in last(recording).points if "accuracy" in name}

    assert scored(train + 0) == {"train/accuracy"}
    assert scored(test) == scored(leaking) == {"test/accuracy"}
    assert scored(half) == scored(train[100:300]) == scored(test[:4]) == {"accuracy"}


def test_reports_are_kept_as_their_values(recording: Recording) -> None:
    model = GaussianNB().fit(X[::2], Y[::2])
    predicted = model.predict(X[1::2])
    text = metrics.classification_report(Y[1::2], predicted, target_names=["a b", "accuracy", "virginica"], digits=4)
    exact = metrics.classification_report(Y[1::2], predicted, output_dict=True)
    matrix = metrics.confusion_matrix(Y[1::2], predicted)
    values = summary(last(recording))
    report = values["test/classification_report"]
    assert report == exact, "the last one is the dict"
    (first, *_) = [
        event.values["test/classification_report"]
        for event in last(recording).of(events.StrandSummary)
        if "test/classification_report" in event.values
    ]
    assert list(first) == ["a b", "accuracy", "virginica", "macro avg", "weighted avg"] or "a b" in first
    assert first["a b"] == {
        name: pytest.approx(exact["0"][name], abs=5e-5) for name in ("precision", "recall", "f1-score", "support")
    }
    assert text
    assert values["test/confusion_matrix"] == matrix.tolist()


def test_areas_below_curves_are_scores(recording: Recording) -> None:
    model = LogisticRegression(solver="liblinear").fit(X_train, y_train)
    scores = model.predict_proba(X_test)[:, 1]
    false, true, _ = metrics.roc_curve(y_test, scores)
    precision, recall, _ = metrics.precision_recall_curve(y_test, scores)
    areas = metrics.auc(false, true), metrics.auc(recall, precision)
    metrics.auc([0, 1], [0, 1])
    points = last(recording).points
    assert points["test/roc_auc"] == [(0, areas[0])]
    assert points["test/pr_auc"] == [(0, areas[1])]


def test_displays_are_read(recording: Recording) -> None:
    model = LogisticRegression(solver="liblinear").fit(X_train, y_train)
    matrix = metrics.ConfusionMatrixDisplay.from_estimator(model, X_test, y_test).confusion_matrix
    metrics.ConfusionMatrixDisplay.from_predictions(y_train, model.predict(X_train))
    area = metrics.RocCurveDisplay.from_estimator(model, X_test, y_test).roc_auc
    average = metrics.PrecisionRecallDisplay.from_estimator(model, X_test, y_test).average_precision
    strand = last(recording)
    assert summary(strand)["test/confusion_matrix"] == matrix.tolist()
    assert "train/confusion_matrix" in summary(strand)
    assert strand.points["test/roc_auc"] == [(0, area)]
    assert strand.points["test/average_precision"] == [(0, average)]


@pytest.mark.parametrize("model", [GradientBoostingClassifier(n_estimators=5), AdaBoostClassifier(n_estimators=5)])
def test_staged_predictions_are_a_curve(recording: Recording, model: Any) -> None:
    model.fit(X_train, y_train)
    scores = [metrics.accuracy_score(y_test, predicted) for predicted in model.staged_predict(X_test)]
    assert [value for _, value in last(recording).points["test/accuracy"]] == scores
    assert len(recording.strands()) == 1
    if hasattr(model, "staged_score"):
        staged = list(model.staged_score(X_test, y_test))
        assert [value for _, value in last(recording).points["test/staged_accuracy"]] == staged


def test_generators_behave_as_the_users_own(recording: Recording) -> None:
    model = GradientBoostingClassifier(n_estimators=5).fit(X, Y)
    stages = model.staged_predict(X)
    next(stages)
    stages.close()
    with pytest.raises(StopIteration):
        next(stages)
    with pytest.raises(ValueError, match="features"):
        next(model.staged_predict(X[:, :2]))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_of_a_model_are_known_by_its_identity(recording: Recording, copied: Any) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X_train, y_train)
    twin = copied(model)
    score = twin.score(X_test, y_test)
    other = copied(model)
    metrics.f1_score(y_test, other.predict(X_test))
    (strand,) = recording.strands()
    assert strand.points["test/accuracy"] == [(0, score)]
    assert "test/f1" in strand.points
    twin.fit(X, Y)
    assert len(recording.strands()) == 2


def test_a_model_from_a_file_makes_an_evaluation(tmp_path: Path) -> None:
    train = (
        "import joblib\nfrom sklearn.datasets import load_iris\nfrom sklearn.svm import SVC\n"
        "X, y = load_iris(return_X_y=True)\njoblib.dump({'model': SVC(C=3).fit(X[::2], y[::2])}, 'model.joblib')\n"
    )
    evaluate = (
        "import joblib\nfrom sklearn.datasets import load_iris\nfrom sklearn.metrics import accuracy_score, f1_score\n"
        "X, y = load_iris(return_X_y=True)\nX_test, y_test = X[1::2], y[1::2]\n"
        "model = joblib.load('model.joblib')['model']\n"
        "print(accuracy_score(y_test, model.predict(X_test)), model.score(X_test, y_test))\n"
        "print(f1_score(y_test, model.predict(X_test), average='macro'))\n"
    )
    for program in (train, evaluate):
        done = run_program(program, tmp_path, env={"AUTOTRACK_STRICT": "1", "AUTOTRACK_KEEP_MODEL_SECONDS": "5"})
        assert done.returncode == 0, done.stderr
    trained, evaluated = Recording(tmp_path / ".autotrack").strands()
    assert (trained.kind, evaluated.kind, evaluated.status) == ("fit", "evaluation", "finished")
    assert trained.of(events.StrandModel)[0].id == evaluated.of(events.StrandModel)[0].id is not None
    assert [len(points) for _, points in sorted(evaluated.points.items())] == [2, 1]
    assert sorted(evaluated.points) == ["test/accuracy", "test/f1_macro"]
    assert evaluated.params["C"] == 3
    assert [event.path for event in evaluated.of(events.ArtifactSeen)] == [str(tmp_path / "model.joblib")]


def test_a_model_from_a_file_that_is_gone_at_once(recording: Recording, tmp_path: Path) -> None:
    joblib.dump(GaussianNB().fit(X_train, y_train), tmp_path / "model.joblib")
    predicted = joblib.load(tmp_path / "model.joblib").predict(X_test)
    score = metrics.accuracy_score(y_test, predicted)
    (strand,) = recording.strands()
    assert list(strand.points.values()) == [[(0, score)]]


def test_lists_that_are_scored_are_recorded_once(recording: Recording) -> None:
    texts = [f"word{number % 3} other{number % 5}" for number in range(60)]
    labels = [number % 3 for number in range(60)]
    model = make_pipeline(CountVectorizer(), MultinomialNB()).fit(texts[:40], labels[:40])
    X_test, y_test = texts[40:], labels[40:]
    for _ in range(2):
        model.score(X_test, y_test)
    (strand,) = recording.strands()
    assert [event.role for event in strand.datasets.values()] == ["train", "test"]
    assert set(strand.points) == {"test/accuracy"}


class Lazy:
    """A table whose length is not known yet, as Dask's are."""

    class Length:
        def __eq__(self, other: object) -> Any:
            return self

        def __bool__(self) -> bool:
            raise TypeError("it is not known yet")

        __hash__ = None  # type: ignore[assignment]

    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self.shape = (self.Length(), rows.shape[1])


class OfLazy(LinearRegression):  # type: ignore[misc]
    def predict(self, X: Any) -> Any:
        return super().predict(X.rows)


def test_data_whose_length_is_not_known_yet(recording: Recording) -> None:
    X = np.arange(40.0).reshape(20, 2) % 7
    model = OfLazy().fit(X, X[:, 0])
    error = metrics.mean_squared_error(X[:, 1], model.predict(Lazy(X)))
    assert list(last(recording).points.values()) == [[(0, error)]]


def test_every_output_of_several_is_known(recording: Recording) -> None:
    targets = np.stack([Y > 0, Y > 1], axis=1).astype(int)
    model = MultiOutputClassifier(GaussianNB()).fit(X[::2], targets[::2])
    first, second = model.predict_proba(X[1::2])
    area = metrics.roc_auc_score(targets[1::2, 1], second[:, 1])
    (strand,) = recording.strands()
    assert strand.points["test/roc_auc"] == [(0, area)]
    assert first.shape == second.shape


def test_labels_of_a_clustering_are_its_prediction(recording: Recording) -> None:
    model = KMeans(3, n_init=1, random_state=0).fit(X)
    scores = metrics.silhouette_score(X, model.labels_), metrics.adjusted_rand_score(Y, model.labels_)
    points = last(recording).points
    assert points["train/silhouette"] == [(0, scores[0])]
    assert points["train/adjusted_rand"] == [(0, scores[1])]


def test_scores_of_models_inside_a_model_are_told_from_its_own(recording: Recording) -> None:
    forest = RandomForestClassifier(3, random_state=0).fit(X_train, y_train)
    own = forest.score(X_test, y_test)
    scores = [metrics.accuracy_score(y_test, tree.predict(X_test)) for tree in forest.estimators_]
    forest.estimators_[0].score(X_test, y_test)
    (strand,) = recording.strands()
    assert strand.points["test/accuracy"] == [(0, own)]
    inside = strand.points["test/accuracy(DecisionTreeClassifier)"]
    assert [value for _, value in inside] == [*scores, scores[0]]


# Searches and cross-validation


def test_search_with_several_metrics_and_a_callable(recording: Recording) -> None:
    search = GridSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"max_depth": [1, 3]},
        scoring=["accuracy", "f1_macro"],
        refit=lambda results: int(np.argmax(results["mean_test_f1_macro"])),
        return_train_score=True,
        cv=3,
    ).fit(X, Y)
    (strand,) = recording.strands()
    best = search.best_index_
    assert strand.points["cv/f1_macro"] == [(0, search.cv_results_["mean_test_f1_macro"][best])]
    assert strand.points["cv/accuracy"] == [(0, search.cv_results_["mean_test_accuracy"][best])]
    assert summary(strand)["best_params"] == search.best_params_
    trials = strand.of(events.StrandTrial)
    assert [trial.metrics["cv_train/accuracy"] for trial in trials] == list(search.cv_results_["mean_train_accuracy"])
    splits = [search.cv_results_[f"split{n}_test_f1_macro"][1] for n in range(3)]
    assert trials[1].metrics["cv/f1_macro.splits"] == splits


def test_search_that_halves_has_its_rounds(recording: Recording) -> None:
    search = HalvingGridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3, 4]}, cv=3, factor=2)
    search.fit(X, Y)
    trials = last(recording).of(events.StrandTrial)
    assert len(trials) == len(search.cv_results_["params"])
    named = [{param.name: param.value for param in trial.params} for trial in trials]
    assert [entry["n_resources"] for entry in named] == search.cv_results_["n_resources"].tolist()
    assert [entry["iter"] for entry in named] == search.cv_results_["iter"].tolist()


def test_models_of_folds_are_of_the_run(recording: Recording) -> None:
    found = cross_validate(GaussianNB(), X, Y, return_estimator=True, return_train_score=True)
    for model in found["estimator"]:
        model.score(X, Y)
    (strand,) = recording.strands()
    assert [value for _, value in strand.points["test/accuracy"]] == found["test_score"].tolist()
    assert summary(strand)["test/accuracy.mean"] == pytest.approx(found["test_score"].mean())
    assert len(strand.points["accuracy"] if "accuracy" in strand.points else strand.points["train/accuracy"]) >= 5


def test_curves_of_sizes_and_parameters(recording: Recording) -> None:
    sizes, train, test = learning_curve(GaussianNB(), X, Y, train_sizes=[30, 60], cv=3, shuffle=True, random_state=0)
    depths = [1, 3]
    trained, tested = validation_curve(
        DecisionTreeClassifier(random_state=0), X, Y, param_name="max_depth", param_range=depths, cv=3
    )
    curve, valid = recording.strands()
    assert curve.points["test/accuracy"] == list(zip(sizes.tolist(), test.mean(axis=1).tolist(), strict=True))
    assert curve.points["train/accuracy"] == list(zip(sizes.tolist(), train.mean(axis=1).tolist(), strict=True))
    assert valid.points["test/accuracy"] == list(enumerate(tested.mean(axis=1).tolist()))
    assert valid.params["param_range"] == depths
    assert trained.shape == (2, 3)


@pytest.mark.parametrize(
    "model",
    [
        CalibratedClassifierCV(LogisticRegression(max_iter=500), cv=3),
        OneVsOneClassifier(LogisticRegression(max_iter=500)),
        BaggingClassifier(DecisionTreeClassifier(), n_estimators=3, n_jobs=2),
        VotingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier())]),
        StackingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier())], cv=3),
        SelfTrainingClassifier(GaussianNB()),
        RFECV(LogisticRegression(max_iter=500), cv=3),
        make_pipeline(SelectFromModel(DecisionTreeClassifier()), GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9]})),
        GridSearchCV(make_pipeline(StandardScaler(), CalibratedClassifierCV(GaussianNB(), cv=2)), {}, cv=2, n_jobs=2),
        ClassifierChain(GaussianNB()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_what_a_meta_estimator_does_inside_is_no_run(recording: Recording, model: Any) -> None:
    labels = np.stack([Y > 0, Y > 1], axis=1).astype(int) if isinstance(model, ClassifierChain) else Y
    model.fit(X, labels)
    score = model.score(X, labels)
    (strand,) = recording.strands()
    assert strand.cls.endswith(type(model).__name__)
    (points,) = [points for name, points in strand.points.items() if name.startswith("train/") and len(points) == 1]
    assert points == [(0, score)]


class Forwards(BaseSearchCV):  # type: ignore[misc]
    """A search of the user's own, that takes what is best of two rounds."""

    def __init__(self, estimator: Any, depths: Any) -> None:
        super().__init__(estimator, cv=3)
        self.depths = depths

    def _run_search(self, evaluate_candidates: Any) -> None:
        evaluate_candidates([{"max_depth": depth} for depth in self.depths])
        evaluate_candidates([{"max_depth": self.depths[-1] + 1}])


def test_searches_of_others_have_their_trials(recording: Recording) -> None:
    search = Forwards(DecisionTreeClassifier(random_state=0), [1, 2]).fit(X, Y)
    (strand,) = recording.strands()
    assert strand.kind == "search"
    trials = strand.of(events.StrandTrial)
    assert [trial.params[0].value for trial in trials] == [1, 2, 3]
    assert [trial.metrics["cv/accuracy"] for trial in trials] == search.cv_results_["mean_test_score"].tolist()


def test_steps_that_are_cached_are_inside(recording: Recording, tmp_path: Path) -> None:
    for _ in range(2):
        pipeline = make_pipeline(StandardScaler(), GaussianNB(), memory=str(tmp_path / "cache")).fit(X, Y)
        pipeline.score(X, Y)
    assert [strand.name for strand in recording.strands(steps=True)] == ["Pipeline(GaussianNB)"] * 2
    assert all("train/accuracy" in strand.points for strand in recording.strands())


def test_predictions_are_not_kept_for_good(recording: Recording) -> None:
    from autotrack import predictions

    model = Ridge().fit(X, Y)
    wide = np.tile(X, (1000, 1))
    for _ in range(20):
        model.predict(wide)
    assert predictions._State.size <= predictions.KEPT_BYTES
    autotrack.disable()
    assert not predictions._kept


def test_predictions_are_the_users_to_change(recording: Recording) -> None:
    model = Ridge().fit(X, Y)
    predicted = model.predict(X[:50])
    alive = sys.getrefcount(predicted)
    assert alive == 2
    predicted.resize(60)
    other = model.predict(X[:50])
    other += 1.0
    metrics.mean_squared_error(Y[:50], other)
    assert not [name for name in last(recording).points if "mean_squared_error" in name]


def test_cross_validation_leaves_the_models_run_its_own(recording: Recording) -> None:
    model = GaussianNB().fit(X_train, y_train)
    cross_validate(model, CANCER, SICK)
    score = model.score(X_test, y_test)
    model.partial_fit(X_test, y_test)
    fit, folds = recording.strands()
    assert fit.points["test/accuracy"] == [(0, score)]
    assert len(folds.points["test/accuracy"]) == 5


def test_rows_that_are_there_by_chance_tell_nothing(recording: Recording) -> None:
    generator = np.random.default_rng(0)
    data, labels = generator.integers(0, 3, (600, 4)).astype(float), generator.integers(0, 2, 600)
    model = GaussianNB().fit(data[:400], labels[:400])
    held = data[400:]
    model.score(held, labels[400:])
    assert set(last(recording).points) == {"accuracy"}
    again = GaussianNB().fit(CANCER[:400], SICK[:400])
    again.score(CANCER, SICK)
    assert set(last(recording).points) == {"accuracy"}


def test_what_rises_with_the_only_feature_is_not_the_models(recording: Recording) -> None:
    line = np.sort(np.random.default_rng(0).normal(size=200))
    truth = line * 2 + np.random.default_rng(1).normal(size=200)
    model = LinearRegression().fit(line[:, None], truth)
    model.predict(line[:, None])
    metrics.mean_squared_error(truth, 3 * line)
    metrics.r2_score(truth, np.cumsum(np.ones(200)))
    assert not last(recording).points


def test_arguments_that_are_no_predictions(recording: Recording) -> None:
    first = LogisticRegression(solver="liblinear").fit(X_train, y_train)
    second = GaussianNB().fit(X_train, y_train)
    weights = first.predict_proba(X_test)[:, 1]
    metrics.accuracy_score(y_test, np.random.default_rng(0).integers(0, 2, len(y_test)), sample_weight=weights)
    metrics.cohen_kappa_score(first.predict(X_test), second.predict(X_test))
    rule = (X_test[:, 0] > 15).astype(int)
    metrics.accuracy_score(first.predict(X_test), rule)
    assert [set(strand.points) for strand in recording.strands()] == [set(), set()]


def test_parts_of_a_prediction_are_told(recording: Recording) -> None:
    model = GaussianNB().fit(X_train, y_train)
    predicted = model.predict(X_test)
    metrics.accuracy_score(y_test[:10], predicted[:10])
    whole = metrics.accuracy_score(y_test, predicted)
    points = last(recording).points
    assert points["test/accuracy"] == [(0, whole)]
    assert len(points["test/accuracy(part)"]) == 1


def test_criteria_of_a_mixture(recording: Recording) -> None:
    mixture = GaussianMixture(2, random_state=0).fit(X)
    bic, aic = mixture.bic(X), mixture.aic(X)
    points = last(recording).points
    assert points["train/bic"] == [(0, bic)]
    assert points["train/aic"] == [(0, aic)]
    assert not [name for name in points if "score" in name]


def test_svc_without_probabilities(recording: Recording) -> None:
    model = SVC().fit(X_train, y_train)
    area = metrics.roc_auc_score(y_test, model.decision_function(X_test))
    assert last(recording).points["test/roc_auc"] == [(0, area)]
