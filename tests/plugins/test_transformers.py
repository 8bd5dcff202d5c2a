"""Transformers: what a training by its `Trainer` is on record as."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import autotrack
from autotrack import events
from autotrack.testing import Recording, recorded, recording

__all__ = ["recording"]

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")


class Rows(torch.utils.data.Dataset[Any]):
    def __init__(self, count: int, error: BaseException | None = None) -> None:
        self.words = torch.arange(count * 6).reshape(count, 6) % 11
        self.error = error

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, at: int) -> Any:
        if self.error is not None and at == 7:
            raise self.error
        return {"input_ids": self.words[at], "labels": self.words[at, 0] % 2}


class Mine(transformers.Trainer):
    """Keeps the losses as they are before the trainer divides them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen: list[float] = []
        self.model_accepts_loss_kwargs = False

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **kwargs: Any) -> Any:
        found = super().compute_loss(model, inputs, return_outputs, **kwargs)
        if model.training:
            self.seen.append(found.item())
        return found


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing of it is about what is on the terminal."""
    monkeypatch.chdir(tmp_path)
    with open(os.devnull, "w") as null, contextlib.redirect_stderr(null), contextlib.redirect_stdout(null):
        yield


def model() -> Any:
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=11,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=6,
    )
    return transformers.BertForSequenceClassification(config)


def accuracy(predicted: Any) -> dict[str, float]:
    return {"accuracy": float((predicted.predictions.argmax(-1) == predicted.label_ids).mean())}


def trainer(net: Any = None, rows: Any = None, kind: Any = Mine, **settings: Any) -> Any:
    given = {"save_strategy": "no", "report_to": [], "logging_steps": 1, "max_steps": 4, **settings}
    arguments = transformers.TrainingArguments("out", use_cpu=True, per_device_train_batch_size=4, **given)
    return kind(
        model=net if net is not None else model(),
        args=arguments,
        train_dataset=rows if rows is not None else Rows(16),
        eval_dataset=Rows(8),
        compute_metrics=accuracy,
    )


def test_a_training_and_its_evaluations_are_one_run(recording: Recording) -> None:
    pytest.importorskip("tensorboard")
    training = trainer(
        report_to=["tensorboard"], eval_strategy="steps", eval_steps=2, save_strategy="steps", save_steps=2,
        load_best_model_at_end=True, learning_rate=1e-3, lr_scheduler_type="linear",
    )  # fmt: skip
    before = list(training.callback_handler.callbacks)
    training.train()
    found = training.evaluate()
    predicted = training.predict(Rows(8)).metrics
    training.save_model("final")
    assert training.callback_handler.callbacks == before
    (strand,) = recording.strands()
    assert (strand.name, strand.status) == ("BertForSequenceClassification", "finished")
    assert strand.points["train/loss"] == list(enumerate(training.seen))
    assert [step for step, _ in strand.points["train/loss.logged"]] == [1, 2, 3, 4]
    assert [step for step, _ in strand.points["eval/accuracy"]] == [2, 4, 4]
    assert strand.points["eval/loss"][-1] == (4, found["eval_loss"])
    assert strand.points["test/loss"] == [(4, predicted["test_loss"])]
    assert strand.points.keys() == {
        "train/loss", "train/loss.logged", "eval/loss", "eval/accuracy", "test/loss", "test/accuracy", "epoch",
        "grad_norm", "lr", "lr[1]",
    }  # fmt: skip
    assert strand.params["learning_rate"] == 1e-3
    assert strand.params["num_hidden_layers"] == 1
    assert "output_dir" not in strand.params
    assert {event.role for event in strand.of(events.StrandDataset)} == {"train", "eval", "test"}
    written = [event for event in strand.of(events.ArtifactSeen) if event.path.endswith("model.safetensors")]
    steps = [(event.mode, Path(event.path).parent.name, event.step) for event in written if event.mode == "written"]
    assert steps == [("written", "checkpoint-2", 2), ("written", "checkpoint-4", 4), ("written", "final", 4)]
    autotrack.disable()
    assert all(recording.models()[event.artifact] is not None for event in written)


def test_what_is_evaluated_is_what_the_prefix_says(recording: Recording) -> None:
    training = trainer()
    training.train()
    found = training.evaluate(training.train_dataset, metric_key_prefix="train")
    tested = training.evaluate(Rows(8), metric_key_prefix="test")
    predicted = training.predict(training.train_dataset, metric_key_prefix="train").metrics
    (strand,) = recording.strands()
    assert strand.points["train/loss"] == list(enumerate(training.seen))
    assert strand.points["train/loss.eval"] == [(4, found["train_loss"]), (4, predicted["train_loss"])]
    assert [step for step, _ in strand.points["train/accuracy"]] == [4, 4]
    assert [step for step, _ in strand.points["train/loss.logged"]] == [1, 2, 3, 4]
    assert strand.points["test/loss"] == [(4, tested["test_loss"])]
    assert not [name for name in strand.points if name.startswith(("eval", "valid"))]
    assert strand.points["epoch"] == [(0, 0)]
    roles = {event.role for event in strand.of(events.StrandDataset)}
    assert roles == {"train", "eval", "test"}  # what is trained on is evaluated, too
    (values,) = (event.values for event in strand.of(events.StrandSummary) if "train_runtime" in event.values)
    assert "train_loss" in values


def test_the_loss_is_not_divided_where_batches_are_accumulated(recording: Recording) -> None:
    training = trainer(gradient_accumulation_steps=2, max_steps=2)
    training.train()
    (strand,) = recording.strands()
    assert strand.points["train/loss"] == [(at // 2, value) for at, value in enumerate(training.seen)]
    assert strand.params["gradient_accumulation_steps"] == 2


def test_parts_of_a_loss_are_called_so(recording: Recording) -> None:
    """Of a model that divides by the labels of all batches of the step, the trainer logs the sum."""
    torch.manual_seed(1)
    config = transformers.GPT2Config(vocab_size=11, n_embd=8, n_layer=1, n_head=2, n_positions=6)

    class Words(Rows):
        def __getitem__(self, at: int) -> Any:
            return {"input_ids": self.words[at], "labels": self.words[at]}

    training = trainer(
        transformers.GPT2LMHeadModel(config), Words(16), transformers.Trainer, gradient_accumulation_steps=2
    )
    training.train()
    (strand,) = recording.strands()
    parts = [value for _, value in strand.points["train/loss.part"]]
    logged = [value for _, value in strand.points["train/loss"]]
    assert logged == pytest.approx([first + second for first, second in zip(parts[::2], parts[1::2], strict=True)])


def test_a_training_that_goes_on_from_a_file_counts_on(tmp_path: Path) -> None:
    trainer(save_strategy="steps", save_steps=2, max_steps=4).train()
    with recorded(tmp_path / "rec") as recording:
        again = trainer(max_steps=6)
        again.train(resume_from_checkpoint="out/checkpoint-4")
        (strand,) = recording.strands()
    assert strand.points["train/loss"] == list(enumerate(again.seen, 4))
    assert strand.points["epoch"] == [(4, 1)]


def test_a_model_from_a_folder_is_evaluated_in_a_run_that_leads_to_it(tmp_path: Path) -> None:
    with recorded(tmp_path / "trained") as recording:
        training = trainer()
        training.train()
        training.save_model("final")
        (trained,) = recording.strands()
    with recorded(tmp_path / "evaluated") as recording:
        read = transformers.BertForSequenceClassification.from_pretrained("final")
        trainer(read).evaluate(Rows(8), metric_key_prefix="test")
        (strand,) = recording.strands()
    assert strand.kind == "evaluation"
    assert strand.points.keys() == {"test/loss", "test/accuracy"}
    assert strand.of(events.StrandModel)[-1].id == trained.of(events.StrandModel)[-1].id


@pytest.mark.parametrize(("error", "status"), [(RuntimeError("mine"), "failed"), (KeyboardInterrupt(), "interrupted")])
def test_what_ends_a_training_is_the_same_and_on_record(
    recording: Recording, error: BaseException, status: str
) -> None:
    with pytest.raises(type(error)) as caught:
        trainer(rows=Rows(8, error)).train()
    assert caught.value is error
    assert error.__context__ is None
    (strand,) = recording.strands()
    assert strand.status == status


def test_two_models_are_two_runs(recording: Recording) -> None:
    shared = Rows(16)
    for _ in range(2):
        trainer(rows=shared).train()
    first, second = recording.strands()
    assert first.points["train/loss"] == second.points["train/loss"]
    assert first.points["epoch"] == second.points["epoch"]


def test_the_program_computes_the_same(tmp_path: Path) -> None:
    def weights() -> Any:
        training = trainer(gradient_accumulation_steps=2, eval_strategy="epoch")
        training.train()
        return training.seen, [tensor.tolist() for tensor in training.model.state_dict().values()], torch.rand(2)

    *expected, state = weights()
    with recorded(tmp_path / "rec"):
        *found, after = weights()
    assert found == expected
    assert torch.equal(after, state)
