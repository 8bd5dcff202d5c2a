"""The plugin of LightGBM."""

from __future__ import annotations

import gc
import inspect
import json
import pickle
import weakref
from pathlib import Path
from typing import Any

import lightgbm
import numpy
import pandas
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import autotrack
from autotrack import events
from autotrack.identity import arrays
from autotrack.testing import PluginContract, Recording, recording, run_program

__all__ = ["recording"]

X = numpy.arange(600.0).reshape(200, 3) % 7.0
Y = X[:, 0] * 2.0 + X[:, 1]
SETTINGS = {"num_leaves": 4, "num_threads": 1, "seed": 3, "verbosity": -1, "min_data_in_leaf": 5}
CALM = "import os; os.environ['OMP_NUM_THREADS'] = '1'\n"
"""GNU's OpenMP hangs in a child that was forked after it ran."""


def raising(error: BaseException) -> Any:
    def callback(env: Any) -> None:
        raise error

    return callback


class TestTrain(PluginContract):
    framework = "lightgbm"
    fragile = True
    program = (
        f"{CALM}import numpy, lightgbm\n"
        "X = numpy.arange(200.0).reshape(100, 2)\n"
        "data = lightgbm.Dataset(X, X[:, 0])\n"
        "booster = lightgbm.train({'num_leaves': 4, 'verbosity': -1, 'num_threads': 1}, data, 3)\n"
        "print(booster.predict(X).tolist())"
    )
    targets = (
        "lightgbm:train",
        "lightgbm:cv",
        "lightgbm.basic:Booster.predict",
        "lightgbm.basic:Dataset.construct",
        "lightgbm.basic:Dataset.set_label",
    )
    hot_targets = ("lightgbm.basic:Booster.save_model", "lightgbm.basic:Booster.update")

    def train(self) -> Any:
        return lightgbm.train(dict(SETTINGS), lightgbm.Dataset(X, Y), 3).predict(X).tolist()

    def train_failing(self, error: BaseException) -> None:
        lightgbm.train(dict(SETTINGS), lightgbm.Dataset(X, Y), 3, callbacks=[raising(error)])

    def train_nested(self) -> Any:
        def inner(env: Any) -> None:
            lightgbm.train(dict(SETTINGS), lightgbm.Dataset(X, Y), 2)

        return lightgbm.train(dict(SETTINGS), lightgbm.Dataset(X, Y), 2, callbacks=[inner])

    def train_odd(self) -> None:
        lightgbm.train(dict(SETTINGS), None)

    def train_mutating(self) -> str:
        given = X.copy()
        before = arrays.digest(given)

        def change(env: Any) -> None:
            given[0, 0] += 1.0

        lightgbm.train(dict(SETTINGS), lightgbm.Dataset(given, Y), 2, callbacks=[change])
        return before

    def train_interleaved(self) -> list[tuple[str, float]]:
        first, second = (
            lightgbm.train({**SETTINGS, "num_leaves": leaves}, lightgbm.Dataset(X, Y), 3) for leaves in (2, 6)
        )
        errors = {id(model): mean_squared_error(Y, model.predict(X + 0.5)) for model in (second, first)}
        return [("test/mean_squared_error", errors[id(first)]), ("test/mean_squared_error", errors[id(second)])]

    def count_calls(self) -> int:
        calls = []

        def measure(prediction: Any, data: Any) -> Any:
            calls.append(len(prediction))
            return "half", 0.5, False

        data = lightgbm.Dataset(X, Y)
        lightgbm.train(dict(SETTINGS), data, 3, valid_sets=[data], feval=measure).predict(X)
        return len(calls)


class TestFit(PluginContract):
    framework = "lightgbm"
    fragile = True
    program = (
        f"{CALM}import numpy, lightgbm\n"
        "X = numpy.arange(200.0).reshape(100, 2)\n"
        "model = lightgbm.LGBMRegressor(n_estimators=3, num_leaves=4, n_jobs=1, verbosity=-1).fit(X, X[:, 0])\n"
        "print(model.predict(X).tolist())"
    )
    targets = ("lightgbm:LGBMRegressor.fit", "lightgbm:LGBMClassifier.fit", "lightgbm:LGBMRegressor.predict")

    def model(self, **settings: Any) -> Any:
        return lightgbm.LGBMRegressor(n_estimators=3, n_jobs=1, verbosity=-1, **{"num_leaves": 4, **settings})

    def train(self) -> Any:
        return self.model().fit(X, Y).predict(X).tolist()

    def train_failing(self, error: BaseException) -> None:
        self.model().fit(X, Y, callbacks=[raising(error)])

    def train_nested(self) -> Any:
        return make_pipeline(StandardScaler(), self.model()).fit(X, Y)

    def train_odd(self) -> None:
        self.model().fit((row for row in X), Y)

    def train_mutating(self) -> str:
        given = X.copy()
        before = arrays.digest(given)

        def change(env: Any) -> None:
            given[0, 0] += 1.0

        self.model().fit(given, Y, callbacks=[change])
        return before

    def train_interleaved(self) -> list[tuple[str, float]]:
        first, second = self.model(num_leaves=2).fit(X, Y), self.model(num_leaves=6).fit(X, Y)
        errors = {id(model): mean_squared_error(Y, model.predict(X + 0.5)) for model in (second, first)}
        return [("test/mean_squared_error", errors[id(first)]), ("test/mean_squared_error", errors[id(second)])]

    def count_calls(self) -> int:
        calls = []

        def objective(truth: Any, prediction: Any) -> Any:
            calls.append(len(prediction))
            return prediction - truth, numpy.ones_like(prediction)

        self.model(objective=objective).fit(X, Y).predict(X)
        return len(calls)

    def test_unsupported_version_is_one_line(self, tmp_path: Path) -> None:
        """It is an estimator of scikit-learn's all the same."""
        source = "import lightgbm\nlightgbm.__version__ = '0.0.1'\nimport autotrack\n"
        source += f"autotrack.enable(dir={str(tmp_path / 'rec')!r}, strict=True)\n{self.program}\n"
        done = run_program(source, tmp_path, tracked=False)
        assert done.returncode == 0, done.stderr
        line, summary = done.stderr.splitlines()
        assert "lightgbm 0.0.1 is not observed" in line
        assert "1 run recorded" in summary
        (strand,) = Recording(tmp_path / "rec").strands()
        assert (strand.started.framework, strand.name) == ("sklearn", "LGBMRegressor")


# Rounds


def series(strand: Any) -> dict[str, list[float]]:
    assert all([step for step, _ in points] == list(range(len(points))) for points in strand.points.values())
    return {name: [value for _, value in points] for name, points in strand.points.items()}


def cancer() -> tuple[Any, Any, Any, Any]:
    features, labels = load_breast_cancer(return_X_y=True)
    return features[:400], labels[:400], features[400:], labels[400:]


def summary(strand: Any) -> dict[str, Any]:
    return {name: value for event in strand.of(events.StrandSummary) for name, value in event.values.items()}


def test_the_rounds_are_those_of_record_evaluation(recording: Recording) -> None:
    features, labels, other, truth = cancer()
    train = lightgbm.Dataset(features, labels)
    test = lightgbm.Dataset(other, truth, reference=train)

    def half(prediction: Any, data: Any) -> tuple[str, float, bool]:
        return "half", float(numpy.mean((prediction > 0.5) != data.get_label())), False

    history: dict[str, Any] = {}
    booster = lightgbm.train(
        {"objective": "binary", "metric": ["binary_logloss", "auc"], **SETTINGS}, train, 60,
        valid_sets=[train, test], valid_names=["train", "test"], feval=half,
        callbacks=[lightgbm.record_evaluation(history), lightgbm.early_stopping(3, verbose=False)],
    )  # fmt: skip
    (strand,) = recording.strands()
    assert series(strand) == {f"{data}/{name}": values for data in history for name, values in history[data].items()}
    assert 3 < len(history["test"]["half"]) < 60
    found = summary(strand)
    assert found["best_iteration"] == booster.best_iteration
    assert found["best_score.test.auc"] == booster.best_score["test"]["auc"]
    assert found["rounds"] == len(history["test"]["half"])
    gains = dict(zip(booster.feature_name(), booster.feature_importance("gain").tolist(), strict=True))
    assert found["feature_importances.gain"] == {name: gain for name, gain in gains.items() if gain}
    assert {"objective": "binary", "num_boost_round": 60, "num_leaves": 4}.items() <= strand.params.items()
    assert "_EarlyStoppingCallback" in strand.params["callbacks"]
    assert [(data.role, data.dataset.rows) for data in strand.datasets.values()] == [("train", 400), ("test", 169)]


def test_two_sets_of_one_split_keep_their_names(recording: Recording) -> None:
    train = lightgbm.Dataset(X, Y)
    sets = [lightgbm.Dataset(X + shift, Y, reference=train) for shift in (1, 2)]
    lightgbm.train({"metric": "l2", **SETTINGS}, train, 2, valid_sets=[train, *sets])
    (strand,) = recording.strands()
    assert set(series(strand)) == {"train/l2", "valid_1/l2", "valid_2/l2"}


def test_a_model_of_the_scikit_learn_api(recording: Recording) -> None:
    features, labels, other, truth = cancer()
    model = lightgbm.LGBMClassifier(n_estimators=10, n_jobs=1, num_leaves=4, verbosity=-1)
    model.fit(features, labels, eval_set=[(features, labels), (other, truth)], eval_metric="auc")
    score = model.score(other, truth)
    (strand,) = recording.strands()
    found = series(strand)
    history = model.evals_result_
    assert found.pop("valid/accuracy") == [score]
    assert found == {
        f"{split}/{name}": values
        for split, data in (("train", "training"), ("valid", "valid_1"))
        for name, values in history[data].items()
    }
    assert (strand.name, strand.cls) == ("LGBMClassifier", "lightgbm.sklearn.LGBMClassifier")
    assert {"n_estimators": 10, "num_leaves": 4, "eval_metric": "auc"}.items() <= strand.params.items()
    train, valid = strand.datasets.values()
    assert [part.id for part in train.dataset.parts] == [arrays.digest(features), arrays.digest(labels)]
    assert (valid.role, valid.dataset.rows) == ("valid", 169)


@pytest.mark.parametrize("labels", [None, Y])
def test_sets_without_labels_of_their_own(recording: Recording, labels: Any) -> None:
    if "eval_X" not in inspect.signature(lightgbm.LGBMRegressor.fit).parameters:
        pytest.skip("version 4.7 has brought eval_X")
    with pytest.raises(ValueError, match="eval_X"):
        lightgbm.LGBMRegressor(n_jobs=1).fit(X, Y, eval_X=(X,), eval_y=labels)
    (strand,) = recording.strands()
    assert strand.status == "failed"


def test_a_pipeline_has_the_rounds_of_its_last_step(recording: Recording) -> None:
    pipeline = make_pipeline(StandardScaler(), lightgbm.LGBMRegressor(n_estimators=3, n_jobs=1, verbosity=-1))
    pipeline.fit(X, Y, lgbmregressor__eval_set=[(X, Y)])
    (strand,) = recording.strands()
    assert series(strand)["valid/l2"] == pipeline[-1].evals_result_["valid_0"]["l2"]


def test_candidates_of_a_search_have_none(recording: Recording) -> None:
    model = lightgbm.LGBMRegressor(n_estimators=2, n_jobs=1, verbosity=-1)
    GridSearchCV(model, {"num_leaves": [2, 4]}, cv=2).fit(X, Y, eval_set=[(X, Y)])
    (strand,) = recording.strands()
    assert strand.kind == "search"
    assert not any("l2" in name for name in strand.points)


def test_cross_validation_has_mean_and_deviation(recording: Recording) -> None:
    settings = {"objective": "regression", "metric": "l2", **SETTINGS}
    result = lightgbm.cv(settings, lightgbm.Dataset(X, Y), 4, nfold=3, stratified=False, eval_train_metric=True)
    (strand,) = recording.strands()
    assert series(strand) == {
        f"{split}/l2{ours}": [float(value) for value in result[f"{split} l2-{theirs}"]]
        for split in ("train", "valid")
        for ours, theirs in (("", "mean"), (".std", "stdv"))
    }
    assert (strand.kind, summary(strand)["rounds"]) == ("cross_validation", 4)


def test_what_callbacks_change(recording: Recording) -> None:
    rates = lightgbm.reset_parameter(learning_rate=[0.5, 0.25, 0.25, 0.125])
    lightgbm.train(dict(SETTINGS), lightgbm.Dataset(X, Y), 4, callbacks=[rates])
    (strand,) = recording.strands()
    assert strand.points["learning_rate"] == [(0, 0.5), (1, 0.25), (3, 0.125)]
    assert strand.params["callbacks"] == ["_ResetParameterCallback"]


def test_a_list_of_callbacks_used_twice(recording: Recording) -> None:
    seen: list[int] = []
    callbacks = [lambda env: seen.append(env.iteration)]
    for rounds in (2, 3):
        data = lightgbm.Dataset(X, Y)
        lightgbm.train({"metric": "l2", **SETTINGS}, data, rounds, valid_sets=[data], callbacks=callbacks)
    assert (len(callbacks), len(seen)) == (1, 5)
    assert [len(strand.points["train/l2"]) for strand in recording.strands()] == [2, 3]


def test_rounds_by_hand(recording: Recording) -> None:
    train = lightgbm.Dataset(X, Y)
    booster = lightgbm.Booster({"metric": "l2", **SETTINGS}, train)
    booster.add_valid(lightgbm.Dataset(X + 0.5, Y, reference=train), "test")
    told = []
    for _ in range(3):
        booster.update()
        told.append([*booster.eval_train(), *booster.eval_valid()])
    autotrack.disable()
    (strand,) = recording.strands()
    assert series(strand) == {
        f"{name}/l2": [entry[at][2] for entry in told] for at, name in enumerate(("train", "test"))
    }
    assert {"num_leaves": 4}.items() <= strand.params.items()


def test_a_set_that_joins_late(recording: Recording) -> None:
    train = lightgbm.Dataset(X, Y)
    late = lightgbm.Dataset(X + 0.5, Y, reference=train)

    def join(env: Any) -> None:
        if env.iteration == 2:
            env.model.add_valid(late, "late")

    lightgbm.train({"metric": "l2", **SETTINGS}, train, 5, valid_sets=[train], callbacks=[join])
    (strand,) = recording.strands()
    assert [step for step, _ in strand.points["late/l2"]] == [3, 4]
    assert [data.role for data in strand.datasets.values()] == ["train", "valid"]


def test_models_that_are_saved_while_they_train(recording: Recording, tmp_path: Path) -> None:
    def save(env: Any) -> None:
        env.model.save_model(tmp_path / f"{env.iteration}.txt")

    booster = lightgbm.train(dict(SETTINGS), lightgbm.Dataset(X, Y), 3, callbacks=[save])
    booster.save_model(tmp_path / "tail.txt", start_iteration=1)
    lightgbm.Booster(model_file=tmp_path / "tail.txt")
    (strand,) = recording.strands()
    *written, read = [
        event for event in recording.events() if isinstance(event, events.ArtifactSeen) and event.kind == "model"
    ]
    assert {event.strand for event in written} == {strand.id}
    assert [event.step for event in written] == [1, 2, 3, 3]
    assert len({event.model for event in written}) == 4
    assert read.model == written[-1].model
    assert strand.of(events.StrandModel)[0].id == written[2].model


# Data


def dataset(recording: Recording, data: Any) -> Any:
    lightgbm.train(dict(SETTINGS), data, 1)
    return list(recording.strands()[-1].datasets.values())[-1].dataset


def test_a_data_set_is_known_by_what_it_is_made_of(recording: Recording) -> None:
    weights = numpy.linspace(1.0, 2.0, len(X))
    data = lightgbm.Dataset(X, label=Y, weight=weights)
    found = dataset(recording, data)
    assert [(part.name, part.id) for part in found.parts] == [
        ("features", arrays.digest(X)),
        ("labels", arrays.digest(Y)),
        ("weights", arrays.digest(weights)),
    ]
    assert (found.rows, found.columns, found.method) == (200, 3, "whole")
    assert data.data is None
    assert dataset(recording, data) == found
    data.set_label(Y + 1.0)
    assert [part.id for part in dataset(recording, data).parts[:2]] == [arrays.digest(X), arrays.digest(Y + 1.0)]


def test_whatever_else_a_training_is_given(recording: Recording) -> None:
    ids = [
        dataset(recording, lightgbm.Dataset(X, Y, **given)).id
        for given in ({}, {"init_score": Y}, {"init_score": Y + 1.0}, {"group": [100, 100]})
    ]
    assert len(set(ids)) == len(ids)
    lightgbm.train({**SETTINGS, "num_iterations": 2}, lightgbm.Dataset(X, Y, params={"max_bin": 10}))
    params = recording.strands()[-1].params
    assert (params["num_iterations"], params["Dataset.max_bin"]) == (2, 10)
    assert "num_boost_round" not in params


def test_data_of_a_training_that_fails_is_let_go_of(recording: Recording) -> None:
    table = pandas.DataFrame({"a": pandas.Categorical(["x", "y"] * 20_000), "b": numpy.arange(40_000.0)})
    known = weakref.ref(table)
    with pytest.raises(lightgbm.basic.LightGBMError):
        lightgbm.train(dict(SETTINGS), lightgbm.Dataset(table, Y), 1)
    del table
    autotrack.disable()
    gc.collect()
    assert known() is None


def test_rows_of_a_data_set(recording: Recording) -> None:
    whole = lightgbm.Dataset(X, Y, free_raw_data=False)
    parts = [dataset(recording, whole.subset(rows)) for rows in (range(100), range(100), range(50, 150))]
    assert [part.rows for part in parts] == [100] * 3
    assert parts[0].id == parts[1].id != parts[2].id is not None


def test_sparse_and_categorical_data(recording: Recording) -> None:
    sparse = scipy.sparse.random(1000, 50, density=0.05, format="csr", random_state=0)
    found = dataset(recording, lightgbm.Dataset(sparse, numpy.arange(1000.0)))
    assert (found.rows, found.columns, found.parts[0].id) == (1000, 50, arrays.digest(sparse))
    table = pandas.DataFrame({"a": pandas.Categorical(["x", "y"] * 100), "b": numpy.arange(200.0)})
    found = dataset(recording, lightgbm.Dataset(table, Y))
    assert (found.kind, found.parts[0].id) == ("pandas.DataFrame", arrays.digest(table))


def test_a_file_as_input(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("".join(f"{label},{row[0]},{row[1]}\n" for row, label in zip(X, Y, strict=True)))
    lightgbm.train(dict(SETTINGS), lightgbm.Dataset(str(path)), 1)
    autotrack.disable()
    (strand,) = recording.strands()
    (found,) = strand.datasets.values()
    assert (found.dataset.kind, found.dataset.id is not None) == ("lightgbm.Dataset", True)
    read = [event for event in recording.events() if isinstance(event, events.ArtifactSeen) and event.mode == "read"]
    assert str(path) in [event.path for event in read]


# Models and their files


def test_a_model_is_the_same_in_every_file(recording: Recording, tmp_path: Path) -> None:
    model = lightgbm.LGBMRegressor(n_estimators=3, n_jobs=1, verbosity=-1).fit(X, Y)
    model.booster_.save_model(tmp_path / "a.txt")
    for name, obj in (("b.pickle", model), ("c.pickle", model.booster_)):
        with open(tmp_path / name, "wb") as file:
            pickle.dump(obj, file)
    again = lightgbm.Booster(model_file=tmp_path / "a.txt")
    for name in ("b.pickle", "c.pickle"):
        with open(tmp_path / name, "rb") as file:
            pickle.load(file)
    (strand,) = recording.strands()
    (told,) = strand.of(events.StrandModel)
    found = [event for event in recording.events() if isinstance(event, events.ArtifactSeen) and event.kind == "model"]
    assert [event.mode for event in found] == ["written"] * 3 + ["read"] * 3
    assert {event.model for event in found} == {told.id}
    error = mean_squared_error(Y, again.predict(X))
    assert [points for name, points in recording.strands()[-1].points.items() if "squared" in name] == [[(0, error)]]


def test_training_goes_on_from_a_model(recording: Recording, tmp_path: Path) -> None:
    first = lightgbm.train(dict(SETTINGS), lightgbm.Dataset(X, Y), 2)
    first.save_model(tmp_path / "m.txt")
    second = lightgbm.train(dict(SETTINGS), lightgbm.Dataset(X, Y, free_raw_data=False), 3, init_model=first)
    lightgbm.train(dict(SETTINGS), lightgbm.Dataset(X, Y, free_raw_data=False), 1, init_model=str(tmp_path / "m.txt"))
    strands = recording.strands()
    assert second.current_iteration() == 5
    assert strands[1].params["init_model"] == strands[0].of(events.StrandModel)[0].id
    read = [event for event in recording.events() if isinstance(event, events.ArtifactSeen) and event.mode == "read"]
    assert strands[2].id in [event.strand for event in read if event.path.endswith("m.txt")]


@pytest.mark.parametrize("rows", [1, 2])
def test_predictions_know_their_data(recording: Recording, rows: int) -> None:
    booster = lightgbm.train(dict(SETTINGS), lightgbm.Dataset(X, Y), 3)
    errors = [mean_squared_error(Y[:rows], booster.predict(data[:rows])) for data in (X + 0.5,)]
    (strand,) = recording.strands()
    scores = [points for name, points in strand.points.items() if "mean_squared_error" in name]
    assert scores == ([] if rows == 1 else [[(0, errors[0])]])


def test_a_prediction_without_values_is_no_ones(recording: Recording) -> None:
    booster = lightgbm.train(dict(SETTINGS), lightgbm.Dataset(X, Y), 3)
    leaves = booster.predict(X, start_iteration=3, pred_leaf=True)
    assert leaves.shape == (len(X), 0)
    error = mean_squared_error(Y, booster.predict(X).copy())
    assert mean_squared_error(Y, Y[::-1]) > error
    (strand,) = recording.strands()
    scores = [points for name, points in strand.points.items() if "mean_squared_error" in name]
    assert scores == [[(0, error)]]


DASK = """
import json
import dask.array as da, numpy
from dask.distributed import Client, LocalCluster
from lightgbm import DaskLGBMRegressor

if __name__ == "__main__":
    with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster, Client(cluster) as client:
        data = da.from_array(numpy.arange(240.0).reshape(80, 3) % 7.0, chunks=(40, 3))
        model = DaskLGBMRegressor(client=client, n_estimators=4, verbose=-1)
        model.fit(data, data[:, 0], eval_set=[(data, data[:, 0])])
        with open("history.json", "w") as file:
            json.dump(model.evals_result_, file)
"""


def test_a_training_on_a_cluster_is_one_run(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    done = run_program(DASK, tmp_path, env={"AUTOTRACK_KEEP_MODEL_SECONDS": "5"})  # also where the machine is busy
    assert done.returncode == 0, done.stderr
    (strand,) = Recording(tmp_path / ".autotrack").strands()
    assert (strand.name, strand.status) == ("DaskLGBMRegressor", "finished")
    history = json.loads((tmp_path / "history.json").read_text())
    assert strand.points == {"train/l2": list(enumerate(history["valid_0"]["l2"]))}
    (data,) = strand.datasets.values()
    assert (data.dataset.method, data.dataset.kind, data.dataset.rows) == ("declared", "dask.Array", 80)
    assert set(strand.gaps) == {"identity of the data", "time of each round", "metrics of the whole data"}


# Data that is read in parts


class Reading(lightgbm.Sequence):  # type: ignore[misc]
    """`asked` holds what it is asked for."""

    def __init__(self, rows: Any, size: int = 6) -> None:
        self.rows, self.batch_size = rows, size
        self.asked: list[Any] = []

    def __getitem__(self, at: Any) -> Any:
        self.asked.append(at)
        return self.rows[at]

    def __len__(self) -> int:
        return len(self.rows)


def read(recording: Recording, data: Any, label: Any = Y, **given: Any) -> Any:
    lightgbm.train(SETTINGS, lightgbm.Dataset(data, label=label, **given), 1)
    return recording.strands()[-1].datasets[0].dataset


def test_rows_that_are_read_through_a_sequence(recording: Recording) -> None:
    plain = read(recording, Reading(X))
    assert (plain.method, plain.kind, plain.rows, plain.columns) == ("observed", "lightgbm.Dataset", len(X), X.shape[1])
    assert plain.seen == len(X)
    assert not recording.strands()[-1].gaps
    assert read(recording, Reading(X, size=100)) == plain
    assert read(recording, [Reading(X[:15]), Reading(X[15:])]) == plain
    assert read(recording, Reading(X), label=Y + 1.0).id not in (plain.id, None)
    changed = X.copy()
    changed[-1, -1] += 1.0
    assert read(recording, Reading(changed)).id not in (plain.id, None)


def test_a_sequence_of_a_data_set_that_is_there(recording: Recording) -> None:
    data = lightgbm.Dataset(Reading(X), label=Y, params=SETTINGS).construct()
    valid = lightgbm.Dataset(Reading(X[:9]), label=Y[:9], reference=data)
    lightgbm.train(SETTINGS, data, 1, valid_sets=[valid])
    lightgbm.train(SETTINGS, data, 1)
    first, second = recording.strands()
    assert [(used.role, used.dataset.seen) for used in first.datasets.values()] == [("train", len(X)), ("valid", 9)]
    assert [used.dataset.id for used in second.datasets.values()] == [first.datasets[0].dataset.id]


def test_no_row_more_is_read(recording: Recording) -> None:
    def fit() -> Any:
        data = Reading(X)
        booster = lightgbm.train(SETTINGS, lightgbm.Dataset(data, label=Y), 3)
        return data.asked, booster.model_to_string()

    tracked = fit()
    autotrack.disable()
    assert tracked == fit()


def test_a_list_of_matrices(recording: Recording) -> None:
    plain = read(recording, [X[:15], X[15:]])
    assert (plain.method, plain.rows, plain.columns) == ("whole", len(X), X.shape[1])
    assert read(recording, [X[:15], X[15:]]) == plain
