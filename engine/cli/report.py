"""`runbook report`: the post-mortem of a run, filled in from its trail."""

from __future__ import annotations

import click

from engine.cli.complete import complete_runs
from engine.cli.session import Session
from engine.core.brief import named_fields


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.option(
    "--format",
    "form",
    type=click.Choice(("md", "html", "json")),
    default="md",
    show_default=True,
    help="Markdown, a page, or JSON.",
)
@click.pass_obj
def report(session: Session, run: str, form: str) -> int:
    """The post-mortem of RUN: filled in from its trail; what only people know is marked."""

    async def show() -> int:
        from engine.core.found import told  # noqa: PLC0415 - the whole core
        from engine.wiring.postmortem import post_mortem  # noqa: PLC0415 - the whole engine
        from engine.wiring.postmortem_pages import html, markdown  # noqa: PLC0415

        async with session.open_store() as store:
            name = await store.find(run)
            state = await session.engine(store).state(name)
            events = await store.events(name)
            named = named_fields(str(text) for text in (events[0].body.get("texts") or {}).values())
            made = post_mortem(events, state.runbook, lambda found: told(found, named))
        if session.json or form == "json":
            session.output.object(made.to_json())
        else:
            text = html(made) if form == "html" else markdown(made)
            session.output.lines(text.splitlines())
        return 0

    return session.run(show())
