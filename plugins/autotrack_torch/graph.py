"""The parameters that a loss is of."""

from __future__ import annotations

import resource
import threading
import time
from typing import Any

PATIENCE = 0.020
"""Seconds that the graph of a loss is walked."""
NODES = 4_000
"""Nodes of a graph that are looked at.  Those that Python has seen free each other within each other's calls: 40,000 in
a row are more than a stack of 8 MB holds."""
FRAME = 1_024
"""Bytes of a stack for each of them; it takes about 200."""
DEPTH = 512
"""Nodes of a graph that are passed on the way to its first leaf."""
LEAF = "AccumulateGrad"
"""The type of the nodes that graphs end at; others may have a `variable`, too."""


def first_leaf(tensor: Any) -> Any:
    """The parameter that the graph of a tensor ends at first, on a way that is always the same; None where that is far.

    By this it is known again whose loss it is: the heads of two models are not the same."""
    node = getattr(tensor, "grad_fn", None)
    for _ in range(DEPTH):
        if node is None:
            return None
        further = None
        for following, _ in node.next_functions:
            if following is not None:
                if type(following).__name__ == LEAF:
                    return following.variable
                further = further or following
        node = further
    return None


def root_of(tensors: Any) -> Any:
    """The first leaf of the only tensor, or of the first of several."""
    several = tensors if isinstance(tensors, (list, tuple)) else (tensors,)
    return first_leaf(several[0]) if several else None


def _most() -> int:
    """How many nodes may be looked at in this thread."""
    size, _ = resource.getrlimit(resource.RLIMIT_STACK)
    if threading.current_thread() is not threading.main_thread():
        size = threading.stack_size() or size
    return min(NODES, size // FRAME) if size > 0 else NODES


def leaves_of(tensor: Any) -> list[Any]:
    """The leaf tensors that a tensor's graph ends at, those that are met first where the graph is large."""
    begin = tensor.grad_fn
    if begin is None:
        return [tensor] if tensor.requires_grad else []
    found: list[Any] = []
    most = _most()
    seen = {begin}
    waiting = [begin]
    give_up = time.perf_counter() + PATIENCE
    for count, node in enumerate(waiting):
        if type(node).__name__ == LEAF:
            found.append(node.variable)
        for following, _ in node.next_functions:
            if following is not None and following not in seen and len(waiting) < most:
                seen.add(following)
                waiting.append(following)
        if not count % 256 and time.perf_counter() > give_up:
            break
    return found
