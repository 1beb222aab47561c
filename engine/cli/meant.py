"""What somebody meant who typed a command that there is not: at night nobody looks for the word."""

from __future__ import annotations

from collections.abc import Collection

MEANT = {
    "abort": "cancel",
    "acknowledge": "ack",
    "check": "lint",
    "continue": "resume",
    "dry-run": "rehearse",
    "help": "--help",
    "history": "runs",
    "log": "audit show",
    "logs": "audit show",
    "oncall": "notify who",
    "on-call": "notify who",
    "page": "notify preview",
    "plan": "rehearse",
    "postmortem": "report",
    "post-mortem": "report",
    "preview": "notify preview",
    "ps": "runs",
    "retry": "resume",
    "rollback": "undo",
    "start": "run",
    "status": "runs",
    "stop": "cancel",
    "tail": "watch",
    "take": "ack",
    "trail": "audit show",
    "validate": "lint",
    "who": "notify who",
}
"""Words of other programs, and ours for them."""


def hint(word: str, known: Collection[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only for a mistake

    near = get_close_matches(word, known, n=1)
    meant = MEANT.get(word.lower()) or (near[0] if near else None)
    return f"did you mean '{meant}'?" if meant else "see `runbook --help` for the commands"
