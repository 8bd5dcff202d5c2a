"""Lightning: the contract, and what a fit is on record as."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import autotrack
from autotrack import events
from autotrack.testing import PluginContract, Recording, Strand, recorded, recording, run_program

__all__ = ["recording"]

torch = pytest.importorskip("torch")
pl = pytest.importorskip("lightning.pytorch")
from lightning.pytorch import callbacks, loggers  # noqa: E402

data = torch.utils.data
X = torch.linspace(-1, 1, 48, dtype=torch.float32).reshape(24, 2)
Y = X.sum(1, keepdim=True)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logger.setLevel(level)


class Rows(data.Dataset[Any]):
    def __init__(self, hook: Any = None) -> None:
        self.hook = hook

    def __len__(self) -> int:
        return 24

    def __getitem__(self, at: int) -> Any:
        if self.hook is not None:
            self.hook(at)
        return X[at], Y[at]


class Net(pl.LightningModule):
    def __init__(self, lr: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Linear(2, 1)
        self.seen: list[float] = []

    def loss(self, batch: Any) -> Any:
        x, y = batch
        return (self.net(x) - y).pow(2).mean()

    def training_step(self, batch: Any, at: int) -> Any:
        loss = self.loss(batch)
        self.log("train_loss", loss)
        self.log("train_double", 2 * loss, on_step=True, on_epoch=True)
        self.seen.append(loss.item())
        return loss

    def validation_step(self, batch: Any, at: int) -> None:
        self.log("val_loss", self.loss(batch))

    def test_step(self, batch: Any, at: int) -> None:
        self.log("test_loss", self.loss(batch))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])


class Adversaries(pl.LightningModule):
    """Two optimizers that are stepped by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.critic = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)

    def training_step(self, batch: Any, at: int) -> None:
        first, second = self.optimizers()
        made_loss = self.critic(self.generator(batch[0])).pow(2).mean()
        first.zero_grad()
        self.manual_backward(made_loss)
        first.step()
        critic_loss = (self.critic(batch[0]) - 1).pow(2).mean()
        second.zero_grad()
        self.manual_backward(critic_loss)
        second.step()
        self.log_dict({"made_loss": made_loss, "critic_loss": critic_loss})

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(part.parameters(), lr=0.1) for part in (self.generator, self.critic)]


def trainer(folder: Path, epochs: int = 2, **settings: Any) -> Any:
    given = {"logger": False, "enable_checkpointing": False, "log_every_n_steps": 1, **settings}
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        **given,
    )


def loader(dataset: Any = None) -> Any:
    return data.DataLoader(data.TensorDataset(X, Y) if dataset is None else dataset, batch_size=8)


PROGRAM = """
import os, torch, lightning.pytorch as pl
torch.manual_seed(1)
class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 1))
    def training_step(self, batch, at):
        loss = (self.net(batch[0]) - batch[1]).pow(2).mean()
        self.log("loss", loss, prog_bar=True)
        return loss
    def validation_step(self, batch, at):
        self.log("val", self.net(batch[0]).mean())
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)
x = torch.randn(32, 2)
rows = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
loader = torch.utils.data.DataLoader(rows, batch_size=8, shuffle=True)
model = Net()
trainer = pl.Trainer(max_epochs=2, accelerator="cpu", accumulate_grad_batches=2, log_every_n_steps=1,
                     enable_progress_bar=False, enable_model_summary=False, gradient_clip_val=0.1)
trainer.fit(model, loader, loader)
print(trainer.validate(model, loader))
print([callback.__class__.__name__ for callback in trainer.callbacks], trainer.logged_metrics)
print([tensor.tolist() for tensor in model.state_dict().values()], torch.randn(2).tolist())
"""


class TestLightning(PluginContract):
    framework = "lightning"
    program = PROGRAM
    # Lightning takes seconds to import, and one program of its own is enough.  A KeyboardInterrupt becomes an exit, a
    # signal handler's exception another one: see below.
    test_every_order_ends_in_the_same_state = None
    test_forked_child_is_recorded_once = None
    test_killed = None
    test_output_is_as_without_tracking = None
    test_spawned_worker_is_recorded_once = None
    test_statuses = None
    test_timeouts_finalizers_and_wait_work = None
    test_unsupported_version_is_one_line = None  # it is recorded as any loop of PyTorch then
    targets = (
        "lightning.pytorch.trainer.trainer:Trainer.fit",
        "lightning.pytorch.trainer.connectors.logger_connector.logger_connector:_LoggerConnector.log_metrics",
    )
    hot_targets = (
        "lightning.pytorch.trainer.call:_call_strategy_hook",
        "lightning.pytorch.core.module:LightningModule.log",
    )

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path

    def fit(self, dataset: Any = None) -> Any:
        torch.manual_seed(1)
        model = Net()
        trainer(self.path, 1).fit(model, loader(dataset))
        return model

    def train(self) -> Any:
        return self.fit().seen

    def train_failing(self, error: BaseException) -> None:
        def hook(at: int) -> None:
            if at == 16:
                raise error

        self.fit(Rows(hook))

    def train_nested(self) -> Any:
        class Nested(callbacks.Callback):
            def on_train_end(inner, trainer: Any, module: Any) -> None:  # noqa: N805
                self.train()

        torch.manual_seed(1)
        trainer(self.path, 1, callbacks=[Nested()]).fit(Net(), loader())

    def train_odd(self) -> None:
        class Pairs(tuple[Any, ...]):
            """A batch that is no tensor, nor a list of some."""

        class Stream(data.IterableDataset[Any]):
            def __iter__(self) -> Iterator[Any]:
                return iter([(X[:8], Y[:8])])

        given = data.DataLoader(Stream(), batch_size=None, collate_fn=Pairs)
        torch.manual_seed(1)
        trainer(self.path, 1).fit(Net(), given)

    def count_calls(self) -> int:
        calls: list[int] = []
        self.fit(Rows(calls.append))
        return len(calls)

    def train_mutating(self) -> str:
        from autotrack.identity import arrays

        x = X.clone()
        before = arrays.digest(x.numpy())

        class Changing(callbacks.Callback):
            def on_train_batch_end(self, *_: Any) -> None:
                x.mul_(2)

        torch.manual_seed(1)
        rows = data.TensorDataset(x, Y)
        trainer(self.path, 1, callbacks=[Changing()]).fit(Net(), loader(rows))
        return before

    def train_interleaved(self) -> list[tuple[str, float]]:
        models = [Net(), Net()]
        for model in models:
            trainer(self.path, 1).fit(model, loader())
        tested = [trainer(self.path).test(model, loader(), verbose=False) for model in reversed(models)]
        return [("test/loss", found[0]["test_loss"]) for found in reversed(tested)]

    def test_a_fit_inside_a_fit_is_no_run(self, recording: Recording) -> None:
        """It is part of the outer one's, also where it trains another model."""
        self.train_nested()
        outer, inner = recording.strands()
        assert inner.started.owner == outer.id


def test_a_fit_and_its_test_are_one_run(recording: Recording, tmp_path: Path) -> None:
    model = Net(lr=0.05)
    fitting = trainer(tmp_path, gradient_clip_val=1.0)
    fitting.fit(model, loader(), loader())
    tested = fitting.test(model, loader(), verbose=False)[0]["test_loss"]
    (strand,) = recording.strands()
    assert (strand.name, strand.status) == ("Net", "finished")
    assert strand.points["train/loss"] == list(enumerate(model.seen))
    assert [step for step, _ in strand.points["train/double"]] == list(range(6))
    assert [step for step, _ in strand.points["train/double.epoch"]] == [2, 5]
    assert [step for step, _ in strand.points["valid/loss"]] == [2, 5]
    assert strand.points["test/loss"] == [(6, tested)]
    assert strand.points["epoch"] == [(0, 0), (3, 1)]
    names = {"train/loss", "train/double", "train/double.epoch", "valid/loss", "test/loss", "epoch", "lr", "grad_norm"}
    assert strand.points.keys() == names
    assert strand.params["lr"] == 0.05
    assert strand.params["max_epochs"] == 2
    assert strand.params["gradient_clip_val"] == 1.0
    assert {event.role for event in strand.of(events.StrandDataset)} == {"train", "valid", "test"}


def test_loggers_and_their_callbacks_double_nothing(recording: Recording, tmp_path: Path) -> None:
    class Own(callbacks.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, at: int) -> None:
            module.logger.log_metrics({"val_own": float(at)}, step=trainer.global_step)

    given = [loggers.TensorBoardLogger(tmp_path), loggers.CSVLogger(tmp_path)]
    watching: list[Any] = [
        Own(),
        callbacks.LearningRateMonitor(),
        callbacks.ModelCheckpoint(tmp_path / "kept", save_top_k=-1),
    ]
    fitting = trainer(tmp_path, logger=given, callbacks=watching, enable_checkpointing=True)
    before = list(fitting.callbacks)
    model = Net()
    fitting.fit(model, loader())
    assert fitting.callbacks == before
    (strand,) = recording.strands()
    assert strand.points.keys() == {"train/loss", "train/double", "train/double.epoch", "valid/own", "epoch", "lr"}
    assert strand.points["train/loss"] == list(enumerate(model.seen))
    assert strand.points["valid/own"] == [(1, 0), (2, 1), (3, 2), (4, 0), (5, 1), (6, 2)]
    written = [event for event in strand.of(events.ArtifactSeen) if event.kind == "checkpoint"]
    assert [event.step for event in written] == [3, 6]
    autotrack.disable()
    assert all(recording.models()[event.artifact] is not None for event in written)


def test_the_loss_is_the_programs_where_batches_are_accumulated(recording: Recording, tmp_path: Path) -> None:
    model = Net()
    trainer(tmp_path, 1, accumulate_grad_batches=3).fit(model, loader())
    (strand,) = recording.strands()
    assert strand.points["train/loss"] == [(0, value) for value in model.seen]


def test_losses_of_optimization_by_hand_have_their_names(recording: Recording, tmp_path: Path) -> None:
    trainer(tmp_path, 1).fit(Adversaries(), loader())
    (strand,) = recording.strands()
    assert {name for name in strand.points if "loss" in name} == {"train/made_loss", "train/critic_loss"}
    assert [step for step, _ in strand.points["train/critic_loss"]] == [0, 1, 2]
    assert {name for name in strand.points if name.endswith("lr")} == {"first.lr", "second.lr"}


def test_losses_of_optimization_by_hand_are_called_as_they_are_logged(recording: Recording, tmp_path: Path) -> None:
    """Also where they are logged after the backward pass, and by a part of one of them only."""

    class Named(Adversaries):
        seen: list[tuple[float, float]] = []

        def training_step(self, batch: Any, at: int) -> None:
            first, second = self.optimizers()
            errors = self.critic(self.generator(batch[0])).pow(2).mean()
            first.zero_grad()
            self.manual_backward(errors)
            first.step()
            self.log("g_loss", errors, on_epoch=True)
            penalty = (self.critic(batch[0]) - 1).pow(2).mean()
            second.zero_grad()
            self.manual_backward(penalty)
            second.step()
            self.log_dict({"train/d_loss": penalty.detach(), "accuracy": 0.5})
            self.seen.append((errors.item(), penalty.item()))

    model = Named()
    for _ in range(2):
        trainer(tmp_path, 1).fit(model, loader())
    (strand,) = recording.strands()
    assert strand.points["train/g_loss"] == [(at, values[0]) for at, values in enumerate(model.seen)]
    assert strand.points["train/d_loss"] == [(at, values[1]) for at, values in enumerate(model.seen)]
    assert [step for step, _ in strand.points["train/accuracy"]] == list(range(6))
    named = {name for name in strand.points if name.startswith("train/")}
    assert named == {"train/g_loss", "train/g_loss.epoch", "train/d_loss", "train/accuracy"}


def test_another_model_is_another_run_and_the_same_goes_on(recording: Recording, tmp_path: Path) -> None:
    first, second, shared, checked = Net(), Net(), loader(), loader()
    fitting = trainer(tmp_path, 1)
    fitting.fit(first, shared, checked)
    fitting.save_checkpoint(tmp_path / "last.ckpt")
    trainer(tmp_path, 1).fit(second, shared, checked)
    trainer(tmp_path, 2).fit(first, shared, ckpt_path=tmp_path / "last.ckpt", weights_only=False)
    of_first, of_second = recording.strands()
    assert of_first.points["train/loss"] == list(enumerate(first.seen))
    assert of_second.points["train/loss"] == list(enumerate(second.seen))
    assert [value for _, value in of_second.points["epoch"]] == [0]
    assert {event.role for event in of_second.of(events.StrandDataset)} == {"train", "valid"}


def test_a_training_that_goes_on_from_a_file_counts_on(tmp_path: Path) -> None:
    fitting = trainer(tmp_path, 2)
    fitting.fit(Net(), loader())
    fitting.save_checkpoint(tmp_path / "last.ckpt")
    with recorded(tmp_path / "rec") as recording:
        model = Net()
        trainer(tmp_path, 3).fit(model, loader(), ckpt_path=tmp_path / "last.ckpt", weights_only=False)
        (strand,) = recording.strands()
        assert strand.points["train/loss"] == list(enumerate(model.seen, 6))
        assert strand.points["epoch"] == [(6, 2)]
        assert [event.mode for event in strand.of(events.ArtifactSeen)] == ["read"]


def test_a_model_from_a_file_is_evaluated_in_a_run_that_leads_to_it(tmp_path: Path) -> None:
    with recorded(tmp_path / "trained") as recording:
        fitting = trainer(tmp_path, 1)
        fitting.fit(Net(), loader())
        fitting.save_checkpoint(tmp_path / "last.ckpt")
        (trained,) = recording.strands()
    with recorded(tmp_path / "evaluated") as recording:
        model = Net.load_from_checkpoint(tmp_path / "last.ckpt", weights_only=False)
        trainer(tmp_path).test(model, loader(), verbose=False)
        (strand,) = recording.strands()
    assert (strand.kind, strand.params["lr"]) == ("evaluation", 0.1)
    assert strand.points.keys() == {"test/loss"}
    assert _model(strand) == _model(trained)


def _model(strand: Strand) -> str | None:
    return str(strand.of(events.StrandModel)[-1].id)


def test_values_on_a_device_are_read_by_the_recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autotrack_torch import deferred

    monkeypatch.setattr(deferred, "_forced", True)
    with recorded(tmp_path / "rec") as recording:
        model = Net()
        trainer(tmp_path, 1, accumulate_grad_batches=3).fit(model, loader())
        autotrack.disable()
        (strand,) = recording.strands()
    assert strand.points["train/loss"] == [(0, pytest.approx(value)) for value in model.seen]
    assert len(strand.points["train/double"]) == 1


def test_an_interrupted_fit_is_interrupted(recording: Recording, tmp_path: Path) -> None:
    """Lightning makes an exit of a KeyboardInterrupt."""
    import signal

    def hook(at: int) -> None:
        if at == 16:
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit):
            trainer(tmp_path, 1).fit(Net(), loader(Rows(hook)))
    finally:
        signal.signal(signal.SIGINT, before)
    (strand,) = recording.strands()
    assert strand.status == "interrupted"


def test_a_program_does_the_same_under_either_name(tmp_path: Path) -> None:
    """Same output, same weights, same state of the generator; and the library's other name is known, too."""
    pytest.importorskip("pytorch_lightning")
    source = PROGRAM.replace("lightning.pytorch", "pytorch_lightning")
    plain = run_program(source, tmp_path, tracked=False)
    tracked = run_program(source, tmp_path, env={"AUTOTRACK_QUIET": "1"})
    assert (tracked.stdout, tracked.returncode) == (plain.stdout, plain.returncode)
    (strand,) = Recording(tmp_path / ".autotrack").strands()
    assert strand.started.framework == "pytorch_lightning"
    assert len(strand.points["train/loss"]) == 8
    assert strand.points.keys() >= {"train/loss", "valid/val", "epoch", "lr", "grad_norm"}


def test_what_is_trained_after_a_validation_begins_at_its_own_first_epoch(recording: Recording, tmp_path: Path) -> None:
    for _ in range(2):
        model = Net()
        fitting = trainer(tmp_path)
        fitting.fit(model, loader())
        fitting.validate(model, loader(), verbose=False)
    first, second = recording.strands()
    assert first.points["epoch"] == second.points["epoch"] == [(0, 0), (3, 1)]
    assert [step for step, _ in second.points["train/loss"]] == list(range(6))


def test_checkpoints_where_several_optimizers_are_stepped_by_hand(recording: Recording, tmp_path: Path) -> None:
    fitting = trainer(tmp_path, 1)
    fitting.fit(Adversaries(), loader())
    fitting.save_checkpoint(tmp_path / "both.ckpt")
    strand = recording.strands()[0]
    (saved,) = (event for event in strand.of(events.ArtifactSeen) if event.path.endswith("both.ckpt"))
    assert saved.step == len(strand.points["train/made_loss"]) == 3


def _summary(strand: Strand) -> dict[str, Any]:
    return {name: value for event in strand.of(events.StrandSummary) for name, value in event.values.items()}


def test_several_fits_of_one_model_count_on(recording: Recording, tmp_path: Path) -> None:
    model = Net()
    for _ in range(3):
        trainer(tmp_path).fit(model, loader())
    (strand,) = recording.strands()
    assert strand.points["train/loss"] == list(enumerate(model.seen))
    assert [step for step, _ in strand.points["train/double"]] == list(range(18))
    assert [step for step, _ in strand.points["train/double.epoch"]] == [2, 5, 8, 11, 14, 17]
    assert strand.points["epoch"] == [(3 * epoch, epoch) for epoch in range(6)]
    tested = trainer(tmp_path).test(model, loader(), verbose=False)[0]["test_loss"]
    assert recording.strands()[0].points["test/loss"] == [(18, tested)]


def test_several_fits_of_several_optimizers_count_on(recording: Recording, tmp_path: Path) -> None:
    model = Adversaries()
    for _ in range(3):
        trainer(tmp_path, 1).fit(model, loader())
    (strand,) = recording.strands()
    assert {name for name in strand.points if "loss" in name} == {"train/made_loss", "train/critic_loss"}
    for name in ("train/made_loss", "train/critic_loss"):
        assert [step for step, _ in strand.points[name]] == list(range(9))


class Scored(Net):
    """Computes a metric of torchmetrics itself, in `validation_step`, and has a batch size to be found."""

    def __init__(self) -> None:
        import torchmetrics

        super().__init__()
        self.batch_size = 2
        self.val_mae = torchmetrics.MeanAbsoluteError()

    def train_dataloader(self) -> Any:
        return data.DataLoader(data.TensorDataset(X, Y), batch_size=self.batch_size)

    def val_dataloader(self) -> Any:
        return loader()

    def validation_step(self, batch: Any, at: int) -> None:
        super().validation_step(batch, at)
        self.val_mae.update(self.net(batch[0]), batch[1])

    def on_validation_epoch_end(self) -> None:
        self.val_mae.compute()
        self.val_mae.reset()


def test_the_sanity_check_is_no_validation(recording: Recording, tmp_path: Path) -> None:
    pytest.importorskip("torchmetrics")
    trainer(tmp_path).fit(Scored(), loader(), loader())
    (strand,) = recording.strands()
    (scores,) = (points for name, points in strand.points.items() if "mae" in name)
    assert [step for step, _ in scores] == [3, 6]
    assert [step for step, _ in strand.points["valid/loss"]] == [2, 5]


def test_what_a_search_tries_out_is_no_training(recording: Recording, tmp_path: Path) -> None:
    """Neither its losses nor its steps; what it has found is on record."""
    pytest.importorskip("torchmetrics")
    from lightning.pytorch.tuner import Tuner

    model = Scored()
    fitting = trainer(tmp_path, 8)
    tuner = Tuner(fitting)
    size = tuner.scale_batch_size(model, max_trials=2, steps_per_trial=2)
    rate = tuner.lr_find(model, num_training=20, early_stop_threshold=None, update_attr=True).suggestion()
    model.seen.clear()
    fitting.fit(model)
    (strand,) = recording.strands()
    assert strand.points["train/loss"] == list(enumerate(model.seen))
    assert strand.points["epoch"] == [(epoch * len(model.seen) // 8, epoch) for epoch in range(8)]
    assert strand.points["lr"] == [(0, rate)]
    assert _summary(strand)["suggested lr"] == rate
    assert _summary(strand)["found batch_size"] == size
    assert strand.params["lr"] == rate
    assert not [event for event in strand.of(events.ArtifactSeen) if "lr_find" in event.path or "scale" in event.path]


def test_a_search_at_the_beginning_of_a_training(recording: Recording, tmp_path: Path) -> None:
    model = Net()
    finder = callbacks.LearningRateFinder(num_training_steps=20, early_stop_threshold=None)

    class Begun(callbacks.Callback):
        def on_train_start(self, *_: Any) -> None:
            model.seen.clear()

    trainer(tmp_path, 8, callbacks=[finder, Begun()]).fit(model, loader())
    (strand,) = recording.strands()
    assert strand.points["train/loss"] == list(enumerate(model.seen))
    assert strand.points["epoch"] == [(3 * epoch, epoch) for epoch in range(8)]
    assert _summary(strand)["suggested lr"] == finder.optimal_lr.suggestion()


def test_files_of_fabric_are_checkpoints(tmp_path: Path) -> None:
    from lightning.fabric import Fabric

    def train(steps: int, path: Path | None = None) -> None:
        fabric = Fabric(accelerator="cpu", devices=1)
        plain = torch.nn.Linear(2, 1)
        model, optimizer = fabric.setup(plain, torch.optim.SGD(plain.parameters(), lr=0.1))
        state = {"model": model, "optimizer": optimizer, "steps": steps}
        if path is not None:
            fabric.load(path, state)
        for _ in range(steps):
            fabric.backward((model(X) - Y).pow(2).mean())
            optimizer.step()
        fabric.save(tmp_path / f"{steps}.ckpt", state)

    with recorded(tmp_path / "first") as recording:
        train(3)
        (strand,) = recording.strands()
        autotrack.disable()
        (saved,) = strand.of(events.ArtifactSeen)
        assert (saved.mode, saved.kind, saved.step) == ("written", "checkpoint", 3)
        model = recording.models()[saved.artifact]
        assert model is not None
    with recorded(tmp_path / "second") as recording:
        train(1, tmp_path / "3.ckpt")
        (strand,) = recording.strands()
        autotrack.disable()
        read, saved = strand.of(events.ArtifactSeen)
        assert (read.mode, read.kind, saved.mode) == ("read", "checkpoint", "written")
        assert recording.models()[read.artifact] == model


def test_the_processes_that_train_one_model_are_one_run(tmp_path: Path) -> None:
    """Which Lightning starts with the same program."""
    training = """
if __name__ == "__main__":
    x = torch.randn(32, 2)
    rows = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
    pl.Trainer(max_epochs=1, accelerator="cpu", devices=2, strategy="ddp", logger=False,
               enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    ).fit(Net(), torch.utils.data.DataLoader(rows, batch_size=4))
"""
    source = PROGRAM.partition("x = torch")[0] + training
    ended = run_program(source, tmp_path, env={"AUTOTRACK_QUIET": "1", "OMP_NUM_THREADS": "1"})
    assert ended.returncode == 0, ended.stderr
    (found,) = autotrack.runs(frame="list", dir=tmp_path / ".autotrack")
    run = autotrack.load(found["id"], dir=tmp_path / ".autotrack")
    assert run.status == "finished"
    points = {name: len(run.points(name)[0]) for name in run.metrics if "loss" in name}
    assert points == {"train/loss": 4, "rank1/train/loss": 4}
