"""TensorFlow: the contract, and what loops of the program's own are on record as."""

from __future__ import annotations

import gc
import os
import signal
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # which is said at each import, with the time
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy
import tensorflow as tf

import autotrack
from autotrack import events
from autotrack.identity import arrays
from autotrack.testing import PluginContract, Recording, recorded, recording, run_program

__all__ = ["recording"]

X = (numpy.arange(120.0).reshape(40, 3) % 7.0).astype("float32") / 7
Y = X[:, :1] * 2.0 + X[:, 1:2]
mean_squared = keras.losses.MeanSquaredError()


def built(units: int = 4) -> Any:
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(1),
        ]
    )


def batches(x: Any = X, y: Any = Y, size: int = 10) -> Any:
    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(40, seed=3).batch(size)


def loop(model: Any, optimizer: Any, data: Any, epochs: int = 1, act: Any = None) -> list[float]:
    """A loop that is not compiled; the losses."""
    seen = []
    for _ in range(epochs):
        for x, y in data:
            if act is not None:
                act()
            with tf.GradientTape() as tape:
                loss = mean_squared(y, model(x, training=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            seen.append(float(loss))
    return seen


PROGRAM = """
import numpy, keras
import tensorflow as tf
tf.get_logger().setLevel('ERROR')  # which else warns of functions that are traced often, in a program that repeats this
keras.utils.set_random_seed(1)
X = numpy.arange(60, dtype='float32').reshape(20, 3) % 7 / 7
dense = keras.layers.Dense(1)
model = keras.Sequential([keras.Input((3,)), dense])
optimizer = keras.optimizers.SGD(0.01)
average = keras.metrics.Mean()

@tf.function
def train_step(x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - x[:, :1]) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    average.update_state(loss)
    tf.debugging.assert_all_finite(average.result(), 'the average')
    return loss

for x in tf.data.Dataset.from_tensor_slices(X).batch(5):
    loss = train_step(x)
value = tf.constant(2.0)
print(float(average.result()) > 0, model.get_weights()[0].tolist())
"""


class TestTensorFlow(PluginContract):
    framework = "tensorflow"
    program = PROGRAM
    targets = ("tensorflow.python.saved_model.save:save",)
    hot_targets = (
        "tensorflow.python.eager.backprop:GradientTape.gradient",
        "tensorflow.python.eager.polymorphic_function.concrete_function:ConcreteFunction._call_flat",
        "tensorflow.python.data.ops.dataset_ops:DatasetV2.__iter__",
        "keras.src.optimizers.base_optimizer:BaseOptimizer.apply",
    )
    open_ended = True
    fragile = True  # before 2.17 it does not live through each exception of a signal handler

    def test_forked_child_is_recorded_once(self, tmp_path: Path) -> None:
        """Forked before TensorFlow is there: what it has started does not live on in a child."""
        source = f"import os\nif os.fork():\n    os.wait()\nexec({self.program!r}, {{}})\n"
        done = run_program(source, tmp_path)
        assert done.returncode == 0, done.stderr
        assert [strand.status for strand in Recording(tmp_path / ".autotrack").strands()] == ["finished"] * 2

    def train(self) -> Any:
        model = built()
        return loop(model, keras.optimizers.SGD(0.1), batches()), [part.tolist() for part in model.get_weights()]

    def train_failing(self, error: BaseException) -> None:
        def act() -> None:
            if len(done) == 2:
                raise error
            done.append(1)

        done: list[int] = []
        loop(built(), keras.optimizers.SGD(0.1), batches(), act=act)

    def train_nested(self) -> Any:
        """A model, and a part of it in turns."""
        model = built()
        part = keras.Sequential([model.layers[-1]])
        part.build((None, 4))
        inner = tf.data.Dataset.from_tensor_slices((numpy.ones((10, 4), "float32"), Y[:10])).batch(10)
        optimizers = keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)
        loop(model, optimizers[0], batches(), act=lambda: loop(part, optimizers[1], inner))

    def train_odd(self) -> None:
        spec = (tf.TensorSpec((10, 3)), tf.TensorSpec((10, 1)))
        odd = tf.data.Dataset.from_generator(lambda: iter([(X[:10], Y[:10])]), output_signature=spec)
        loop(built(), keras.optimizers.SGD(0.1), odd)

    def train_mutating(self) -> str:
        x = X.copy()
        before = arrays.digest(x)

        def act() -> None:
            nonlocal x
            x += 1.0

        loop(built(), keras.optimizers.SGD(0.1), batches(x), act=act)
        return before

    def test_interleaved_models_keep_their_scores(self, recording: Recording) -> None:
        """Two models that are trained in turns are one run, in which each keeps its own loss."""
        first, second = built(), built(5)
        of_first, of_second = keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.2)
        expected: dict[str, list[float]] = {"first_loss": [], "second_loss": []}
        for x, y in batches():
            with tf.GradientTape() as tape:
                first_loss = mean_squared(y, first(x))
            gradients = tape.gradient(first_loss, first.trainable_variables)
            of_first.apply(gradients, first.trainable_variables)
            with tf.GradientTape() as tape:
                second_loss = mean_squared(y, second(x))
            gradients = tape.gradient(second_loss, second.trainable_variables)
            of_second.apply(gradients, second.trainable_variables)
            expected["first_loss"].append(float(first_loss))
            expected["second_loss"].append(float(second_loss))
        strands = recording.strands()
        points = {name: found for strand in strands for name, found in strand.points.items()}
        for name, found in expected.items():
            assert points[f"train/{name}"] == list(enumerate(found))
        (joined,) = [event for strand in strands for event in strand.of(events.StrandJoined)]
        assert (joined.into, joined.name) == (strands[0].id, "second")
        assert strands[0].params["of_first.learning_rate"] == 0.1
        assert strands[1].params["of_second.learning_rate"] == 0.2

    def count_calls(self) -> int:
        calls: list[int] = []

        class Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc,name-defined]
            def __call__(self, step: Any) -> Any:
                return 0.1

            def get_config(self) -> dict[str, Any]:
                return {}

        loop(built(), keras.optimizers.SGD(Rate()), batches(), act=lambda: calls.append(1))
        return len(calls)


def values(strand: Any) -> dict[str, list[float]]:
    return {name: [value for _, value in points] for name, points in strand.points.items()}


# Eager


def test_a_loop(recording: Recording) -> None:
    model, schedule = built(), keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    train_data, val_data = batches(), batches(X + 1.0)
    error = keras.metrics.MeanAbsoluteError()
    losses, errors = [], []
    optimizer = keras.optimizers.Adam(schedule)
    for _ in range(2):
        for x, y in train_data:
            with tf.GradientTape() as tape:
                loss_value = mean_squared(y, model(x, training=True))
            gradients = tape.gradient(loss_value, model.trainable_weights)
            optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
            losses.append(float(loss_value))
        for x, y in val_data:
            error.update_state(y, model(x, training=False))
        errors.append(float(error.result()))
        error.reset_state()
    autotrack.disable()
    (strand,) = recording.strands()
    assert strand.points["train/loss_value"] == list(enumerate(losses))
    assert strand.points["valid/error"] == [(4, errors[0]), (8, errors[1])]
    assert strand.points["epoch"] == [(0, 0.0), (4, 1.0)]
    rates = strand.points["learning_rate"]
    assert rates[:2] == [(0, pytest.approx(0.1)), (1, pytest.approx(0.1 * 0.5**0.5))]
    assert (strand.name, strand.started.cls) == ("Sequential", "keras.src.models.sequential.Sequential")
    known = {
        "optimizer": "Adam", "learning_rate": "ExponentialDecay", "learning_rate.decay_rate": 0.5, "beta_1": 0.9,
        "model": "Sequential", "parameters": 21, "batch_size": 10, "shuffle": 40,
    }  # fmt: skip
    assert known.items() <= strand.params.items()
    found = {found.role: [part.id for part in found.dataset.parts] for found in strand.datasets.values()}
    assert found == {
        "train": [arrays.digest(X), arrays.digest(Y)],
        "valid": [arrays.digest(X + 1.0), arrays.digest(Y)],
    }


def test_weights_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    def trained() -> list[bytes]:
        model = built()
        loop(model, keras.optimizers.Adam(0.01), batches(), epochs=3)
        return [part.tobytes() for part in model.get_weights()]

    plain = trained()
    with recorded(tmp_path / "rec"):
        assert trained() == plain


def test_without_an_optimizer(recording: Recording) -> None:
    w, b = tf.Variable(tf.zeros((3, 1))), tf.Variable(0.0)
    seen = []
    for _ in range(6):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((X @ w + b - Y) ** 2)
        dw, db = tape.gradient(loss, [w, b])
        w.assign_sub(0.1 * dw)
        b.assign_sub(0.1 * db)
        seen.append(float(loss))
    (strand,) = recording.strands()
    assert strand.points == {"train/loss": list(enumerate(seen))}


def test_gradients_that_are_accumulated(recording: Recording) -> None:
    model, optimizer, seen = built(), keras.optimizers.SGD(0.1), []
    total = [tf.zeros_like(part) for part in model.trainable_variables]
    for number, (x, y) in enumerate(batches(), 1):
        with tf.GradientTape() as tape:
            loss = mean_squared(y, model(x))
        found = tape.gradient(loss, model.trainable_variables)
        total = [a + b for a, b in zip(total, found, strict=True)]
        seen.append(float(loss))
        if number % 2 == 0:
            optimizer.apply(total, model.trainable_variables)
            total = [tf.zeros_like(part) for part in model.trainable_variables]
    (strand,) = recording.strands()
    assert strand.points["train/loss"] == list(zip([0, 0, 1, 1], seen, strict=True))
    assert strand.points["train/loss.step"] == [(0, sum(seen[:2]) / 2), (1, sum(seen[2:]) / 2)]


def test_what_is_no_loss(recording: Recording) -> None:
    """Gradients of inputs, of outputs, of constants: of no variable."""
    x, model = tf.constant(X), built()
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = model(x)
        total = tf.reduce_sum(y)
    tape.gradient(total, x)
    tape.gradient(y, model.trainable_variables)  # no scalar
    tape.jacobian(y[:2], model.trainable_variables[-1])
    assert not recording.strands()


@pytest.mark.parametrize("compile", [True, False])
def test_a_loss_of_several_values(recording: Recording, compile: bool) -> None:
    model, optimizer = built(), keras.optimizers.SGD(0.1)

    def step(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            losses = keras.losses.mean_squared_error(y, model(x))
        optimizer.apply(tape.gradient(losses, model.trainable_variables), model.trainable_variables)

    train_step = tf.function(step) if compile else step
    for x, y in batches():
        train_step(x, y)
    (strand,) = recording.strands()
    assert strand.gaps == {"loss of each step": "the loss has several values, of which none is recorded"}
    assert not any(name.startswith("train/") for name in strand.points)


def test_half_precision(recording: Recording) -> None:
    model = built()
    optimizer, seen = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=64.0), []
    for x, y in batches():
        with tf.GradientTape() as tape:
            loss = mean_squared(y, model(x))
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        seen.append(float(loss))
    (strand,) = recording.strands()
    assert strand.points["train/scaled"] == list(enumerate(seen))


# Compiled


def compiled(model: Any, optimizer: Any, give: str) -> Any:
    @tf.function
    def train_step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            prediction = model(x, training=True)
            loss = mean_squared(y, prediction)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        norm = tf.linalg.global_norm(gradients)
        if give == "loss":
            return loss
        if give == "pair":
            return loss, norm
        if give == "dict":
            return {"out": prediction, "the_loss": loss, "the_norm": norm}
        return None

    return train_step


@pytest.mark.parametrize(
    ("give", "names"),
    [("loss", ["loss"]), ("pair", ["loss", "norm"]), ("dict", ["loss", "the_norm"]), ("nothing", [])],
)
def test_what_a_compiled_step_returns(recording: Recording, give: str, names: list[str]) -> None:
    model = built()
    step = compiled(model, keras.optimizers.SGD(0.1), give)
    seen: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(2):
        for x, y in batches(X[:35], Y[:35]):  # the last batch is traced once more
            result = step(x, y)
            flat = [part for part in tf.nest.flatten(result) if part.shape.rank == 0] if names else []
            for name, part in zip(names, flat, strict=True):
                seen[name].append(float(part))
    (strand,) = recording.strands()
    for name in names:
        assert strand.points[f"train/{name}"] == list(enumerate(seen[name])), strand.points
    assert [gap.what for gap in strand.of(events.GapFound)] == ([] if names else ["loss of each step"])
    assert strand.points["learning_rate"] == [(0, 0.1)]
    assert strand.points["epoch"] == [(0, 0.0), (4, 1.0)]
    assert strand.params["optimizer"] == "SGD"


def test_what_comes_between_the_calls_of_a_compiled_step(recording: Recording) -> None:
    """Rounds of other data, steps that are not compiled, calls in another thread, another training."""
    model, other = built(), built()
    optimizer, second = keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.2)
    step, aside = compiled(model, optimizer, "dict"), compiled(other, second, "loss")
    train_data, val_data = batches(), batches(X + 1.0)
    error = keras.metrics.MeanAbsoluteError()
    losses, eager, errors, others = {}, {}, [], []
    for epoch in range(6):
        for x, y in train_data:
            at = len(losses) + len(eager)
            if epoch == 3:
                (eager[at],) = loop(model, optimizer, [(x, y)])
            elif epoch == 4:
                with ThreadPoolExecutor(1) as pool:
                    losses[at] = float(pool.submit(step, x, y).result()["the_loss"])
            else:
                losses[at] = float(step(x, y)["the_loss"])
        if epoch < 3:
            for x, y in val_data:
                error.update_state(y, model(x, training=False))
            errors.append((at + 1, float(error.result())))
            error.reset_state()
    for x, y in train_data:
        others.append(float(aside(x, y)))
    first, last = recording.strands()
    assert first.points["train/loss"] == list(losses.items())
    assert first.points["train/loss (loop)"] == list(eager.items())
    assert first.points["valid/error"] == errors
    assert [step for step, _ in first.points["epoch"]][:4] == [0, 4, 8, 12]
    assert last.points["train/loss"] == list(enumerate(others))
    assert first.points["optimizer.learning_rate"] == [(0, 0.1)]
    assert last.points["optimizer.learning_rate"] == [(0, 0.2)]


def test_rates_of_many_steps(recording: Recording) -> None:
    """Each of the first; then as often as reading them costs little, and where some are missing that is told."""
    model, other = built(), built()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 100, 0.5)
    given = [(model, keras.optimizers.SGD(schedule)), (other, keras.optimizers.SGD(0.1))]
    x, y = tf.constant(X), tf.constant(Y)
    for trained, optimizer in given:
        step = compiled(trained, optimizer, "loss")
        for _ in range(500):
            step(x, y)
    decaying, constant = recording.strands()
    rates = decaying.points["learning_rate"]
    assert [step for step, _ in rates[:100]] == list(range(100))
    for at, rate in rates:
        assert rate == pytest.approx(0.1 * 0.5 ** (at / 100))
    missing = [gap.what for gap in decaying.of(events.GapFound)]
    assert ("learning rate of each step" in missing) == (len(rates) < rates[-1][0] + 1)
    assert constant.points["learning_rate"] == [(0, 0.1)]
    assert "learning rate of each step" not in [gap.what for gap in constant.of(events.GapFound)]


class Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc,name-defined]
    calls = 0

    def __call__(self, step: Any) -> Any:
        Rate.calls += 1
        return 0.1

    def get_config(self) -> dict[str, Any]:
        return {}


def test_a_schedule_of_the_programs_own_is_not_called(tmp_path: Path) -> None:
    def trained() -> int:
        Rate.calls = 0
        loop(built(), keras.optimizers.SGD(Rate()), batches())
        loop(built(), keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(Rate())), batches())
        step = compiled(built(), keras.optimizers.SGD(Rate()), "loss")
        for x, y in batches():
            step(x, y)
        model = built()
        model.compile(keras.optimizers.SGD(Rate()), "mse")
        model.fit(X, Y, verbose=0)
        return Rate.calls

    plain = trained()
    with recorded(tmp_path / "rec") as recording:
        assert trained() == plain
    *loops, fit = recording.strands()
    why = "the schedule is the program's own and is not called"
    assert [strand.gaps.get("learning rate of each step") for strand in loops] == [why] * 3
    assert fit.gaps == {"learning rate of each epoch": why}


def test_metrics_of_the_programs_own_that_are_converted(tmp_path: Path) -> None:
    """AutoGraph rewrites their functions, which may ask for the truth of a tensor, as it does without us."""
    source = """
import tensorflow as tf, keras

class Own(keras.metrics.Metric):
    def __init__(self):
        super().__init__(name="own")
        self.total = self.add_variable((), "zeros", name="total")

    def update_state(self, value, sample_weight=None):
        if tf.reduce_sum(value) > 0.0:
            self.total.assign_add(1.0)

    def result(self):
        if self.total > 1.0:
            return self.total * 1.0
        return self.total * 2.0

own = Own()

@tf.function
def updated(value):
    own.update_state(value)
    return own.result()

for at in range(4):
    print(float(updated(tf.fill((3,), float(at)))), float(own.result()), own.result.__name__)
"""
    (tmp_path / "plain").mkdir()
    plain = run_program(source, tmp_path / "plain", tracked=False)
    done = run_program(source, tmp_path)
    assert (done.returncode, done.stdout) == (0, plain.stdout), done.stderr
    assert "AutoGraph" not in done.stderr


def test_a_compiled_step_is_traced_as_often(tmp_path: Path) -> None:
    def trained() -> tuple[int, list[Any]]:
        model = built()
        step = compiled(model, keras.optimizers.Adam(0.01), "loss")
        for x, y in batches(X[:35], Y[:35]):
            step(x, y)
        return step.experimental_get_tracing_count(), [part.tobytes() for part in model.get_weights()]

    plain = trained()
    with recorded(tmp_path / "rec"):
        assert trained() == plain


def test_a_generator_and_a_discriminator(recording: Recording) -> None:
    generator, discriminator = built(), built(6)
    generator_optimizer, discriminator_optimizer = keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.02)
    seen = []

    @tf.function
    def train_step(x: Any) -> Any:
        with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
            made = generator(x, training=True)
            gen_loss = tf.reduce_mean(made**2)
            disc_loss = tf.reduce_mean((discriminator(x) - tf.stop_gradient(made)) ** 2)
        gen = gen_tape.gradient(gen_loss, generator.trainable_variables)
        disc = disc_tape.gradient(disc_loss, discriminator.trainable_variables)
        generator_optimizer.apply_gradients(zip(gen, generator.trainable_variables, strict=True))
        discriminator_optimizer.apply_gradients(zip(disc, discriminator.trainable_variables, strict=True))
        return gen_loss, disc_loss

    for x, _ in batches():
        seen.append([float(part) for part in train_step(x)])
    (strand,) = recording.strands()
    assert strand.points["train/gen_loss"] == list(enumerate(gen for gen, _ in seen))
    assert strand.points["train/disc_loss"] == list(enumerate(disc for _, disc in seen))
    assert strand.params["generator_optimizer.learning_rate"] == 0.01
    assert strand.params["discriminator_optimizer.learning_rate"] == 0.02
    assert (strand.params["parameters"], strand.params["discriminator.parameters"]) == (21, 31)


def test_a_loop_within_a_compiled_function(recording: Recording) -> None:
    """Its steps are those that the optimizer has counted."""
    model, optimizer = built(), keras.optimizers.SGD(0.1)
    inner = compiled(model, optimizer, "loss")

    @tf.function
    def train_epoch(data: Any) -> Any:
        total = 0.0
        for x, y in data:
            total += inner(x, y)
        total /= 4.0
        return total

    seen = [float(train_epoch(batches())) for _ in range(3)]
    (strand,) = recording.strands()
    assert strand.points["train/total"] == [(3, seen[0]), (7, seen[1]), (11, seen[2])]


MIRRORED = """
import keras, numpy
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices('CPU')
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])
keras.utils.set_random_seed(1)
X = numpy.arange(120, dtype='float32').reshape(40, 3) % 7 / 7
train_data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((X, X[:, :1])).batch(10))
with strategy.scope():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.1)

def train_step(batch):
    x, y = batch
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum((model(x, training=True) - y) ** 2) / 10
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss

def distributed(batch):
    losses = strategy.run(train_step, args=(batch,))
    return strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

step = tf.function(distributed) if compile else distributed
for epoch in range(2):
    for batch in train_data:
        print(repr(float(step(batch))))
"""


@pytest.mark.parametrize("compile", [True, False])
def test_replicas_are_one_training(tmp_path: Path, compile: bool) -> None:
    source = f"compile = {compile}\n{MIRRORED}"
    plain = run_program(source, tmp_path, tracked=False)
    done = run_program(source, tmp_path)
    assert (done.stdout, done.returncode) == (plain.stdout, 0), done.stderr
    (strand,) = Recording(tmp_path / ".autotrack").strands()
    printed = [float(line) for line in done.stdout.split()]
    if compile:
        assert strand.points["train/loss"] == list(enumerate(printed))
    else:  # of the first replica
        assert [step for step, _ in strand.points["train/loss"]] == list(range(8))
    assert strand.points["epoch"] == [(0, 0.0), (4, 1.0)]
    assert strand.params["batch_size"] == 10
    assert [found.role for found in strand.datasets.values()] == ["train"]


@pytest.mark.parametrize("calls", [True, False])
def test_several_steps_in_a_compiled_function(recording: Recording, calls: bool) -> None:
    """Each loss is of its own step, whether the function makes them itself or calls another one."""
    model, optimizer = built(), keras.optimizers.SGD(0.1)
    inner = compiled(model, optimizer, "pair")

    @tf.function
    def twice(x: Any, y: Any) -> Any:
        if calls:
            (first, _), (second, _) = inner(x, y), inner(x, y)
        else:
            with tf.GradientTape() as tape:
                first = mean_squared(y, model(x))
            optimizer.apply(tape.gradient(first, model.trainable_variables), model.trainable_variables)
            with tf.GradientTape() as tape:
                second = mean_squared(y, model(x))
            optimizer.apply(tape.gradient(second, model.trainable_variables), model.trainable_variables)
        return first, second

    seen = [[float(part) for part in twice(x, y)] for x, y in batches()]
    (strand,) = recording.strands()
    assert strand.points["train/first"] == [(2 * at, first) for at, (first, _) in enumerate(seen)]
    assert strand.points["train/second"] == [(2 * at + 1, second) for at, (_, second) in enumerate(seen)]


FITTED = (
    MIRRORED.partition("def train_step")[0]
    + """
class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x) - y) ** 2)
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.trainable_variables), self.trainable_variables))
        return {'own': loss}

with strategy.scope():
    for model in model, Own():
        model.compile('sgd', 'mse')
        model.fit(tf.data.Dataset.from_tensor_slices((X, X[:, :1])).batch(10), verbose=0)
        model.train_on_batch(X, X[:, :1])
"""
)


def test_what_keras_trains_in_replicas_is_recorded_once(tmp_path: Path) -> None:
    done = run_program(FITTED, tmp_path)
    assert done.returncode == 0, done.stderr
    kinds = [(strand.started.framework, strand.kind) for strand in Recording(tmp_path / ".autotrack").strands()]
    assert kinds == [("keras", "fit"), ("keras", "training")] * 2


CONVERTED = PROGRAM.replace(
    "    optimizer.apply_gradients(zip(gradients, model.trainable_variables))\n",
    """    if loss > 0.5:
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    else:
        optimizer.apply(gradients, model.trainable_variables)
""",
)
"""What AutoGraph has to convert."""


def test_values_that_are_read_late(tmp_path: Path) -> None:
    source = CONVERTED + "\nprint(repr(float(loss)))"
    done = run_program(source, tmp_path, env={"AUTOTRACK_TENSORFLOW_DEFER": "1", "AUTOTRACK_STRICT": "1"})
    assert done.returncode == 0, done.stderr
    (strand,) = Recording(tmp_path / ".autotrack").strands()
    assert [step for step, _ in strand.points["train/loss"]] == [0, 1, 2, 3]
    assert strand.points["train/loss"][-1][1] == float(done.stdout.splitlines()[-1])


def test_killed_in_the_midst(tmp_path: Path) -> None:
    source = CONVERTED.replace(
        "    loss = train_step(x)\n", "    loss = train_step(x)\n    print(repr(float(loss)), flush=True)\n"
    )
    done = run_program(source + "\nimport os\nos.kill(os.getpid(), 9)", tmp_path)
    assert done.returncode == -signal.SIGKILL
    (strand,) = Recording(tmp_path / ".autotrack").strands()
    assert values(strand)["train/loss"] == [float(line) for line in done.stdout.splitlines()[:4]]


# With Keras


class Own(keras.Model):  # type: ignore[misc,name-defined]
    """A step of the program's own, in a training of Keras's."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x: Any) -> Any:
        return self.dense(x)

    def train_step(self, data: Any) -> Any:
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x) - y) ** 2)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"own": loss}


@pytest.mark.parametrize("eagerly", [True, False])
def test_what_keras_trains_is_recorded_once(recording: Recording, eagerly: bool) -> None:
    for model in (built(), Own()):
        model.compile("sgd", "mse", run_eagerly=eagerly)
        model.fit(batches(), epochs=1, verbose=0)
        model.train_on_batch(X, Y)
        model.evaluate(batches(), verbose=0)
    kinds = [(strand.started.framework, strand.kind) for strand in recording.strands()]
    assert kinds == [("keras", "fit"), ("keras", "training")] * 2
    assert not any("train/loss.metric" in strand.points for strand in recording.strands())


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_steps_of_keras_that_the_program_calls(recording: Recording, compile: bool, own: bool) -> None:
    model = Own() if own else built()
    model.compile(keras.optimizers.SGD(0.1), "mse")

    def step(batch: Any) -> Any:
        return model.train_step(batch)

    train_step = tf.function(step) if compile else step
    losses = [float(train_step(batch)["own" if own else "loss"]) for batch in batches()]
    autotrack.disable()
    (strand,) = recording.strands()
    assert (strand.started.framework, strand.kind, strand.params["learning_rate"]) == ("tensorflow", "training", 0.1)
    if compile or own:
        assert strand.points["train/loss"] == list(enumerate(losses))
    else:  # what Keras returns is the mean so far
        found = values(strand)["train/loss"]
        assert [sum(found[: at + 1]) / (at + 1) for at in range(4)] == pytest.approx(losses)
    assert [data.role for data in strand.datasets.values()] == ["train"]


# What the program keeps itself


def test_metrics_and_summaries(recording: Recording, tmp_path: Path) -> None:
    model, optimizer = built(), keras.optimizers.SGD(0.1)
    train_mean, named = keras.metrics.Mean(), keras.metrics.Mean(name="test_average")
    writer = tf.summary.create_file_writer(str(tmp_path / "logs" / "validation"))
    for epoch in range(2):
        for loss in loop(model, optimizer, batches()):
            train_mean.update_state(loss)
        named.update_state(3.0)
        with writer.as_default():
            assert tf.summary.scalar("err", epoch + 0.5, step=epoch)
        assert tf.summary.scalar("err", 7.0, step=9) is not True  # it was not written
        train_mean.result()
        named.result()
    (strand,) = recording.strands()
    assert [step for step, _ in strand.points["train/mean"]] == [4, 8]
    assert strand.points["test/average"] == [(4, 3.0), (8, 3.0)]
    assert strand.points["valid/err"] == [(0, 0.5), (1, 1.5)]


def points_of(strand: Any, *names: str) -> dict[str, Any]:
    return {name: strand.points.get(name) for name in names}


def test_metrics_are_of_what_they_were_updated_for(recording: Recording) -> None:
    """Whatever was iterated since, and whatever their names are."""
    model, optimizer = built(), keras.optimizers.SGD(0.1)
    train_data, held_out = batches(), batches(X + 1.0)
    error, other = (keras.metrics.MeanSquaredError(name=name) for name in ("error", "other"))
    same = [keras.metrics.Mean(name="average"), keras.metrics.Mean(name="average")]
    early = keras.metrics.Mean(name="early")
    names = ("train/error", "eval/other", "train/average", "eval/average", "train/early")
    expected: dict[str, Any] = {name: [] for name in names}
    for epoch in (1, 2):
        for x, y in train_data:
            early.update_state(y)  # before the step is made on them
            losses = loop(model, optimizer, [(x, y)])
            error.update_state(y, model(x))
            same[0].update_state(losses[0])
        for x, y in held_out:
            other.update_state(y, model(x))
            same[1].update_state(5.0)
        for name, metric in zip(names, (error, other, *same, early), strict=True):
            expected[name].append((4 * epoch, float(metric.result())))
    (strand,) = recording.strands()
    assert points_of(strand, *expected) == expected


def test_a_metric_of_arrays_in_turns(recording: Recording) -> None:
    """Of which no data set tells: the steps do, whether they come before or after its updates."""
    for after in (True, False):
        model, optimizer, mse = built(), keras.optimizers.SGD(0.1), keras.metrics.MeanSquaredError(name="mse")
        expected: dict[str, Any] = {"train/mse": [], "eval/mse": []}
        for epoch in (1, 2):
            for at in (0, 10, 20, 30):
                x, y = X[at : at + 10], Y[at : at + 10]
                if after:
                    loop(model, optimizer, [(x, y)])
                mse.update_state(y, model(x))
                if not after:
                    loop(model, optimizer, [(x, y)])
            expected["train/mse"].append((4 * epoch, float(mse.result())))
            mse.reset_state()
            mse.update_state(Y, model(X + 1.0))
            expected["eval/mse"].append((4 * epoch, float(mse.result())))
            mse.reset_state()
        assert points_of(recording.strands()[-1], "train/mse", "eval/mse", "mse") == expected | {"mse": None}


@pytest.mark.parametrize("arrays", [True, False])
def test_metrics_in_compiled_functions(recording: Recording, arrays: bool) -> None:
    """One for both, and one for each, all of them read at the end of the epoch."""
    model, optimizer = built(), keras.optimizers.SGD(0.1)
    both, of_train, of_test = (keras.metrics.MeanSquaredError(name=name) for name in ("both", "trained", "tested"))

    @tf.function
    def step(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            prediction = model(x)
            loss = mean_squared(y, prediction)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        both.update_state(y, prediction)
        of_train.update_state(y, prediction)

    @tf.function
    def evaluate(x: Any, y: Any) -> None:
        prediction = model(x)
        both.update_state(y, prediction)
        of_test.update_state(y, prediction)

    first, second = batches(X[:35], Y[:35]), batches(X + 1.0)  # the last batch is traced once more
    if arrays:
        first, second = [*first.as_numpy_iterator()], [*second.as_numpy_iterator()]
    expected: dict[str, Any] = {f"{split}/both": [] for split in ("train", "eval")}
    expected |= {"train/trained": [], "eval/tested": []}
    for epoch in (1, 2, 3):
        for metric in (both, of_train, of_test):
            metric.reset_state()
        for x, y in first:
            step(x, y)
        expected["train/both"].append((4 * epoch, float(both.result())))
        both.reset_state()
        for x, y in second:
            evaluate(x, y)
        expected["eval/both"].append((4 * epoch, float(both.result())))
        expected["train/trained"].append((4 * epoch, float(of_train.result())))
        expected["eval/tested"].append((4 * epoch, float(of_test.result())))
    (strand,) = recording.strands()
    assert points_of(strand, *expected) == expected


def test_metrics_in_a_list_have_names(recording: Recording) -> None:
    errors = [keras.metrics.Mean(), keras.metrics.Mean()]
    by_name = {"mape": keras.metrics.Mean(), "q": keras.metrics.Mean()}
    alone = keras.metrics.Mean()
    listed = [alone]
    for metric, value in zip(errors, (1.0, 2.0), strict=True):
        metric.update_state(value)
    by_name["mape"].update_state(3.0)
    by_name["q"].update_state(7.0)
    alone.update_state(4.0)
    for metric in (*errors, *by_name.values(), *listed):
        metric.result()
    (strand,) = recording.strands()
    assert values(strand) == {"errors[0]": [1.0], "errors[1]": [2.0], "mape": [3.0], "q": [7.0], "alone": [4.0]}


class Most(keras.metrics.Mean):  # type: ignore[misc,name-defined]
    """What AutoGraph has to convert."""

    def update_state(self, values: Any, sample_weight: Any = None) -> Any:
        if tf.reduce_sum(values) > 2.0:
            values = values * 2.0
        return super().update_state(values)


def test_a_metric_of_the_programs_own_is_converted(recording: Recording) -> None:
    metric = Most()

    @tf.function
    def update(x: Any) -> None:
        metric.update_state(x)

    for x in (0.0, 1.0, 2.0):
        update(tf.fill((3,), x))
    assert float(metric.result()) == 2.0


def test_checkpoints_lead_on(recording: Recording, tmp_path: Path) -> None:
    model, optimizer = built(), keras.optimizers.Adam(0.01)
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(model=model, optimizer=optimizer), str(tmp_path / "kept"), max_to_keep=2
    )
    loop(model, optimizer, batches())
    path = manager.save()
    model.save_weights(tmp_path / "own.weights.h5")
    model.export(str(tmp_path / "exported"))
    other, another = built(), keras.optimizers.Adam(0.01)
    tf.train.Checkpoint(model=other, optimizer=another).restore(path)
    seen = loop(other, another, batches())
    autotrack.disable()
    first, second = recording.strands()
    seen_files = [event for event in recording.events() if isinstance(event, events.ArtifactSeen)]
    written = {Path(event.path).name: event for event in seen_files if event.mode == "written"}
    index = written[f"{Path(path).name}.index"]
    assert (index.strand, index.step, index.kind) == (first.id, 4, "checkpoint")
    assert index.model is not None
    assert index.model == written["own.weights.h5"].model
    assert written["own.weights.h5"].step == 4
    assert written["saved_model.pb"].strand == first.id
    read = [event for event in seen_files if event.mode == "read" and event.kind == "checkpoint"]
    assert {event.model for event in read} == {index.model}
    assert second.points["train/loss"] == [(4 + at, value) for at, value in enumerate(seen)]  # it counts on


def test_evaluation_of_a_model_that_a_loop_has_trained(recording: Recording) -> None:
    model = built()
    loop(model, keras.optimizers.SGD(0.1), batches())
    model.compile(loss="mse")
    score = model.evaluate(X + 1.0, Y, verbose=0)
    (strand,) = recording.strands()
    assert values(strand)["test/loss"] == [score]


def test_folds_are_runs_of_their_own(recording: Recording) -> None:
    seen = [loop(built(), keras.optimizers.SGD(0.1), batches(X[at:], Y[at:])) for at in (0, 10, 20)]
    strands = recording.strands()
    assert [values(strand)["train/loss"] for strand in strands] == seen
    assert [strand.status for strand in strands[:2]] == ["finished"] * 2
    assert not any(strand.of(events.StrandJoined) for strand in strands)
    assert [strand.datasets[0].dataset.parts[0].id for strand in strands] == [
        arrays.digest(X[at:]) for at in (0, 10, 20)
    ]


def test_nothing_of_the_programs_is_kept(recording: Recording) -> None:
    """Neither models nor their variables, nor data sets."""

    def trained() -> list[weakref.ref[Any]]:
        model, data = built(), batches()
        loop(model, keras.optimizers.SGD(0.1), data)
        step = compiled(model, keras.optimizers.SGD(0.1), "loss")
        for x, y in data:
            step(x, y)
        kept = [model, data, *model.trainable_variables, *(part.value for part in model.trainable_variables)]
        return [weakref.ref(part) for part in kept]

    kept = trained()
    gc.collect()
    assert [reference() for reference in kept if reference() is not None] == []


def test_an_evaluation_in_the_midst_of_an_epoch(recording: Recording) -> None:
    """Its data is no data that is trained on, whatever is iterated last; nor is what is looked at."""
    model, optimizer = built(), keras.optimizers.SGD(0.1)
    source, target = batches(), batches(X + 2.0)
    held_out = batches(X + 1.0, size=20)
    for number, ((x, y), (other, _)) in enumerate(zip(source, target, strict=True)):
        with tf.GradientTape() as tape:
            loss = mean_squared(y, model(x + other))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        if number % 2:
            for x, _ in held_out:
                model(x)
    next(iter(source.take(1)))
    autotrack.disable()
    (strand,) = recording.strands()
    found = [(data.role, data.dataset.parts[0].id) for data in strand.datasets.values()]
    assert sorted(found) == sorted(
        [("train", arrays.digest(X)), ("train", arrays.digest(X + 2.0)), ("eval", arrays.digest(X + 1.0))]
    )
    assert strand.points["epoch"] == [(0, 0.0)]


def test_data_that_came_before_is_not_what_is_trained_on(recording: Recording) -> None:
    first, held_out = built(), batches(X + 1.0)
    loop(first, keras.optimizers.SGD(0.1), batches())
    for x, _ in held_out:
        first(x)
    ahead = iter(held_out)  # and is there still, after its last batch
    while next(ahead, None) is not None:
        pass
    loop(built(), keras.optimizers.SGD(0.1), [(X[at : at + 10], Y[at : at + 10]) for at in (0, 10, 20)], epochs=2)
    loop(built(), keras.optimizers.SGD(0.1), list(held_out))
    third, data = built(), batches(X + 2.0)
    loop(third, keras.optimizers.SGD(0.1), (next(iter(data)) for _ in range(3)))
    autotrack.disable()
    strands = recording.strands()
    found = [
        {data.role: data.dataset.parts[0].id for data in strand.datasets.values() if data.role == "train"}
        for strand in strands
    ]
    assert found == [
        {"train": arrays.digest(X)}, {}, {"train": arrays.digest(X + 1.0)}, {"train": arrays.digest(X + 2.0)},
    ]  # fmt: skip
    assert strands[0].datasets[1].role == "eval"
    assert strands[1].gaps == {"identity of the train data": "its batches come from elsewhere than tf.data"}
    assert "epoch" not in strands[1].points


def test_another_optimizer_goes_on(recording: Recording) -> None:
    model = built()
    seen = loop(model, keras.optimizers.SGD(0.1), batches()) + loop(model, keras.optimizers.Adam(0.1), batches())
    (strand,) = recording.strands()
    assert strand.points["train/loss"] == list(enumerate(seen))


def test_what_is_returned_beside_the_loss(recording: Recording) -> None:
    """It is never taken for the loss."""
    model, optimizer = built(), keras.optimizers.SGD(0.1)

    @tf.function
    def train_step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = mean_squared(y, model(x))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        twice = loss * 2.0
        return {"nothing": None, "twice": twice}

    seen = [float(train_step(x, y)["twice"]) for x, y in batches()]
    (strand,) = recording.strands()
    assert strand.points["train/twice"] == list(enumerate(seen))
    assert "train/loss" not in strand.points


def test_a_compiled_step_by_hand(recording: Recording) -> None:
    w = tf.Variable(tf.zeros((3, 1)))

    @tf.function
    def train_step() -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((X @ w - Y) ** 2)
        w.assign_sub(0.1 * tape.gradient(loss, w))
        return loss

    seen = [float(train_step()) for _ in range(4)]
    (strand,) = recording.strands()
    assert strand.points["train/loss"] == list(enumerate(seen))


def test_a_graph_is_as_without(tmp_path: Path) -> None:
    """Though the program writes summaries in it, at a step that is a variable."""

    def operations() -> list[str]:
        step = tf.Variable(0, dtype=tf.int64)
        writer = tf.summary.create_file_writer(str(tmp_path / "logs"))

        @tf.function
        def written(x: Any) -> Any:
            with writer.as_default():
                tf.summary.scalar("sum", tf.reduce_sum(x), step=step)
            return tf.reduce_sum(x)

        written(tf.ones(3))
        return [operation.type for operation in written.get_concrete_function(tf.ones(3)).graph.get_operations()]

    plain = operations()
    with recorded(tmp_path / "rec"):
        assert operations() == plain
