"""Lightning, as `lightning`; as `pytorch_lightning` see `standalone`.

Observes `Trainer.fit`, which opens the strand of a training; what happens in it, in the module, the callbacks and the
loggers of the program, is observed as in any loop of PyTorch, and belongs to it.  `_LoggerConnector.log_metrics`, which
all comes through that a module or a callback logs with `log`, `Logger.log_metrics` where a program or a callback calls
it directly, the end of each `training_step`, the evaluation loops, `Strategy.save_checkpoint`, the files that Fabric
writes and reads, and what is restored when a training goes on.

Records the loss of each backward pass under the name under which `training_step` logs it, undivided where gradients are
accumulated; what is logged at the step that Lightning gives it, in its split, `train/loss.epoch` for the mean over an
epoch; scores of `validate` and `test` in the run that trained the model; the hyperparameters of module and data
module and the settings of the trainer; checkpoints with the identity of the model inside and the step.

Leaves alone: what is logged to the progress bar only; the learning rate of `LearningRateMonitor`, which is on record as
the optimizer has it; the sanity check before a training, and what is tried out to find a learning rate or a batch size,
of which there is what was found.
"""

from __future__ import annotations

from collections.abc import Iterator

from autotrack import Patch, hookimpl
from autotrack_lightning.fits import autotrack_params
from autotrack_lightning.observing import patches

__all__ = ["autotrack_params", "autotrack_patches"]


@hookimpl
def autotrack_patches() -> Iterator[Patch]:
    yield from patches("lightning.pytorch", "lightning.fabric")
