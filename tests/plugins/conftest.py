"""What the tests of plugins share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def time_for_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are identified and kept also where the machine is busy."""
    monkeypatch.setenv("AUTOTRACK_KEEP_MODEL_SECONDS", "5")
