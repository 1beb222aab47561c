"""In which words something is told: the pack's own where it has some, else the engine's; and what
customers may read of it. Somebody is told whatever becomes of the pack's words: what cannot be
filled in, or comes to nothing, is told in the engine's, and why is kept with what was sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from engine.clock import to_datetime
from engine.language.expressions.problem import TemplateProblem
from engine.language.model import Template
from engine.language.template import render

OWN_MAX_CHARS = 50_000
"""Of a pack's own words, before a channel cuts them: more than any of them takes."""

ASKS = ("question", "counted")
"""Kinds of messages that are answered."""

UNSAID: Mapping[str, Any] = {
    **dict.fromkeys(("taken_by", "note", "outcome", "because", "after"), ""),
    **dict.fromkeys(("anew", "asked", "became", "by", "wrong"), ""),
    **dict.fromkeys(("done", "foreseen", "found", "happens", "why"), ()),
}
"""What is known of some messages only; a pack's own words may name it in all."""


class Own(NamedTuple):
    """A pack's own words; empty where they came to nothing. `trouble`: why, else empty."""

    title: str
    text: str
    trouble: str = ""


class Speaks(Protocol):
    """Who knows the pack's own words."""

    def text(self, words: Mapping[str, Any], kind: str) -> Own | None: ...


class Said(NamedTuple):
    """What is told. `public`: name and text for customers. `remark`: why it is not said as the pack
    has it, where it is not; else empty.
    """

    title: str
    text: str
    public: tuple[str, str]
    remark: str = ""


def said(ways: Speaks, words: Mapping[str, Any], kind: str) -> Said:
    """What is told of this, whatever becomes of the pack's own words."""
    title, text = title_of(words, kind), text_of(words, kind)
    public = public_of(words, kind)
    own = ways.text(words, kind)
    if own is None:
        return Said(title, text, public)
    mine = (own.title.strip(), own.text.strip())
    found = Said(mine[0] or title, mine[1] or text, (mine[0] or public[0], mine[1] or public[1]))
    return found._replace(remark=own.trouble)


def own_words(templates: Mapping[str, Template], words: Mapping[str, Any], kind: str) -> Own:
    """A pack's `title` and `text`, filled in."""
    scope = {**UNSAID, **words, "kind": kind}
    found, troubles = {}, []
    for name, template in templates.items():
        where = f"`{name}` of the message `{kind}` at {template.place}"
        try:
            value = render(template, scope)
        except TemplateProblem as problem:
            found[name] = ""
            troubles.append(f"{where} cannot be filled in: {problem.message}")
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        found[name] = text[:OWN_MAX_CHARS]
        if not text.strip():
            troubles.append(f"{where} is empty")
    trouble = "; ".join(troubles)
    return Own(found["title"], found["text"], f"in the engine's words: {trouble}" * bool(trouble))


# -- the engine's ----------------------------------------------------------------------------------


def title_of(words: Mapping[str, Any], kind: str) -> str:
    """What a lock screen shows: of what follows, first how it stands now."""
    head = ""
    if kind == "status":
        head = "Status: "
    elif kind == "acknowledged":
        head = f"Taken by {words['taken_by']}: " if words.get("taken_by") else "Taken: "
    elif kind in ASKS:
        head = "Asked: "
    elif kind == "answered" and words.get("became"):
        head = f"{words['became'].partition(':')[0]}: "
    elif kind == "resolved":
        head = f"{str(words.get('outcome') or 'over').capitalize()}: "
        head = "Goes on: " if words.get("goes_on") else head
    severity = f"[{words['severity']}] " if words.get("severity") else ""
    return f"{head}{severity}{words.get('title') or 'runbook'}"


PARTS = (("What:", "happens"), ("Why:", "why"), ("Found:", "found"), ("Done:", "done"))
"""Lists of a message, with what stands above them."""


def text_of(words: Mapping[str, Any], kind: str) -> str:
    """The usual words: what is wrong, what is asked and by when, what was found and done; of what
    follows, first who took it and how the run ended.
    """
    lines = _meanwhile(words, kind)
    if words.get("wrong"):
        lines += ["", words["wrong"].strip()]
    if kind == "page" and words.get("anew"):
        lines += ["", f"It begins anew. {words['anew']}"]
    if kind in ASKS and words.get("foreseen"):
        lines += ["", *words["foreseen"]]
    if kind == "counted" and words.get("counted"):
        lines += ["", words["counted"]]
    if kind in ("page", *ASKS) and words.get("asked"):
        by = f" (by {clock_face(words['by_us'])})" if words.get("by_us") else ""
        by = "" if "by" in words else by  # older engines did not say it in what is asked
        lines += ["", f"{words['asked']}{by}"]
    if kind == "answered" and words.get("became"):
        lines = [f"{words['became']} ({clock_face(words['at_us'])})", *lines]
    for head, key in PARTS:
        if words.get(key):
            written = key == "happens" and _written_out(words)
            lines += ["", head, *(words[key] if written else map(_item, words[key]))]
    return "\n".join(lines).strip()


def _item(line: str) -> str:
    """A line of a list. What an item goes on with is indented already."""
    return line if line.startswith("  ") else f"- {line}"


def _written_out(words: Mapping[str, Any]) -> bool:
    """Whether what is asked is text that somebody wrote, with lists of its own."""
    return (words.get("question") or {}).get("kind") in ("do", "confirm")


def _meanwhile(words: Mapping[str, Any], kind: str) -> list[str]:
    """What became of it since people were told."""
    if kind not in ("acknowledged", "resolved"):
        return []
    lines = [words["goes_on"]] if words.get("goes_on") else []
    if words.get("outcome"):
        because = f": {words['because']}" if words["because"] else ""
        lines.append(f"The run is {words['outcome']} after {words['after']}{because}")
    if words.get("taken_by"):
        note = f": {words['note']}" if words["note"] else ""
        lines.append(f"{words['taken_by']} took it at {clock_face(words['taken_us'])}{note}")
    return lines


def public_of(words: Mapping[str, Any], kind: str) -> tuple[str, str]:
    """Name and text for customers: what the runbook's own message says, and how it stands. Neither
    who works on it, nor what was found or done, nor what a check said: that is for those who run
    the system.
    """
    name = str(words.get("about") or words.get("title") or "")
    text = str(words.get("public") or "")
    if kind == "page":
        return name, text or "We are looking into it."
    if kind == "resolved" and words.get("outcome") == "resolved":
        return name, f"This is resolved, after {words['after']}."
    if kind in ("status", "resolved", "acknowledged"):
        return name, "We are working on it."
    return name, ""


def clock_face(at_us: int) -> str:
    return to_datetime(at_us).strftime("%H:%M UTC")
