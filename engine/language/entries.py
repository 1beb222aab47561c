"""Entries of `steps`: from nodes to the classes of `model`.

An entry that is not good is told about and still becomes one (a `group` without steps where nothing
better is known), so that its id exists for the entries after it and one mistake is told once.
Whether there were errors is the collector's to know; a runbook with errors is never handed out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from engine.language.calls import read_call
from engine.language.catalog import Kind
from engine.language.draft import MAX_ENTRIES, Draft
from engine.language.fields import Record, wrong
from engine.language.keys import BESIDE_CHOOSE, ENTRIES
from engine.language.model import (
    Choose,
    Each,
    End,
    Entry,
    Escalate,
    Expression,
    Group,
    Parallel,
    RunbookCall,
    Template,
    Wait,
    Way,
)
from engine.language.nodes import Mapping, Node, Scalar, Sequence, kind_of
from engine.language.retrying import read_retry
from engine.language.tables import SPLIT, read_table
from engine.language.words import a, listed, named

_WHY_NOT: Final[dict[tuple[str, str], str]] = {
    ("expect", "action"): "an action acts; ask with a check after it",
    ("within", "action"): "an action acts once; wait with a check after it",
    ("approve", "check"): "a check only reads, nobody has to agree to it",
    ("undo", "check"): "a check only reads, there is nothing to take back",
    ("max_affected", "check"): "a check only reads, it affects nothing",
}
_VERBS: Final[dict[str, Kind]] = {"check": "check", "action": "action"}
_NO_RETRY = "nothing that is finished is done again: put `retry` on the checks and actions inside"


def read_block(draft: Draft, node: Node, label: str) -> tuple[Entry, ...]:
    """A list of entries."""
    if not isinstance(node, Sequence):
        wrong(draft, node, label, "a list of steps", "begin each one with '- '")
        return ()
    if not node.items:
        draft.error("RB107", f"{named(label)} is empty", node, "write a step, or leave the key out")
    entries: list[Entry] = []
    for item in node.items:
        if draft.entries >= MAX_ENTRIES:
            _tell_too_many(draft, item)
            break
        entries.append(read_entry(draft, item))
    _tell_unreached(draft, entries, node)
    return tuple(entries)


def _tell_too_many(draft: Draft, item: Node) -> None:
    if draft.entries == MAX_ENTRIES:
        what = f"the runbook has more than {MAX_ENTRIES:,} steps"
        draft.error("RB108", what, item, "a runbook can call others: split it")
        draft.entries += 1


def _tell_unreached(draft: Draft, entries: list[Entry], node: Sequence) -> None:
    for entry, after in zip(entries, node.items[1:], strict=False):
        if isinstance(entry, End) and entry.when is None:
            at = after.pairs[0][0] if isinstance(after, Mapping) and after.pairs else after
            draft.warn("RB109", "this is never reached: the run is over before it", at)
            return


def read_entry(draft: Draft, node: Node) -> Entry:
    """One entry. Where it is not one, a group without steps stands for it."""
    draft.entries += 1
    if not isinstance(node, Mapping):
        what = f"a step is a mapping with one of {listed(ENTRIES)}, not {kind_of(node)}"
        draft.error(
            "RB110",
            what,
            node,
            "one that has several steps is a `group`" if isinstance(node, Sequence) else None,
        )
        return Group(id="broken-0", place=node.place, named=False, steps=())
    kind = _kind(draft, node)
    entry_id, given = draft.claim(node.get("id"), _stem(node, kind))
    if kind is None:
        return _broken(draft, node, entry_id, given)
    record = read_table(draft, node, ENTRIES[kind], a(kind), lambda d, key: _foreign(d, key, kind))
    common = {
        "id": entry_id,
        "named": given,
        "place": node.place,
        "key_places": {key.text: key.place for key, _ in node.pairs},
        "title": record.get("title"),
        "when": record.get("when"),
        "timeout_s": record.get("timeout"),
        "on_failure": record.get("on_failure", "stop"),
        "covers": record.get("covers", ()),
    }
    if kind in _VERBS:
        return read_call(draft, record, common, _VERBS[kind])
    if kind == "runbook":
        return _runbook(draft, record, common)
    return _BUILDERS[kind](record, common)


def _kind(draft: Draft, node: Mapping) -> str | None:
    """Which entry it is; tells when it is none or several."""
    kinds = [key for key, _ in node.pairs if key.text in ENTRIES]
    if any(key.text == "escalate" for key in kinds):  # its `wait` is a key of its own
        kinds = [key for key in kinds if key.text != "wait"]
    if len(kinds) == 1:
        return kinds[0].text
    if kinds:
        what = (
            f"a step is one thing: it is {named(kinds[0].text)} and {named(kinds[1].text)} at once"
        )
        draft.error("RB111", what, kinds[1], SPLIT)
        return kinds[0].text
    at = node.pairs[0][0] if node.pairs else node
    hint = _meant(draft, node)
    draft.error("RB110", f"this step does nothing: it has none of {listed(ENTRIES)}", at, hint)
    return None


def _meant(draft: Draft, node: Mapping) -> str | None:
    if node.key("otherwise") is not None:
        return BESIDE_CHOOSE
    for name in node.names():
        found = draft.suggest(name, lambda: list(ENTRIES))
        if found:
            return found
    return None


def _foreign(draft: Draft, key: Scalar, kind: str) -> bool:
    """Tells about a key that other kinds of entries have."""
    if key.text in ENTRIES:
        return True  # told as two kinds at once
    owners = [owner for owner, keys in ENTRIES.items() if key.text in keys]
    if not owners:
        return False
    hint = _WHY_NOT.get((key.text, kind))
    if key.text == "retry":
        hint = _NO_RETRY if kind not in {"wait", "end"} else None
    what = f"{named(key.text)} is a key of {listed(owners, 'and')}, not of {kind}"
    draft.error("RB112", what, key, hint)
    return True


def _stem(node: Mapping, kind: str | None) -> str:
    """What an id made by us begins with: `redis-info`, `choose`."""
    kind_name = node.get(kind) if kind in {"check", "action"} else None
    text = kind_name.text if isinstance(kind_name, Scalar) else kind or "broken"
    return re.sub(r"[^a-z0-9]+", "-", text[:60].lower()).strip("-") or "step"


def _broken(draft: Draft, node: Mapping, id: str, given: bool) -> Entry:
    """Reads the blocks of an entry of no kind, for what is to be told there and for the ids."""
    steps: list[Entry] = []
    for key, value in node.pairs:
        if key.text in {"steps", "otherwise", "undo", "always"} and isinstance(value, Sequence):
            steps.extend(read_block(draft, value, key.text))
    return Group(id=id, named=given, place=node.place, steps=tuple(steps))


Common = dict[str, Any]


def _escalate(record: Record, common: Common) -> Entry:
    return Escalate(
        **common,
        policy=record.get("escalate", ""),
        message=record.get("message"),
        wait=record.get("wait"),
        retry=read_retry(record),
    )


def _choose(record: Record, common: Common) -> Entry:
    ways = [
        Way(
            way.get("name") or f"way {number}",
            way.get("when"),
            way.get("steps", ()),
            way.node.place,
        )
        for number, way in enumerate(record.get("choose", ()), start=1)
    ]
    if "otherwise" in record.values:
        place = record.key("otherwise").place
        ways.append(Way("otherwise", None, record.get("otherwise"), place))
    return Choose(**common, ways=tuple(ways))


def _parallel(record: Record, common: Common) -> Entry:
    return Parallel(**common, branches=record.get("parallel", ()), limit=record.get("limit"))


def _each(record: Record, common: Common) -> Entry:
    return Each(
        **common,
        items=record.get("each") or Expression("[]", record.node.place),
        name=record.get("as", "item"),
        steps=record.get("steps", ()),
        limit=record.get("limit", 1),
    )


def _group(record: Record, common: Common) -> Entry:
    if common["title"] is None:
        common["title"] = record.get("group")
    return Group(
        **common,
        steps=record.get("steps", ()),
        undo=record.get("undo", ()),
        always=record.get("always", ()),
    )


def _runbook(draft: Draft, record: Record, common: Common) -> Entry:
    call = RunbookCall(**common, name=record.get("runbook", ""), inputs=record.get("inputs", {}))
    draft.calls.append((record, call))
    return call


def _wait(record: Record, common: Common) -> Entry:
    value = record.get("wait", 0.0)
    if isinstance(value, Template):
        return Wait(**common, for_s=None, duration=value)
    return Wait(**common, for_s=value)


def _end(record: Record, common: Common) -> Entry:
    return End(**common, outcome=record.get("end", "resolved"), because=record.get("because"))


_BUILDERS: Final[dict[str, Callable[[Record, Common], Entry]]] = {
    "escalate": _escalate,
    "choose": _choose,
    "parallel": _parallel,
    "each": _each,
    "group": _group,
    "wait": _wait,
    "end": _end,
}
