"""PyTorch.

Observes `torch.autograd.backward`, which every `loss.backward()` calls, every step of an optimizer and the state that
one loads, the rounds and batches of data loaders, `GradScaler.scale`, `torch.save`, `torch.load` and
`torch.manual_seed`, TorchScript, `torch.export` and safetensors as they save and load, `SummaryWriter` and the metrics
of torchmetrics.  There is no `fit` to see: a training is what a loss, the parameters that it is of and the optimizers
that step them make together.

Records the loss of each backward pass under the author's name for it, at the step of the optimizer that follows; the
mean over the micro-batches of a step as `<name>.step`; the settings of the optimizers, and the learning rate whenever
it changes; class and size of the model; which loader is trained from and which evaluated, its settings, epochs, and its
data: exactly where that is in tensors, by the files that the data set names and by what it holds (`datasets`), by the
rows that pass in the first epoch (`passing`), and without a loader by the variables that the loss is computed from
(`sources`); checkpoints with the identity of the model inside and the step.  Values on a device are copied there and
read by the recorder: see `deferred`.

Leaves alone: losses that are no scalar; what is differentiated with `torch.autograd.grad`; rows and lengths of data
sets, which are never asked for them, so that what a data set makes of its files and of what it holds is not on record;
what of a batch is on a device; what passes after the first epoch; what happens within compiled code and CUDA graphs,
but for the steps of compiled optimizers, which are told by the parameters that they change.
"""

from __future__ import annotations

from autotrack_torch.identities import autotrack_identity
from autotrack_torch.patches import autotrack_patches

__all__ = ["autotrack_identity", "autotrack_patches"]
