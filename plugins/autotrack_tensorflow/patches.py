"""What is observed of TensorFlow."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from autotrack import Patch, hookimpl
from autotrack.plugin_api import seed_called
from autotrack_tensorflow import checkpoints, data, deferred, frames, loop, metrics, scalars, trainings

DEPTH = 2
METRICS = (
    "reduction_metrics:Mean", "reduction_metrics:Sum", "reduction_metrics:MeanMetricWrapper",
    "regression_metrics:RootMeanSquaredError", "regression_metrics:R2Score", "f_score_metrics:FBetaScore",
    "confusion_metrics:_ConfusionMatrixConditionCount", "confusion_metrics:Precision", "confusion_metrics:Recall",
    "confusion_metrics:SensitivitySpecificityBase", "confusion_metrics:AUC", "iou_metrics:_IoUBase",
)  # fmt: skip
"""Classes of Keras's that say how they are updated, rather than those of programs: what AutoGraph converts must not be
replaced, and of Keras it converts nothing."""


@hookimpl
def autotrack_patches() -> Iterator[Patch]:
    for part in (trainings, loop, data, deferred, scalars):  # what is known of an earlier recording
        part.forget()
    yield Patch("tensorflow.python.eager.backprop:GradientTape.gradient", after=loop.differentiated)
    yield Patch(
        "tensorflow.python.eager.polymorphic_function.concrete_function:ConcreteFunction._call_flat", after=loop.called
    )
    yield Patch("keras.src.optimizers.base_optimizer:BaseOptimizer.apply", after=loop.applied, optional=True)
    for name in ("base_optimizer:BaseOptimizer", "loss_scale_optimizer:LossScaleOptimizer"):
        yield Patch(f"keras.src.optimizers.{name}.scale_loss", after=loop.scaled, optional=True)
    for name in METRICS:
        yield Patch(f"keras.src.metrics.{name}.update_state", after=metrics.updated, optional=True)
    for name in ("metric:Metric", *METRICS):
        yield Patch(f"keras.src.metrics.{name}.reset_state", after=metrics.reset, optional=True)
    result = "keras.src.metrics.metric:Metric.result"
    yield Patch(result, after=scalars.computed, calling=frames.converted, subclasses=True, optional=True)
    yield Patch("tensorflow.python.data.ops.dataset_ops:DatasetV2.__iter__", after=data.iterated)
    yield Patch("tensorflow.python.data.ops.iterator_ops:OwnedIterator._next_internal", after=data.fetched)
    yield Patch("tensorflow.python.distribute.input_lib:DistributedIteratorBase.get_next", after=data.fetched)
    yield Patch("tensorflow.python.distribute.input_lib:DistributedDataset.__iter__", after=data.iterated)
    yield Patch(
        "tensorflow.python.distribute.distribute_lib:StrategyBase.experimental_distribute_dataset",
        after=data.distributed,
    )
    summaries = "tensorflow._api.v2.summary"
    yield Patch("tensorflow.python.summary.tb_summary:scalar", f"{summaries}:scalar", after=scalars.written)
    yield Patch(
        "tensorflow.python.ops.summary_ops_v2:create_file_writer_v2",
        f"{summaries}:create_file_writer",
        after=scalars.writer_made,
    )
    yield Patch("tensorflow.python.checkpoint.checkpoint:Checkpoint._write", after=checkpoints.saved)
    yield Patch("tensorflow.python.checkpoint.checkpoint:Checkpoint.read", after=checkpoints.restored)
    yield Patch(
        "tensorflow.python.saved_model.save:save", "tensorflow._api.v2.saved_model:save", returned=checkpoints.exported
    )
    yield Patch("tensorflow.python.framework.random_seed:set_seed", "tensorflow._api.v2.random:set_seed", after=seeded)


def seeded(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`tf.random.set_seed` has been called."""
    frame = sys._getframe(DEPTH)
    seed = args[0] if args else kwargs.get("seed")
    seed_called("tf.random.set_seed", seed, f"{frame.f_code.co_filename}:{frame.f_lineno}")
