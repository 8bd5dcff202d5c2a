"""The command `autotrack`, also as `python -m autotrack`."""

from __future__ import annotations

import sys

from autotrack.cli import main

if __name__ == "__main__":
    sys.exit(main())
