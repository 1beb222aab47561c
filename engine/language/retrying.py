"""`retry`: how often and how far apart."""

from __future__ import annotations

from engine.language.catalog import Retry
from engine.language.fields import Record


def read_retry(record: Record, otherwise: Retry | None = None) -> Retry | None:
    """What the step says; what it leaves out, and all of it, is as `otherwise`."""
    found: Record | None = record.get("retry")
    if found is None:
        return otherwise
    usual = otherwise or Retry()
    return Retry(
        attempts=found.get("attempts", usual.attempts),
        delay_s=found.get("delay", usual.delay_s),
        factor=found.get("factor", usual.factor),
        max_s=max(found.get("max", usual.max_s), 0.0),
        jitter=found.get("jitter", usual.jitter),
    )
