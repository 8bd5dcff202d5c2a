"""A training by a `Trainer`: what is set, the loss as it is before it is divided, and where it goes on."""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections.abc import Generator
from typing import Any

from autotrack import Call, Opening, Strand
from autotrack_torch import evaluations, loop, modules, optimizers
from autotrack_torch.training import in_thread

Observation = Generator[None, Any, None]

CONFIGURED = 100
"""Entries of the configuration of a model that are recorded."""
_MAIN = frozenset(
    """
    learning_rate num_train_epochs max_steps per_device_train_batch_size per_device_eval_batch_size warmup_steps
    gradient_accumulation_steps weight_decay max_grad_norm lr_scheduler_type optim seed adam_beta1 adam_beta2
    adam_epsilon label_smoothing_factor bf16 fp16 eval_strategy save_strategy
    """.split()
)
"""Arguments that are recorded also where they are what they are by default."""
_PLACES = frozenset(("output_dir", "logging_dir", "run_name", "hub_token", "hub_model_id", "push_to_hub_token"))
_SCALARS = (bool, int, float, str, enum.Enum)


def opens_train(call: Call) -> Opening | None:
    torch: Any = sys.modules["torch"]
    model = modules.unwrapped(call.instance.model)
    if not isinstance(model, torch.nn.Module):
        return None
    evaluations.adopt(model)
    return Opening("training", type(model).__name__, model, again=True)


def observe_train(call: Call, strand: Strand) -> Observation:
    trainer = call.instance
    strand.resume()
    strand.params(configured(trainer.model), "config")
    strand.params(chosen(trainer.args), "config")
    with evaluations.fitting(strand, modules.unwrapped(trainer.model)):
        yield
    best = getattr(trainer.state, "best_metric", None)
    if best is not None:
        name = f"best {trainer.args.metric_for_best_model}"
        strand.summaries({name: best, "best checkpoint": trainer.state.best_model_checkpoint})


def chosen(arguments: Any) -> dict[str, Any]:
    """The arguments of a training: the main ones, and what is not as it is by default."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(arguments):
        name, value = field.name, getattr(arguments, field.name, None)
        if name.startswith("_") or name in _PLACES or not isinstance(value, _SCALARS):
            continue
        if name in _MAIN or value != field.default:
            found[name] = value.value if isinstance(value, enum.Enum) else value
    return found


def configured(model: Any) -> dict[str, Any]:
    """The scalars in the configuration of a model."""
    config = getattr(model, "config", None)
    values = vars(config) if hasattr(config, "to_diff_dict") else {}
    scalars = [(str(name), value) for name, value in values.items() if isinstance(value, _SCALARS)]
    return dict([(name, value) for name, value in scalars if not name.startswith("_")][:CONFIGURED])


def computed(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`compute_loss` has returned the loss, alone or with the outputs of the model."""
    trainer = args[0]
    if trainer.args.gradient_accumulation_steps == 1:
        return
    loss = result[0] if isinstance(result, tuple) and result else result
    if getattr(loss, "grad_fn", None) is None or loss.numel() != 1:
        return
    here = in_thread()
    if _is_part(trainer, kwargs.get("num_items_in_batch")):
        here.name = "loss.part"
    else:
        here.given = loss


def _is_part(trainer: Any, items: Any) -> bool:
    """Whether it is a part of the loss of the step, which the trainer logs: the sum over all batches of the step,
    divided by the number of labels in all of them."""
    stated = getattr(trainer, "loss_is_scaled_for_ga", None)  # since 5.24
    if stated is not None:
        return bool(stated)
    return trainer.compute_loss_func is not None or (trainer.model_accepts_loss_kwargs and items is not None)


def stepped(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`training_step` has returned: the gradients are computed."""
    in_thread().given = None


def restored(args: tuple[Any, ...], kwargs: dict[str, Any], result: None) -> None:
    """A training goes on from a checkpoint, if there is one."""
    trainer = args[0]
    checkpoint = args[1] if len(args) > 1 else kwargs.get("checkpoint")
    optimizer = getattr(trainer.optimizer, "optimizer", trainer.optimizer)  # within what Accelerate makes of it
    if checkpoint is not None and optimizer is not None and trainer.state.global_step:
        optimizers.steps_from(optimizer, trainer.state.global_step)
        in_thread().epochs = int(trainer.state.epoch or 0)
        loop.unsettle()
