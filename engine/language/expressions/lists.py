"""Filters of lists and mappings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from engine.language.expressions.budget import Budget, check_items
from engine.language.expressions.methods import join as join_texts
from engine.language.expressions.operators import add
from engine.language.expressions.problem import TemplateProblem, Undefined
from engine.language.expressions.step import StepView
from engine.language.expressions.tests import TESTS, Test
from engine.language.expressions.values import Group, field, item, json_text, kind, sequence, truth
from engine.language.shown import did_you_mean

MISSING: Final = object()
PARTS_LIMIT: Final = 20
"""Names in `attribute="a.b.c"`; deeper than any answer."""


def items_of(budget: Budget, value: Any, name: str) -> Sequence[Any]:
    items = sequence(value, f"`{name}`")
    budget.spend(len(items))
    return items


def getter(attribute: Any, default: Any = MISSING) -> Callable[[Any], Any]:
    """Reads `attribute` (`a.b.0`) of an item; the item itself when it is None."""
    if attribute is None:
        return lambda one: one
    if isinstance(attribute, int) and not isinstance(attribute, bool):
        return lambda one: item(one, attribute, "an item")
    if not isinstance(attribute, str) or attribute.count(".") > PARTS_LIMIT:
        raise TemplateProblem(f"an attribute is named by a text, not by {kind(attribute)}")
    parts = attribute.split(".")

    def read(one: Any) -> Any:
        try:
            for part in parts:
                one = field(one, part, "an item")
        except Undefined:
            if default is MISSING:
                raise
            return default
        return one

    return read


def _comparable(budget: Budget, value: Any, case_sensitive: bool) -> Any:
    """What sorting compares: numbers with numbers, texts with texts, nothing else."""
    if isinstance(value, str):
        budget.scan(value)
        return value if case_sensitive else value.lower()
    if isinstance(value, (list, tuple)):
        return [_comparable(budget, one, case_sensitive) for one in value]
    if isinstance(value, (Mapping, StepView)):
        raise TemplateProblem(
            f"{kind(value)} cannot be sorted", help="name what to sort by: attribute="
        )
    return value


def _keyed(budget: Budget, read: Callable[[Any], Any], case: bool) -> Callable[[Any], Any]:
    def key(one: Any) -> Any:
        value = read(one)
        budget.weigh(value)
        return _comparable(budget, value, case)

    return key


def length(budget: Budget, value: Any) -> int:
    """How many there are: characters, items or keys."""
    budget.spend(1)
    if isinstance(value, str):
        return len(value)
    return len(sequence(value, "`length`"))


def first(_: Budget, seq: Any) -> Any:
    return _end(seq, 0, "first")


def last(_: Budget, seq: Any) -> Any:
    return _end(seq, -1, "last")


def _end(value: Any, at: int, name: str) -> Any:
    items = value if isinstance(value, str) else sequence(value, f"`{name}`")
    if not items:
        raise Undefined(f"there is no {name} item: the list is empty")
    return items[at]


def listed(budget: Budget, value: Any) -> Any:
    return budget.made([*value] if isinstance(value, str) else [*items_of(budget, value, "list")])


def join(budget: Budget, value: Any, d: Any = "", attribute: Any = None) -> str:
    if not isinstance(d, str):
        raise TemplateProblem(f"`join` takes a text, not {kind(d)}")
    read = getter(attribute)
    return join_texts(budget, d, [read(one) for one in items_of(budget, value, "join")])


def reverse(budget: Budget, value: Any) -> Any:
    if isinstance(value, str):
        return budget.made(value[::-1])
    return budget.made(list(reversed(items_of(budget, value, "reverse"))))


def sort(
    budget: Budget,
    value: Any,
    reverse: bool = False,
    case_sensitive: bool = False,
    attribute: Any = None,
) -> list[Any]:
    items = items_of(budget, value, "sort")
    check_items(len(items))
    reads = [getter(part) for part in str(attribute).split(",")] if attribute else [getter(None)]
    keys = [_keyed(budget, read, bool(case_sensitive)) for read in reads]
    return sorted(items, key=lambda one: [key(one) for key in keys], reverse=bool(reverse))


def unique(
    budget: Budget, value: Any, case_sensitive: bool = False, attribute: Any = None
) -> list[Any]:
    read, seen, kept = getter(attribute), set(), []
    for one in items_of(budget, value, "unique"):
        told = read(one)
        mark = json_text(budget, told)
        if not case_sensitive and isinstance(told, str):
            mark = mark.lower()
        if mark not in seen:
            seen.add(mark)
            kept.append(one)
    return kept


def minimum(budget: Budget, value: Any, case_sensitive: bool = False, attribute: Any = None) -> Any:
    return _extreme(budget, value, "min", bool(case_sensitive), attribute)


def maximum(budget: Budget, value: Any, case_sensitive: bool = False, attribute: Any = None) -> Any:
    return _extreme(budget, value, "max", bool(case_sensitive), attribute)


def _extreme(budget: Budget, value: Any, name: str, case: bool, attribute: Any) -> Any:
    items = items_of(budget, value, name)
    if not items:
        raise Undefined(f"there is no {name}: the list is empty")
    choose = min if name == "min" else max
    return choose(items, key=_keyed(budget, getter(attribute), case))


def total(budget: Budget, iterable: Any, attribute: Any = None, start: Any = 0) -> Any:
    read, result = getter(attribute), start
    for one in items_of(budget, iterable, "sum"):
        number = read(one)
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise TemplateProblem(f"`sum` adds numbers, not {kind(number)}")
        result = add(budget, result, number)
    return result


def groupby(
    budget: Budget, value: Any, attribute: Any, default: Any = MISSING, case_sensitive: bool = False
) -> list[Group]:
    """Groups of the items that have the same attribute, in its order."""
    read = getter(attribute, default)
    key = _keyed(budget, read, bool(case_sensitive))
    groups: list[tuple[Any, Group]] = []
    for one in sorted(items_of(budget, value, "groupby"), key=key):
        mark = key(one)
        if not groups or groups[-1][0] != mark:
            groups.append((mark, Group(read(one), [])))
        groups[-1][1].list.append(one)
    return [group for _, group in groups]


def batch(budget: Budget, value: Any, linecount: Any, fill_with: Any = None) -> Any:
    """Lists of `linecount` items each."""
    items = items_of(budget, value, "batch")
    size = _positive(linecount, "batch")
    rows = [list(items[at : at + size]) for at in range(0, len(items), size)]
    if rows and fill_with is not None:
        check_items(size)
        rows[-1] += [fill_with] * (size - len(rows[-1]))
    return budget.made(rows)


def sliced(budget: Budget, value: Any, slices: Any, fill_with: Any = None) -> Any:
    """The items dealt out to `slices` lists, as even as can be."""
    items = items_of(budget, value, "slice")
    count = _positive(slices, "slice")
    each, longer = divmod(len(items), count)
    rows, at = [], 0
    for number in range(count):
        size = each + (number < longer)
        row = list(items[at : at + size])
        if fill_with is not None and longer and number >= longer:
            row.append(fill_with)
        rows.append(row)
        at += size
    return budget.made(rows)


def _positive(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise TemplateProblem(f"`{name}` takes a whole number from 1 on")
    check_items(value)
    return value


def dictsort(
    budget: Budget, value: Any, case_sensitive: bool = False, by: str = "key", reverse: bool = False
) -> list[Any]:
    """The pairs of a mapping, sorted by key or by value."""
    if by not in {"key", "value"}:
        raise TemplateProblem('`dictsort` sorts by "key" or by "value"')
    at = 0 if by == "key" else 1
    key = _keyed(budget, lambda pair: pair[at], bool(case_sensitive))
    return sorted(pairs(budget, value), key=key, reverse=bool(reverse))


def pairs(budget: Budget, value: Any) -> list[tuple[Any, Any]]:
    """The pairs of a mapping."""
    found = value.whole() if isinstance(value, StepView) else value
    if not isinstance(found, Mapping):
        raise TemplateProblem(f"`items` takes a mapping, not {kind(value)}")
    budget.spend(len(found))
    return list(found.items())


def _test(name: Any) -> Test:
    test = TESTS.get(name) if isinstance(name, str) else None
    if test is None:
        raise TemplateProblem(f"there is no test {name!r}", help=did_you_mean(str(name), TESTS))
    return test


def _chosen(name: str, *, wanted: bool) -> Callable[..., list[Any]]:
    def choose(budget: Budget, value: Any, *args: Any) -> list[Any]:
        items = items_of(budget, value, name)
        if not args:
            return [one for one in items if truth(one) is wanted]
        test = _test(args[0])
        return [one for one in items if test(budget, one, *args[1:]) is wanted]

    return choose


def _chosen_by(name: str, *, wanted: bool) -> Callable[..., list[Any]]:
    def choose(budget: Budget, value: Any, attribute: Any, *args: Any) -> list[Any]:
        items, read = items_of(budget, value, name), getter(attribute)
        if not args:
            return [one for one in items if truth(read(one)) is wanted]
        if args[0] in {"defined", "undefined"}:
            present = getter(attribute, MISSING_MARK)
            want = wanted if args[0] == "defined" else not wanted
            return [one for one in items if (present(one) is not MISSING_MARK) is want]
        test = _test(args[0])
        return [one for one in items if test(budget, read(one), *args[1:]) is wanted]

    return choose


MISSING_MARK: Final = object()
select = _chosen("select", wanted=True)
reject = _chosen("reject", wanted=False)
selectattr = _chosen_by("selectattr", wanted=True)
rejectattr = _chosen_by("rejectattr", wanted=False)
