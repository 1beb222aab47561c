"""Changes that a program makes, on this machine or over SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.adapters.command_call import Parse, Verdict, call_of, refusal
from engine.adapters.command_result import CommandResult
from engine.plugin import UNSAFE, Preview, Shell, Size, action

if TYPE_CHECKING:
    from engine.adapters.command import CommandReader, CommandWriter


@action("command.run", effect=UNSAFE)
async def run(  # noqa: PLR0913 - a command has these parts, and each is a key in YAML
    command: CommandWriter,
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
    dry_run: list[str] | None = None,  # noqa: ARG001 - only a rehearsal uses it
    dry_run_argv: list[str] | None = None,  # noqa: ARG001 - only a rehearsal uses it
) -> CommandResult:
    """Runs a command that changes something; done when its exit code means passed.

    With any other code it errored: the program says itself that it did not do it, though it may
    have done a part. It is in doubt when it was stopped by its time limit, was ended by a signal,
    or ended with a code that `exit` calls unknown.

    argv: the program and its arguments, each by itself; no shell reads them
    shell: a line for the shell instead; a template in it needs the filter `quote`
    stdin: a text for its standard input; without it there is none
    stdin_of: the name of a text of the connection for its standard input
    cwd: the folder to run in; a relative one is below that of the connection
    env: variables besides those of the connection
    ok: the exit codes that mean passed; 0 where nothing is said
    exit: what an exit code means: passed, failed (no other try), errored or unknown (in doubt);
        `other` for all not named
    parse: makes `json`, `lines`, `rows` (of a table) or `matches` (of a regex) of stdout;
        `json_lines` is a JSON value on each line
    pattern: the regular expression of `parse: regex`, or what parts the cells of a table
    max_output: kept of each of stdout and stderr; 128 KiB, or as the connection says
    dry_run: arguments that make the command tell what it would do, such as --dry-run; a rehearsal
        runs it with them added
    dry_run_argv: the argument list that a rehearsal runs instead, such as alembic's with --sql
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


@run.preview
async def would_run(command: CommandReader, argv: list[str] | None = None, **more: Any) -> Preview:
    """The command as it would be started; where a dry run is declared, what that says."""
    added, instead = more.pop("dry_run", None), more.pop("dry_run_argv", None)
    shell = more.pop("shell", None)
    meant = command.rendered(call_of(argv, shell, **more))
    if not added and not instead:
        return Preview(meant)
    if not instead and shell is not None:
        raise refusal(
            "`dry_run` adds arguments to `argv`, and this is a `shell` line",
            "say with `dry_run_argv` what a rehearsal runs",
        )
    asked = call_of(instead or [*(argv or ()), *added], None, **more)
    found = await command.run(asked)
    text = f"{meant}\nits dry run `{asked.shown()}` ended with exit code {found.exit_code}"
    return Preview(text, diff=found.stdout or found.stderr)
