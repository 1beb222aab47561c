"""How the tree of a run grows: the blocks and bodies that containers open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.core.tree import Block, Body, Frame, Scope, StepState
from engine.language.model import Choose, Each, Entry, Group, Parallel, RunbookCall

Blocks = dict[str, Block]
"""Every block of a run, by its prefix."""


def block(
    blocks: Blocks, prefix: str, entries: tuple[Entry, ...], scope: Scope, body: Body
) -> Block:
    made = blocks[prefix] = Block(prefix, entries, scope, body)
    return made


def runbook_body(blocks: Blocks, step: StepState | None, frame: Frame, prefix: str) -> Body:
    """The body of a runbook: the run's own (no step), or of one called as a step."""
    book, scope = frame.runbook, Scope(frame)
    body = Body(step, frame, scope, always=book.always)
    body.on_failure, body.handles = book.on_failure, False
    body.main = [block(blocks, prefix, book.steps, scope, body)]
    return body


def container(blocks: Blocks, step: StepState, plan: Mapping[str, Any]) -> Body:
    """The body of a container that was begun with this plan."""
    entry, scope, prefix = step.entry, step.block.scope, step.path + "/"
    if isinstance(entry, RunbookCall):
        called = scope.frame.runbook.calls[entry.name]
        return runbook_body(blocks, step, Frame(called, plan["inputs"]), prefix)
    body = Body(step, scope.frame, scope)
    if isinstance(entry.on_failure, tuple):
        body.on_failure = entry.on_failure
    if isinstance(entry, Group):
        body.always = entry.always
        body.main = [block(blocks, prefix, entry.steps, scope, body)]
    elif isinstance(entry, Choose) and plan["way"] is not None:
        way = entry.ways[plan["way"] - 1]
        body.main = [block(blocks, f"{prefix}way-{plan['way']}/", way.steps, scope, body)]
    elif isinstance(entry, Parallel):
        body.limit = entry.limit or len(entry.branches)
        for number, branch in enumerate(entry.branches, 1):
            name = f"{prefix}branch-{number}/"
            body.main.append(block(blocks, name, (branch,), scope, body))
    elif isinstance(entry, Each):
        body.limit = entry.limit
        for number, item in enumerate(plan["items"], 1):
            names = {entry.name: item, "item": item, "index": number}
            inner = Scope(scope.frame, names, scope)
            body.main.append(block(blocks, f"{prefix}item-{number}/", entry.steps, inner, body))
    return body
