"""What modules and callbacks log, at the step that Lightning gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotrack import Strand
from autotrack.plugin_api import series_name
from autotrack_lightning.fits import split_of
from autotrack_lightning.losses import Told, is_on_record, steps_of, told_of
from autotrack_torch import evaluations, scalars
from autotrack_torch.training import of_parameters

ORIGIN = "lightning"
_COUNTERS = ("epoch", "step")
_LOADER = "/dataloader_idx_"


def metrics_logged(connector: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: None) -> None:
    """`_LoggerConnector.log_metrics(metrics, step=None)` has returned: what was logged, at a step or of an epoch."""
    metrics = args[0] if args else kwargs.get("metrics")
    step = args[1] if len(args) > 1 else kwargs.get("step")
    trainer = connector.trainer
    if not metrics or trainer.sanity_checking:
        return
    strand = evaluations.strand_to_score(trainer.lightning_module, "lightning")
    if strand is None:
        return
    told = told_of(trainer.lightning_module)
    at = _step(trainer, metrics, step, told)
    known = {}
    for held in list((trainer._results or {}).values()):
        known[held.meta.forked_name(True)] = held.meta, True
        known[held.meta.forked_name(False)] = held.meta, not held.meta.on_epoch
    split = split_of(trainer)
    for logged, value in metrics.items():
        if logged in _COUNTERS:
            continue
        plain, _, loader = logged.partition(_LOADER)
        meta, each_step = known.get(plain, (None, False))
        name = meta.name if meta is not None else plain
        series = series_name(name, split) + (f"{_LOADER}{loader}" if loader else "")
        if split == "train" and each_step and is_on_record(series, value, told, name):
            continue
        scalars.log(strand, _named(strand, series, meta, each_step, split), at, value, ORIGIN)


def _named(strand: Strand, name: str, meta: Any, each_step: bool, split: str) -> str:
    """The name of the series: of each step and of each epoch there are two of one name."""
    if meta is None:
        return name
    if meta.forked and each_step and split != "train":
        return f"{name}.step"
    of_epoch = not each_step and split == "train"
    return f"{name}.epoch" if of_epoch and (meta.forked or strand.has(name, other_than=ORIGIN)) else name


def _step(trainer: Any, metrics: Mapping[str, Any], step: int | None, told: Told | None) -> int:
    """As the program gives it, else that of the training, of which a trainer may have made the last part, or none."""
    given = step if step is not None else metrics.get("step")
    if given is not None:
        return int(given)
    if told is None or told.trainer() is trainer:
        return steps_of(trainer) + (told.offset if told is not None else 0)
    known = next(iter(of_parameters(trainer.lightning_module.parameters())), None)
    return known.steps if known is not None else steps_of(trainer)


def logger_called(logger: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: None) -> None:
    """`Logger.log_metrics(metrics, step=None)` has returned, which the program or a callback has called."""
    metrics = args[0] if args else kwargs.get("metrics")
    step = args[1] if len(args) > 1 else kwargs.get("step")
    strand = scalars.strand_in_thread()
    if strand is None or not isinstance(metrics, Mapping):
        return
    told: dict[str, int] = strand.memo.setdefault("lightning, loggers", {})
    for logged, value in metrics.items():
        name = series_name(str(logged))
        if logged in _COUNTERS or _is_rate(name) or told.setdefault(name, id(logger)) != id(logger):
            continue  # several loggers are told the same
        at = int(step) if step is not None else strand.series(name, origin=ORIGIN).next_step
        scalars.log(strand, name, at, value, ORIGIN)


def _is_rate(name: str) -> bool:
    """Whether it is what `LearningRateMonitor` calls the learning rate of an optimizer."""
    return name.startswith("lr-") and not name.endswith(("-momentum", "-weight_decay"))
