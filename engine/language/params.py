"""Parameters of a check or action against its signature.

What holds no template is judged here, as the run will take it; a value with templates in it is
judged without them, as far as that says anything, and again at run time.
"""

from __future__ import annotations

from typing import Any

from engine.errors import Place
from engine.language.catalog import Parameter, StepSignature
from engine.language.draft import Draft
from engine.language.fields import Record, has_template
from engine.language.nodes import Mapping, Node, Scalar, Sequence
from engine.language.shape import ShapeError
from engine.language.words import listed, named

_TEMPLATE = object()


def read_params(
    draft: Draft, record: Record, signature: StepSignature
) -> tuple[dict[str, Any], dict[str, Place]]:
    """The parameters as written, and where each one's value stands."""
    node = record.node.get("with")
    given = node if isinstance(node, Mapping) else Mapping((), record.node.place)
    places: dict[str, Place] = {}
    for key, value in given.pairs:
        places[key.text] = value.place
        parameter = signature.parameters.get(key.text)
        if parameter is None:
            _unknown(draft, key, signature)
        else:
            _check(draft, parameter, value)
    for name, parameter in signature.parameters.items():
        if parameter.required and name not in places:
            at = record.node.key("with") or record.value(signature.kind)
            what = f"{named(signature.type)} needs the parameter {named(name)}"
            hint = f"{name}: {parameter.shape.describe()}" + (
                f" - {parameter.doc}" if parameter.doc else ""
            )
            draft.error("RB311", what, at, hint)
    return record.get("with", {}), places


def _unknown(draft: Draft, key: Scalar, signature: StepSignature) -> None:
    names = list(signature.parameters)
    otherwise = f"it has {listed(names, 'and')}" if names else "it has none"
    hint = draft.suggest(key.text, lambda: names, otherwise)
    draft.error("RB310", f"{named(signature.type)} has no parameter {named(key.text)}", key, hint)


def _check(draft: Draft, parameter: Parameter, node: Node) -> None:
    if parameter.writing == "sql":
        _check_sql(draft, parameter, node)
    elif parameter.writing == "shell":
        _check_shell(draft, parameter, node)
    value = _without_templates(node)
    if value is _TEMPLATE:
        return
    try:
        parameter.shape.take(value)
    except ShapeError as error:
        at, partial = _find(node, error.path)
        if partial:
            return
        path = ".".join(str(part) for part in (parameter.name, *error.path))
        draft.error("RB312", f"{named(path)} {error.what}", at, _quote_help(at, error.what))


def _quote_help(at: Node, what: str) -> str | None:
    if isinstance(at, Scalar) and not isinstance(at.value, str) and at.text and "text" in what:
        return f'put it into quotes: "{at.text}"'
    return None


def is_template(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str) and has_template(node.value)


def _without_templates(node: Node) -> Any:
    """The value, its templates left out of lists and mappings; `_TEMPLATE` where it is one."""
    if isinstance(node, Scalar):
        return _TEMPLATE if is_template(node) else node.value
    if isinstance(node, Sequence):
        return [v for v in map(_without_templates, node.items) if v is not _TEMPLATE]
    pairs = ((key.text, _without_templates(value)) for key, value in node.pairs)
    return {key: value for key, value in pairs if value is not _TEMPLATE}


def _find(node: Node, path: tuple[str | int, ...]) -> tuple[Node, bool]:
    """The node a path leads to, templates left out, and whether any were left out of it."""
    for part in path:
        if isinstance(node, Mapping):
            inner = node.get(str(part))
        elif isinstance(node, Sequence) and isinstance(part, int):
            kept = [item for item in node.items if not is_template(item)]
            inner = kept[part] if part < len(kept) else None
        else:
            inner = None
        if inner is None:
            break
        node = inner
    return node, _lost(node)


def _lost(node: Node) -> bool:
    if isinstance(node, Sequence):
        return any(is_template(item) for item in node.items)
    return isinstance(node, Mapping) and any(is_template(value) for _, value in node.pairs)


def _check_sql(draft: Draft, parameter: Parameter, node: Node) -> None:
    if isinstance(node, Sequence):
        for item in node.items:
            _check_sql(draft, parameter, item)
    elif isinstance(node, Mapping):
        for _, value in node.pairs:
            _check_sql(draft, parameter, value)
    elif is_template(node):
        offset = min(at for at in (node.text.find(mark) for mark in ("{{", "{%", "{#")) if at >= 0)
        hint = "bind it: `:name` in the SQL, and its value under `params`"
        what = f"a template in {named(parameter.name)}: what it renders to would become SQL"
        exact = node.origin is not None
        draft.collector.add("RB502", what, node.at(offset), hint, 2 if exact else node.width)


def _check_shell(draft: Draft, parameter: Parameter, node: Node) -> None:
    if isinstance(node, Sequence):
        for item in node.items:
            _check_shell(draft, parameter, item)
    elif isinstance(node, Mapping):
        for _, value in node.pairs:
            _check_shell(draft, parameter, value)
    elif is_template(node):
        _check_quoted(draft, parameter, node)


def _check_quoted(draft: Draft, parameter: Parameter, node: Scalar) -> None:
    found = draft.template_analysis(node)
    if found is None or found.problems:
        return
    if not found.all_end_with("quote"):
        hint = "end it with the filter: `{{ name | quote }}`"
        what = f"a template in {named(parameter.name)} without `quote`: the shell would read it"
        draft.error("RB503", what, node, hint)
    elif found.inside_quotes:
        hint = "take the quotes around it away: `quote` puts its own"
        draft.error(
            "RB503", f"a template in {named(parameter.name)} inside quotes of the shell", node, hint
        )
