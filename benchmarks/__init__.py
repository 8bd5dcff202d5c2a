"""What the promises of speed rest on.  `python -m benchmarks [NAME ...]` measures and prints a table.

Tracked and untracked are interleaved in one run; what is stated is the median of paired differences, and
beside it the noise floor: the same for untracked against untracked.
"""

from __future__ import annotations

import os
import sys

# What is installed is measured, with what is compiled of it, rather than the sources beside this folder.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if "autotrack" not in sys.modules and os.path.abspath(sys.path[0]) == _ROOT:
    sys.path.append(sys.path.pop(0))
