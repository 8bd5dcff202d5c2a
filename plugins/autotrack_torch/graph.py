"""The parameters that a loss is of."""

from __future__ import annotations

import time
from typing import Any

PATIENCE = 0.020
"""Seconds that the graph of a loss is walked."""


def leaves_of(tensor: Any) -> list[Any]:
    """The leaf tensors that a tensor's graph ends at, those that are met first where the graph is large."""
    begin = tensor.grad_fn
    if begin is None:
        return [tensor] if tensor.requires_grad else []
    found: list[Any] = []
    seen = {begin}
    waiting = [begin]
    give_up = time.perf_counter() + PATIENCE
    for count, node in enumerate(waiting):
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            found.append(leaf)
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
        if not count % 256 and time.perf_counter() > give_up:
            break
    return found
