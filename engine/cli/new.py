"""`runbook new PACK/NAME`: a commented runbook to start from, and scenarios for it."""

from __future__ import annotations

import re
from pathlib import Path

import click

from engine.cli.complete import complete_packs, complete_runs
from engine.cli.session import Session
from engine.errors import Usage

NAME_MAX_CHARS = 80
"""Of a pack or runbook name: it is a file name, a lock name and a column of a table."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

RUNBOOK = """\
# {name}
# Check it with `runbook lint {name}`, read it with `runbook show {name}`, run it with
# `runbook run {name} --env NAME`. Editors complete it with `runbook schema --settings`.

title: {title}
description: What is broken, how one notices, and what this runbook does about it.
severity: warning            # info, warning, critical, or a level of your own
respond_within: 15m
tags: [example]

# What whoever starts it may choose: `runbook run {name} -i limit=0.9`.
inputs:
  limit: {{type: number, default: 0.8, min: 0.1, max: 1.0, description: still fine}}

steps:
  # A check asks and changes nothing. `run.value` needs no connection, so that this file runs as
  # it is. A real one asks a connection of the environment, for instance:
  #
  #   - id: memory
  #     check: redis.info
  #     target: cache
  #     with: {{section: memory}}
  - id: usage
    title: How full is it
    check: run.value
    with: {{value: 0.7}}

  # A step without `expect` observes. What it found is a name from here on: usage.value.
  - choose:
      - when: usage.value < inputs.limit
        steps:
          - end: resolved
            because: "{{{{ (100 * usage.value) | round }}}} % used, below the limit"

  # An action changes one thing. Until it is automatic, a person does it and says so.
  - id: clear
    title: Make room
    action: human.do
    with:
      instructions: Delete what is not needed any more on the machine that is full

  # A step with `expect` judges: it fails, and the run with it, when the answer is no. `within` and
  # `every` ask again until it holds.
  - id: verify
    title: Did it help
    check: run.value
    with: {{value: 0.6}}
    expect: result.value < inputs.limit
    within: 2m
    every: 10s

# What is done when a step failed: here nothing but the outcome. To tell people:
#
#   on_failure:
#     - escalate: default
#       message: "It is still full after making room"
"""

SCENARIOS = """\
# Scenarios of {name}: what its steps find is given here, what must happen is asserted.
# They need no connection and take milliseconds.

scenarios:
  - name: enough room, nothing is done
    finds:
      usage: {{value: 0.70}}
    expect:
      outcome: resolved
      steps: [usage]

  - name: it is full, a person makes room and that helps
    finds:
      usage: {{value: 0.95}}
      clear: {{answer: done}}
      verify: {{value: 0.60}}
    expect:
      outcome: resolved
      steps: [usage, clear, verify]

  - name: making room does not help
    finds:
      usage: {{value: 0.95}}
      clear: {{answer: done}}
      verify: {{value: 0.94}}
    expect:
      outcome: failed
"""

ENVIRONMENT = """\
# An environment of the pack {pack}: what its runbooks talk to, by name. Another file beside this
# one, with the same names, is another place where the same runbooks run.
# `runbook doctor {pack} --env local` asks whether each connection answers.

connections: {{}}
#  cache: {{adapter: redis, url: "${{env:CACHE_URL}}"}}   # secrets are references
#  mail: {{adapter: mail, host: smtp.example.com, sender: runbook@example.com}}
"""

CONTACTS = """\
# Who is called where a runbook of {pack} says `escalate: default`: by what, and when. All that may
# stand here: `runbook docs escalation`. Whom it would call now:
# `runbook notify who {pack} --env local`.

people:
  ana: {{name: Ana Lim}}                       # channels: {{mail: ana@example.com}}

# channels:
#   mail: {{connection: mail}}                 # a connection of the environment

policies:
  default:
    - {{who: [ana]}}                           # at the console, as long as no `by` names a channel
#   - {{who: [ana], by: [mail], after: 15m}}   # and then, unless somebody took it: runbook ack RUN
"""


@click.command()
@click.argument("name", metavar="PACK/NAME", required=False, shell_complete=complete_packs)
@click.option(
    "--from",
    "run",
    metavar="RUN",
    shell_complete=complete_runs,
    help="Write a scenario of what RUN found and did, beside its runbook.",
)
@click.option("--scenario", metavar="TEXT", help="The name of that scenario.")
@click.pass_obj
def new(session: Session, name: str | None, run: str | None, scenario: str | None) -> int:
    """Write a commented runbook PACK/NAME to start from, its scenarios, and where the pack has
    none an environment, and contacts.

    With --from RUN: write a scenario of a recorded run instead, behind those of its runbook (or of
    PACK/NAME, where it has another name today). Exit code 1 when it does not hold with today's
    text.
    """
    if run is not None:
        from engine.cli.scenario import write_scenario  # noqa: PLC0415  the whole core

        return write_scenario(session, run, name, scenario)
    if name is None or scenario is not None:
        raise Usage(
            "say which runbook is to be written: PACK/NAME",
            help="or --from RUN, for a scenario of a recorded run",
        )
    return _start(session, name)


def _start(session: Session, name: str) -> int:
    pack, _, base = name.partition("/")
    for part in (pack, base):
        if not _NAME.fullmatch(part) or len(part) > NAME_MAX_CHARS:
            raise Usage(
                f"'{name}' is no name for a runbook",
                help="it is PACK/NAME, of letters, digits, '-' and '_', e.g. shop/disk-full",
            )
    folder = Path(session.book_folders[0]) / pack
    title = base.replace("-", " ").replace("_", " ").capitalize()
    files = {
        folder / f"{base}.yaml": RUNBOOK.format(name=name, title=title),
        folder / f"{base}.test.yaml": SCENARIOS.format(name=name),
    }
    if not any((folder / "environments").glob("*.yaml")):
        files[folder / "environments" / "local.yaml"] = ENVIRONMENT.format(name=name, pack=pack)
        if not (folder / "contacts.yaml").exists():
            files[folder / "contacts.yaml"] = CONTACTS.format(pack=pack)
    for file in files:
        if file.exists():
            raise Usage(f"{file} exists", help="choose another name, or edit that file")
    write_all(files)
    for file in files:
        if session.json:
            session.output.object({"type": "file", "path": str(file)})
        else:
            session.output.line(str(file))
    environment = min((folder / "environments").glob("*.yaml")).stem
    call = session.output.command
    session.output.note(
        f"next: {call} lint {name}; {call} show {name}; {call} run {name} --env {environment}"
    )
    return 0


def write_all(files: dict[Path, str]) -> None:
    """Writes files that do not exist yet; one that appears meanwhile is not written over."""
    for file, text in files.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as e:
            raise Usage(f"{file} cannot be written: {e.strerror}") from e
