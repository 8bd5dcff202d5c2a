"""What a job says on standard error as its program ends: one line, and what has to be known."""

from __future__ import annotations

from autotrack import shield

TYPE_CHECKING = False
if TYPE_CHECKING:
    from autotrack.job import Job


def tell(job: Job) -> None:
    """Say it, unless nothing is to be said, or a program that started this one may read what it prints."""
    if job.settings.quiet or job.parent is not None:
        return
    if job.lost:
        kept = "Nothing was recorded" if job.segment is None else f"{job.lost} entries could not be recorded"
        shield.last_word(f"{kept}: {job.trouble}")
    elif job.runs:
        count = f"{job.runs} run{'s' if job.runs > 1 else ''}"
        show = "autotrack ls" if job.runs > 1 else "autotrack show @last"
        shield.last_word(f"{count} recorded; see them with: {show}")
    if job.switched_off:
        count = f"{len(job.switched_off)} observer{'s' if len(job.switched_off) > 1 else ''}"
        shield.last_word(f"{count} switched off meanwhile, and what came after is missing: autotrack doctor")
    warning = job.leakage.last_word() if job.leakage is not None else None
    if warning is not None:
        shield.last_word(warning)
