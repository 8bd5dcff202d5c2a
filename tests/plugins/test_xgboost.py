"""The plugin of XGBoost."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
import scipy.sparse
import xgboost
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import autotrack
from autotrack import events
from autotrack.identity import arrays
from autotrack.testing import PluginContract, Recording, recorded, recording, run_program

__all__ = ["recording"]

X = numpy.arange(60.0).reshape(20, 3) % 7.0
Y = X[:, 0] * 2.0 + X[:, 1]
SETTINGS = {"max_depth": 2, "nthread": 1, "seed": 3}


class Losses(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    """Does something after each round."""

    def __init__(self, act: Any) -> None:
        self.act = act

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        self.act()
        return False


def raising(error: BaseException) -> Any:
    def act() -> None:
        raise error

    return act


class TestTrain(PluginContract):
    framework = "xgboost"
    fragile = True
    program = (
        "import os; os.environ['OMP_NUM_THREADS'] = '1'\n"  # GNU's OpenMP hangs in a child that was forked after it ran
        "import numpy, xgboost\n"
        "data = xgboost.DMatrix(numpy.arange(20.0).reshape(10, 2), label=numpy.arange(10.0))\n"
        "booster = xgboost.train({'max_depth': 2, 'nthread': 1}, data, 3)\n"
        "print(booster.predict(data).tolist())"
    )
    targets = (
        "xgboost:train",
        "xgboost:cv",
        "xgboost.core:Booster.predict",
        "xgboost.core:DMatrix.__init__",
        "xgboost.core:DMatrix.set_label",
    )
    hot_targets = ("xgboost.core:Booster.save_model", "xgboost.core:Booster.set_param")

    def train(self) -> Any:
        return xgboost.train(SETTINGS, xgboost.DMatrix(X, Y), 3).predict(xgboost.DMatrix(X)).tolist()

    def train_failing(self, error: BaseException) -> None:
        data = xgboost.DMatrix(X, Y)
        xgboost.train(
            SETTINGS, data, 3, evals=[(data, "train")], callbacks=[Losses(raising(error))], verbose_eval=False
        )

    def train_nested(self) -> Any:
        data = xgboost.DMatrix(X, Y)
        inner = Losses(lambda: xgboost.train(SETTINGS, data, 2))
        return xgboost.train(SETTINGS, data, 2, callbacks=[inner])

    def train_odd(self) -> None:
        xgboost.train(SETTINGS, None)

    def train_mutating(self) -> str:
        given = X.copy()
        before = arrays.digest(given)
        data = xgboost.DMatrix(given, Y)

        def change() -> None:
            given[0, 0] += 1.0

        xgboost.train(SETTINGS, data, 2, callbacks=[Losses(change)])
        return before

    def train_interleaved(self) -> list[tuple[str, float]]:
        data, other = xgboost.DMatrix(X, Y), xgboost.DMatrix(X + 0.5)
        first, second = (xgboost.train({**SETTINGS, "max_depth": depth}, data, 3) for depth in (1, 4))
        errors = {id(model): mean_squared_error(Y, model.predict(other)) for model in (second, first)}
        return [("test/mean_squared_error", errors[id(first)]), ("test/mean_squared_error", errors[id(second)])]

    def count_calls(self) -> int:
        calls = []

        def objective(prediction: Any, data: Any) -> Any:
            calls.append(len(prediction))
            return prediction - data.get_label(), numpy.ones_like(prediction)

        data = xgboost.DMatrix(X, Y)
        xgboost.train(SETTINGS, data, 3, obj=objective).predict(data)
        return len(calls)


class TestFit(PluginContract):
    framework = "xgboost"
    fragile = True
    program = (
        "import os; os.environ['OMP_NUM_THREADS'] = '1'\n"
        "import numpy, xgboost\n"
        "X, y = numpy.arange(20.0).reshape(10, 2), numpy.arange(10.0)\n"
        "model = xgboost.XGBRegressor(n_estimators=3, max_depth=2, n_jobs=1, tree_method='exact').fit(X, y)\n"
        "print(model.predict(X).tolist())"
    )
    targets = (
        "xgboost:XGBRegressor.fit",
        "xgboost:XGBClassifier.fit",
        "xgboost:XGBRegressor.load_model",
        "xgboost:XGBRegressor.predict",
    )

    def model(self, **settings: Any) -> Any:
        return xgboost.XGBRegressor(n_estimators=3, n_jobs=1, **{"max_depth": 2, **settings})

    def train(self) -> Any:
        return self.model().fit(X, Y).predict(X).tolist()

    def train_failing(self, error: BaseException) -> None:
        self.model(callbacks=[Losses(raising(error))]).fit(X, Y)

    def train_nested(self) -> Any:
        return make_pipeline(StandardScaler(), self.model()).fit(X, Y)

    def train_odd(self) -> None:
        self.model().fit((row for row in X), Y)

    def train_mutating(self) -> str:
        given = X.copy()
        before = arrays.digest(given)

        def change() -> None:
            given[0, 0] += 1.0

        self.model(callbacks=[Losses(change)]).fit(given, Y)
        return before

    def train_interleaved(self) -> list[tuple[str, float]]:
        first, second = self.model(max_depth=1).fit(X, Y), self.model(max_depth=4).fit(X, Y)
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
        source = "import xgboost\nxgboost.__version__ = '0.0.1'\nimport autotrack\n"
        source += f"autotrack.enable(dir={str(tmp_path / 'rec')!r}, strict=True)\n{self.program}\n"
        done = run_program(source, tmp_path, tracked=False)
        assert done.returncode == 0, done.stderr
        line, summary = done.stderr.splitlines()
        assert "xgboost 0.0.1 is not observed" in line
        assert "1 run recorded" in summary
        (strand,) = Recording(tmp_path / "rec").strands()
        assert (strand.started.framework, strand.name) == ("sklearn", "XGBRegressor")


# Rounds


def series(strand: Any) -> dict[str, list[float]]:
    assert all([step for step, _ in points] == list(range(len(points))) for points in strand.points.values())
    return {name: [value for _, value in points] for name, points in strand.points.items()}


def cancer() -> tuple[Any, Any, Any, Any]:
    features, labels = load_breast_cancer(return_X_y=True)
    return features[:400], labels[:400], features[400:], labels[400:]


def test_the_rounds_are_those_of_evals_result(recording: Recording) -> None:
    features, labels, other, truth = cancer()
    train, test = xgboost.DMatrix(features, labels), xgboost.DMatrix(other, truth)

    def half(prediction: Any, data: Any) -> tuple[str, float]:
        return "half", float(numpy.mean((prediction > 0.5) != data.get_label()))

    history: dict[str, Any] = {}
    settings = {"objective": "binary:logistic", "eval_metric": ["logloss", "error@0.3"], **SETTINGS}
    booster = xgboost.train(
        settings, train, 40, evals=[(train, "train"), (test, "test")], evals_result=history, verbose_eval=False,
        custom_metric=half, early_stopping_rounds=3,
    )  # fmt: skip
    (strand,) = recording.strands()
    assert series(strand) == {
        f"{data}/{name}": list(values) for data in history for name, values in history[data].items()
    }
    assert len(history["test"]["half"]) < 40
    summary = {name: value for event in strand.of(events.StrandSummary) for name, value in event.values.items()}
    assert (summary["best_iteration"], summary["best_score"]) == (booster.best_iteration, booster.best_score)
    assert summary["rounds"] == booster.num_boosted_rounds()
    assert summary["feature_importances.gain"] == booster.get_score(importance_type="gain")
    known = {"objective": "binary:logistic", "num_boost_round": 40, "early_stopping_rounds": 3}
    assert {**known, "custom_metric": strand.params["custom_metric"]}.items() <= strand.params.items()
    assert "half" in str(strand.params["custom_metric"])
    assert [(data.role, data.dataset.rows) for data in strand.datasets.values()] == [("train", 400), ("test", 169)]


@pytest.mark.filterwarnings("ignore:Pass .* as keyword")
def test_evaluation_sets_by_position(recording: Recording) -> None:
    data = xgboost.DMatrix(X, Y)
    history: dict[str, Any] = {}
    xgboost.train(SETTINGS, data, 3, [(data, "dtrain")], evals_result=history, verbose_eval=False)
    (strand,) = recording.strands()
    assert series(strand) == {"train/rmse": history["dtrain"]["rmse"]}


def test_two_sets_of_one_split_keep_their_names(recording: Recording) -> None:
    train, first, second = (xgboost.DMatrix(X + shift, Y) for shift in range(3))
    sets = [(train, "train"), (first, "valid"), (second, "my_val")]
    history: dict[str, Any] = {}
    xgboost.train(SETTINGS, train, 2, evals=sets, evals_result=history, verbose_eval=False)
    (strand,) = recording.strands()
    assert series(strand) == {f"{name}/rmse": history[name]["rmse"] for name in ("train", "valid", "my_val")}


def test_a_model_of_the_scikit_learn_api(recording: Recording) -> None:
    features, labels, other, truth = cancer()
    model = xgboost.XGBClassifier(n_estimators=30, early_stopping_rounds=2, n_jobs=1, max_depth=2)
    model.fit(features, labels, eval_set=[(features, labels), (other, truth)], verbose=False)
    score = model.score(other, truth)
    loss = log_loss(truth, model.predict_proba(other))
    (strand,) = recording.strands()
    found = series(strand)
    history = model.evals_result()
    assert found.pop("valid/accuracy") == [score]
    assert found.pop("valid/log_loss") == [loss]
    assert found == {
        "train/logloss": history["validation_0"]["logloss"],
        "valid/logloss": history["validation_1"]["logloss"],
    }
    assert (strand.name, strand.cls) == ("XGBClassifier", "xgboost.sklearn.XGBClassifier")
    assert {"n_estimators": 30, "early_stopping_rounds": 2, "max_depth": 2}.items() <= strand.params.items()
    train, valid = strand.datasets.values()
    assert [part.id for part in train.dataset.parts] == [arrays.digest(features), arrays.digest(labels)]
    assert (valid.role, valid.dataset.rows) == ("valid", 169)


def test_a_pipeline_has_the_rounds_of_its_last_step(recording: Recording) -> None:
    pipeline = make_pipeline(StandardScaler(), xgboost.XGBRegressor(n_estimators=3, n_jobs=1))
    pipeline.fit(X, Y, xgbregressor__eval_set=[(X, Y)], xgbregressor__verbose=False)
    (strand,) = recording.strands()
    assert series(strand)["valid/rmse"] == pipeline[-1].evals_result()["validation_0"]["rmse"]


def test_candidates_of_a_search_have_none(recording: Recording) -> None:
    search = GridSearchCV(xgboost.XGBRegressor(n_estimators=2, n_jobs=1), {"max_depth": [1, 2]}, cv=2)
    search.fit(X, Y, eval_set=[(X, Y)], verbose=False)
    (strand,) = recording.strands()
    assert strand.kind == "search"
    assert not any("rmse" in name for name in strand.points)


def test_cross_validation_has_mean_and_deviation(recording: Recording) -> None:
    result = xgboost.cv(
        {"objective": "reg:squarederror", **SETTINGS}, xgboost.DMatrix(X, Y), 4, nfold=3, as_pandas=False
    )
    (strand,) = recording.strands()
    assert series(strand) == {
        "train/rmse": result["train-rmse-mean"],
        "train/rmse.std": result["train-rmse-std"],
        "test/rmse": result["test-rmse-mean"],
        "test/rmse.std": result["test-rmse-std"],
    }
    assert strand.kind == "cross_validation"


def test_what_callbacks_change(recording: Recording) -> None:
    rates = xgboost.callback.LearningRateScheduler([0.5, 0.25, 0.25, 0.125])
    xgboost.train(SETTINGS, xgboost.DMatrix(X, Y), 4, callbacks=[rates])
    (strand,) = recording.strands()
    assert strand.points["learning_rate"] == [(1, 0.5), (2, 0.25), (4, 0.125)]  # set once a round is made
    assert strand.params["callbacks"] == ["LearningRateScheduler"]


def test_a_list_of_callbacks_used_twice(recording: Recording) -> None:
    seen: list[int] = []
    callbacks = [Losses(lambda: seen.append(1))]
    data = xgboost.DMatrix(X, Y)
    for rounds in (2, 3):
        xgboost.train(SETTINGS, data, rounds, evals=[(data, "train")], callbacks=callbacks, verbose_eval=False)
    assert len(callbacks) == 1
    assert len(seen) == 5
    assert [len(strand.points["train/rmse"]) for strand in recording.strands()] == [2, 3]


def test_rounds_by_hand(recording: Recording) -> None:
    train, test = xgboost.DMatrix(X, Y), xgboost.DMatrix(X + 0.5, Y)
    booster = xgboost.Booster(SETTINGS, [train, test])
    told = []
    for number in range(3):
        booster.update(train, number)
        told.append(booster.eval_set([(train, "train"), (test, "my eval")], number))
    autotrack.disable()
    (strand,) = recording.strands()
    found = series(strand)
    assert set(found) == {"train/rmse", "valid/rmse"}
    assert len(found["valid/rmse"]) == 3
    assert found["train/rmse"] == [float(text.split()[1].partition(":")[2]) for text in told]
    assert {"max_depth": 2}.items() <= strand.params.items()


def test_an_objective_by_hand(recording: Recording) -> None:
    data = xgboost.DMatrix(X, Y)
    booster = xgboost.Booster(SETTINGS, [data])
    for number in range(3):
        booster.update(data, number, lambda guess, data: (guess - data.get_label(), numpy.ones_like(guess)))
        booster.eval(data, "train", number)
    autotrack.disable()
    (strand,) = recording.strands()
    assert [step for step, _ in strand.points["train/rmse"]] == [0, 1, 2]


def test_models_that_are_saved_while_they_train(recording: Recording, tmp_path: Path) -> None:
    check = xgboost.callback.TrainingCheckPoint(tmp_path, "model", False, 2)
    booster = xgboost.train(SETTINGS, xgboost.DMatrix(X, Y), 5, callbacks=[check])
    booster[:2].save_model(tmp_path / "part.json")
    (strand,) = recording.strands()
    found = [event for event in recording.events() if isinstance(event, events.ArtifactSeen) and event.kind == "model"]
    assert {event.strand for event in found} == {strand.id}
    assert [Path(event.path).stem for event in found] == ["model_2", "model_4", "part"]
    assert len({event.model for event in found}) == 3


def test_a_class_of_the_programs_own(recording: Recording) -> None:
    class Own(xgboost.XGBRegressor):  # type: ignore[misc]
        def fit(self, X: Any, y: Any) -> Any:
            return super().fit(X, y, eval_set=[(X + 1.0, y)], verbose=False)

    Own(n_estimators=2, n_jobs=1).fit(X, Y)
    (strand,) = recording.strands()
    assert (strand.name, list(strand.points)) == ("Own", ["valid/rmse"])


# Data


def dataset(recording: Recording, data: Any, settings: dict[str, Any] | None = None) -> Any:
    xgboost.train(settings or SETTINGS, data, 1)
    return list(recording.strands()[-1].datasets.values())[-1].dataset


def test_a_matrix_is_known_by_what_it_was_made_of(recording: Recording) -> None:
    weights = numpy.linspace(1.0, 2.0, len(X))
    found = dataset(recording, xgboost.DMatrix(X, label=Y, weight=weights))
    assert [(part.name, part.id) for part in found.parts] == [
        ("features", arrays.digest(X)),
        ("labels", arrays.digest(Y)),
        ("weights", arrays.digest(weights)),
    ]
    assert (found.rows, found.columns, found.method) == (20, 3, "whole")
    assert dataset(recording, xgboost.QuantileDMatrix(X, Y)).parts == found.parts[:2]


def test_what_is_set_of_a_matrix_later(recording: Recording) -> None:
    data = xgboost.DMatrix(X, Y)
    first = dataset(recording, data)
    data.set_label(Y + 1.0)
    second = dataset(recording, data)
    assert first.parts[0] == second.parts[0]
    assert [part.parts[1].id for part in (first, second)] == [arrays.digest(Y), arrays.digest(Y + 1.0)]


def test_whatever_else_a_training_is_given(recording: Recording) -> None:
    ids = [
        dataset(recording, xgboost.DMatrix(X, Y, **given)).id
        for given in ({}, {"base_margin": Y}, {"base_margin": Y + 1.0}, {"label_lower_bound": Y}, {"group": [10, 10]})
    ]
    assert len(set(ids)) == len(ids)
    dataset(recording, xgboost.DMatrix(X, Y, missing=0))
    assert recording.strands()[-1].params["DMatrix.missing"] == 0
    data = xgboost.DMatrix(X, Y, missing=3.0)
    data.set_float_info("label", Y + 1.0)
    assert dataset(recording, data).parts[1].id == arrays.digest(Y + 1.0)
    assert recording.strands()[-1].params["DMatrix.missing"] == 3.0


def test_labels_that_are_put_in_while_the_rest_is_digested(recording: Recording) -> None:
    table = pandas.DataFrame({"a": [f"text {number}" for number in range(20_000)], "b": numpy.arange(20_000.0)})
    held = table.assign(a=table["a"].astype("category"))  # what is gone by then can't be digested
    data = xgboost.DMatrix(held, enable_categorical=True)
    labels = numpy.arange(20_000.0)
    data.set_label(labels)
    xgboost.train({"tree_method": "hist", **SETTINGS}, data, 1)
    autotrack.disable()
    (strand,) = recording.strands()
    (found,) = strand.datasets.values()
    assert [part.name for part in found.dataset.parts] == ["features", "labels"]
    assert found.dataset.parts[1].id == arrays.digest(labels)
    assert found.dataset.parts[0].id is not None


def test_rows_of_a_matrix(recording: Recording) -> None:
    data = xgboost.DMatrix(X, Y)
    parts = [dataset(recording, data.slice(rows)) for rows in ([0, 1, 2], [0, 1, 2], [3, 4])]
    assert [part.rows for part in parts] == [3, 3, 2]
    assert parts[0].id == parts[1].id != parts[2].id is not None


def test_sparse_and_categorical_data(recording: Recording) -> None:
    sparse = scipy.sparse.random(1000, 50, density=0.05, format="csr", random_state=0)
    found = dataset(recording, xgboost.DMatrix(sparse, numpy.arange(1000.0)))
    assert (found.rows, found.columns, found.parts[0].id) == (1000, 50, arrays.digest(sparse))
    table = pandas.DataFrame({"a": pandas.Categorical(["x", "y"] * 10), "b": numpy.arange(20.0)})
    found = dataset(recording, xgboost.DMatrix(table, Y, enable_categorical=True), {"tree_method": "hist", **SETTINGS})
    assert (found.kind, found.parts[0].id) == ("pandas.DataFrame", arrays.digest(table))


def test_a_file_as_input(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("".join(f"{label} 0:{row[0]} 1:{row[1]}\n" for row, label in zip(X, Y, strict=True)))
    data = xgboost.DMatrix(f"{path}?format=libsvm")
    xgboost.train(SETTINGS, data, 1)
    autotrack.disable()
    (strand,) = recording.strands()
    (found,) = strand.datasets.values()
    assert (found.dataset.kind, found.dataset.id is not None) == ("xgboost.DMatrix", True)
    read = [event for event in recording.events() if isinstance(event, events.ArtifactSeen) and event.mode == "read"]
    assert str(path) in [event.path for event in read]


def test_a_matrix_of_one_row_is_left_alone(recording: Recording) -> None:
    from autotrack.plugin_api import note_of

    assert note_of(xgboost.DMatrix(X[:1])) is None
    assert note_of(xgboost.DMatrix(X[:2])) is not None


# Models and their files


def test_a_model_is_the_same_in_every_file(recording: Recording, tmp_path: Path) -> None:
    model = xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(X, Y)
    model.save_model(tmp_path / "a.json")
    model.get_booster().save_model(tmp_path / "b.ubj")
    (tmp_path / "c.pickle").write_bytes(pickle.dumps(model.get_booster()))
    with open(tmp_path / "d.pickle", "wb") as file:
        pickle.dump(model, file)
    with open(tmp_path / "e.pickle", "wb") as file:
        pickle.dump(model.get_booster(), file)
    again = xgboost.XGBRegressor()
    again.load_model(tmp_path / "a.json")
    xgboost.Booster(model_file=str(tmp_path / "a.json"))
    xgboost.Booster().load_model(tmp_path / "b.ubj")
    with open(tmp_path / "e.pickle", "rb") as file:
        pickle.load(file)
    (strand,) = recording.strands()
    (told,) = strand.of(events.StrandModel)
    found = [event for event in recording.events() if isinstance(event, events.ArtifactSeen) and event.kind == "model"]
    assert [event.mode for event in found] == ["written"] * 4 + ["read"] * 4
    assert {event.model for event in found} == {told.id}
    assert {event.strand for event in found if event.mode == "written"} == {strand.id}
    score = again.score(X, Y)
    assert recording.strands()[-1].points["train/r2"] == [(0, score)]


def test_training_goes_on_from_a_model(recording: Recording, tmp_path: Path) -> None:
    data = xgboost.DMatrix(X, Y)
    first = xgboost.train(SETTINGS, data, 2)
    first.save_model(tmp_path / "m.json")
    second = xgboost.train(SETTINGS, data, 3, xgb_model=first)
    xgboost.train(SETTINGS, data, 1, xgb_model=str(tmp_path / "m.json"))
    strands = recording.strands()
    assert second.num_boosted_rounds() == 5
    assert strands[1].params["xgb_model"] == strands[0].of(events.StrandModel)[0].id
    read = [event for event in recording.events() if isinstance(event, events.ArtifactSeen) and event.mode == "read"]
    assert [event.strand for event in read if event.path.endswith("m.json")].count(strands[2].id) == 1


def test_a_model_that_another_program_trained(tmp_path: Path) -> None:
    data = "import numpy, xgboost\nX = numpy.arange(20.0).reshape(10, 2)\ndata = xgboost.DMatrix(X, X[:, 0])\n"
    train = data + "xgboost.train({'max_depth': 2}, data, 3).save_model('m.ubj')"
    patient = {"AUTOTRACK_KEEP_MODEL_SECONDS": "5"}
    assert run_program(train, tmp_path, env=patient).returncode == 0
    score = (
        data + "from sklearn.metrics import r2_score\n"
        "booster = xgboost.Booster(model_file='m.ubj')\n"
        "print(r2_score(X[:, 0], booster.predict(data)))"
    )
    done = run_program(score, tmp_path, env=patient)
    assert done.returncode == 0, done.stderr
    found = [Recording(path).strands() for path in [tmp_path / "rec", tmp_path / ".autotrack"] if path.exists()]
    trained, evaluated = found[0]
    assert evaluated.kind == "evaluation"
    assert evaluated.of(events.StrandModel)[0].id == trained.of(events.StrandModel)[0].id
    assert [value for points in evaluated.points.values() for _, value in points] == [float(done.stdout)]


def test_predictions_know_their_data(recording: Recording) -> None:
    train, test = xgboost.DMatrix(X, Y), xgboost.DMatrix(X + 0.5)
    booster = xgboost.train(SETTINGS, train, 3)
    errors = [mean_squared_error(Y, booster.predict(data)) for data in (train, test)]
    (strand,) = recording.strands()
    assert strand.points["train/mean_squared_error"] == [(0, errors[0])]
    assert strand.points["test/mean_squared_error"] == [(0, errors[1])]
    assert [data.role for data in strand.datasets.values()] == ["train", "test"]


def test_enabled_after_the_import_and_disabled_within(tmp_path: Path) -> None:
    data = xgboost.DMatrix(X, Y)
    with recorded(tmp_path / "rec") as recording:
        xgboost.train(SETTINGS, data, 2, evals=[(data, "train")], verbose_eval=False)
        (strand,) = recording.strands()
    assert len(strand.points["train/rmse"]) == 2
    (found,) = strand.datasets.values()
    assert (found.dataset.method, found.dataset.rows) == ("declared", 20)


# Data that is handed over batch by batch


class Handing(xgboost.DataIter):  # type: ignore[misc]
    """Hands the rows over; `asked` counts how often it is asked for a batch."""

    def __init__(self, x: Any = X, y: Any = Y, size: int = 6, make: Any = None, cache: Path | None = None) -> None:
        self.x, self.y, self.size, self.make, self.at, self.asked = x, y, size, make or (lambda rows: rows), 0, 0
        super().__init__(cache_prefix=str(cache) if cache is not None else None)

    def reset(self) -> None:
        self.at = 0

    def next(self, input_data: Any) -> int:
        self.asked += 1
        rows = slice(self.at, self.at + self.size)
        if self.at >= len(self.x):
            return 0
        self.at += self.size
        input_data(data=self.make(self.x[rows]), label=self.y[rows])
        return 1


def handed(recording: Recording, iterator: Any, matrix: Any = xgboost.QuantileDMatrix, **given: Any) -> Any:
    data = matrix(iterator, **given)
    xgboost.train({**SETTINGS, "tree_method": "hist"}, data, 1)
    return recording.strands()[-1].datasets[0].dataset


def test_batches_of_an_iterator(recording: Recording, tmp_path: Path) -> None:
    """Whatever is made of them, and however they are divided."""
    plain = handed(recording, Handing())
    assert (plain.method, plain.kind, plain.rows, plain.columns) == ("observed", "xgboost.QuantileDMatrix", 20, 3)
    assert plain.seen == 20
    assert not recording.strands()[-1].gaps
    assert handed(recording, Handing(size=20)).id == plain.id
    assert handed(recording, Handing(size=7, make=numpy.asfortranarray)).id == plain.id
    assert handed(recording, Handing(cache=tmp_path / "cache"), xgboost.DMatrix).id == plain.id
    changed = Y.copy()
    changed[19] += 1.0
    assert handed(recording, Handing(y=changed)).id not in (plain.id, None)


@pytest.mark.parametrize("make", [lambda rows: pandas.DataFrame(rows, columns=list("abc")), scipy.sparse.csr_matrix])
def test_batches_in_other_forms(recording: Recording, make: Any) -> None:
    plain = handed(recording, Handing(make=make))
    assert (plain.method, plain.rows, plain.columns, plain.seen) == ("observed", 20, 3, 20)
    assert handed(recording, Handing(make=make, size=9)).id == plain.id
    changed = X.copy()
    changed[19, 2] += 1.0
    assert handed(recording, Handing(changed, make=make)).id not in (plain.id, None)


def test_no_batch_more_is_handed_over(recording: Recording) -> None:
    def fit() -> Any:
        iterator = Handing()
        data = xgboost.QuantileDMatrix(iterator)
        booster = xgboost.train(SETTINGS, data, 3)
        return iterator.asked, booster.save_raw("json")

    tracked = fit()
    autotrack.disable()
    assert tracked == fit()


def test_an_iterator_that_fails(recording: Recording) -> None:
    class Failing(Handing):
        def next(self, input_data: Any) -> int:
            if self.at >= 12:
                raise ValueError("no more")
            return super().next(input_data)

    with pytest.raises(ValueError, match="no more"):
        xgboost.QuantileDMatrix(Failing())
    assert handed(recording, Handing()).seen == 20


def test_labels_that_are_set_after_the_batches(recording: Recording) -> None:
    data = xgboost.QuantileDMatrix(Handing())
    data.set_label(Y + 1.0)
    xgboost.train(SETTINGS, data, 1, evals=[(data, "train")])
    (strand,) = recording.strands()
    assert strand.datasets[0].dataset.method == "observed"
    assert strand.gaps["identity of the train data"] == "what was set afterwards is not part of it: labels"
