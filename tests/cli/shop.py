"""A small pack of runbooks that need no server, for the tests of commands."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "disk-full.yaml": """\
        title: Disk full
        severity: warning
        inputs:
          limit: {type: number, default: 0.8, min: 0.1, max: 1.0, description: still fine}
          host: {type: string, default: web-1}
        steps:
          - id: usage
            title: How full is it
            check: run.value
            with: {value: 0.7}
          - choose:
              - when: usage.value < inputs.limit
                steps:
                  - end: resolved
                    because: "{{ (100 * usage.value) | round }} % used on {{ inputs.host }}"
          - id: still
            title: Is it fine
            check: run.compare
            with: {left: "{{ usage.value }}", op: <, right: "{{ inputs.limit }}"}
        """,
    "ask.yaml": """\
        title: Ask a person
        steps:
          - id: red
            title: Look at the dashboard
            check: human.confirm
            with: {question: Is the dashboard red?, evidence: {errors: 12}}
          - id: drain
            title: Take the host out
            action: human.do
            with: {instructions: Drain web-1 at the load balancer}
        """,
    "two.yaml": """\
        title: Two questions at once
        steps:
          - parallel:
              - id: left
                check: human.confirm
                with: {question: Is it left?}
              - id: right
                check: human.confirm
                with: {question: Is it right?}
        """,
    "slow.yaml": """\
        title: Takes its time
        steps:
          - id: pause
            title: Let it settle
            wait: 1h
        """,
    "later.yaml": """\
        title: Tells people if it goes wrong
        escalation: default
        steps:
          - check: run.value
            with: {value: 1}
        """,
    "quiet.yaml": """\
        title: Only on call may start it
        who: [on-call]
        steps:
          - check: run.value
            with: {value: 1}
        """,
    "note.yaml": """\
        title: One change
        steps:
          - id: mark
            title: Leave a mark
            action: run.note
            with: {text: here}
        """,
    "environments/staging.yaml": "connections: {}\n",
    "environments/open.yaml": "allow_as: true\nconnections: {}\n",
    "contacts.yaml": "roles: {on-call: whoever has the pager}\n",
}


def make_books(folder: Path, pack: str = "shop", files: dict[str, str] | None = None) -> Path:
    """`folder/runbooks/PACK` with these files; the folder of books."""
    from textwrap import dedent  # noqa: PLC0415

    for name, text in (files or FILES).items():
        file = folder / "runbooks" / pack / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
    return folder / "runbooks"
