"""What is observed of Transformers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autotrack import Patch, hookimpl
from autotrack_torch import checkpoints
from autotrack_transformers import files, logged, trainings


@hookimpl
def autotrack_patches() -> Iterator[Patch]:
    trainer = "transformers.trainer:Trainer"
    yield Patch(f"{trainer}.train", observe=trainings.observe_train, opens=trainings.opens_train, around=True)
    yield Patch(f"{trainer}.evaluate", observe=logged.observe_evaluate, around=True)
    yield Patch(f"{trainer}.predict", observe=logged.observe_predict, around=True)
    yield Patch(f"{trainer}.log", observe=logged.observe_log, around=True)
    yield Patch(f"{trainer}.compute_loss", after=trainings.computed, subclasses=True)
    yield Patch(f"{trainer}.training_step", after=trainings.stepped, subclasses=True)
    yield Patch(f"{trainer}._load_optimizer_and_scheduler", after=trainings.restored)
    board = "transformers.integrations.integration_utils:TensorBoardCallback"
    for method in ("on_train_begin", "on_log"):  # what it writes is on record otherwise
        yield Patch(f"{board}.{method}", returned=_nothing)
    yield Patch("transformers.modeling_utils:safe_save_file", returned=checkpoints.saved)
    yield Patch("transformers.modeling_utils:PreTrainedModel.from_pretrained", returned=files.loaded)


def _nothing(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    pass
