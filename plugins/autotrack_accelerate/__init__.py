"""Accelerate.

Observes `Accelerator.backward`, as the plugin of PyTorch does `backward` elsewhere, `Accelerator.log`,
`Accelerator.init_trackers`, and the files of tensors that `save_state` and `save_model` write.

Records the loss as the program has it, not divided by the number of batches that are accumulated; what is logged, once,
whatever trackers there are; the configuration that trackers are given, and the settings of the accelerator.

Leaves alone: everything else, which is a loop of PyTorch.
"""

from __future__ import annotations

from autotrack_accelerate.observing import autotrack_patches

__all__ = ["autotrack_patches"]
