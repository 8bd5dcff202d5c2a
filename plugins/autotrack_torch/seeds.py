"""Seeds of PyTorch, and the state of its global generator."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

from autotrack.plugin_api import know_generator, seed_called

DEPTH = 2


def seeded(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`torch.manual_seed` has been called."""
    frame = sys._getframe(DEPTH)
    seed = args[0] if args else kwargs.get("seed")
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    seed_called("torch.manual_seed", seed, where, generator="torch")


def follow() -> None:
    know_generator("torch", "torch", _digest, lambda torch, seed: torch.Generator().manual_seed(seed))


def _digest(source: Any) -> str:
    core: Any = sys.modules["torch"]._C
    with core._DisableTorchDispatch(), core.DisableTorchFunction():
        state = source.get_rng_state() if hasattr(source, "get_rng_state") else source.get_state()
        return hashlib.blake2b(state.numpy().tobytes(), digest_size=8).hexdigest()
