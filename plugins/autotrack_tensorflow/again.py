"""Calls of a compiled step after the first ones, as long as nothing but such calls happens in their thread.

Between two of them the caches of the processor have forgotten all of this, so what counts is how little is touched.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from autotrack.plugin_api import is_here
from autotrack_tensorflow import deferred, graphs, trainings
from autotrack_tensorflow.trainings import Here, Training


def repeated(trace: graphs.Trace, training: Training, here: Here) -> Callable[[Any], bool] | None:
    """What records another call of the function of a graph, given what it returned, and says whether it has: not where
    something else happened in between.  None where calls must be looked at one by one."""
    if not trace.exact or len(trace.steps) != 1 or trace.made > 1 or trace.outputs is None:
        return None
    ((state, times),) = trace.steps.items()
    outputs, strand, clock = trace.outputs, training.strand, time.perf_counter
    state_of_all, threads = trainings.State, trainings.State.threads
    eager = sys.modules["tensorflow.python.framework.ops"].EagerTensor
    executing_eagerly = sys.modules["tensorflow"].executing_eagerly
    flat, number, put, is_far = graphs.flat, deferred.number, deferred.put, deferred.is_far
    only = outputs[0][1] if len(outputs) == 1 and outputs[0][0] == 0 else None

    def again(result: Any) -> bool:
        rounds = here.rounds
        if here.training is not training or threads.here is not here or state_of_all.latest is not here:
            return False
        if state.training is not training or rounds is None or not is_here(strand):
            return False
        last, fetched = rounds.last, rounds.fetched
        if last is not None and (not last.steps or len(fetched) > 1 or (fetched and fetched[0] is not last)):
            return False
        if not isinstance(result, eager if only is not None else object) or not executing_eagerly():
            return False
        state.count = after = state.count + times
        if last is not None:
            last.steps += 1
            last.batches = 0
            fetched.clear()
        if only is not None and not is_far(result):
            only.record(after - 1, number(result))
        else:
            values = flat(result) if outputs else ()
            for at, series in outputs:
                put(series, after - 1, values[at])
        if clock() >= state.due:
            state.look(after - 1)
        return True

    return again
