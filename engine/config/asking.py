"""Whether people are told of the questions a run asks: the key `questions` of a `contacts.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.config.fields import Fields
from engine.config.times import waited
from engine.errors import Place
from engine.language import nodes
from engine.language.nodes import Node, Scalar, Sequence
from engine.language.words import did_you_mean, named

QUESTIONS_KEYS = ("after", "by", "remind", "who")

Repeat = Callable[[Node | None, str], tuple[float | None, int]]
"""Reads how often something is told again (a node, and what its key is called): every so many
seconds, and how many times.
"""


@dataclass(frozen=True, slots=True)
class Questions:
    """How people are told of questions.

    `by`: channels, the first that works. `after_s`: how long a question was open before. `who`:
    roles of which anybody is asked, where neither the question nor its runbook names any.
    """

    by: tuple[str, ...]
    place: Place
    after_s: float = 0.0
    every_s: float | None = None
    times: int = 0
    who: tuple[str, ...] = ()


def read_questions(fields: Fields, node: Node | None, repeat: Repeat) -> Questions | None:
    """`{by: [slack, mail], after: 1m, remind: {every: 15m, times: 2}, who: [on-call]}`."""
    if node is None:
        return None
    given = {k.text: v for k, v in fields.mapping(node, "questions", QUESTIONS_KEYS)}
    if "by" not in given:
        if isinstance(node, nodes.Mapping):
            what, hint = "'questions' has no 'by'", "{by: [slack, mail], remind: 15m}"
            fields.error("RB803", what, node, hint)
        return None
    after_s = waited(fields, given.get("after"), "after")
    every_s, times = repeat(given.get("remind"), "remind")
    who = fields.texts(given["who"], "who") if "who" in given else ()
    by = fields.some(given["by"], "by")
    return Questions(by, node.place, after_s or 0.0, every_s, times, who)


def check_roles(fields: Fields, node: Node | None, roles: Mapping[str, str]) -> None:
    """Roles under `who` that nobody knows."""
    given = next((v for k, v in getattr(node, "pairs", ()) if k.text == "who"), None)
    for item in given.items if isinstance(given, Sequence) else (given,):
        if isinstance(item, Scalar) and item.text not in roles:
            hint = did_you_mean(item.text, roles, "name a role: whoever has it may answer")
            fields.error("RB820", f"unknown role {named(item.text)}", item, hint)
