"""What is observed of PyTorch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from autotrack import Patch, Registration, hookimpl
from autotrack_torch import checkpoints, deferred, distributed, loaders, loop, norms, optimizers, scalars, seeds
from autotrack_torch import training as trainings
from autotrack_torch.loop import Torch

PARTS = (trainings, optimizers, loop, loaders, checkpoints, deferred, norms, scalars)


def _forget() -> None:
    for part in PARTS:
        part.forget()


class _Forks:
    """A child that is forked in the midst of a training begins one of its own where it trains on.  What lies on a
    device, or is pinned for one, can't be let go of there: it is kept."""

    followed = False
    kept: list[Any] = []

    @classmethod
    def follow(cls) -> None:
        if not cls.followed and hasattr(os, "register_at_fork"):
            cls.followed = True
            os.register_at_fork(after_in_child=cls._forked)

    @classmethod
    def _forked(cls) -> None:
        cls.kept += (trainings.in_thread(), deferred.left())
        for part in PARTS:
            if part is not deferred:
                part.forget()


@hookimpl
def autotrack_patches() -> Iterator[Patch | Registration]:
    _forget()  # what is known of an earlier recording
    _Forks.follow()
    torch: Any = sys.modules["torch"]
    Torch.method = torch.Tensor.backward.__code__
    Torch.function = torch._C._len_torch_function_stack
    Torch.folder = os.path.dirname(torch.__file__) + os.sep
    backward, passed = loop.observer(torch)
    yield Patch("torch.autograd:backward", after=backward, quick=passed)
    seeds.follow()
    yield Patch("torch.random:manual_seed", "torch:manual_seed", after=seeds.seeded)
    yield Patch("torch.utils.data.dataloader:DataLoader.__iter__", after=loaders.iterated)
    yield Patch("torch.utils.data.dataloader:_BaseDataLoaderIter.__next__", after=loaders.fetched)
    yield Patch("torch.serialization:save", "torch:save", returned=checkpoints.saved)
    yield Patch("torch.serialization:load", "torch:load", returned=checkpoints.opened)
    yield Patch("torch.jit._serialization:save", "torch.jit:save", returned=checkpoints.saved)
    yield Patch("torch.jit._serialization:load", "torch.jit:load", returned=checkpoints.opened)
    yield Patch("torch.export:save", returned=checkpoints.saved)
    yield Patch("torch.export:load", returned=checkpoints.opened)
    yield Patch(
        "safetensors.torch:save_file", "safetensors.torch:save_model", returned=checkpoints.saved, optional=True
    )
    yield Patch("safetensors.torch:load_file", returned=checkpoints.opened, optional=True)
    yield Patch("safetensors.torch:load_model", returned=checkpoints.filled, optional=True)
    for writer in ("torch.utils.tensorboard.writer:SummaryWriter", "tensorboardX.writer:SummaryWriter"):
        yield Patch(f"{writer}.add_scalar", returned=scalars.scalar_added, optional=True)
        yield Patch(f"{writer}.add_scalars", returned=scalars.scalars_added, optional=True)
        yield Patch(f"{writer}.add_hparams", returned=scalars.settings_added, optional=True)
    yield Patch("torchmetrics.metric:Metric.compute", returned=scalars.computed, subclasses=True, optional=True)
    yield Patch(
        "torch.nn.utils.clip_grad:clip_grad_norm_", "torch.nn.utils:clip_grad_norm_", after=norms.clipped, optional=True
    )
    yield Patch("torch.amp.grad_scaler:GradScaler.scale", after=loop.scaled)
    yield Patch("torch.optim.optimizer:Optimizer.__init__", after=optimizers.made)
    yield Patch("torch.optim.optimizer:Optimizer.__setstate__", after=optimizers.restored)
    yield Patch("torch.optim.optimizer:Optimizer.load_state_dict", after=optimizers.loaded)
    for scheduler in ("LRScheduler", "ReduceLROnPlateau", "SequentialLR", "ChainedScheduler"):
        yield Patch(f"torch.optim.lr_scheduler:{scheduler}.__init__", after=optimizers.scheduled, optional=True)
    stepped, counted = optimizers.observer()
    yield Registration(
        "torch.optim.optimizer:register_optimizer_step_post_hook",
        stepped,
        unless=torch.compiler.is_dynamo_compiling,
        quick=counted,
    )
    yield Patch(
        "torch.distributed.distributed_c10d:init_process_group",
        "torch.distributed:init_process_group",
        returned=distributed.joined,
        optional=True,
    )
    for package in ("autotrack", "autotrack_torch"):  # what is ours is not compiled
        yield Registration("torch._dynamo.trace_rules:add", package, optional=True)
