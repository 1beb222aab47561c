"""Every error of the engine, drawn as a tree.

    RunbookError              anything a person is told in a sentence; carries its exit code
    ├── Diagnosed             a file is wrong: one or more diagnostics, all at once             (2)
    ├── Usage                 the call is wrong, and there is no file to point into             (2)
    ├── NotYet                a key that is parsed but not executed by this version             (2)
    ├── Refused               somebody or something may not do this (a guard, a role)           (6)
    ├── JournalError          the journal cannot be read or written                             (4)
    │   ├── Moved             somebody else appended first: read on, decide again
    │   ├── Fenced            a newer driver holds the run's lease: stop
    │   └── Broken            the chain does not hold: an event was altered
    └── StepError             a step could not do what it was asked; becomes an outcome
        └── AdapterError      the same, from an adapter, which knows whether it may have happened

Nothing is both logged and raised. A plugin's own exception becomes an outcome in the runner.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from msgspec import Struct, field

Severity = Literal["error", "warning"]


class Place(Struct, frozen=True, order=True):
    """Where something stands in a text. Lines and columns count from 1, columns in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Diagnostic(Struct, frozen=True):
    """One thing that is wrong in a text: a stable code, what, where, why, how to mend it.

    `what` and `help` are sentences without a full stop, in the user's words and with the value.
    `width` is the number of characters the caret line underlines (at least 1).
    """

    code: str
    what: str
    place: Place
    help: str | None = None
    width: int = 1
    severity: Severity = "error"


class RunbookError(Exception):
    """Something a person is told in a sentence. `help` says how to mend it."""

    exit_code: ClassVar[int] = 5

    def __init__(self, message: str, *, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help


class Diagnosed(RunbookError):
    """One or more diagnostics, sorted by place. `sources` maps each file to its text, for the
    snippets.
    """

    exit_code = 2

    def __init__(
        self, diagnostics: tuple[Diagnostic, ...], sources: dict[str, str] | None = None
    ) -> None:
        super().__init__(
            f"{len(diagnostics)} problems" if len(diagnostics) != 1 else diagnostics[0].what
        )
        self.diagnostics = tuple(sorted(diagnostics, key=lambda d: (d.place, d.code)))
        self.sources = sources or {}


class Usage(RunbookError):
    """The call is wrong, and there is no file to point into."""

    exit_code = 2


class NotYet(RunbookError):
    """A key or feature that is parsed and checked, but that this version does not execute."""

    exit_code = 2


class Refused(RunbookError):
    """Somebody or something may not do this now."""

    exit_code = 6


class Driven(Refused):
    """Another driver has this run, and seems alive."""


class JournalError(RunbookError):
    """The journal cannot be read or written. Nothing that it does not hold was performed."""

    exit_code = 4


class Moved(JournalError):
    """Somebody else appended to the run first. Read the events after the last known one, then
    decide again.
    """


class Fenced(JournalError):
    """A newer driver holds the lease of the run. This one may announce nothing more."""


class Broken(JournalError):
    """The hash chain does not hold. `run` and `seq` name the first event that does not fit."""

    def __init__(self, message: str, *, run: str, seq: int) -> None:
        super().__init__(message)
        self.run = run
        self.seq = seq


class StepError(RunbookError):
    """A step could not do what it was asked. Becomes an outcome: errored, or unknown when
    `maybe_done`.

    `maybe_done`: True when a change may have reached the target (a read timeout after the request
    was sent), False when it certainly did not (a refused connection). Meaningless for checks.
    `retryable`: False where another try cannot help (a wrong password, a missing table). `detail`:
    JSON for the record, at most a few KiB.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        help: str | None = None,
        maybe_done: bool = False,
        retryable: bool = True,
        detail: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message, help=help)
        self.maybe_done = maybe_done
        self.retryable = retryable
        self.detail = detail or {}


class AdapterError(StepError):
    """A target could not be asked, or did not do as asked. Raised by adapters only, `from` the
    library's own.
    """


class Collector(Struct):
    """Gathers diagnostics of one or more files so that all of them are told at once.

    Keeps at most `limit` errors and as many warnings (a mangled file would otherwise bury the
    first, useful ones).
    """

    limit: int = 200
    found: list[Diagnostic] = field(default_factory=list)

    def add(
        self, code: str, what: str, place: Place, help: str | None = None, width: int = 1
    ) -> None:
        if len(self.errors) < self.limit:
            self.found.append(Diagnostic(code, what, place, help, max(1, width)))

    def warn(
        self, code: str, what: str, place: Place, help: str | None = None, width: int = 1
    ) -> None:
        if len(self.found) - len(self.errors) < self.limit:
            self.found.append(Diagnostic(code, what, place, help, max(1, width), "warning"))

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self.found if d.severity == "error"]
