"""Completion of names in a shell: runbooks, packs, environments, inputs, runs.

It runs at every press of TAB, so it reads file names, one file at most, and the list of runs; it
loads no runbook, imports no engine, and whatever goes wrong completes nothing and says nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
)

from engine.cli.session import Session, default_store_path

Items = list[CompletionItem[str]]

RUNBOOK_MAX_BYTES = 1024 * 1024
"""A larger file is no runbook, see DESIGN section 4."""

RUNS_MAX = 20
"""More runs than these are told apart by typing, not by looking."""

_NOT_RUNBOOKS = ("contacts",)
_INPUT = re.compile(r"^( +)(\w[\w-]*):")

SCRIPTS = {
    "bash": ("~/.bashrc", 'eval "$(_RUNBOOK_COMPLETE=bash_source runbook)"'),
    "zsh": ("~/.zshrc", 'eval "$(_RUNBOOK_COMPLETE=zsh_source runbook)"'),
    "fish": (
        "~/.config/fish/completions/runbook.fish",
        "_RUNBOOK_COMPLETE=fish_source runbook | source",
    ),
}
"""Where the line that switches completion on goes, by shell, and the line."""


@click.command()
@click.argument("shell", required=False, type=click.Choice(list(SCRIPTS)))
@click.pass_obj
def completion(session: Session, shell: str | None) -> int:
    """How to complete runbook, environment and input names in SHELL.

    Prints the line to add to your shell's start-up file; `runbook completion bash >> ~/.bashrc`
    adds it.
    """
    name = shell or Path(os.environ.get("SHELL", "bash")).name
    if name not in SCRIPTS:
        name = "bash"
    file, line = SCRIPTS[name]
    session.output.line(line)
    session.output.note(f"add this line to {file}, then open a new shell")
    return 0


class Bash(BashComplete):
    """As click's own, but no space is put behind `name=`: its value comes there."""

    source_template = BashComplete.source_template.replace(
        "COMPREPLY+=($value)",
        "COMPREPLY+=($value)\n            [[ $value == *= ]] && compopt -o nospace",
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """bash takes `limit=0.5` for three words; here it is one, and only what follows `=` is
        replaced."""
        args, incomplete = super().get_completion_args()
        if incomplete == "=":
            incomplete = ""
        while len(args) >= 2 and args[-1] == "=":
            args = args[:-2]
        return args, incomplete


def register() -> None:
    add_completion_class(Bash)


def complete_runbooks(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:  # noqa: ARG001
    return _matching(sorted(runbook_files(_books(ctx))), incomplete)


def complete_packs(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:  # noqa: ARG001
    packs = {name.rpartition("/")[0] for name in runbook_files(_books(ctx))}
    return _matching(sorted(packs), incomplete)


def complete_environments(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:  # noqa: ARG001
    packs = {name.partition("/")[0] for name in runbook_files(_books(ctx))}
    pack = _on_the_line(packs | set(runbook_files(_books(ctx)))).partition("/")[0]
    names = {
        file.stem
        for folder in _books(ctx)
        for file in Path(folder).glob(f"{pack or '*'}/environments/*.yaml")
    }
    return _matching(sorted(names), incomplete)


def complete_inputs(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:  # noqa: ARG001
    """`limit=` for each input of the runbook that is named on the line."""
    files = runbook_files(_books(ctx))
    file = files.get(_on_the_line(files))
    if file is None or "=" in incomplete:
        return []
    return _matching([f"{name}=" for name in input_names(file)], incomplete)


def complete_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:  # noqa: ARG001
    """The newest runs of a SQLite store, read without opening it for writing."""
    session = ctx.find_object(Session)
    url = (session.store_url if session else None) or os.environ.get("RUNBOOK_STORE")
    path = (
        Path(url.removeprefix("sqlite://").removeprefix("sqlite:")) if url else default_store_path()
    )
    found: Items = (
        [CompletionItem("last", help="the newest run")] if "last".startswith(incomplete) else []
    )
    with contextlib.suppress(sqlite3.Error, OSError):
        if path.is_file():
            found += _runs_in(path, incomplete)
    return found


def _runs_in(path: Path, incomplete: str) -> Items:
    with contextlib.closing(
        sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.2)
    ) as database:
        rows = database.execute(
            "SELECT run, name, status FROM runs WHERE substr(run, 1, ?) = ?"
            " ORDER BY started_us DESC LIMIT ?",
            (len(incomplete), incomplete, RUNS_MAX),
        )
        return [CompletionItem(run, help=f"{name}, {status}") for run, name, status in rows]


def runbook_files(folders: tuple[str, ...]) -> dict[str, Path]:
    """Name to file of every runbook in these folders, by file names alone."""
    found: dict[str, Path] = {}
    for folder in folders:
        for file in Path(folder).glob("*/*.yaml"):
            if file.stem not in _NOT_RUNBOOKS and not file.stem.endswith(".test"):
                found.setdefault(f"{file.parent.name}/{file.stem}", file)
    return found


def input_names(file: Path) -> Iterator[str]:
    """The keys below `inputs:`, by their indentation: reading YAML properly would take too long for
    a TAB."""
    try:
        if file.stat().st_size > RUNBOOK_MAX_BYTES:
            return
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    indent: str | None = None
    inside = False
    for line in lines:
        if line and line[0] not in " #":
            inside = line.startswith("inputs:")
            continue
        match = _INPUT.match(line) if inside else None
        if match and (indent is None or match.group(1) == indent):
            indent = match.group(1)
            yield match.group(2)


def _on_the_line(names: Collection[str]) -> str:
    """The first word typed so far that is one of these, or nothing.

    click does not tell: behind an option whose value is being typed it has read no argument.
    """
    words = os.environ.get("COMP_WORDS", "").split()
    return next((word for word in words if word in names), "")


def _books(ctx: click.Context) -> tuple[str, ...]:
    return ctx.ensure_object(Session).book_folders


def _matching(names: list[str], incomplete: str) -> Items:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def environment_option(told: str) -> Callable[[Any], Any]:
    """`--env NAME`, completed. `told`: its help."""
    return click.option(
        "-e",
        "--env",
        "environment",
        metavar="NAME",
        shell_complete=complete_environments,
        help=told,
    )
