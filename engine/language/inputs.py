"""Inputs of a runbook: what is given, checked against what is declared, with defaults filled in."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any

from engine.errors import Usage
from engine.language.duration import parse_duration
from engine.language.model import Input, Runbook

INPUT_MAX_CHARS = 64 * 1024
"""Of one input given as text: it is kept in the first event of the run."""

PATTERN_TIMEOUT_S = 0.2
"""For matching one `pattern`: a pattern that needs longer for 64 Ki characters is a trap."""

_WORDS = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "duration": "a duration such as 15m",
    "list": "a list",
    "object": "a mapping",
}


def take_inputs(runbook: Runbook, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs a run gets: every declared one, in the declared order. Raises Usage that names all
    problems.
    """
    problems = [_unknown(runbook, name) for name in given if name not in runbook.inputs]
    taken: dict[str, Any] = {}
    for name, spec in runbook.inputs.items():
        if name not in given:
            if spec.required:
                problems.append(
                    f"input `{name}` is needed: {spec.description or _WORDS[spec.type]}"
                )
            else:
                taken[name] = spec.default
            continue
        try:
            taken[name] = take_input(spec, given[name])
        except ValueError as error:
            problems.append(f"input `{name}` {error}")
    if problems:
        raise Usage("; ".join(problems), help=f"`runbook show {runbook.name}` lists its inputs")
    return taken


def _unknown(runbook: Runbook, name: str) -> str:
    near = difflib.get_close_matches(name, runbook.inputs, 1)
    hint = f", did you mean `{near[0]}`" if near else ""
    return f"{runbook.name} has no input `{name}`{hint}"


def take_input(spec: Input, value: Any) -> Any:
    """A value as the run gets it (a duration as seconds). Raises ValueError: `takes a number, not
    "x"`.
    """
    taken = _typed(spec, value)
    if spec.one_of and taken not in spec.one_of:
        choices = ", ".join(json.dumps(c) for c in spec.one_of)
        raise ValueError(f"takes one of {choices}, not {_shown(value)}")
    if spec.pattern is not None and not _matches(spec.pattern, str(taken)):
        raise ValueError(f"has to match `{spec.pattern}`, and {_shown(value)} does not")
    size = len(taken) if isinstance(taken, (str, list, dict)) else taken
    unit = "" if size is taken else " in length"
    if spec.min is not None and size < spec.min:
        raise ValueError(f"is at least {spec.min:g}{unit}, and {_shown(value)} is not")
    if spec.max is not None and size > spec.max:
        raise ValueError(f"is at most {spec.max:g}{unit}, and {_shown(value)} is not")
    return taken


def _typed(spec: Input, value: Any) -> Any:
    kinds: dict[str, tuple[type, ...]] = {
        "string": (str,),
        "number": (int, float),
        "integer": (int,),
        "boolean": (bool,),
        "list": (list,),
        "object": (dict,),
    }
    if spec.type == "duration":
        try:
            return parse_duration(value)
        except ValueError as error:
            raise ValueError(f"takes {_WORDS['duration']}: {error}") from error
    good = isinstance(value, kinds[spec.type])
    if isinstance(value, bool) and spec.type != "boolean":
        good = False
    if not good:
        raise ValueError(f"takes {_WORDS[spec.type]}, not {_shown(value)}")
    return value


def read_input(spec: Input, text: str) -> Any:
    """An input given on the command line as text, as a value of its declared type. Raises
    ValueError.
    """
    if len(text) > INPUT_MAX_CHARS:
        raise ValueError(f"is {len(text)} characters, more than {INPUT_MAX_CHARS}")
    if spec.type in ("string", "duration"):
        return text
    if spec.type == "boolean" and text.lower() in ("yes", "no", "on", "off"):
        return text.lower() in ("yes", "on")
    try:
        return json.loads(text)
    except ValueError:
        return text


def _matches(pattern: str, text: str) -> bool:
    import regex  # noqa: PLC0415 - only runbooks with a pattern pay for it

    try:
        return regex.fullmatch(pattern, text, timeout=PATTERN_TIMEOUT_S) is not None
    except TimeoutError as error:
        raise ValueError(
            f"cannot be matched against `{pattern}` in {PATTERN_TIMEOUT_S} s"
        ) from error
    except regex.error as error:
        raise ValueError(f"has a pattern that is no regular expression: {error}") from error


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
