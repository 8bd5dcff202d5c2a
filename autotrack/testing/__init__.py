"""For the tests of plugins: a fixture that records, and the contract that every plugin keeps.

A plugin's tests inherit `PluginContract` and say how its framework trains:

    from autotrack.testing import PluginContract, recording  # noqa: F401  (a fixture)

    class TestContract(PluginContract):
        framework = "sklearn"
        program = "from sklearn.linear_model import Ridge\\nRidge().fit([[0.0], [1.0]], [0.0, 1.0])"
        targets = ("sklearn.linear_model:Ridge.fit",)
        ...

Strict mode is on in the fixture: what autotrack contains in production is raised in tests.
"""

from __future__ import annotations

from autotrack.testing.contract import PluginContract
from autotrack.testing.recordings import Recording, Strand, recorded, recording, run_program

__all__ = ["PluginContract", "Recording", "Strand", "recorded", "recording", "run_program"]
