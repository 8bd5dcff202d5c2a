"""TensorBoard: PyTorch's `SummaryWriter`, and the callback of Keras.

Where TensorFlow is installed as well, the writer would import it, which takes seconds; as most who use it have only
PyTorch, it is told what it would find then.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.trackers import Tracker


class TensorBoard(Tracker):
    key, label, distribution = "tensorboard", "TensorBoard", "tensorboard"
    by_hand = True
    beside = ("torch",)
    frameworks = frozenset({"keras"})

    def prepare(self, folder: str) -> None:
        self.folder = os.path.join(folder, "runs")

    def begin(self, params: Mapping[str, Any]) -> None:
        name = "tensorboard.compat.notf"
        sys.modules.setdefault(name, types.ModuleType(name))
        self.writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter(self.folder)
        if params:
            self.writer.add_hparams(dict(params), {})

    def log(self, name: str, value: float, step: int) -> None:
        self.writer.add_scalar(name, value, step)

    def finish(self) -> None:
        self.writer.close()

    @contextmanager
    def training(self, framework: str) -> Iterator[list[Any]]:
        yield [importlib.import_module("keras.callbacks").TensorBoard(log_dir=self.folder)]


TRACKERS = (TensorBoard(),)
