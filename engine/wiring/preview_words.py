"""A runbook's own message before its time: what is known already is filled in, of the rest it says
what will stand there.
"""

from __future__ import annotations

import json
import re

from engine.language.expressions.problem import TemplateProblem
from engine.language.model import Runbook, Template
from engine.language.template import analyse, render
from engine.wiring.preview_later import later

WAYS = re.compile(r"\{%[-+]?(.*?)[-+]?%\}", re.DOTALL)
ASIDES = re.compile(r"\{#.*?#\}", re.DOTALL)
WRITTEN_OUT = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
LINE_OF_A_WAY = re.compile(r"<if (?P<when>[^\n]+)>\n(?P<line>[^<\n]+)\n<end>")


def foretold(
    message: Template | str | None, runbook: Runbook, environment: str, *, own: bool = True
) -> str | None:
    """`Over {{ inputs.limit }} %: {{ failure.why }}` as `Over 80 %: <failure.why>`: inputs are as
    they are unless somebody gives others. `own`: of the runbook itself, and not of one that it
    calls, whose inputs are given then.
    """
    if not isinstance(message, Template):
        return message
    mine = runbook.inputs if own else {}
    inputs = {name: one.default for name, one in mine.items() if not one.required}
    run = {"id": "RUN", "name": runbook.name, "environment": environment, "mode": "real"}
    scope = {"inputs": inputs, "run": run}

    def fill(found: re.Match[str]) -> str:
        unknown = later(found.group(1))
        if {parts[0] for parts in analyse(found.group(), bare=False).names} - scope.keys():
            return unknown  # also where it has a `default`: the value is what will be seen
        try:
            value = render(Template(found.group(), message.place), scope)
        except TemplateProblem:
            return unknown
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    text = WRITTEN_OUT.sub(fill, ASIDES.sub("", message.text))
    return LINE_OF_A_WAY.sub(_line, WAYS.sub(_way, text))


def _line(found: re.Match[str]) -> str:
    """A line that is there in some runs only says when, behind its text."""
    return f"{found['line']} (if {found['when']})"


def _way(found: re.Match[str]) -> str:
    """Which text it is depends on what a run finds; of what is repeated it is there once."""
    word, _, rest = " ".join(found.group(1).split()).partition(" ")
    said = {"if": f"<if {rest}>", "elif": f"<or if {rest}>", "else": "<or>", "endif": "<end>"}
    return said.get(word, "")
