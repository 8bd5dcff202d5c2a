"""Where things come from and what came of them: files, datasets, models, runs and jobs, joined by what they hold.

A file that one program wrote and another read is known by its digest, a model by its identity, data in memory by its
own.  Names and places don't matter: a file may have been moved, renamed or copied by anything.  What a program read
before it wrote a file may be part of that; what it read later is not.
"""

from __future__ import annotations

from autotrack.store.lineage.graph import KINDS, Lineage
from autotrack.store.lineage.target import targets
from autotrack.store.lineage.trace import FileNow, Known, trace

__all__ = ["KINDS", "FileNow", "Known", "Lineage", "targets", "trace"]
