"""The scikit-learn plugin, against scikit-learn itself."""

from __future__ import annotations

import pickle
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin, clone
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    get_scorer,
    make_scorer,
    mean_squared_error,
    roc_auc_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import autotrack
from autotrack import events
from autotrack.identity import arrays
from autotrack.testing import PluginContract, Recording, recording, run_program

__all__ = ["recording"]

X, Y = load_iris(return_X_y=True)


class Scaled(RegressorMixin, BaseEstimator):
    """An estimator of the user's own that trains another inside."""

    def __init__(self, hook: Any = None) -> None:
        self.hook = hook

    def fit(self, X: Any, y: Any) -> Scaled:
        if self.hook is not None:
            self.hook(X)
        self.inner_ = LinearRegression().fit(X, y)
        return self

    def predict(self, X: Any) -> Any:
        return self.inner_.predict(X)


class MoreScaled(Scaled):
    def fit(self, X: Any, y: Any) -> MoreScaled:
        super().fit(X, y)
        return self


class TestSklearn(PluginContract):
    framework = "sklearn"
    program = (
        "from sklearn.linear_model import Ridge\n"
        "model = Ridge(alpha=0.5).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.5])\n"
        "print(model.coef_)"
    )
    targets = (
        "sklearn.linear_model:Ridge.fit",
        "sklearn.linear_model:LinearRegression.predict",
        "sklearn.linear_model:Ridge.score",
        "sklearn.metrics:accuracy_score",
        "sklearn.model_selection:cross_val_score",
        "joblib:dump",
    )

    def train(self) -> Any:
        return Ridge(alpha=0.5).fit(X, Y).coef_.tolist()

    def train_failing(self, error: BaseException) -> None:
        def hook(_: Any) -> None:
            raise error

        Scaled(hook).fit(X, Y)

    def train_nested(self) -> Any:
        return make_pipeline(StandardScaler(), MoreScaled()).fit(X, Y)

    def train_odd(self) -> None:
        Scaled().fit((row for row in X), Y)

    def train_mutating(self) -> str:
        data = X.copy()
        before = arrays.digest(data)

        def hook(given: Any) -> None:
            given *= 2.0

        Scaled(hook).fit(data, Y)
        return before

    def train_interleaved(self) -> list[tuple[str, float]]:
        first, second = Ridge(alpha=0.1).fit(X, Y), Ridge(alpha=100.0).fit(X, Y)
        errors = {model: mean_squared_error(Y, model.predict(X + 1.0)) for model in (second, first)}
        return [("test/mean_squared_error", errors[first]), ("test/mean_squared_error", errors[second])]

    def count_calls(self) -> int:
        calls = []
        model = Scaled(lambda _: calls.append("fit"))
        model.fit(X, Y)
        model.predict(X)
        return len(calls)


def test_pipeline_is_one_run_with_all_parameters(recording: Recording) -> None:
    pipe = make_pipeline(StandardScaler(), LogisticRegression(C=0.25, max_iter=300)).fit(X, Y)
    (strand,) = recording.strands(steps=True)
    assert strand.name == "Pipeline(LogisticRegression)"
    assert strand.params["logisticregression__C"] == 0.25
    assert strand.params["standardscaler__with_mean"] is True
    assert set(strand.params) == set(pipe.get_params(deep=True))
    assert {param.source for event in strand.of(events.StrandParams) for param in event.params} == {"estimator"}


def test_search_has_its_trials(recording: Recording) -> None:
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0, 10.0]}, cv=3, scoring="f1_macro", return_train_score=True).fit(X, Y)
    (strand,) = recording.strands()
    assert strand.kind == "search"
    trials = strand.of(events.StrandTrial)
    assert [trial.params[0].value for trial in trials] == [0.1, 1.0, 10.0]
    assert [trial.metrics["cv/f1_macro"] for trial in trials] == search.cv_results_["mean_test_score"].tolist()
    assert trials[0].metrics["cv_train/f1_macro.std"] == search.cv_results_["std_train_score"][0]
    summary = strand.of(events.StrandSummary)[0]
    assert summary.values["best_params"] == search.best_params_
    assert strand.points["cv/f1_macro"] == [(0, search.best_score_)]


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_workers_of_a_search_make_no_runs(tmp_path: Path, backend: str) -> None:
    source = f"""
import joblib
from sklearn.datasets import load_iris
from sklearn.model_selection import RandomizedSearchCV
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
if __name__ == "__main__":
    X, y = load_iris(return_X_y=True)
    search = RandomizedSearchCV(SVC(), {{"C": [0.1, 1, 10, 100]}}, n_iter=4, cv=4, n_jobs=2, random_state=0)
    with joblib.parallel_config({backend!r}):
        print(search.fit(X, y).best_score_)
"""
    done = run_program(source, tmp_path)
    assert done.returncode == 0, done.stderr
    (strand,) = Recording(tmp_path / ".autotrack").strands()
    assert len(strand.of(events.StrandTrial)) == 4


def test_scores_go_to_the_model_and_split_they_belong_to(recording: Recording) -> None:
    train, test = slice(0, None, 2), slice(1, None, 2)
    first = LogisticRegression(C=0.1, max_iter=500).fit(X[train], Y[train])
    second = RandomForestClassifier(5, random_state=0).fit(X[train], Y[train])
    guesses = first.predict(X[test])
    second.score(X[train], Y[train])
    assert first.score(X[test], Y[test]) == accuracy_score(Y[test], guesses)
    f1_score(Y[test], y_pred=guesses, average="macro")
    roc_auc_score(Y[test] == 2, second.predict_proba(X[test])[:, 2])
    confusion_matrix(Y[test], guesses)
    accuracy_score(Y[train], second.predict(X[train]))
    one, two = recording.strands()
    assert one.points["test/accuracy"] == [(0, first.score(X[test], Y[test])), (1, accuracy_score(Y[test], guesses))]
    assert one.points["test/f1_macro"] == [(0, f1_score(Y[test], guesses, average="macro"))]
    assert two.points["train/accuracy"][0] == (0, second.score(X[train], Y[train]))
    assert len(two.points["train/accuracy"]) == 2
    assert "test/roc_auc" in two.points
    summary = one.of(events.StrandSummary)[-1]
    assert summary.values["test/confusion_matrix"] == confusion_matrix(Y[test], guesses).tolist()


def test_cross_validation_is_one_run(recording: Recording) -> None:
    scores = cross_val_score(make_pipeline(StandardScaler(), SVC()), X, Y, cv=4, scoring="accuracy")
    results = cross_validate(SVC(C=2), X, Y, cv=3, scoring=["f1_macro", "accuracy"], return_train_score=True)
    first, second = recording.strands(steps=True)
    assert first.name == "cross_val_score(Pipeline(SVC))"
    assert [value for _, value in first.points["test/accuracy"]] == scores.tolist()
    assert second.params["C"] == 2
    assert second.params["cv"] == 3
    assert [value for _, value in second.points["train/f1_macro"]] == results["train_f1_macro"].tolist()


def test_transformers_are_steps(recording: Recording) -> None:
    StandardScaler().fit_transform(X)
    assert recording.strands() == []
    assert [strand.name for strand in recording.strands(steps=True)] == ["StandardScaler"]


def test_partial_fit_is_one_run(recording: Recording) -> None:
    model = SGDClassifier(random_state=0)
    for start in range(0, 150, 50):
        model.partial_fit(X[start : start + 50], Y[start : start + 50], classes=[0, 1, 2])
    model.score(X, Y)
    (strand,) = recording.strands()
    assert strand.status == "finished"
    assert len(strand.points["train/accuracy"]) == 1


def test_meta_estimator_in_threads_is_one_run(recording: Recording) -> None:
    with joblib.parallel_config("threading"):
        OneVsRestClassifier(SVC(), n_jobs=2).fit(X, Y)
    assert [strand.name for strand in recording.strands()] == ["OneVsRestClassifier(SVC)"]


def test_classes_made_later_are_observed(recording: Recording) -> None:
    class Mixin:
        def fit(self, X: Any, y: Any = None) -> Any:
            return self

    class Made(Mixin, ClassifierMixin, BaseEstimator):
        def predict(self, X: Any) -> Any:
            return np.zeros(len(X), dtype=int)

    class Given(TransformerMixin, BaseEstimator):
        def fit(self, X: Any, y: Any = None) -> Any:
            return self

        def transform(self, X: Any) -> Any:
            return X

    assert Made().fit(X, Y).score(X, Y) == pytest.approx(1 / 3)
    clone(Made()).fit(X, Y)
    Given().fit_transform(X)
    assert [strand.name for strand in recording.strands(steps=True)] == ["Made", "Made", "Given"]


def test_own_output_wrapping_is_restored(tmp_path: Path) -> None:
    """scikit-learn wraps `transform` while a class is made; ours must not be caught inside."""
    autotrack.enable(dir=tmp_path / "rec", quiet=True, strict=True)

    class Given(TransformerMixin, BaseEstimator):
        def fit_transform(self, X: Any, y: Any = None) -> Any:
            return X

        def transform(self, X: Any) -> Any:
            return X

    autotrack.disable()
    from autotrack.wrappers import ObservedFunction

    function = vars(Given)["fit_transform"]
    while hasattr(function, "__wrapped__"):
        assert not isinstance(function, ObservedFunction)
        function = function.__wrapped__


def test_fitted_model_is_kept_and_identified(recording: Recording) -> None:
    model = LogisticRegression(max_iter=500).fit(X, Y)
    same = LogisticRegression(max_iter=500).fit(X, Y)
    other = LogisticRegression(max_iter=500, C=0.01).fit(X, Y)
    assert same.coef_.tolist() == model.coef_.tolist() != other.coef_.tolist()
    one, two, three = [strand.of(events.StrandModel)[0] for strand in recording.strands()]
    assert one.id == two.id != three.id
    assert one.parameters == 15
    blob = recording.root / "blobs" / one.kept[:2] / one.kept[2:]
    assert pickle.loads(blob.read_bytes()).coef_.tolist() == model.coef_.tolist()
    assert len(blob.read_bytes()) == one.bytes


def test_saved_model_is_an_artifact_of_its_run(recording: Recording, tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), SVC()).fit(X, Y)
    joblib.dump(model, tmp_path / "model.joblib")
    with open(tmp_path / "model.pkl", "wb") as file:
        pickle.dump({"model": model, "classes": [0, 1, 2]}, file)
    with open(tmp_path / "model.pkl", "rb") as file:
        loaded = pickle.load(file)["model"]
    assert loaded.score(X, Y) == model.score(X, Y)
    autotrack.disable()
    (strand,) = recording.strands()
    (kept,) = strand.of(events.StrandModel)
    seen = [event for event in recording.events() if isinstance(event, events.ArtifactSeen)]
    assert [(Path(event.path).name, event.mode, event.strand, event.model) for event in seen] == [
        ("model.joblib", "written", strand.id, kept.id),
        ("model.pkl", "written", strand.id, kept.id),
        ("model.pkl", "read", None, kept.id),
    ]
    digests = [event for event in recording.events() if isinstance(event, events.ArtifactDigested)]
    from blake3 import blake3

    assert digests[0].digest == f"blake3:{blake3((tmp_path / 'model.joblib').read_bytes()).hexdigest()}"
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("data", "kind", "rows", "columns"),
    [
        (X, "numpy.ndarray", 150, 4),
        (np.asfortranarray(X), "numpy.ndarray", 150, 4),
        (pd.DataFrame(X, columns=list("abcd")), "pandas.DataFrame", 150, 4),
        (scipy.sparse.csr_matrix(X), "scipy.csr_matrix", 150, 4),
        (X.tolist(), "list", 150, None),
    ],
)
def test_training_data_has_shape_and_identity(
    recording: Recording, data: Any, kind: str, rows: int, columns: int
) -> None:
    Ridge().fit(data, Y, sample_weight=np.ones(150))
    (described,) = recording.strands()[0].datasets.values()
    dataset = described.dataset
    assert (described.role, dataset.kind, dataset.rows, dataset.columns, dataset.method) == (
        "train",
        kind,
        rows,
        columns,
        "whole",
    )
    assert [part.name for part in dataset.parts] == ["features", "labels", "weights"]
    assert dataset.parts[0].id == arrays.digest(data)
    assert dataset.parts[1].id == arrays.digest(Y)
    assert dataset.id is not None


def test_memory_order_makes_no_difference() -> None:
    assert arrays.digest(X) == arrays.digest(np.asfortranarray(X)) == arrays.digest(np.repeat(X, 2, axis=0)[::2])
    assert arrays.digest(X) != arrays.digest(X.astype(np.float32))
    assert arrays.digest(X) != arrays.digest(X.reshape(4, 150))


def test_large_data_is_digested_before_the_call(recording: Recording) -> None:
    big = np.random.default_rng(0).normal(size=(400_000, 10))
    before = arrays.digest(big)

    def hook(given: Any) -> None:
        given[0, 0] += 1.0

    Scaled(hook).fit(big, big[:, 0])
    autotrack.disable()
    (strand,) = recording.strands()
    (described,) = strand.datasets.values()
    assert described.dataset.method == "whole"
    assert described.dataset.parts[0].id == before


WORDS = np.array([f"word{number % 1000}" for number in range(40_000)], dtype=object)[:, None]


def test_objects_are_digested_beside_the_call(recording: Recording) -> None:
    OneHotEncoder().fit(WORDS)
    autotrack.disable()
    (strand,) = recording.strands(steps=True)
    (described,) = strand.datasets.values()
    assert described.dataset.method == "unverified"
    assert described.dataset.id == arrays.digest(WORDS)


class Hooked(BaseEstimator):
    def __init__(self, hook: Any) -> None:
        self.hook = hook

    def fit(self, X: Any, y: Any = None) -> Hooked:
        self.hook(X)
        return self

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X))


def test_large_data_that_changes_is_said_to_be_mutated(recording: Recording) -> None:
    big = WORDS.copy()

    def hook(given: Any) -> None:
        from autotrack.trained import strand_of

        strand = strand_of(model)
        assert strand is not None
        strand._pending[0]._ready.wait(30)
        given[7] = "another"

    model = Hooked(hook)
    model.fit(big)
    autotrack.disable()
    (described,) = recording.strands()[0].datasets.values()
    assert described.dataset.method == "mutated"


def test_user_warnings_point_at_the_users_line(tmp_path: Path) -> None:
    source = """
import warnings
from sklearn.base import BaseEstimator
class Mine(BaseEstimator):
    def fit(self, X, y=None):
        warnings.warn("look here", stacklevel=2)
        return self
    def predict(self, X): return X
for _ in range(2):
    Mine().fit([[1.0]])
import numpy as np
from sklearn.linear_model import LogisticRegression
LogisticRegression(max_iter=1).fit([[0.0], [1.0], [3.0], [7.0]], [0, 1, 1, 0])
"""
    plain = run_program(source, tmp_path, tracked=False)
    tracked = run_program(source, tmp_path, env={"AUTOTRACK_QUIET": "1"})
    assert "look here" in plain.stderr
    assert tracked.stderr == plain.stderr


def test_concurrent_fits_do_not_mix(recording: Recording) -> None:
    barrier = threading.Barrier(4)

    def work(number: int) -> None:
        def hook(_: Any) -> None:
            barrier.wait(30)

        model = Scaled(hook).fit(X + number, Y)
        model.score(X + number, Y)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    strands = recording.strands()
    assert len({strand.datasets[0].dataset.id for strand in strands}) == 4
    assert all(list(strand.points) == ["train/r2"] for strand in strands)


def test_failing_search_candidate_is_nan(recording: Recording) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        GridSearchCV(Ridge(), {"alpha": [-1.0, 1.0]}, cv=3).fit(X, Y)
    trials = recording.strands()[0].of(events.StrandTrial)
    assert trials[0].metrics["cv/r2"] == {"$float": "nan"}
    assert [trial.status for trial in trials] == ["failed", "finished"]


def test_names_bound_before_are_found_and_put_back(tmp_path: Path) -> None:
    before = accuracy_score
    module = sys.modules[__name__]
    autotrack.enable(dir=tmp_path / "rec", quiet=True, strict=True)
    assert module.accuracy_score is not before  # type: ignore[attr-defined]
    autotrack.disable()
    assert module.accuracy_score is before  # type: ignore[attr-defined]


def test_random_state_objects_are_described(recording: Recording) -> None:
    RandomizedSearchCV(Ridge(), {"alpha": [1.0, 2.0]}, n_iter=1, cv=2, random_state=np.random.RandomState(0)).fit(X, Y)
    assert "$repr" in recording.strands()[0].params["random_state"]


def test_scorers_are_named_as_people_call_them(recording: Recording) -> None:
    GridSearchCV(SVC(), {"C": [1.0]}, cv=2).fit(X, Y)
    GridSearchCV(SVC(), {"C": [1.0]}, cv=2, scoring=make_scorer(f1_score, average="macro")).fit(X, Y)
    GridSearchCV(SVC(), {"C": [1.0]}, cv=2, scoring=["f1_macro", "accuracy"], refit="f1_macro").fit(X, Y)
    cross_val_score(Ridge(), X, Y, cv=2)
    cross_validate(SVC(), X, Y, cv=2)
    names = [list(strand.points) for strand in recording.strands()]
    assert names == [["cv/accuracy"], ["cv/f1_macro"], ["cv/f1_macro", "cv/accuracy"], ["test/r2"], ["test/accuracy"]]


def test_a_forest_goes_by_its_own_name(recording: Recording) -> None:
    RandomForestClassifier(n_estimators=2).fit(X, Y)
    OneVsRestClassifier(SVC()).fit(X, Y)
    assert [strand.name for strand in recording.strands()] == ["RandomForestClassifier", "OneVsRestClassifier(SVC)"]


LARGE = np.random.RandomState(0).rand(30_000, 60)
LARGE_Y = (LARGE[:, 0] > 0.5).astype(int)


def _scored(strand: Any) -> list[str]:
    return [name for name in strand.points if not name.startswith("cv/")]


def test_scores_on_large_training_data_are_train_scores(recording: Recording) -> None:
    train, test, train_y, test_y = train_test_split(LARGE, LARGE_Y, random_state=0)
    for container in (np.asarray, np.asfortranarray, pd.DataFrame):
        given, other = container(train), container(test)
        model = DecisionTreeClassifier(max_depth=2).fit(given, train_y)
        model.score(given, train_y)
        assert _scored(recording.strands()[-1]) == ["train/accuracy"]
        accuracy_score(train_y, model.predict(given))
        model.score(other, test_y)
        assert {n: len(p) for n, p in recording.strands()[-1].points.items()} == {
            "train/accuracy": 2,
            "test/accuracy": 1,
        }


def test_parts_of_the_training_data_are_training_data(recording: Recording) -> None:
    train, test, train_y, test_y = train_test_split(X, Y, random_state=0)
    model = SVC().fit(train, train_y)
    model.score(train[:50], train_y[:50])
    assert _scored(recording.strands()[-1]) == ["train/accuracy"]
    batches = SGDClassifier(random_state=0)
    for start in range(0, 100, 20):
        batches.partial_fit(train[start : start + 20].copy(), train_y[start : start + 20], classes=[0, 1, 2])
        accuracy_score(train_y, batches.predict(train))
        accuracy_score(test_y, batches.predict(test))
    points = recording.strands()[-1].points
    assert {name: len(values) for name, values in points.items()} == {"train/accuracy": 5, "test/accuracy": 5}


def test_what_cannot_be_told_is_not_claimed(recording: Recording) -> None:
    part, _, labels, _ = train_test_split(X, Y, random_state=0)
    model = SVC().fit(part.tolist(), labels)
    model.score(part, labels)  # a list holds the same, but its rows are not looked at
    assert _scored(recording.strands()[-1]) == ["accuracy"]


def test_a_step_of_a_pipeline_is_told_by_the_labels(recording: Recording) -> None:
    train, _, train_y, _ = train_test_split(X, Y, random_state=0)
    pipe = make_pipeline(StandardScaler(), SVC()).fit(train, train_y)
    pipe[-1].score(pipe[0].transform(train), train_y)
    (strand,) = recording.strands()
    assert _scored(strand) == ["train/accuracy"]


def test_predictions_of_cross_validation_are_held_out(recording: Recording) -> None:
    accuracy_score(Y, cross_val_predict(SVC(), X, Y, cv=3))
    (strand,) = recording.strands()
    assert list(strand.points) == ["test/accuracy"]


def test_scores_inside_an_inspection_are_no_scores(recording: Recording) -> None:
    model = LogisticRegression(max_iter=300).fit(X[::2], Y[::2])
    model.score(X[1::2], Y[1::2])
    found = permutation_importance(model, X[1::2], Y[1::2], n_repeats=2, random_state=0)
    (strand,) = recording.strands()
    assert len(strand.points["test/accuracy"]) == 1
    assert strand.of(events.StrandSummary)[-1].values["permutation_importances"] == found.importances_mean.tolist()


def test_a_stacking_classifier_is_a_run(recording: Recording) -> None:
    stack = StackingClassifier([("a", LogisticRegression(max_iter=300))]).fit(X, Y)
    stack.score(X, Y)
    (strand,) = recording.strands()
    assert (strand.kind, list(strand.points)) == ("fit", ["train/accuracy"])
    make_pipeline(StandardScaler()).fit(X)
    assert len(recording.strands()) == 1


def test_data_changed_early_in_a_fit_is_not_called_whole(recording: Recording) -> None:
    for _ in range(3):
        data = LARGE.copy()
        before = arrays.digest(data)

        def hook(given: Any) -> None:
            given *= 2.0

        Scaled(hook).fit(data, LARGE_Y)
    autotrack.disable()
    for strand in recording.strands():
        features = next(part for part in strand.datasets[0].dataset.parts if part.name == "features")
        assert features.method == "mutated" or features.id == before


def test_metrics_with_other_settings_are_other_series(recording: Recording) -> None:
    model = LogisticRegression(max_iter=300).fit(X[::2], Y[::2])
    guess = model.predict(X[1::2])
    f1_score(Y[1::2], guess, average="macro")
    f1_score(Y[1::2], guess, average="macro", labels=[0])
    accuracy_score(Y[1::2], guess)
    accuracy_score(Y[1::2], guess, sample_weight=np.ones(len(guess)))
    (strand,) = recording.strands()
    assert list(strand.points) == [
        "test/f1_macro",
        "test/f1_macro(labels=[0])",
        "test/accuracy",
        "test/accuracy(weighted)",
    ]


def test_scorers_called_by_hand(recording: Recording) -> None:
    model = LogisticRegression(max_iter=300).fit(X[::2], Y[::2])
    values = {
        name: get_scorer(name)(model, X[1::2], Y[1::2])
        for name in ("accuracy", "f1_macro", "balanced_accuracy", "neg_log_loss", "neg_mean_squared_error")
    }
    (strand,) = recording.strands()
    assert {name: points[0][1] for name, points in strand.points.items()} == {
        f"test/{name}": value for name, value in values.items()
    }


def test_agreement_of_two_models_is_no_score(recording: Recording) -> None:
    one, other = SVC().fit(X[::2], Y[::2]), LogisticRegression(max_iter=300).fit(X[::2], Y[::2])
    accuracy_score(one.predict(X[1::2]), other.predict(X[1::2]))
    one.score(X[1::2], other.predict(X[1::2]))
    assert [strand.points for strand in recording.strands()] == [{}, {}]


def test_columns_of_a_prediction_that_is_a_view_itself(recording: Recording) -> None:
    scores = OneVsRestClassifier(SVC()).fit(X[::2], Y[::2]).decision_function(X[1::2])
    assert scores.base is not None
    values = [roc_auc_score(Y[1::2] == column, scores[:, column]) for column in range(3)]
    (strand,) = recording.strands()
    assert [value for _, value in strand.points["test/roc_auc"]] == values


def test_a_pipeline_that_its_fit_rejects(recording: Recording) -> None:
    pipe = make_pipeline(StandardScaler, SVC(C=2.0))
    with pytest.raises((TypeError, AttributeError)):  # which of them is the version's
        pipe.fit(X, Y)
    (strand,) = recording.strands()
    assert (strand.name, strand.status) == ("Pipeline(SVC)", "failed")
    assert {"steps", "memory", "verbose"} <= set(strand.params)


def test_scorers_and_what_holds_them_can_be_pickled(recording: Recording) -> None:
    scorer = pickle.loads(pickle.dumps(get_scorer("neg_mean_squared_error")))
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, scoring="neg_mean_squared_error").fit(X, Y)
    by_hand = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, scoring=make_scorer(mean_squared_error)).fit(X, Y)
    for model in (search, by_hand):
        assert pickle.loads(pickle.dumps(model)).score(X, Y) == model.score(X, Y)
    assert scorer(search, X, Y) == search.score(X, Y)
    for strand in recording.strands():
        assert "PicklingError" not in strand.gaps.get("the fitted model", "")


class Staged(BaseEstimator):
    def __init__(self, steps: Any) -> None:
        self.steps = steps

    def fit(self, X: Any, y: Any) -> Staged:
        return self

    def predict(self, X: Any) -> Any:
        return [0] * len(X)


@pytest.mark.parametrize("steps", [[SVC()], [1, 2], [("a", SVC(), 3)], 5, None], ids=str)
def test_steps_that_are_no_pipeline(recording: Recording, steps: Any) -> None:
    Staged(steps).fit(X, Y).predict(X)
    (strand,) = recording.strands()
    assert (strand.kind, strand.name, strand.status) == ("fit", "Staged", "finished")
    assert "steps" in strand.params


def test_the_same_search_once_more_is_the_same_model(recording: Recording) -> None:
    """How long its fits took is no part of what it has learned."""
    for _ in range(2):
        GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=3).fit(X, Y)
    GridSearchCV(Ridge(), {"alpha": [0.1, 2.0]}, cv=3).fit(X, Y)
    ids = [event.id for strand in recording.strands() for event in strand.of(events.StrandModel)]
    assert ids[0] is not None
    assert ids[0] == ids[1] != ids[2]
