"""A fit: what is set, how the data is used, and what is saved and restored."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from typing import Any

from autotrack import Call, Opening, Strand, hookimpl
from autotrack.plugin_api import remember, strand_of
from autotrack_lightning.losses import Told, begun, steps_of, told_of
from autotrack_torch import checkpoints, evaluations, loop, modules, optimizers, withheld
from autotrack_torch.training import in_thread, of_parameters

Observation = Generator[None, Any, None]

SPLITS = {"train": "train", "validate": "valid", "sanity_check": "valid", "test": "test", "predict": "predict"}
"""The stages of a trainer."""
SUGGESTED = "suggested lr"
_SETTINGS = (
    "max_epochs", "min_epochs", "max_steps", "min_steps", "max_time", "accumulate_grad_batches", "precision",
    "gradient_clip_val", "gradient_clip_algorithm", "limit_train_batches", "limit_val_batches", "val_check_interval",
    "check_val_every_n_epoch", "num_devices", "num_nodes", "overfit_batches", "reload_dataloaders_every_n_epochs",
    "log_every_n_steps",
)  # fmt: skip
_UNSET = {"max_steps": -1, "overfit_batches": 0.0, "reload_dataloaders_every_n_epochs": 0}


@hookimpl
def autotrack_params(obj: Any) -> dict[str, Any] | None:
    return hyperparameters(obj) or None


def hyperparameters(obj: Any) -> dict[str, Any]:
    """What `save_hyperparameters` has kept.  Not asked by `hparams`, which makes what is not there."""
    kept = getattr(obj, "__dict__", {}).get("_hparams")
    return {str(name): value for name, value in kept.items()} if isinstance(kept, Mapping) else {}


def split_of(trainer: Any) -> str:
    return SPLITS.get(str(getattr(trainer.state.stage, "value", "")), "")


def opens_fit(call: Call) -> Opening | None:
    torch: Any = sys.modules["torch"]
    model = modules.unwrapped(call.get("model"))
    if not isinstance(model, torch.nn.Module):
        return None
    evaluations.adopt(model)
    return Opening("training", type(model).__name__, model, again=True)


def observe_fit(call: Call, strand: Strand) -> Observation:
    trainer, model = call.instance, modules.unwrapped(call.get("model"))
    module = call.get("datamodule")
    given = module if module is not None else call.get("train_dataloaders")
    strand.resume()
    for source in (given, model):
        strand.params(hyperparameters(source), "config")
    settings = {name: getattr(trainer, name, None) for name in _SETTINGS}
    settings["strategy"] = type(trainer.strategy).__name__
    chosen = {name: value for name, value in settings.items() if value is not None and value != _UNSET.get(name)}
    strand.params(chosen, "config")
    begun()
    strand.memo["lightning"] = Told(trainer, _offset(trainer, model))
    with evaluations.fitting(strand, model):
        if not getattr(model, "automatic_optimization", True):
            withheld.withhold()
        try:
            yield
        finally:
            withheld.release(lambda loss: "")
            optimizers.are_over(trainer.optimizers)
    best = getattr(trainer.checkpoint_callback, "best_model_score", None)
    if best is not None:
        name = str(getattr(trainer.checkpoint_callback, "monitor", None) or "score")
        strand.summaries({f"best {name}": float(best), "best checkpoint": trainer.checkpoint_callback.best_model_path})


def _offset(trainer: Any, model: Any) -> int:
    """The steps that the model was trained before this trainer began to count."""
    known = next(iter(of_parameters(model.parameters())), None)
    return known.steps - steps_of(trainer) if known is not None else 0


def observe_check(call: Call) -> Observation:
    """The sanity check before a training."""
    with evaluations.paused():
        yield


def observe_search(call: Call) -> Observation:
    """`_lr_find` or `_scale_batch_size`, which train and evaluate for a while, and put everything back."""
    with evaluations.paused():
        found = yield
    strand = strand_of(call["trainer"].lightning_module)
    if strand is None or found is None:
        return
    if isinstance(found, int):
        strand.summaries({f"found {call.get('batch_arg_name', 'batch_size')}": found})
        return
    remember(found, strand)
    if found._optimal_idx is not None:
        strand.summaries({SUGGESTED: found.results["lr"][found._optimal_idx]})


def suggested(finder: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: float | None) -> None:
    """`_LRFinder.suggestion()` has returned, which the program calls once the search is over."""
    strand = strand_of(finder)
    if strand is not None and result is not None:
        strand.summaries({SUGGESTED: result})


def observe_evaluation(call: Call) -> Observation:
    """The loop of `validate`, `test`, or of the validation within a fit."""
    trainer = call.instance.trainer
    yield from evaluations.evaluating(trainer.lightning_module, split_of(trainer))


def saved(strategy: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Strategy.save_checkpoint(checkpoint, filepath)` has returned."""
    checkpoint = args[0] if args else kwargs.get("checkpoint")
    path = args[1] if len(args) > 1 else kwargs.get("filepath")
    if isinstance(checkpoint, Mapping):
        module = strategy.lightning_module
        # Where the program steps its optimizers itself, that counts the steps of all of them.
        by_itself = module is None or module.automatic_optimization
        checkpoints.was_written(path, checkpoint, checkpoint.get("global_step") if by_itself else None)


def written(io: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`TorchCheckpointIO.save_checkpoint(checkpoint, path)` has returned, as Fabric calls it."""
    checkpoint = args[0] if args else kwargs.get("checkpoint")
    checkpoints.was_written(args[1] if len(args) > 1 else kwargs.get("path"), checkpoint)


def read(io: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`TorchCheckpointIO.load_checkpoint(path)` has returned."""
    checkpoints.opened(None, (args[0] if args else kwargs.get("path"),), {}, result)


def restored(args: tuple[Any, ...], kwargs: dict[str, Any], result: None) -> None:
    """A training goes on from a checkpoint."""
    trainer = args[0].trainer
    if in_thread().paused or not vars(args[0]).get("_loaded_checkpoint"):  # there is none, which is said at each call
        return
    told = told_of(trainer.lightning_module)
    if told is not None:
        told.offset = _offset(trainer, trainer.lightning_module)
    if len(trainer.optimizers) == 1 and trainer.global_step:
        optimizers.steps_from(trainer.optimizers[0], trainer.global_step)
        in_thread().epochs = trainer.current_epoch
        loop.unsettle()
