"""A runbook's own message before its time: what is known already is filled in, of the rest it says
what will stand there.
"""

from __future__ import annotations

import json
import re

from engine.language.expressions.problem import TemplateProblem
from engine.language.model import Runbook, Template
from engine.language.template import analyse, render

WAYS = re.compile(r"\{%[-+]?(.*?)[-+]?%\}", re.DOTALL)
ASIDES = re.compile(r"\{#.*?#\}", re.DOTALL)
WRITTEN_OUT = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)


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
        later = f"<{' '.join(found.group(1).split())}>"
        if {parts[0] for parts in analyse(found.group(), bare=False).names} - scope.keys():
            return later  # also where it has a `default`: the value is what will be seen
        try:
            value = render(Template(found.group(), message.place), scope)
        except TemplateProblem:
            return later
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return WAYS.sub(_way, WRITTEN_OUT.sub(fill, ASIDES.sub("", message.text)))


def _way(found: re.Match[str]) -> str:
    """Which text it is depends on what a run finds; of what is repeated it is there once."""
    word, _, rest = " ".join(found.group(1).split()).partition(" ")
    said = {"if": f"<if {rest}>", "elif": f"<or if {rest}>", "else": "<or>", "endif": "<end>"}
    return said.get(word, "")
