"""What a `Trainer` logs, and what it finds as it evaluates and predicts."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from autotrack import Call
from autotrack.plugin_api import on_record, series_name, split_of
from autotrack_torch import evaluations, scalars
from autotrack_torch.training import in_thread

Observation = Generator[None, Any, None]
ORIGIN = "transformers"

_OF_RUN = ("_runtime", "_per_second", "total_flos", "_preparation_time")
"""How the names end of what is said of a call as a whole."""
_KNOWN = {"epoch": "epoch", "learning_rate": "lr", "grad_norm": "grad_norm"}
"""What is on record already, by the names of its series; `epoch` in every case."""


def observe_evaluate(call: Call) -> Observation:
    yield from evaluations.evaluating(call.instance.model, split_of(call.get("metric_key_prefix") or "eval") or "eval")


def observe_predict(call: Call) -> Observation:
    trainer = call.instance
    prefix = call.get("metric_key_prefix") or "test"
    output = yield from evaluations.evaluating(trainer.model, split_of(prefix) or "eval")
    metrics = getattr(output, "metrics", None)
    if isinstance(metrics, Mapping):
        _record(trainer, metrics, split_of(prefix), evaluated=True)


def observe_log(call: Call) -> Observation:
    """`Trainer.log(logs, ...)`, in which callbacks may print what is logged."""
    logs = call.get("logs")
    if type(logs) is not dict:
        return
    for name, value in logs.items():
        if type(value) in (int, float):
            on_record(str(name), value)
    yield
    split = in_thread().split
    _record(call.instance, logs, split or "train", evaluated=bool(split))


def _record(trainer: Any, logs: Mapping[str, Any], split: str, *, evaluated: bool) -> None:
    """`evaluated`: the values are those of an evaluation, which may be one of the data that is trained on."""
    strand = evaluations.strand_to_score(trainer.model, ORIGIN)
    if strand is None:
        return
    step = trainer.state.global_step
    if trainer.state.epoch is not None:
        on_record(f"{split}/epoch", trainer.state.epoch)
    whole: dict[str, Any] = {}
    for logged, value in logs.items():
        known = _KNOWN.get(logged)
        if known == "epoch" or (known is not None and strand.has(known, other_than=ORIGIN)):
            continue
        trained_on = evaluated and split == "train"
        if logged.endswith(_OF_RUN) or (logged == "train_loss" and "train_runtime" in logs and not evaluated):
            whole[f"eval_{logged}" if trained_on else logged] = value
            on_record(logged, value)
        else:
            name = series_name(logged, split)
            scalars.log(strand, f"{name}.eval" if trained_on and name == "train/loss" else name, step, value, ORIGIN)
    if whole:
        strand.summaries(whole)
