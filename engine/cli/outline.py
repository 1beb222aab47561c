"""A runbook as a person reads it: what it is for, what it takes, its steps as an indented tree."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.cli.text import Style, wrap
from engine.core.cells import clean
from engine.language.duration import format_duration
from engine.language.model import (
    Approve,
    Call,
    Choose,
    Each,
    End,
    Entry,
    Escalate,
    Escalation,
    Expression,
    Group,
    Input,
    Parallel,
    Runbook,
    RunbookCall,
    Template,
    Wait,
)

EFFECTS = {
    "reads": "reads",
    "idempotent": "changes, may be repeated",
    "unsafe": "changes, must not be repeated",
}


def outline(
    runbook: Runbook, around: tuple[tuple[str, ...], str, str], width: int, style: Style
) -> Iterator[str]:
    """`around`: the environments of its pack, when it was last rehearsed, who may start it."""
    yield f"{style.paint(clean(runbook.title), 'bold')}  ({runbook.name})"
    for line in wrap(runbook.description, width) if runbook.description else ():
        yield line
    yield ""
    for name, text in _facts(runbook, *around):
        first, *rest = wrap(text, max(20, width - 16))
        yield f"{style.paint(f'{name:<14}', 'dim')}  {first}"
        for line in rest:
            yield f"{'':<14}  {line}"
    if runbook.inputs:
        yield ""
        yield style.paint("inputs", "bold")
        for spec in runbook.inputs.values():
            yield from _indented(_input(spec), 1, width)
    for name, block in runbook.blocks():
        yield ""
        yield style.paint(name.replace("_", " "), "bold")
        yield from _block(block, 1, width, style)


def _facts(
    runbook: Runbook, environments: tuple[str, ...], rehearsed: str, who: str
) -> Iterator[tuple[str, str]]:
    if runbook.severity:
        yield "severity", runbook.severity
    if runbook.respond_within_s is not None:
        yield "respond within", format_duration(runbook.respond_within_s)
    if runbook.escalation is not None:
        yield "escalation", _escalation(runbook.escalation)
    yield "who may start", who
    if runbook.owner:
        yield "owner", runbook.owner
    if runbook.covers:
        yield "covers", ", ".join(runbook.covers)
    if runbook.tags:
        yield "tags", ", ".join(runbook.tags)
    yield "environments", ", ".join(environments) or "none"
    yield "rehearsed", rehearsed
    for trigger in runbook.triggers:
        yield (
            "triggered by",
            f"{trigger.source} {json.dumps(trigger.rule, ensure_ascii=False, default=_written)}",
        )
    yield "file", runbook.place.file


def _escalation(escalation: Escalation) -> str:
    after_s = escalation.unresolved_after_s
    when = "when it ends unresolved"
    if after_s is not None:
        when = f"when it is not resolved after {format_duration(after_s)}"
    return f"policy {escalation.policy}, {when}"


def _input(spec: Input) -> str:
    limits = []
    if spec.min is not None:
        limits.append(f"at least {spec.min:g}")
    if spec.max is not None:
        limits.append(f"at most {spec.max:g}")
    if spec.one_of:
        limits.append("one of " + ", ".join(map(str, spec.one_of)))
    if spec.pattern:
        limits.append(f"matching {spec.pattern}")
    default = "must be given" if spec.required else f"default {_default(spec)}"
    parts = [f"{spec.name}: {spec.type}", default, *limits]
    return ", ".join(parts) + (f" - {clean(spec.description)}" if spec.description else "")


def _default(spec: Input) -> str:
    if spec.type == "duration" and isinstance(spec.default, int | float):
        return format_duration(spec.default)
    return json.dumps(spec.default, ensure_ascii=False)


def _block(block: tuple[Entry, ...], depth: int, width: int, style: Style) -> Iterator[str]:
    for number, entry in enumerate(block, start=1):
        yield from _entry(entry, number, depth, width, style)


def _entry(entry: Entry, number: int, depth: int, width: int, style: Style) -> Iterator[str]:
    title = clean(entry.title or (entry.id if entry.named else ""))
    what = _what(entry)
    text = f"{number}. {title}  [{what}]" if title else f"{number}. {what}"
    yield from _indented(text, depth, width)
    inner = depth + 2
    for detail in _details(entry):
        yield from _indented(detail, inner, width)
    if isinstance(entry, Choose):
        for way in entry.ways:
            heading = f"when {way.when.text}" if way.when is not None else "otherwise"
            yield from _indented(style.paint(f"{heading}:", "cyan"), inner - 1, width)
            yield from _block(way.steps, inner, width, style)
        blocks: Any = [(n, b) for n, b in entry.blocks() if not n.startswith("way-")]
    else:
        blocks = list(entry.blocks())
    for name, block in blocks:
        if not (name == "steps" or name.startswith("branch-")):
            heading = {
                "on_failure": "if it fails:",
                "always": "always:",
                "undo": "to undo it:",
            }.get(name, name)
            yield from _indented(style.paint(heading, "cyan"), inner - 1, width)
        yield from _block(block, inner, width, style)


def _what(entry: Entry) -> str:
    """The kind of an entry in words; of a check or action also its effect."""
    describe = _KINDS[type(entry)]
    return describe(entry)


def _call(entry: Call) -> str:
    if entry.signature.asks_person:
        return f"a person: {entry.type}"
    target = f" at {entry.target}" if entry.target else ""
    effect = entry.signature.effect
    if entry.verb == "action" and entry.idempotent is not None:
        effect = "idempotent" if entry.idempotent else "unsafe"  # the step's own word counts
    return f"{entry.type}{target}, {EFFECTS[effect]}"


def _parallel(entry: Parallel) -> str:
    limit = f", {entry.limit} at a time" if entry.limit else ""
    return f"{len(entry.branches)} branches at once{limit}"


def _each(entry: Each) -> str:
    at_once = f", {entry.limit} at once" if entry.limit > 1 else ""
    return f"for each {entry.name} of {entry.items.text}{at_once}"


def _wait(entry: Wait) -> str:
    return (
        f"wait {format_duration(entry.for_s) if entry.for_s is not None else _text(entry.duration)}"
    )


def _end(entry: End) -> str:
    because = f", because {_text(entry.because)}" if entry.because else ""
    return f"the run ends {entry.outcome}{because}"


_KINDS: Mapping[type, Callable[[Any], str]] = {
    Call: _call,
    Choose: lambda _: "one of these ways",
    Parallel: _parallel,
    Each: _each,
    Group: lambda _: "together",
    RunbookCall: lambda entry: f"runbook {entry.name}",
    Wait: _wait,
    Escalate: lambda entry: f"tell people by policy {entry.policy}",
    End: _end,
}


def _details(entry: Entry) -> Iterator[str]:
    if entry.when is not None:
        yield f"only when {entry.when.text}"
    if isinstance(entry, Call):
        yield from _call_details(entry)
    if isinstance(entry, Escalate):
        if entry.message:
            yield f"message: {_text(entry.message)}"
        if entry.wait is not None:
            yield "waits until somebody takes it"
    if isinstance(entry, RunbookCall):
        yield from (f"{name}: {_text(value)}" for name, value in entry.inputs.items())
    if entry.on_failure == "continue":
        yield "goes on when it fails"


def _span(written: float | Template) -> str:
    return written.text if isinstance(written, Template) else format_duration(written)


def _call_details(call: Call) -> Iterator[str]:
    yield from (f"{name}: {_text(value)}" for name, value in call.params.items())
    if call.expect is not None:
        yield f"expects {_text(call.expect)}"
    if call.warn is not None:
        yield f"warns unless {_text(call.warn)}"
    every = f", every {_span(call.every_s)}" if call.every_s is not None else ""
    if call.within_s is not None:
        yield f"asked until it holds, for {_span(call.within_s)}{every}"
    if call.hold_s is not None:
        yield f"must hold for {_span(call.hold_s)}{every}"
    if call.retry is not None:
        yield f"up to {call.retry.attempts} attempts"
    if call.max_affected is not None:
        yield f"at most {call.max_affected} affected"
    if call.approve is not None:
        yield _approval(call.approve)
    if call.probe is not None:
        yield f"whether it happened is told by {call.probe.type}"


def _approval(approve: Approve) -> str:
    who = ", ".join(approve.by) or "anybody but whoever starts it"
    parts = [f"approved by {approve.count} of {who}"]
    if approve.within_s is not None:
        parts.append(f"within {format_duration(approve.within_s)}")
    if approve.reason_min:
        parts.append(f"with a reason of at least {approve.reason_min} characters")
    return ", ".join(parts)


def _text(value: Any) -> str:
    """A value as it stands in the file: templates and expressions by their text."""
    if isinstance(value, Template | Expression):
        return clean(value.text)
    if isinstance(value, str):
        return clean(value)
    return clean(json.dumps(value, ensure_ascii=False, default=_text))


def _indented(text: str, depth: int, width: int) -> Iterator[str]:
    indent = "  " * depth
    first, *rest = wrap(text, max(20, width - len(indent) - 3))
    yield f"{indent}{first}"
    for line in rest:
        yield f"{indent}   {line}"


def _written(value: Any) -> str:
    """A template as it stands in the file."""
    return value.text if isinstance(value, Template) else str(value)
