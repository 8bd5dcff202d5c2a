"""Running a recorded program once more: the same code, inputs and environment in a fresh folder, and how what came of
it compares with what was recorded.

`plan` says what there is to run and what is missing, `packages` makes the environment, `again` runs the program and
`verdict` compares.
"""

from __future__ import annotations
