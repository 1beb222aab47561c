"""One command as a step asks for it, and what its exit codes mean: pure, checked before anything
starts.
"""

from __future__ import annotations

import shlex
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.errors import AdapterError
from engine.language.patterns import compile_problem
from engine.language.words import did_you_mean, named

Verdict = Literal["passed", "failed", "errored", "unknown"]
Parse = Literal["json", "json_lines", "lines", "table", "regex"]

SHELL = "sh"
"""What reads a `shell` line, here and at the far end. It has to be among the allowed programs."""

OUTPUT_MAX_BYTES = 128 * 1024
"""Of each of stdout and stderr, where nothing else is said: beginning and end are kept. Both, and
what is parsed of them, fit into one result of the journal.
"""

OUTPUT_LARGEST_BYTES = 16 * 1024 * 1024
"""The most that `max_output` may ask for: it is held in memory, several times over."""

REMAINING = "other"
"""The key of `exit` for every code that it does not name."""

NAMES_OF_THE_CHILD = ("PATH", "IFS", "ENV", "BASH_ENV")
"""Variables a step may not set, with all that begin with `LD_` or `DYLD_`: they say which program
runs, and the connection says that.
"""

DIED = {
    128 + number: number.name
    for number in (
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGKILL,
        signal.SIGSEGV,
        signal.SIGPIPE,
        signal.SIGTERM,
        signal.SIGXCPU,
    )
}
"""Exit codes by which a shell (and docker) tells that a signal ended what it ran."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What an exit code means. `exit` wins over `ok`."""

    ok: tuple[int, ...] = (0,)
    exit: Mapping[str, Verdict] = field(default_factory=dict)

    def verdict(self, code: int) -> Verdict:
        """As declared; else `unknown` when a signal seems to have ended it.

        A code nobody declared is `failed`: the program had its say, and it was no.
        """
        declared = self.exit.get(str(code))
        if declared is not None:
            return declared
        if code in self.ok:
            return "passed"
        if REMAINING in self.exit:
            return self.exit[REMAINING]
        return "unknown" if code in DIED else "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command as a step asks for it: either `argv` or `shell`."""

    argv: tuple[str, ...] = ()
    shell: str | None = None
    stdin: str | None = None
    stdin_of: str | None = None
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    rules: Rules = Rules()
    parse: Parse | None = None
    pattern: str | None = None
    max_output: int | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The argument list that is started."""
        return self.argv if self.shell is None else (SHELL, "-c", self.shell)

    @property
    def program(self) -> str:
        return self.words[0]

    def shown(self) -> str:
        """As a person would type it."""
        return self.shell if self.shell is not None else shlex.join(self.argv)


def call_of(
    argv: Sequence[str] | None,
    shell: str | None,
    *,
    ok: Sequence[int] | None = None,
    exit: Mapping[str, Verdict] | None = None,
    **more: Any,
) -> Call:
    """A call of a step's parameters. Raises AdapterError in words: nothing has been started."""
    rules = Rules(tuple(ok) if ok is not None else (0,), dict(exit or {}))
    env = more.pop("env", None) or {}
    call = Call(argv=tuple(argv or ()), shell=shell, rules=rules, env=env, **more)
    _check_command(call)
    _check_texts(call)
    _check_env(call)
    _check_parse(call)
    _check_exit(rules)
    return call


def refusal(message: str, help: str | None = None) -> AdapterError:
    """What is said of a command that was never started, and would not be at another try."""
    return AdapterError(message, help=help, maybe_done=False, retryable=False)


def _check_command(call: Call) -> None:
    if call.shell is not None and call.argv:
        raise refusal("`argv` and `shell` are both given", "a command is one or the other")
    if call.shell is None and not call.argv:
        raise refusal(
            "no command is given", "`argv: [program, argument]`, or `shell:` for a shell's line"
        )
    if call.shell is not None and not call.shell.strip():
        raise refusal("the `shell` line is empty")
    if not call.program:
        raise refusal("the program of `argv` is an empty text")
    if call.stdin is not None and call.stdin_of is not None:
        raise refusal("`stdin` and `stdin_of` are both given", "the command has one standard input")


def _check_texts(call: Call) -> None:
    for text in (*call.words, *call.env.values(), call.cwd or ""):
        if "\0" in text:
            raise refusal("an argument holds a NUL character, which no command can be given")
    if call.cwd is not None and (not call.cwd or call.cwd.startswith("-")):
        raise refusal(f"{named(call.cwd)} is no folder to run in")


def _check_env(call: Call) -> None:
    for name in call.env:
        if not name or "=" in name or "\0" in name or not name.replace("_", "a").isalnum():
            raise refusal(f"{named(name)} cannot be the name of an environment variable")
        if name in NAMES_OF_THE_CHILD or name.startswith(("LD_", "DYLD_")):
            raise refusal(
                f"a step does not set {name}: it says which program runs",
                "set it in the connection, with `path` or `env`",
            )


def _check_parse(call: Call) -> None:
    if call.pattern is not None:
        if call.parse not in ("regex", "table"):
            raise refusal("`pattern` is given without `parse: regex` or `parse: table`")
        if problem := compile_problem(call.pattern):
            raise refusal(f"`pattern` {problem}")
    elif call.parse == "regex":
        raise refusal("`parse: regex` needs a `pattern`")
    if call.max_output is not None and call.max_output > OUTPUT_LARGEST_BYTES:
        raise refusal(f"`max_output` is at most {OUTPUT_LARGEST_BYTES // 1024**2} MiB")


def _check_exit(rules: Rules) -> None:
    for key in rules.exit:
        if key != REMAINING and not (key.isascii() and key.isdigit() and int(key) < 256):
            hint = did_you_mean(key, [REMAINING], "a key is a code from 0 to 255, or `other`")
            raise refusal(f"{named(key)} is no exit code", hint)
