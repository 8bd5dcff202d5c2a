"""Running a recorded program once more: the same code, inputs and environment in a fresh folder, and how what came of
it compares with what was recorded.

`plan` says what there is to run and what is missing, `places` where its folders are then, `packages` makes the
environment.  `again` runs the program (`cells` those of a notebook), `apart` gives it a view of the file system of its
own, and `aside` keeps from it what that can't.  `verdict` compares the runs and `outputs` what was written and printed,
`numbers` looks into tables; what they find are `differences`.
"""

from __future__ import annotations
