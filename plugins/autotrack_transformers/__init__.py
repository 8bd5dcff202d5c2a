"""Transformers: its `Trainer`, and the files of its models.

Observes `Trainer.train`, which opens the strand of a training; what happens in it is observed as in any loop of
PyTorch, and belongs to it.  `Trainer.log`, through which all goes that is logged, `evaluate` and `predict`, the loss
before it is divided where gradients are accumulated, what is restored when a training goes on, `save_pretrained` where
it writes tensors, and `from_pretrained` of a folder.

Records the loss of each backward pass, as `train/loss.part` where it is that of a batch of several, divided by the
labels of all; what is logged, at the step of the trainer: the mean of the loss as `train/loss.logged`, metrics of
evaluations as `eval/...`, those of `predict` as `test/...`, or in the split that the prefix of their names says, with
the loss of an evaluation of the data that is trained on as `train/loss.eval`; how long it took as values of the run;
the arguments of the training and the configuration of the model.

Leaves alone: learning rate, norm of the gradients and epoch where they are logged, which are on record already.
"""

from __future__ import annotations

from autotrack_transformers.observing import autotrack_patches

__all__ = ["autotrack_patches"]
