"""Where a run stands, and what may be done to it: rules every store applies in its transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.core.events import Event
from engine.errors import Driven, Fenced, JournalError, Moved, RunbookError, Usage
from engine.journal.chain import GENESIS, Encoded, Row, link
from engine.journal.contract import Lease, RunRow
from engine.journal.lease import seems_alive
from engine.journal.projection import NOTHING, Summary, advance


class Head(NamedTuple):
    """The end of a run's chain, who drives it (None: it was let go), and what the list shows."""

    seq: int = 0
    hash: str = GENESIS
    summary: Summary = NOTHING
    epoch: int = 0
    holder: str | None = None
    renewed_us: int = 0


def extend(run: str, head: Head, drafts: Sequence[Encoded]) -> tuple[Head, list[Event]]:
    """The head after these drafts, and the events they become."""
    seq, digest, summary = head.seq, head.hash, head.summary
    events = []
    for draft in drafts:
        seq += 1
        digest = link(digest, run, seq, draft)
        event = Event(
            run, seq, draft.at_us, draft.type, draft.version, draft.actor, draft.body, digest
        )
        summary = advance(summary, event)
        events.append(event)
    return Head(seq, digest, summary, head.epoch, head.holder, head.renewed_us), events


def row_of(event: Event, draft: Encoded) -> Row:
    return (
        event.seq,
        event.at_us,
        event.type,
        event.version,
        draft.actor_text,
        draft.text,
        event.hash,
    )


def require(run: str, head: Head | None) -> Head:
    if head is None:
        raise no_such(run)
    return head


def no_such(run: str) -> Usage:
    if run == "last":
        return Usage("there is no run yet", help="`runbook run PACK/NAME` starts one")
    return Usage(
        f"there is no run {run!r}", help="`runbook runs` lists them, and `last` is the latest"
    )


def already(run: str) -> JournalError:
    return JournalError(f"there is a run {run} already: nothing was written")


def check_driver(head: Head, lease: Lease, after: int) -> None:
    """Fenced before Moved: a driver that lost its lease must stop, not read on."""
    check_lease(head, lease)
    if head.seq != after:
        raise Moved(f"run {lease.run} has moved on: its last event is {head.seq}, not {after}")


def check_lease(head: Head, lease: Lease) -> None:
    error = lost(head, lease)
    if error is not None:
        raise error


def lost(head: Head | None, lease: Lease) -> RunbookError | None:
    """Why a lease is no more; None while it holds."""
    if head is None:
        return no_such(lease.run)
    if head.epoch == lease.epoch:
        return None
    return Fenced(
        f"run {lease.run} is driven by {head.holder or 'nobody'} now (lease {head.epoch}): "
        f"{lease.holder} held lease {lease.epoch} and may write nothing more"
    )


def taken(run: str, head: Head, holder: str, now_us: int, *, force: bool) -> Head:
    """The head with a new lease. Raises Refused while another holder seems alive."""
    other = head.holder is not None and head.holder != holder
    if other and not force and seems_alive(head.holder or "", head.renewed_us, now_us):
        raise Driven(
            f"run {run} is driven by {head.holder}, which seems alive",
            help="wait for it, or stop it; `--force` takes the run over, and fences the other off",
        )
    return head._replace(epoch=head.epoch + 1, holder=holder, renewed_us=now_us)


def list_row(run: str, head: Head) -> RunRow:
    summary = head.summary
    return RunRow(
        run,
        summary.name,
        summary.environment,
        summary.mode,
        summary.actor,
        summary.started_us,
        summary.finished_us,
        summary.status,
        summary.because,
        head.seq,
    )


def one_of(prefix: str, found: Sequence[str]) -> str:
    """The one run meant by a prefix, of those whose ids start so."""
    if prefix in found:
        return prefix
    if not found:
        raise no_such(prefix)
    if len(found) > 1:
        names = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        raise Usage(f"several runs start with {prefix!r}: {names}", help="give more of the id")
    return found[0]
