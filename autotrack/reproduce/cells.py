"""The cells of a notebook, executed once more in their order: `python -m autotrack.reproduce.cells FILE`.

As in a notebook, the next one is executed also after one that fails.  Nothing comes into IPython's own history.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main(file: str) -> None:
    """Execute the cells in a JSON list."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    with open(file, encoding="utf-8") as given:
        cells = json.load(given)
    sys.argv = [file]
    shell: Any = InteractiveShell.instance(config=Config({"HistoryManager": {"hist_file": ":memory:"}}))
    for cell in cells:
        shell.run_cell(cell, store_history=True)


if __name__ == "__main__":
    main(sys.argv[1])
