"""What is observed of Lightning, under either of its names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autotrack import Patch
from autotrack_lightning import fits, logged, losses


def patches(pytorch: str, fabric: str) -> Iterator[Patch]:
    """`pytorch`, `fabric`: the packages that the parts of Lightning are in."""
    trainer = f"{pytorch}.trainer"
    yield Patch(f"{trainer}.trainer:Trainer.fit", observe=fits.observe_fit, opens=fits.opens_fit, around=True)
    yield Patch(f"{trainer}.call:_call_strategy_hook", after=losses.hooked)
    yield Patch(f"{pytorch}.core.module:LightningModule.log", after=losses.named)
    connectors = f"{trainer}.connectors"
    connector = f"{connectors}.logger_connector.logger_connector:_LoggerConnector"
    yield Patch(f"{connector}.log_metrics", returned=logged.metrics_logged)
    yield Patch(f"{fabric}.loggers.logger:Logger.log_metrics", returned=logged.logger_called, subclasses=True)
    yield Patch(
        f"{pytorch}.loggers.utilities:_log_hyperparams",
        f"{trainer}.trainer:_log_hyperparams",
        returned=_nothing,  # which a logger writes as scalars, too
    )
    yield Patch(f"{trainer}.trainer:Trainer._run_sanity_check", observe=fits.observe_check)
    for search, module in (("_lr_find", "lr_finder"), ("_scale_batch_size", "batch_size_finder")):
        yield Patch(f"{pytorch}.callbacks.{module}:{search}", observe=fits.observe_search)
    yield Patch(f"{pytorch}.tuner.lr_finder:_LRFinder.suggestion", returned=fits.suggested)
    yield Patch(f"{pytorch}.loops.evaluation_loop:_EvaluationLoop.run", observe=fits.observe_evaluation, around=True)
    yield Patch(f"{pytorch}.strategies.strategy:Strategy.save_checkpoint", returned=fits.saved, subclasses=True)
    files = f"{fabric}.plugins.io.torch_io:TorchCheckpointIO"
    yield Patch(f"{files}.save_checkpoint", returned=fits.written)
    yield Patch(f"{files}.load_checkpoint", returned=fits.read)
    yield Patch(f"{connectors}.checkpoint_connector:_CheckpointConnector.restore_training_state", after=fits.restored)


def _nothing(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """What happens within is on record otherwise."""
