"""Which process of a distributed training this one is."""

from __future__ import annotations

import sys
from typing import Any

from autotrack.plugin_api import is_rank


def joined(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`init_process_group` has returned."""
    torch: Any = sys.modules["torch"]
    if torch.distributed.get_world_size() > 1:
        is_rank(torch.distributed.get_rank())
