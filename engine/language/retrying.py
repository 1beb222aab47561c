"""`retry`: how often and how far apart."""

from __future__ import annotations

from engine.language.fields import Record
from engine.language.model import Retry


def read_retry(record: Record) -> Retry | None:
    found: Record | None = record.get("retry")
    if found is None:
        return None
    usual = Retry()
    return Retry(
        attempts=found.get("attempts", usual.attempts),
        delay_s=found.get("delay", usual.delay_s),
        factor=found.get("factor", usual.factor),
        max_s=max(found.get("max", usual.max_s), 0.0),
        jitter=found.get("jitter", usual.jitter),
    )
