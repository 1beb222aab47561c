"""The sides of a connection that carries commands, the same over this machine and over SSH."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from engine.adapters import command_programs as programs
from engine.adapters.command_call import OUTPUT_MAX_BYTES, Call, refusal
from engine.adapters.command_output import Output
from engine.adapters.command_result import Attempt, CommandResult, Ended, result_of
from engine.errors import AdapterError
from engine.language.words import did_you_mean, listed, named
from engine.plugin import StepContext, reveal
from engine.secret import STANDS_FOR

STOP_PART = 0.2
"""Part of a step's time that is left for stopping a command that takes too long."""

STOP_MAX_S = 6.0
"""The most that is left for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a connection allows and adds. Texts may be secret references."""

    allowed: tuple[str, ...]
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None
    stdin: Mapping[str, str] = field(default_factory=dict)
    aws_endpoint_url: str | None = None
    max_output: int = OUTPUT_MAX_BYTES

    def with_programs(self) -> Terms:
        """The same, its programs as texts: a sandbox tells where its own lie."""
        return replace(self, allowed=tuple(reveal(name) for name in self.allowed))

    def endpoint(self) -> str | None:
        found = self.aws_endpoint_url or self.env.get("AWS_ENDPOINT_URL")
        return reveal(found) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A command ready to be started: `program` is what `argv[0]` stands for.

    `acts`: once it has been started, something may have been changed.
    """

    program: str
    argv: tuple[str, ...]
    cwd: str | None
    env: Mapping[str, str] = field(repr=False)
    stdin: bytes | None = field(repr=False)
    limit_s: float
    stop_s: float
    acts: bool


class Machine(Protocol):
    """Where commands run."""

    remote: bool

    @property
    def where(self) -> str:
        """Its name, for people."""
        ...

    async def execute(self, job: Job, output: Output) -> Ended:
        """Carries a command out to its end, or stops it at its limit. Raises AdapterError."""
        ...


class CommandReader:
    """The side of checks and dry runs. That a command only reads is the runbook's word."""

    __slots__ = ("_context", "_machine", "_terms")

    acts = False

    def __init__(self, machine: Machine, terms: Terms, context: StepContext) -> None:
        self._machine = machine
        self._terms = terms
        self._context = context

    async def run(self, call: Call) -> CommandResult:
        """Carries a command out. Raises AdapterError, with the ends of what it said."""
        job = self._job(call)
        output = Output(call.max_output or self._terms.max_output, self._context)
        begun_s = time.perf_counter()
        try:
            ended = await self._machine.execute(job, output)
            elapsed_ms = round((time.perf_counter() - begun_s) * 1000, 3)
            attempt = Attempt(call, self.acts, self._machine.remote, job.limit_s, elapsed_ms)
            return result_of(attempt, ended, output)
        except AdapterError as e:
            e.detail.update(output.ends())
            raise
        finally:
            output.close()

    def rendered(self, call: Call) -> str:
        """A command as people read it, checked as it would be; it is not started."""
        job = self._job(call)
        shown = call.shown() if call.shell is not None else Call(argv=job.argv).shown()
        lines = [f"{self._machine.where}: {shown}"]
        if call.shell is not None:
            lines[0] += "  (read by a shell)"
        if job.cwd:
            lines.append(f"in {job.cwd}")
        if call.env:
            lines.append(f"with {listed(sorted(call.env), 'and')} set")
        if job.stdin is not None:
            lines.append(f"with {len(job.stdin)} bytes on its standard input")
        return self._context.redact("\n".join(lines))

    def _job(self, call: Call) -> Job:
        argv = self._argv(call)
        env = {name: reveal(value) for name, value in self._terms.env.items()} | dict(call.env)
        stop_s = min(STOP_MAX_S, self._context.timeout_s * STOP_PART)
        job = Job(
            program=program_of(argv[0], self._terms.allowed),
            argv=argv,
            cwd=self._cwd(call),
            env=env,
            stdin=self._stdin(call),
            limit_s=self._context.timeout_s - stop_s,
            stop_s=stop_s,
            acts=self.acts,
        )
        self._refuse_secrets(job, call)
        return job

    def _argv(self, call: Call) -> tuple[str, ...]:
        if call.shell is not None:
            return call.words
        has_stdin = call.stdin is not None or call.stdin_of is not None
        if found := programs.trap(call.argv, has_stdin=has_stdin):
            raise refusal(found.what, found.help)
        endpoint = self._terms.endpoint()
        argv = programs.with_endpoint(call.argv, endpoint)
        own = programs.endpoint_of(argv)
        if argv[0].rpartition("/")[2] == "aws" and endpoint and own != endpoint:
            raise refusal(
                f"the connection's endpoint of aws is {endpoint}, and the command names {own}",
                "leave --endpoint-url away: the connection adds its own",
            )
        return argv

    def _cwd(self, call: Call) -> str | None:
        base = reveal(self._terms.cwd) if self._terms.cwd else None
        if call.cwd is None or call.cwd.startswith("/") or base is None:
            return call.cwd or base
        return f"{base.rstrip('/')}/{call.cwd}"

    def _stdin(self, call: Call) -> bytes | None:
        if call.stdin_of is None:
            return call.stdin.encode() if call.stdin is not None else None
        found = self._terms.stdin.get(call.stdin_of)
        if found is None:
            known = self._terms.stdin
            raise refusal(
                f"the connection has no {named(call.stdin_of)} under `stdin`",
                did_you_mean(call.stdin_of, known, f"it has {listed(known, 'and') or 'none'}"),
            )
        return reveal(found).encode()

    def _refuse_secrets(self, job: Job, call: Call) -> None:
        """A command's arguments can be read by every user of its machine."""
        words = (*job.argv, job.cwd or "", *call.env.values(), call.stdin or "")
        for word in words:
            shown = self._context.redact(word)
            if shown != word or STANDS_FOR.search(word):
                what = shown if len(shown) <= 200 else f"{shown[:200]}..."
                raise refusal(
                    f"a secret would stand in what the step gives to the command: {what}",
                    "give it to the connection, under `env` or `stdin`, as a reference",
                )


class CommandWriter(CommandReader):
    """The side of actions."""

    __slots__ = ()

    acts = True


def program_of(word: str, allowed: tuple[str, ...]) -> str:
    """What to start for the first word of a command. Raises AdapterError when it is not allowed.

    A name stands for itself, or for the one allowed path that ends in it.
    """
    if word in allowed:
        return word
    paths = [path for path in allowed if path.startswith("/") and path.rpartition("/")[2] == word]
    if len(paths) == 1:
        return paths[0]
    known = listed(allowed, "and") or "none"
    name = word.rpartition("/")[2]
    if word == "sh":
        hint = "a `shell` line can start anything: allow `sh` in the connection if that is meant"
    elif name in allowed:
        hint = f"write `{name}`: the connection allows the name, wherever it is found"
    else:
        hint = did_you_mean(word, allowed, f"allowed are {known}") or ""
    raise refusal(f"the connection does not allow the program {named(word)}", hint)
