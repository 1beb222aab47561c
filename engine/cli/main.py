"""`runbook`: finds the command, runs it, and turns what went wrong into words and an exit code.

A command's module is imported when the command is called, not before: `runbook --help` and
completion import no asyncio, no Jinja and no client library. The table below is all they need.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from engine.cli.options import common_options, with_common_options
from engine.cli.output import make_streams_safe
from engine.cli.session import Session
from engine.errors import Diagnosed, RunbookError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EXIT_BUG = 5
"""An exception that nobody foresaw."""

EXIT_NOT_WRITTEN = 1
"""All went well but for the results, which standard output did not take."""

EXIT_LEFT = 3
"""Left in the middle: somebody must look, and take the run up again."""

COMMANDS: Mapping[str, tuple[str, str]] = {
    "list": ("engine.cli.books:list_runbooks", "Which runbooks there are."),
    "show": ("engine.cli.books:show", "What a runbook does, step by step."),
    "lint": ("engine.cli.books:lint", "Everything that is wrong in runbooks, before they run."),
    "schema": ("engine.cli.books:schema", "The JSON Schema of runbooks, for editors."),
    "test": ("engine.cli.testing:test", "Play the scenarios of runbooks, without any connection."),
    "coverage": ("engine.cli.coverage:coverage", "What of documents runbooks carry out."),
    "replay": ("engine.cli.replay:replay", "What today's text would do with what a run found."),
    "new": ("engine.cli.new:new", "Write a commented runbook to start from."),
    "run": ("engine.cli.run:run", "Run a runbook."),
    "rehearse": ("engine.cli.rehearse:rehearse", "What a run would do, with nothing written."),
    "demo": ("engine.cli.demo:demo", "Watch a runbook find a fault and repair it."),
    "sandbox": ("engine.cli.sandbox:sandbox", "What runbooks talk to here: up, broken, down."),
    "runs": ("engine.cli.runs:runs", "Which runs there were and are."),
    "watch": ("engine.cli.runs:watch", "Follow a run that goes on elsewhere."),
    "answer": ("engine.cli.runs:answer", "Answer what a run asks a person."),
    "ack": ("engine.cli.people:ack", "Take what a run calls people for."),
    "notify": ("engine.cli.people:notify", "What people would be told, and who they are now."),
    "settle": ("engine.cli.runs:settle", "Say whether an action in doubt happened."),
    "approve": ("engine.cli.approve:approve", "Agree to exactly what a step would do."),
    "deny": ("engine.cli.approve:deny", "Deny what a step waits to do."),
    "pause": ("engine.cli.approve:pause", "Let a run begin nothing new."),
    "undo": ("engine.cli.approve:undo", "Undo what a run did, the last first."),
    "cancel": ("engine.cli.runs:cancel", "Ask a run to stop."),
    "resume": ("engine.cli.run:resume", "Take up a run that was cut short or waits."),
    "guards": ("engine.cli.guards:guards", "What is frozen, held, cooling down or open."),
    "freeze": ("engine.cli.guards:freeze", "Refuse every run that would change something."),
    "thaw": ("engine.cli.guards:thaw", "End a freeze."),
    "audit": ("engine.cli.audit:audit", "The audit trail: show, verify, export."),
    "report": ("engine.cli.report:report", "The post-mortem of a run, from its trail."),
    "doctor": ("engine.cli.doctor:doctor", "Whether every connection answers, and who is on call."),
    "serve": ("engine.cli.serve:serve", "Serve webhooks and the API, and drive what they start."),
    "trigger": ("engine.cli.trigger:trigger", "Which runbooks an event would start, and why."),
    "deliveries": ("engine.cli.deliveries:deliveries", "What arrived, and what became of it."),
    "token": ("engine.cli.token:token", "Tokens for the API."),
    "docs": ("engine.cli.docs:docs", "The manual."),
    "completion": ("engine.cli.complete:completion", "How to complete names in your shell."),
    "version": ("engine.cli.books:version", "Which version this is."),
}
"""Command, where its code is, and its line of help; in the order that help shows them."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        return with_common_options(getattr(importlib.import_module(module), name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and args and args[0] not in COMMANDS and args[0][:1] != "-":
            from engine.cli.meant import hint  # noqa: PLC0415  only for a mistake

            meant = hint(args[0], COMMANDS)
            raise click.UsageError(f"there is no command '{args[0]}'; {meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415  only for completion

        names = [
            CompletionItem(name, help=line)
            for name, (_, line) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)


EPILOG = (
    "RUN is the name of a run, the beginning of one, or `last`: `runbook ack last`. "
    "Exit codes: 0 resolved or passed; 1 not resolved, or something failed; 2 the runbook or the "
    "call is wrong; 3 errored or in doubt, a person must look; 4 the journal cannot be written; "
    "5 a bug; "
    "6 refused; 7 waiting for a person."
)


def _cli(ctx: click.Context) -> None:
    """Runs operations runbooks: checks, actions and escalations in YAML, with an audit trail."""
    _called[0] = ctx.ensure_object(Session)


cli = LazyGroup(
    name="runbook",
    callback=click.pass_context(_cli),
    help=_cli.__doc__,
    params=common_options(),
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli = click.version_option(
    package_name="runbook", prog_name="runbook", message="%(prog)s %(version)s"
)(cli)


_called: list[Session] = [Session()]
"""The session of this call, for the words about a bug, which come when click has let go of it."""

_debugging = [False]
"""Whether `--debug` was given; known before click has read the line, for bugs that come earlier."""


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point. Never raises; the exit codes are those of DESIGN section 12."""
    make_streams_safe()
    if argv is None:  # the process ends with this call
        atexit.register(gc.freeze)  # nothing is searched for garbage then: 15 ms
    code = guarded(lambda: _call(argv))
    with contextlib.suppress(BrokenPipeError, OSError, ValueError):
        sys.stdout.flush()
    return code


def _call(argv: Sequence[str] | None) -> int:
    if "_RUNBOOK_COMPLETE" in os.environ:
        from engine.cli.complete import register  # noqa: PLC0415  only for completion

        register()
    args = list(sys.argv[1:] if argv is None else argv)
    _debugging[0] = "--debug" in args
    code = cli.main(args=args, prog_name="runbook", standalone_mode=False) or 0
    return EXIT_NOT_WRITTEN if code == 0 and _called[0].output.failed else int(code)


def guarded(call: Callable[[], int]) -> int:
    """Runs a command; whatever comes out of it becomes an exit code, with words on stderr."""
    try:
        return call()
    except RunbookError as e:
        tell(e)
        return e.exit_code
    except (click.ClickException, click.exceptions.Exit) as e:
        return _told_by_click(e)
    except (KeyboardInterrupt, click.Abort):
        _say("stopped")
        return EXIT_LEFT
    except BrokenPipeError:
        return 0
    except Exception as e:  # noqa: BLE001  the outermost frame: nobody above could say anything useful
        return _bug(e)


def _told_by_click(error: click.ClickException | click.exceptions.Exit) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
    elif isinstance(error, click.ClickException):
        _say(f"error: {error.format_message()}")
        missing = error.param if isinstance(error, click.MissingParameter) else None
        if missing is not None and missing.name == "run" and missing.param_type_name == "argument":
            _say("help: the name of a run, its beginning, or `last`; `runbook runs` lists them")
            return error.exit_code
        context = getattr(error, "ctx", None)
        if context is not None:
            _say(f"help: `{context.command_path} --help` says what it takes")
    return error.exit_code


def tell(error: RunbookError) -> None:
    """The error in words: what, and how to mend it; diagnostics with their places."""
    if isinstance(error, Diagnosed):
        from engine.language.report import render  # noqa: PLC0415  only for a mistake

        _say(render(error.diagnostics, error.sources).rstrip("\n"))
        return
    _say(f"error: {error.message}")
    if error.help:
        _say(f"help: {error.help}")


def _bug(error: Exception) -> int:
    from engine.cli.session import redacted  # noqa: PLC0415  only for a bug

    folders = _called[0].book_folders
    _say(
        f"error: this is a bug in runbook: {redacted(f'{type(error).__name__}: {error}', folders)}"
    )
    if _debugging[0]:
        import traceback  # noqa: PLC0415  only for a bug

        _say(redacted("".join(traceback.format_exception(error)), folders).rstrip())
    else:
        _say("help: what was recorded stays; `runbook --debug ...` shows where it happened")
    return EXIT_BUG


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
