"""Questions that a program answers, on this machine or over SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.adapters.command_call import Parse, Verdict, call_of
from engine.adapters.command_result import CommandResult
from engine.plugin import Shell, Size, check

if TYPE_CHECKING:
    from engine.adapters.command import CommandReader


@check("command.run", expect={"problem": None})
async def run(  # noqa: PLR0913 - a command has these parts, and each is a key in YAML
    command: CommandReader,
    argv: list[str] | None = None,
    *,
    shell: Shell | None = None,
    stdin: str | None = None,
    stdin_of: str | None = None,
    cwd: str | None = None,
    env: dict[str, str] | None = None,
    ok: list[int] | None = None,
    exit: dict[str, Verdict] | None = None,
    parse: Parse | None = None,
    pattern: str | None = None,
    max_output: Size | None = None,
) -> CommandResult:
    """What a command says and how it ends. That it only reads is the runbook's word.

    Holds when the exit code means passed (0, or as `ok` and `exit` say), unless `expect` says
    otherwise: then that alone counts, and `exit_code: 0` in it is worth its line.

    argv: the program and its arguments, each by itself; no shell reads them
    shell: a line for the shell instead; a template in it needs the filter `quote`
    stdin: a text for its standard input; without it there is none
    stdin_of: the name of a text of the connection for its standard input
    cwd: the folder to run in; a relative one is below that of the connection
    env: variables besides those of the connection
    ok: the exit codes that mean passed; 0 where nothing is said
    exit: what an exit code means: passed, failed, errored or unknown; `other` for all not named
    parse: makes `json`, `lines`, `rows` (of a table) or `matches` (of a regex) of stdout;
        `json_lines` is a JSON value on each line
    pattern: the regular expression of `parse: regex`, or what parts the cells of a table
    max_output: kept of each of stdout and stderr; 128 KiB, or as the connection says
    """
    call = call_of(
        argv,
        shell,
        stdin=stdin,
        stdin_of=stdin_of,
        cwd=cwd,
        env=env,
        ok=ok,
        exit=exit,
        parse=parse,
        pattern=pattern,
        max_output=max_output,
    )
    return await command.run(call)
