"""What a command found or did: from its end to a result, or to an error in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from engine.adapters.command_call import DIED, Call
from engine.adapters.command_output import Output
from engine.adapters.command_parse import Unparsed, parsed
from engine.errors import AdapterError

DECLARED = "by declaration"
"""How we know that a check only reads: the runbook says so. No other program can be held to it."""

TELLING_CHARS = 200
"""Of the line of a command that is told in the sentence that says how it ended."""

_SAYS_ERROR = re.compile(r"(\S+: )?(error|fatal)\b", re.IGNORECASE)
_RAISED = re.compile(r"[\w.]*[a-z](Error|Exception): ")


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command found or did.

    exit_code: with which it ended
    problem: null when the exit code means passed, else the code with the last line of stderr
    stdout: beginning and end, where it is longer than the limit (128 KiB), and how much is left out
    stderr: as stdout
    stdout_bytes: what was printed in all
    stderr_bytes: what was printed in all
    cut: whether stdout or stderr is longer than what is kept
    json: what `parse: json` or `json_lines` made of stdout, else null
    lines: what `parse: lines` made of stdout, else null
    rows: what `parse: table` made of stdout, else null
    matches: what `parse: regex` found in stdout, else null
    elapsed_ms: from starting it to its end
    shell: whether a shell read the command
    remote: whether it ran over SSH
    still_open: whether a process it left behind still held its output when it had ended
    read_only: "by declaration" for a check: the runbook says so, nothing enforces it
    """

    exit_code: int
    problem: str | None
    stdout: str
    stderr: str
    stdout_bytes: int
    stderr_bytes: int
    cut: bool
    elapsed_ms: float
    shell: bool
    remote: bool
    still_open: bool = False
    read_only: str | None = None
    json: Any = None
    lines: list[str] | None = None
    rows: list[dict[str, str]] | None = None
    matches: list[Any] | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """We ended it. `by`: the last signal sent; `gone`: whether nothing of it is left, None when
    nobody can tell.
    """

    by: str
    gone: bool | None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command came to its end: an exit code, a signal, or our time limit."""

    exit_code: int | None = None
    signal: str | None = None
    stopped: Stopped | None = None
    still_open: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One command that was carried out, and by which side."""

    call: Call
    acts: bool
    remote: bool
    limit_s: float
    elapsed_ms: float


def result_of(attempt: Attempt, ended: Ended, output: Output) -> CommandResult:
    """The result. Raises AdapterError where the exit code is no answer, and of an action also where
    it is a no.
    """
    call, name = attempt.call, attempt.call.program
    if ended.stopped is not None:
        raise _too_long(attempt, ended.stopped)
    if ended.exit_code is None:
        raise _killed(attempt, ended.signal or "a signal")
    code = ended.exit_code
    verdict = call.rules.verdict(code)
    stdout, stderr = output.stdout, output.stderr
    problem = None if verdict == "passed" else _problem(code, stderr.text or stdout.text)
    if verdict in ("errored", "unknown") or (attempt.acts and verdict != "passed"):
        raise _refused(attempt, verdict, f"`{name}` ended with {problem}", code)
    made: dict[str, Any] = {}
    if call.parse is not None:
        try:
            made = _parsed(call, stdout.text, stdout.cut)
        except Unparsed as e:
            if problem is None:
                raise _unparsed(attempt, str(e)) from e
    return CommandResult(
        exit_code=code,
        problem=problem,
        stdout=stdout.text,
        stderr=stderr.text,
        stdout_bytes=stdout.size_bytes,
        stderr_bytes=stderr.size_bytes,
        cut=stdout.cut or stderr.cut,
        elapsed_ms=attempt.elapsed_ms,
        shell=call.shell is not None,
        remote=attempt.remote,
        still_open=ended.still_open,
        read_only=None if attempt.acts else DECLARED,
        **made,
    )


def _parsed(call: Call, text: str, cut: bool) -> dict[str, Any]:
    assert call.parse is not None  # noqa: S101 - the caller looked
    if cut:
        raise Unparsed("is longer than `max_output`, so it was not parsed")
    return parsed(call.parse, text, call.pattern)


def _problem(code: int, said: str) -> str:
    """The exit code, and the line that probably says why: one that begins as errors do, else the
    last exception of a traceback (what follows it may be a link to its documentation), else the
    last.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    died = f" ({DIED[code]}, as shells tell it)" if code in DIED else ""
    last = next(filter(_RAISED.match, reversed(lines)), lines[-1] if lines else "")
    telling = next(filter(_SAYS_ERROR.match, lines), last)
    return f"exit code {code}{died}" + (f": {telling[:TELLING_CHARS]}" if telling else "")


def _refused(attempt: Attempt, verdict: str, message: str, code: int) -> AdapterError:
    """Of an action: the program's own word is that it did not do it, so it is not in doubt, unless
    a signal ended it or the runbook says otherwise.
    """
    maybe_done = attempt.acts and verdict == "unknown"
    if maybe_done:
        message += ": the change may have been made"
    return AdapterError(
        message,
        help=f"`exit: {{{code}: ...}}` of the step says what this code means",
        maybe_done=maybe_done,
        retryable=verdict != "failed" or str(code) not in attempt.call.rules.exit,
        detail={"exit_code": code},
    )


def _killed(attempt: Attempt, signal: str) -> AdapterError:
    message = f"`{attempt.call.program}` was ended by {signal}"
    if attempt.acts:
        message += ": the change may have been made"
    hint = "was the machine out of memory?" if signal == "SIGKILL" else None
    return AdapterError(message, help=hint, maybe_done=attempt.acts, detail={"signal": signal})


def _too_long(attempt: Attempt, stopped: Stopped) -> AdapterError:
    ends = {
        True: f"it was stopped by {stopped.by}",
        False: f"{stopped.by} was sent, and it is still there",
        None: "whether it still runs is not known",
    }
    message = f"`{attempt.call.program}` did not end within {attempt.limit_s:g} s: "
    message += ends[stopped.gone]
    if attempt.acts:
        message += "; the change may have been made"
    return AdapterError(
        message,
        help="`timeout` of the step sets how long an attempt may take",
        maybe_done=attempt.acts,
        detail={"signal": stopped.by, "gone": stopped.gone, "limit_s": attempt.limit_s},
    )


def _unparsed(attempt: Attempt, why: str) -> AdapterError:
    message = f"stdout {why}"
    if attempt.acts:
        message += "; the command itself was carried out"
    return AdapterError(message, maybe_done=attempt.acts, retryable=False)
