"""The receipt of a job: which patches were expected, attached, fired and failed, and what they cost."""

from __future__ import annotations

import time

from autotrack import events
from autotrack.capture.secrets import redact
from autotrack.job import Job
from autotrack.plugins import Registry
from autotrack.values import storable


def report(job: Job, registry: Registry) -> None:
    """Write the receipt and the overhead as they stand."""
    receipts = registry.ledger.receipts if registry.ledger is not None else []
    patches = tuple(
        events.PatchReceipt(
            receipt.target,
            receipt.attached,
            receipt.meter.fired,
            receipt.meter.failed,
            storable(redact(receipt.meter.why or receipt.why)),
            not receipt.meter.on,
        )
        for receipt in receipts
        if receipt.expected or receipt.attached or receipt.meter.failed
    )
    job.report(events.Receipt(time=time.time(), frameworks=dict(registry.versions), patches=patches))
    observers = {receipt.target: receipt.meter.seconds for receipt in receipts if receipt.meter.seconds}
    spent = {**registry.spent, **observers}
    background = job.recorder.seconds if job.recorder is not None else 0.0
    size = job.segment.bytes() if job.segment is not None else 0
    job.report(
        events.Overhead(time=time.time(), seconds=sum(spent.values()), by=spent, background=background, bytes=size)
    )
