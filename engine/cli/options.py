"""The options that every command takes, before its name or behind it."""

from __future__ import annotations

from typing import Any

import click

from engine.cli.session import Session


def _take(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    session = ctx.ensure_object(Session)
    if value:
        session.set(str(param.name), value)


def common_options(*, hidden: bool = False) -> list[click.Parameter]:
    """New ones, for one command. Behind the name of a command help shows only `--json`."""
    rest: dict[str, Any] = {"expose_value": False, "callback": _take, "is_eager": True}
    return [
        click.Option(
            ["--books"], multiple=True, metavar="DIR", type=click.Path(), hidden=hidden, **rest,
            help="Where packs of runbooks are; may be given several times.  "
            "[default: RUNBOOK_BOOKS, else ./runbooks]",
        ),
        click.Option(
            ["--store"], metavar="URL", hidden=hidden, **rest,
            help="Where runs are recorded, e.g. sqlite:///path.  "
            "[default: RUNBOOK_STORE, else a file in your state folder]",
        ),
        click.Option(
            ["--server"], metavar="URL", hidden=hidden, **rest,
            help="Have a server do it; your token is in RUNBOOK_TOKEN.  [default: RUNBOOK_SERVER]",
        ),
        click.Option(
            ["--json"], is_flag=True, **rest, help="One JSON object a line, for machines.",
        ),
        click.Option(
            ["--no-color"], is_flag=True, hidden=hidden, **rest,
            help="No colours; NO_COLOR does the same.",
        ),
        click.Option(
            ["--debug"], is_flag=True, hidden=hidden, **rest,
            help="Show where an unforeseen error came from.",
        ),
    ]  # fmt: skip


def with_common_options(command: click.Command) -> click.Command:
    """The command, and all commands of a group, with these options too."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_common_options(inner)
    elif not any(param.name == "store" for param in command.params):
        command.params += common_options(hidden=True)
    return command
