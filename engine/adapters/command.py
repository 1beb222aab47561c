"""Commands on this machine: one connection is the programs it allows, where they run, and with what
environment.
"""

from __future__ import annotations

import re
from pathlib import Path

from engine.adapters.command_call import OUTPUT_MAX_BYTES, Call, Parse, Verdict, call_of
from engine.adapters.command_local import LocalMachine
from engine.adapters.command_result import CommandResult
from engine.adapters.command_side import CommandReader, CommandWriter, Terms
from engine.errors import AdapterError
from engine.language.shape import Size
from engine.language.words import listed, named
from engine.plugin import StepContext, reveal

__all__ = [
    "Call",
    "CommandAdapter",
    "CommandReader",
    "CommandResult",
    "CommandWriter",
    "Parse",
    "Verdict",
    "call_of",
]

_TELLING = re.compile(r"pass|pwd|token|secret|key|credential", re.IGNORECASE)


class CommandAdapter:
    """Commands on the machine the engine runs on.

    allowed: the programs that may be started, by name or absolute path; `sh` for `shell` lines
    cwd: the folder they run in; that of the engine where nothing is said
    env: variables every command gets; a secret goes to all programs of this connection
    pass_env: names of further variables of the engine that commands get
    path: where programs are looked for, as PATH; that of the engine where nothing is said
    stdin: texts, by name, that a step may put on a command's standard input with `stdin_of`
    aws_endpoint_url: what `aws` is given as --endpoint-url
    max_output: kept of each of stdout and stderr
    """

    family = "command"

    def __init__(  # noqa: PLR0913 - the settings of a connection
        self,
        allowed: list[str],
        *,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        pass_env: list[str] | None = None,
        path: str | None = None,
        stdin: dict[str, str] | None = None,
        aws_endpoint_url: str | None = None,
        max_output: Size = Size(OUTPUT_MAX_BYTES),  # noqa: B008 - an int
    ) -> None:
        self._pass_env = tuple(pass_env or ())
        self._path = path
        self._terms = Terms(
            allowed=tuple(allowed),
            cwd=cwd,
            env=env or {},
            stdin=stdin or {},
            aws_endpoint_url=aws_endpoint_url,
            max_output=int(max_output),
        )

    def fingerprint(self) -> str:
        """`host:/folder`: a run that is taken up elsewhere would act on another machine."""
        cwd = reveal(self._terms.cwd) if self._terms.cwd else str(Path.cwd())
        return f"{LocalMachine().where}:{cwd}"

    async def ping(self) -> str:
        """Raises AdapterError for an allowed program that is not there."""
        machine = self._machine()
        where = {name: machine.find(name) for name in self._revealed().allowed}
        if missing := [name for name, found in where.items() if found is None]:
            raise AdapterError(
                f"not found on {machine.where}: {listed(missing, 'and')}",
                help="install them, or say with `path` where they lie",
                retryable=False,
            )
        return f"{listed(where, 'and')} on {machine.where}"

    def reader(self, context: StepContext) -> CommandReader:
        return CommandReader(self._machine(), self._revealed(), context)

    def writer(self, context: StepContext) -> CommandWriter:
        return CommandWriter(self._machine(), self._revealed(), context)

    async def close(self) -> None:
        """Nothing is held between commands."""

    def _machine(self) -> LocalMachine:
        for name in self._pass_env:
            if _TELLING.search(name):
                raise AdapterError(
                    f"`pass_env` would hand {named(name)} on, whose value could not be kept out of"
                    " records",
                    help=f'write it as a reference: `env: {{{name}: "${{env:{name}}}"}}`',
                    retryable=False,
                )
        return LocalMachine(self._pass_env, reveal(self._path) if self._path else None)

    def _revealed(self) -> Terms:
        return self._terms.with_programs()
