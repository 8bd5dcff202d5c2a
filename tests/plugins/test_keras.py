"""The plugin of Keras, on the backend of TensorFlow, and in programs of their own on that of PyTorch."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # which is said at each import, with the time
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy
import tensorflow
from sklearn.metrics import mean_squared_error

import autotrack
from autotrack import events
from autotrack.identity import arrays, batches
from autotrack.plugin_api import model_digest
from autotrack.testing import PluginContract, Recording, recording, run_program
from autotrack_keras.epochs import Epochs

__all__ = ["recording"]

X = (numpy.arange(120.0).reshape(40, 3) % 7.0).astype("float32")
Y = (X[:, :1] * 2.0 + X[:, 1:2]).astype("float32")


def built(units: int = 4, **compiled: Any) -> Any:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, activation="relu"), keras.layers.Dense(1)])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.01), "loss": "mse", "metrics": ["mae"], **compiled})
    return model


def fitted(**given: Any) -> tuple[Any, Any]:
    model = built()
    return model, model.fit(X, Y, **{"epochs": 2, "batch_size": 10, "verbose": 0, **given})


class Acting(keras.callbacks.Callback):  # type: ignore[misc,name-defined]
    def __init__(self, act: Any) -> None:
        super().__init__()
        self.act = act

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.act()


def raising(error: BaseException) -> Any:
    def act() -> None:
        raise error

    return Acting(act)


PROGRAM = """
import os
os.environ.setdefault('KERAS_BACKEND', 'tensorflow')
import numpy, keras
keras.utils.set_random_seed(1)
X = numpy.arange(60, dtype='float32').reshape(20, 3) % 7
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(0.01), 'mse')
history = model.fit(X, X[:, :1], epochs=2, batch_size=5, verbose=0)
print(history.history['loss'], model.get_weights()[0].tolist())
"""


class TestKeras(PluginContract):
    framework = "keras"
    program = PROGRAM
    fragile = True  # TensorFlow before 2.17 does not live through each exception of a signal handler
    targets = (
        "keras.src.models.model:Model.fit",
        "keras.src.models.model:Model.evaluate",
        "keras.src.models.model:Model.predict",
    )
    hot_targets = (
        "keras.src.saving.saving_api:save_model",
        "keras.src.saving.saving_api:load_model",
    )

    def test_forked_child_is_recorded_once(self, tmp_path: Path) -> None:
        """On the backend of PyTorch: what TensorFlow has started does not live on in a child."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("KERAS_BACKEND", "torch")
            patched.setenv("OMP_NUM_THREADS", "1")
            super().test_forked_child_is_recorded_once(tmp_path)

    def train(self) -> Any:
        model, history = fitted()
        return history.history, [weight.tolist() for weight in model.get_weights()]

    def train_failing(self, error: BaseException) -> None:
        fitted(callbacks=[raising(error)])

    def train_nested(self) -> Any:
        return fitted(callbacks=[Acting(lambda: fitted(epochs=1))])

    def train_odd(self) -> None:
        spec = tuple(tensorflow.TensorSpec(part.shape) for part in (X, Y))
        built().fit(tensorflow.data.Dataset.from_generator(lambda: [(X, Y)], output_signature=spec), verbose=0)

    def train_mutating(self) -> str:
        given = X.copy()
        before = arrays.digest(given)

        def change() -> None:
            given[0, 0] += 1.0

        built().fit(given, Y, epochs=2, verbose=0, callbacks=[Acting(change)])
        return before

    def train_interleaved(self) -> list[tuple[str, float]]:
        first, second = (built(units) for units in (2, 5))
        for model in (first, second):
            model.fit(X, Y, epochs=1, verbose=0)
        errors = {id(model): mean_squared_error(Y, model.predict(X + 0.5, verbose=0)) for model in (second, first)}
        return [("test/mean_squared_error", errors[id(first)]), ("test/mean_squared_error", errors[id(second)])]

    def count_calls(self) -> int:
        calls = []

        def rate(epoch: int, before: float) -> float:
            calls.append(epoch)
            return 0.01

        model, _ = fitted(callbacks=[keras.callbacks.LearningRateScheduler(rate)])
        model.evaluate(X, Y, verbose=0)
        return len(calls)


def values(strand: Any) -> dict[str, list[float]]:
    return {name: [value for _, value in points] for name, points in strand.points.items()}


def epochs(strand: Any) -> dict[str, list[float]]:
    """What `History` has, too."""
    found = values(strand)
    return {name: found[name] for name in found if not name.endswith(".batch") and name != "learning_rate"}


def named(history: dict[str, list[float]]) -> dict[str, list[float]]:
    """The names of the record for those of `History`."""
    return {
        f"valid/{name[4:]}" if name.startswith("val_") else name if name == "learning_rate" else f"train/{name}": found
        for name, found in history.items()
    }


def summary(strand: Any) -> dict[str, Any]:
    return {name: value for event in strand.of(events.StrandSummary) for name, value in event.values.items()}


# Training


def test_the_epochs_are_those_of_history(recording: Recording) -> None:
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=0, min_delta=1e9, start_from_epoch=1)
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=0, min_delta=1e9)
    callbacks = [stop, plateau]
    _, history = fitted(epochs=5, validation_data=(X + 1.0, Y), callbacks=callbacks)
    (strand,) = recording.strands()
    assert values(strand).items() >= named(history.history).items()
    assert epochs(strand).keys() == named(history.history).keys() - {"learning_rate"}
    assert len(history.history["loss"]) == 3
    assert callbacks == [stop, plateau]
    assert summary(strand)["epochs"] == 3
    known = {
        "optimizer": "SGD", "learning_rate": 0.01, "loss": "mse", "metrics": ["mae"], "epochs": 5, "batch_size": 10,
        "callbacks": ["EarlyStopping", "ReduceLROnPlateau"], "EarlyStopping.patience": 0,
        "ReduceLROnPlateau.factor": 0.5,
    }  # fmt: skip
    assert known.items() <= strand.params.items()
    train, valid = strand.datasets.values()
    assert [part.id for part in train.dataset.parts] == [arrays.digest(X), arrays.digest(Y)]
    assert (valid.role, valid.dataset.parts[0].id) == ("valid", arrays.digest(X + 1.0))
    (model,) = strand.of(events.StrandModel)
    assert (model.parameters, summary(strand)["layers"][1].partition(" ")[2]) == (21, "(Dense)")


def test_the_batches_are_those_that_callbacks_are_told(recording: Recording) -> None:
    told: list[float] = []

    class Told(keras.callbacks.Callback):  # type: ignore[misc,name-defined]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            told.append(logs["loss"])

    fitted(callbacks=[Told()])
    fitted()
    seen, unseen = recording.strands()
    assert seen.points["train/loss.batch"] == list(enumerate(told))
    assert sorted(unseen.points["train/loss.batch"]) == list(enumerate(told))


def test_the_learning_rate_where_history_has_none(recording: Recording) -> None:
    model = built()

    def act() -> None:
        model.optimizer.learning_rate = 0.5

    model.fit(X, Y, epochs=3, verbose=0, callbacks=[Acting(act)])
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.PiecewiseConstantDecay([3], [0.1, 0.2])), "mse")
    model.fit(X, Y, epochs=3, batch_size=20, verbose=0)
    by_hand, schedule = recording.strands()
    assert by_hand.points["learning_rate"] == [(0, 0.5)]
    assert schedule.points["learning_rate"] == [(3, 0.1), (4, 0.2)]  # in the epochs that count on


def test_optimizers_of_a_compile_of_the_programs_own(recording: Recording) -> None:
    class Pair(Unbuilt):
        def compile(self, d_optimizer: Any, g_optimizer: Any) -> None:
            super().compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
            self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer

        def train_step(self, data: Any) -> Any:
            x, y = data
            with tensorflow.GradientTape() as tape:
                loss = self.loss(y, self.dense(x))
            variables = self.dense.trainable_variables
            self.d_optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            return {"own": loss}

    model = Pair()
    model.compile(keras.optimizers.Adam(3e-4), keras.optimizers.SGD(0.2))
    model.fit(X, Y, epochs=1, verbose=0)
    (strand,) = recording.strands()
    known = {
        "d_optimizer.optimizer": "Adam", "d_optimizer.learning_rate": 3e-4, "g_optimizer.learning_rate": 0.2,
        "loss": "BinaryCrossentropy", "loss.from_logits": True,
    }  # fmt: skip
    assert known.items() <= strand.params.items()
    assert "optimizer" not in strand.params
    (trained,) = strand.of(events.StrandModel)  # though Keras does not know that it is built
    assert (trained.parameters, trained.id is not None) == (4, True)


class Unbuilt(keras.Model):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.dense.build((None, 3))


def test_no_callback_is_added(recording: Recording) -> None:
    called = []

    class Look(keras.callbacks.Callback):  # type: ignore[misc,name-defined]
        def on_train_begin(self, logs: Any = None) -> None:
            called.append([type(one) for one in sys._getframe(1).f_locals["self"].callbacks])

    fitted(callbacks=[Look()])
    autotrack.disable()
    fitted(callbacks=[Look()])
    assert called[0] == called[1]


@pytest.mark.parametrize("form", ["list", "list given by position", "CallbackList", "History used twice"])
def test_callbacks_in_every_form(recording: Recording, form: str) -> None:
    history = keras.callbacks.History()
    model = built()
    given: Any = [history]
    if form == "CallbackList":
        given = keras.callbacks.CallbackList([history], model=model, epochs=2, steps=4)
    if form == "list given by position":
        model.fit(X, Y, 10, 2, 0, given)
    else:
        model.fit(X, Y, batch_size=10, epochs=2, verbose=0, callbacks=given)
    if form == "History used twice":
        model.fit(X, Y, batch_size=10, epochs=4, initial_epoch=2, verbose=0, callbacks=given)
        first, second = recording.strands()
        assert values(first)["train/loss"] + values(second)["train/loss"] == history.history["loss"]
        assert [step for step, _ in second.points["train/loss"]] == [2, 3]
        assert second.params["initial_epoch"] == 2
    else:
        (strand,) = recording.strands()
        assert values(strand)["train/loss"] == history.history["loss"]
    assert isinstance(given, keras.callbacks.CallbackList) or given == [history]


def test_a_model_that_is_trained_on(tmp_path: Path) -> None:
    """Frozen, then fine-tuned: one run, whose curves go on, and of the second phase what is set in another way."""
    source = """
import json, numpy, keras
keras.utils.set_random_seed(0)
X = numpy.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = X.sum(1)
base = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
model = keras.Sequential([keras.Input((3,)), base, keras.layers.Dense(1)], name="tuned")
base.trainable = False
model.compile("sgd", "mse")
seen = model.fit(X, Y, batch_size=10, epochs=3, validation_split=0.2, verbose=0).history
model.evaluate(X[:7] + 1, Y[:7], verbose=0)
base.trainable = True
model.compile(keras.optimizers.SGD(1e-3), "mse")
more = model.fit(X, Y, batch_size=10, epochs=2, validation_split=0.2, verbose=0).history
model.evaluate(X[:7] + 1, Y[:7], verbose=0)
third = model.fit(X, Y, batch_size=10, epochs=8, initial_epoch=7, validation_split=0.2, verbose=0).history
json.dump([seen[n] + more[n] + third[n] for n in ("loss", "val_loss")], open("said.json", "w"))
model.set_weights([numpy.zeros_like(w) for w in model.get_weights()])  # another training, of the same object
model.fit(X, Y, batch_size=10, epochs=1, verbose=0)
"""
    done = run_program(source, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 runs recorded" in done.stderr

    def said(*words: str) -> list[Any]:
        line = [sys.executable, "-m", "autotrack", *words, "--json"]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
        return [json.loads(line) for line in done.stdout.splitlines()]

    run = said("ls")[-1]["id"]
    points: dict[str, list[tuple[int, float]]] = {}
    for point in said("export", run, "--points"):
        points.setdefault(point["name"], []).append((point["step"], point["value"]))
    losses, held_out = json.loads((tmp_path / "said.json").read_text())
    steps = [0, 1, 2, 3, 4, 7]
    assert points["train/loss"] == list(zip(steps, losses, strict=True))
    assert points["valid/loss"] == list(zip(steps, held_out, strict=True))
    assert [step for step, _ in points["train/loss.batch"]] == list(range(24))
    assert [step for step, _ in points["test/loss"]] == [0, 1]
    (run,) = said("export", run)
    assert (run["name"], run["status"]) == ("Sequential(tuned)", "finished")
    params = {param["name"]: param["value"] for param in run["params"]}
    assert (params["epochs"], params["phase2.epochs"], params["phase3.epochs"]) == (3, 2, 8)
    assert (params["learning_rate"], params["phase2.learning_rate"]) == (0.01, 0.001)
    assert "phase2.loss" not in params
    assert not any("phase" in name for name in points)
    assert (run["summary"]["epochs"], run["summary"]["steps"]) == (6, 24)
    assert run["summary"]["phase2.trainable_parameters"] == 21


def test_trainings_that_fail_between_others(recording: Recording) -> None:
    """One that made steps is a phase as others are; one that made none is no part of the run."""

    class Stops(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise KeyError("enough")

    model, losses, scores = built(), [], []

    def fit(**given: Any) -> None:
        losses.extend(model.fit(X, Y, batch_size=10, verbose=0, **given).history["loss"])
        scores.append(model.evaluate(X, Y, verbose=0, return_dict=True)["loss"])

    fit(epochs=2)
    for wrong in (X[:, :2], X[:, :1]):
        with pytest.raises(Exception, match=r"(?i)incompatible|shape|dim"):
            model.fit(wrong, Y, batch_size=10, epochs=7, verbose=0)
    fit(epochs=1)
    with pytest.raises(KeyError):
        model.fit(X, Y, batch_size=10, epochs=3, verbose=0, callbacks=[Stops()])
    scores.append(model.evaluate(X, Y, verbose=0, return_dict=True)["loss"])
    fit(epochs=1)
    autotrack.disable()
    first, *failed, second, third, last = recording.strands()
    joined = {
        event.strand: (event.into, event.name) for event in recording.events() if isinstance(event, events.StrandJoined)
    }
    assert joined == {strand.id: (first.id, f"phase{at}") for at, strand in enumerate((second, third, last), 2)}
    assert [(strand.status, strand.params["epochs"], strand.params["optimizer"]) for strand in failed] == [
        ("failed", 7, "SGD")
    ] * 2
    told = [point for strand in (first, second, third, last) for point in strand.points["train/loss"]]
    assert [step for step, _ in told] == [0, 1, 2, 3, 4]
    assert [value for at, (_, value) in enumerate(told) if at != 3] == losses
    batches = [step for strand in (first, second, third, last) for step, _ in strand.points["train/loss.batch"]]
    assert batches == list(range(24))
    found = [point for strand in (first, second, third, last) for point in strand.points["train/loss.evaluated"]]
    assert found == list(enumerate(scores))
    assert first.of(events.StrandSummary)[-1].values["epochs"] == 5


def _normalized() -> Any:
    parts = [
        part for _ in range(4) for part in (keras.layers.Dense(5, use_bias=False), keras.layers.BatchNormalization())
    ]
    return keras.Sequential([keras.Input((3,)), *parts, keras.layers.Dense(1)])


def _renew(model: Any) -> None:
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            layer.kernel.assign(layer.kernel_initializer(layer.kernel.shape))


def _exchange(model: Any) -> None:
    model.layers[0].kernel.assign(model.layers[0].kernel + 1.0)


def _with_a_base() -> Any:
    base = keras.layers.Dense(5, trainable=False)
    return keras.Sequential([keras.Input((3,)), base, keras.layers.Dense(1)])


def _large() -> Any:
    layers = [keras.Input((3,)), keras.layers.Embedding(3000, 16), keras.layers.Flatten(), keras.layers.Dense(1)]
    return keras.Sequential(layers)


@pytest.mark.parametrize(
    ("build", "act", "phases"),
    [(_normalized, _renew, 0), (_with_a_base, _exchange, 0), (_large, lambda model: None, 1), (_large, _renew, 0)],
    ids=["new kernels", "another base", "a large table", "a large table, and a new kernel"],
)
def test_whether_a_training_goes_on(recording: Recording, build: Any, act: Any, phases: int) -> None:
    model = build()
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=1, verbose=0)
    act(model)
    model.fit(X, Y, epochs=1, verbose=0)
    assert len([event for event in recording.events() if isinstance(event, events.StrandJoined)]) == phases


def test_a_fit_with_parameters_of_its_own(recording: Recording) -> None:
    """Its data is seen as Keras is given it; what else it takes is compared as it is on record."""

    class Passes(keras.Sequential):
        def fit(self, *args: Any, **kwargs: Any) -> Any:
            return super().fit(*args, **kwargs)

    class Odd:
        def __ne__(self, other: object) -> bool:
            raise AssertionError("of the program's, and asked")

        def __eq__(self, other: object) -> bool:
            raise AssertionError("of the program's, and asked")

        __hash__ = None  # type: ignore[assignment]

    class Bundled(keras.Sequential):
        def fit(self, bundle: Any, prior: Any = None, odd: Any = None, **kwargs: Any) -> Any:
            return super().fit(bundle["x"], bundle["y"], **kwargs)

    for cls, given in ((Passes, (X, Y)), (Bundled, ({"x": X, "y": Y},))):
        model = cls([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        named = {"prior": numpy.ones(3), "odd": Odd()} if cls is Bundled else {}
        kept = weakref.ref(named["odd"]) if named else None
        for _ in range(2):
            model.fit(*given, epochs=1, verbose=0, validation_data=(X[:8], Y[:8]), **named)
        named.clear()
        gc.collect()
        assert kept is None or kept() is None
    autotrack.disable()
    strands = recording.strands()
    for strand in strands:
        found = {used.role: [part.id for part in used.dataset.parts] for used in strand.datasets.values()}
        assert found == {
            "train": [arrays.digest(X), arrays.digest(Y)],
            "valid": [arrays.digest(X[:8]), arrays.digest(Y[:8])],
        }
    assert len([event for event in recording.events() if isinstance(event, events.StrandJoined)]) == 2
    assert strands[2].params["prior"] == [1.0, 1.0, 1.0]
    assert "prior" not in strands[3].params


def test_trainings_of_one_model_keep_the_weights_of_the_last(recording: Recording) -> None:
    def kept() -> set[int]:
        gc.collect()
        return {id(held) for held in gc.get_objects() if type(held) is Epochs and held.left}

    model, before = built(), kept()
    for _ in range(30):
        model.fit(X, Y, batch_size=40, epochs=1, verbose=0)
    assert len(kept() - before) == 1


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_data_is_let_go_of_as_the_call_returns(tmp_path: Path, backend: str) -> None:
    if backend == "torch":
        pytest.importorskip("torch")
    source = f"""
import os
os.environ["KERAS_BACKEND"] = "{backend}"
import gc, numpy, keras
gc.disable()
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
def batch():
    return numpy.ones((4, 3), "float32"), numpy.ones((4, 1), "float32")
def rows(name):
    try:
        for _ in range(100):
            yield batch()
    finally:
        print(name, "closed")
class Rows(keras.utils.PyDataset):
    def __len__(self):
        return 3
    def __getitem__(self, at):
        return batch()
    def __del__(self):
        print("gone")
model.fit(rows("rows"), steps_per_epoch=3, epochs=2, verbose=0)
print("after rows")
model.evaluate(rows("evaluated"), steps=2, verbose=0)
print("after evaluated")
model.fit(Rows(), verbose=0)
print("after the data")
model.fit(Rows(workers=2), validation_data=Rows(), verbose=0)
print("after both")
gc.collect()
print("end")
"""
    (tmp_path / "plain").mkdir()
    plain = run_program(source, tmp_path / "plain", tracked=False)
    done = run_program(source, tmp_path)
    assert (done.returncode, done.stdout) == (0, plain.stdout), done.stderr
    assert ("gone" in done.stdout) == (backend == "torch")  # TensorFlow keeps it
    strands = Recording(tmp_path / ".autotrack").strands()
    assert {data.dataset.method for strand in strands for data in strand.datasets.values()} == {"observed"}


def test_a_model_in_an_estimator_of_scikit_learn(recording: Recording) -> None:
    """What both frameworks see is recorded once."""
    wrappers = pytest.importorskip("keras.wrappers", reason="there since Keras 3.8")
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def build(X: Any, y: Any, rate: float = 0.01) -> Any:
        model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(rate), "mse")
        return model

    def estimator() -> Any:
        return wrappers.SKLearnRegressor(build, fit_kwargs={"epochs": 2, "verbose": 0})

    wrapped = estimator().fit(X, Y)
    make_pipeline(StandardScaler(), estimator()).fit(X, Y)
    GridSearchCV(estimator(), {"model_kwargs": [{"rate": 0.1}, {"rate": 0.2}]}, cv=2, scoring="r2").fit(X, Y)
    alone, piped, search = recording.strands()
    names = [(strand.started.framework, strand.name) for strand in (alone, piped, search)]
    assert names == [
        ("sklearn", "SKLearnRegressor"),
        ("sklearn", "Pipeline(SKLearnRegressor)"),
        ("sklearn", "GridSearchCV(SKLearnRegressor)"),
    ]
    assert values(alone)["train/loss"] == wrapped.history_.history["loss"]
    assert (alone.params["optimizer"], alone.params["learning_rate"], alone.params["loss"]) == ("SGD", 0.01, "mse")
    assert len(piped.points["train/loss"]) == 2
    assert "train/loss" not in search.points


def test_several_outputs(recording: Recording) -> None:
    inputs = {name: keras.Input((3,), name=name) for name in ("left", "right")}
    joined = keras.layers.Concatenate()(list(inputs.values()))
    outputs = {name: keras.layers.Dense(1, name=name)(joined) for name in ("one", "two")}
    model = keras.Model(inputs, outputs, name="branches")
    model.compile(
        "adam", {"one": "mse", "two": keras.losses.MeanAbsoluteError()}, loss_weights={"one": 1.0, "two": 0.5}
    )
    data = {"left": X, "right": X + 1.0}
    history = model.fit(data, {"one": Y, "two": Y + 1.0}, epochs=1, verbose=0)
    (strand,) = recording.strands()
    assert epochs(strand) == named(history.history)
    assert strand.name == "Functional(branches)"
    assert strand.params["loss"] == {"one": "mse", "two": "MeanAbsoluteError"}
    (found,) = strand.datasets.values()
    assert sorted(part.name for part in found.dataset.parts) == ["x['left']", "x['right']", "y['one']", "y['two']"]
    assert found.dataset.method == "whole"


def test_a_step_of_the_programs_own(recording: Recording) -> None:
    class Own(keras.Model):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def train_step(self, data: Any) -> Any:
            x, y = data
            with tensorflow.GradientTape() as tape:
                loss = tensorflow.reduce_mean((self(x) - y) ** 2)
            grads = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
            return {"own": loss}

    model = Own()
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)))
    history = model.fit(X, Y, epochs=2, verbose=0)
    (strand,) = recording.strands()
    assert values(strand)["train/own"] == history.history["own"]
    assert strand.params["learning_rate"] == "ExponentialDecay"
    assert strand.params["learning_rate.decay_rate"] == 0.5


def test_a_layer_that_is_trained_by_itself(recording: Recording) -> None:
    """As in Keras's own tests: a class of the trainer and of a layer is a model in all but its name."""
    from keras.src.backend.tensorflow.trainer import TensorFlowTrainer

    class Line(TensorFlowTrainer, keras.layers.Dense):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            keras.layers.Dense.__init__(self, units=1)
            TensorFlowTrainer.__init__(self)

    layer = Line()
    layer.compile(keras.optimizers.SGD(0.01), "mse")
    history = layer.fit(X, Y, epochs=2, verbose=0)
    loss = layer.evaluate(X + 0.5, Y, verbose=0)
    (strand,) = recording.strands()
    assert values(strand)["train/loss"] == history.history["loss"]
    assert values(strand)["test/loss"] == [loss]
    (told,) = strand.of(events.StrandModel)
    assert (strand.name, told.parameters) == ("Line", 4)
    assert told.id == model_digest(layer, 10.0)
    assert summary(strand)["trainable_parameters"] == 4


def test_batches_by_hand(recording: Recording) -> None:
    model, other = built(), built(5)
    told = [model.train_on_batch(X[at : at + 10], Y[at : at + 10]) for at in (0, 10, 20)]
    second = [other.train_on_batch(X, Y, return_dict=True)["loss"] for _ in range(2)]
    first, after = recording.strands()
    assert values(first) == {
        "train/loss": [float(loss) for loss, _ in told],
        "train/mae": [float(error) for _, error in told],
    }
    assert values(after)["train/loss"] == [float(loss) for loss in second]
    assert not after.of(events.StrandJoined)
    tested = model.test_on_batch(X, Y)
    assert values(recording.strands()[0])["test/loss"] == [float(tested[0])]
    model.train_on_batch(X, Y)  # in turns: one training of both
    (joined,) = recording.strands()[1].of(events.StrandJoined)
    assert (joined.into, joined.name) == (first.id, other.name)


def test_nothing_of_the_programs_is_asked_or_lost(recording: Recording) -> None:
    calls = []

    class Own(keras.metrics.MeanSquaredError):  # type: ignore[misc,name-defined]
        def result(self) -> Any:
            calls.append(1)
            return super().result()

    model = built(metrics=[Own(name="own")], run_eagerly=True)
    model.fit(X, Y, epochs=1, batch_size=20, shuffle=False, verbose=0)
    model.train_on_batch(X, Y)
    model.evaluate(X, Y, verbose=0)
    tracked = len(calls)
    autotrack.disable()
    model = built(metrics=[Own(name="own")], run_eagerly=True)
    model.fit(X, Y, epochs=1, batch_size=20, shuffle=False, verbose=0)
    model.train_on_batch(X, Y)
    model.evaluate(X, Y, verbose=0)
    assert len(calls) == 2 * tracked
    fit, by_hand = recording.strands()
    assert fit.params["shuffle"] is False
    assert "train/own" in fit.points
    assert {"train/own", "test/own"} <= set(by_hand.points)


# Data


def dataset(recording: Recording, data: Any, **given: Any) -> Any:
    built().fit(data, epochs=1, verbose=0, **given)
    autotrack.disable()
    return recording.strands()[-1].datasets[0].dataset


def test_a_pipeline_is_known_by_what_it_begins_with(recording: Recording) -> None:
    data = tensorflow.data.Dataset.from_tensor_slices((X, Y)).map(lambda x, y: (x, y)).shuffle(40).batch(10)
    found = dataset(recording, data)
    assert found.kind == "tensorflow.data.Dataset"
    assert {part.id for part in found.parts} == {arrays.digest(X), arrays.digest(Y)}
    assert "TensorSpec" in summary(recording.strands()[0])["train.element_spec"]


def test_a_pipeline_of_files(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("".join(",".join(map(str, [*row, row[0]])) + "\n" for row in X.tolist()))

    def parse(line: Any) -> Any:
        numbers = tensorflow.strings.to_number(tensorflow.strings.split(line, ","))
        return numbers[:3], numbers[3:]

    found = dataset(recording, tensorflow.data.TextLineDataset(str(path)).map(parse).batch(10))
    assert (found.method, found.id is not None) == ("manifest", True)


def test_tensors(recording: Recording) -> None:
    built().fit(tensorflow.constant(X), tensorflow.constant(Y), epochs=1, verbose=0)
    (tensors,) = recording.strands()
    assert tensors.datasets[0].dataset.parts[0].id == arrays.digest(X)


# Data that makes its batches as it is asked for them


class Batched(keras.utils.PyDataset):  # type: ignore[misc,name-defined]
    """`asked` holds the numbers of the batches that were asked for, also of those that are asked for ahead."""

    def __init__(self, x: Any = X, y: Any = Y, size: int = 10, **given: Any) -> None:
        super().__init__(**given)
        self.x, self.y, self.size = x, y, size
        self.asked: list[int] = []

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def __getitem__(self, at: int) -> Any:
        self.asked.append(at)
        rows = slice(at * self.size, (at + 1) * self.size)
        return self.x[rows], self.y[rows]


def passing(times: int | None = None) -> Iterator[Any]:
    """The rows again and again."""
    for at in itertools.count() if times is None else range(times):
        yield X[at % 4 * 10 : at % 4 * 10 + 10], Y[at % 4 * 10 : at % 4 * 10 + 10]


def used(recording: Recording, at: int = 0) -> Any:
    """The data that the last training used, or evaluated."""
    return recording.strands()[-1].datasets[at].dataset


def why(recording: Recording) -> list[str]:
    return [*recording.strands()[-1].gaps.values()]


@pytest.mark.parametrize(
    "given",
    [{}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}, {"size": 7}],
    ids=["alone", "threads", "processes", "otherwise divided"],
)
def test_batches_of_a_dataset_of_the_programs(recording: Recording, given: dict[str, Any]) -> None:
    """Whatever their order, and whoever makes them."""
    built().fit(Batched(), epochs=1, shuffle=False, verbose=0)
    plain = used(recording)
    assert (plain.method, plain.kind.rpartition(".")[2], plain.rows, plain.seen) == ("observed", "Batched", 40, 40)
    built().fit(Batched(**given), epochs=2, shuffle=True, verbose=0)
    assert used(recording) == plain
    changed = Y.copy()
    changed[39] += 1.0
    built().fit(Batched(y=changed, **given), epochs=1, verbose=0)
    assert used(recording).id not in (plain.id, None)
    assert not why(recording)


def test_batches_that_break_off(recording: Recording) -> None:
    class Broken(Batched):
        def __getitem__(self, at: int) -> Any:
            if at == 2:
                raise KeyError("no third batch")
            return super().__getitem__(at)

    with pytest.raises(Exception, match="no third batch"):
        built().fit(Broken(), epochs=1, shuffle=False, verbose=0)
    assert (used(recording).rows, used(recording).seen) == (None, 20)
    assert any("broken off" in reason for reason in why(recording))


def test_batches_out_of_a_file(recording: Recording, tmp_path: Path) -> None:
    numpy.save(tmp_path / "x.npy", X)
    mapped = numpy.load(tmp_path / "x.npy", mmap_mode="r")
    built().fit(Batched(), epochs=1, verbose=0)
    plain = used(recording)
    built().fit(Batched(mapped), epochs=1, verbose=0)
    assert used(recording) == plain


def test_no_batch_more_is_asked_for(recording: Recording) -> None:
    def fit() -> tuple[Any, ...]:
        data, held_out, model = Batched(), Batched(X[:20], Y[:20]), built()
        history = model.fit(data, epochs=3, shuffle=False, verbose=0, validation_data=held_out)
        score = model.evaluate(held_out, verbose=0)
        return data.asked, held_out.asked, history.history, score, [w.tolist() for w in model.get_weights()]

    tracked = fit()
    autotrack.disable()
    assert tracked == fit()


def test_batches_that_are_evaluated(recording: Recording) -> None:
    model, held_out, other = built(), Batched(X[:20], Y[:20]), Batched(X[20:], Y[20:])
    model.fit(Batched(), epochs=2, verbose=0, validation_data=held_out)
    model.evaluate(held_out, verbose=0)
    model.evaluate(other, verbose=0)
    model.evaluate(other, verbose=0)
    (strand,) = recording.strands()
    found = list(strand.datasets.values())
    assert [(used.role, used.dataset.seen) for used in found] == [("train", 40), ("valid", 20), ("test", 20)]
    assert len({used.dataset.id for used in found}) == 3
    assert not strand.gaps


def test_the_weights_of_classes_are_no_data(recording: Recording) -> None:
    kinds = (Y.mean() < Y).astype("float32")
    built().fit(Batched(y=kinds), verbose=0)
    plain = used(recording)
    built().fit(Batched(y=kinds), verbose=0, class_weight={0: 1.0, 1: 2.0})
    assert used(recording) == plain


def test_generators(recording: Recording) -> None:
    built().fit(passing(4), verbose=0)
    whole = used(recording)
    assert (whole.kind, whole.method, whole.rows, whole.seen) == ("generator", "observed", 40, 40)
    assert not why(recording)
    built().fit(passing(), steps_per_epoch=4, epochs=2, verbose=0)
    endless = used(recording)
    assert (endless.id, endless.rows, endless.seen) == (whole.id, None, 40)
    assert why(recording) == ["what comes after the 4 steps of the first epoch is not looked at"]
    built().fit(passing(), steps_per_epoch=3, verbose=0, validation_data=passing(), validation_steps=2)
    assert [used(recording, at).seen for at in (0, 1)] == [30, 20]


def test_the_error_of_a_generator_is_the_programs_own(recording: Recording) -> None:
    def failing() -> Iterator[Any]:
        yield from passing(3)
        raise ValueError("no more")

    def told() -> str:
        with pytest.raises(Exception, match="no more") as caught:
            built().fit(failing(), steps_per_epoch=5, verbose=0)
        return str(caught.value)

    tracked = told()
    assert "autotrack" not in tracked
    assert used(recording).seen == 30
    assert why(recording) == ["the first epoch was broken off after 30 rows"]


def test_batches_that_can_not_be_looked_into(recording: Recording) -> None:
    built().fit(Batched(), verbose=0)
    plain = used(recording)
    asked = Batched(y=tensorflow.constant(Y))
    built().fit(asked, verbose=0)
    assert used(recording) == plain
    ragged = tensorflow.RaggedTensor.from_tensor(Y, ragged_rank=1)
    with contextlib.suppress(Exception):
        built().fit(Batched(y=ragged), verbose=0)
    assert used(recording).id is None
    assert "not looked into" in why(recording)[0]


def test_what_there_is_no_time_for(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "FREE", 0.0)
    monkeypatch.setattr(batches, "SHARE", 0.0)
    built().fit(Batched(), verbose=0)
    assert used(recording).id is None
    assert why(recording) == ["of 40 rows that passed, 0 were looked at"]


LOADER = """
import json, os
os.environ["KERAS_BACKEND"] = {backend!r}
import keras, numpy, torch
from torch.utils import data
x = torch.arange(120.0).reshape(40, 3) % 7.0
class Stream(data.IterableDataset):
    def __iter__(self):
        return iter(zip(x, x[:, :1]))
for made in (data.TensorDataset(x, x[:, :1]), Stream()):
    loader = data.DataLoader(made, batch_size=10)
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    print(json.dumps(model.fit(loader, epochs=2, verbose=0).history))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_a_data_loader(tmp_path: Path, backend: str) -> None:
    """Of a data set and of a stream."""
    pytest.importorskip("torch")
    program = LOADER.format(backend=backend)
    plain = run_program(program, tmp_path, tracked=False)
    tracked = run_program(program, tmp_path)
    assert tracked.stdout == plain.stdout != ""
    strands = Recording(tmp_path / ".autotrack").strands()
    assert len(strands) == 2
    for strand in strands:
        (used,) = strand.datasets.values()
        assert (used.dataset.method, used.dataset.kind) == ("observed", "torch.DataLoader")
        assert (used.dataset.rows, used.dataset.seen) == (40, 40)


# Evaluation and files


def test_scores_are_those_of_the_run(recording: Recording) -> None:
    model, _ = fitted()
    X_test = X + 0.5
    loss, mae = model.evaluate(X_test, Y, verbose=0)
    again = model.evaluate(X, Y, verbose=0, return_dict=True)
    error = mean_squared_error(Y, model.predict(X_test, verbose=0))
    (strand,) = recording.strands()
    found = epochs(strand)
    assert (found["test/loss"], found["test/mae"]) == ([loss], [mae])
    assert found["train/loss.evaluated"] == [again["loss"]]
    assert found["test/mean_squared_error"] == [error]
    assert [data.role for data in strand.datasets.values()] == ["train", "test"]


def test_files_have_the_weights_identity(recording: Recording, tmp_path: Path) -> None:
    best = keras.callbacks.ModelCheckpoint(str(tmp_path / "at-{epoch}.keras"))
    model, _ = fitted(callbacks=[best])
    model.save(tmp_path / "a.keras")
    keras.saving.save_model(model, tmp_path / "b.keras")
    model.save_weights(str(tmp_path / "c.weights.h5"))
    again = keras.models.load_model(tmp_path / "b.keras")
    other = built()
    other.load_weights(str(tmp_path / "c.weights.h5"))
    (strand,) = recording.strands()
    (told,) = strand.of(events.StrandModel)
    found = [event for event in recording.events() if isinstance(event, events.ArtifactSeen) and event.kind == "model"]
    assert [(Path(event.path).name, event.mode, event.step) for event in found] == [
        ("at-1.keras", "written", 4),
        ("at-2.keras", "written", 8),
        ("a.keras", "written", 8),
        ("b.keras", "written", 8),
        ("c.weights.h5", "written", 8),
        ("b.keras", "read", None),
        ("c.weights.h5", "read", None),
    ]
    assert found[0].model != told.id
    assert {event.model for event in found[1:]} == {told.id}
    assert {event.strand for event in found if event.mode == "written"} == {strand.id}
    loss = again.evaluate(X + 0.5, Y, verbose=0)[0]
    assert values(recording.strands()[0])["test/loss"] == [loss]
    assert [weight.tolist() for weight in other.get_weights()] == [weight.tolist() for weight in model.get_weights()]


def test_on_pytorch(tmp_path: Path) -> None:
    plain = run_program(PROGRAM, tmp_path, tracked=False, env={"KERAS_BACKEND": "torch"})
    done = run_program(PROGRAM, tmp_path, env={"KERAS_BACKEND": "torch", "AUTOTRACK_STRICT": "1"})
    assert (done.returncode, done.stdout) == (0, plain.stdout), done.stderr
    (strand,) = Recording(tmp_path / ".autotrack").strands()
    assert str(values(strand)["train/loss"]) in done.stdout
    assert set(strand.points) == {"train/loss", "train/loss.batch", "learning_rate"}
    assert values(strand)["learning_rate"] == [0.01]
    assert len(strand.points["train/loss.batch"]) == 8
    assert strand.started.framework == "keras"


def test_a_file_that_is_saved_between_batches(recording: Recording, tmp_path: Path) -> None:
    often = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "at-{batch}.weights.h5"), save_freq=3, save_weights_only=True
    )
    fitted(callbacks=[often])
    autotrack.disable()
    written = [event for event in recording.events() if isinstance(event, events.ArtifactSeen)]
    assert [event.step for event in written] == [3, 6]


def test_a_score_on_the_data_that_validates(recording: Recording) -> None:
    """It is no point of the series of the epochs."""
    X_val = X + 1.0
    model, history = fitted(validation_data=(X_val, Y))
    loss = model.evaluate(X_val, Y, verbose=0)[0]
    (strand,) = recording.strands()
    assert values(strand)["valid/loss"] == history.history["val_loss"]
    assert values(strand)["valid/loss.evaluated"] == [loss]
