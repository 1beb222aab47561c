"""`runbook docs`: the manual, where there may be no browser."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.session import Session
from engine.errors import Usage
from engine.language.words import did_you_mean

FOLDER = Path(__file__).parents[1] / "docs"
HINT = "`runbook docs` lists them"
PROGRAMS = Path(__file__).parents[2] / "checks/COMMANDS.md"


def pages() -> dict[str, Path]:
    """The pages by name."""
    found = {file.stem: file for file in FOLDER.glob("*.md")} | {"programs": PROGRAMS}
    return dict(sorted(found.items()))


def _complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    return [name for name in pages() if name.startswith(begun)]


@click.command()
@click.argument("page", required=False, shell_complete=_complete)
@click.pass_obj
def docs(session: Session, page: str | None) -> int:
    """The manual: which pages there are, or one PAGE."""
    known = pages()
    if page is None:
        rows = [(name, _title(file)) for name, file in known.items()]
        if session.json:
            for name, title in rows:
                session.output.object({"type": "page", "name": name, "title": title})
        else:
            session.output.table(("PAGE", "WHAT"), rows)
        return 0
    if page not in known:
        raise Usage(f"there is no page {page!r}", help=did_you_mean(page, known, HINT))
    session.output.lines(known[page].read_text(encoding="utf-8").splitlines())
    return 0


def _title(file: Path) -> str:
    with file.open(encoding="utf-8") as text:
        return text.readline().lstrip("# ").strip()
