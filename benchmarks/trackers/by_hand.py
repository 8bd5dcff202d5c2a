"""No tracker: a JSON line that is written and flushed by hand, which is what the others may be compared with."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.trackers import Tracker


class JSONLine(Tracker):
    key, label = "json-line", "a JSON line, by hand"
    by_hand = True

    def prepare(self, folder: str) -> None:
        self.folder = folder

    def begin(self, params: Mapping[str, Any]) -> None:
        self.file = open(os.path.join(self.folder, "by-hand.jsonl"), "a")  # noqa: SIM115
        self._write(dict(params))

    def log(self, name: str, value: float, step: int) -> None:
        self._write({"step": step, name: value, "time": time.time()})

    def finish(self) -> None:
        self.file.close()

    def _write(self, values: Mapping[str, Any]) -> None:
        self.file.write(json.dumps(values) + "\n")
        self.file.flush()


TRACKERS = (JSONLine(),)
