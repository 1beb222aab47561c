"""What stands in a preview where only the run will know what is said: `<failure.why>`. Nobody has
to read an expression for it: of texts it may be, all are shown; of a value, where it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from jinja2 import Environment, nodes
from jinja2.exceptions import TemplateSyntaxError

_READER = Environment(autoescape=False)  # noqa: S701 - only to read: nothing is rendered

_MARKED = re.compile(r"<([\w. ]+)>")

SOME = "some of"
"""Before texts of which several may stand there."""


def later(expression: str) -> str:
    """`a.b | round(1)` as `<a.b>`, `"well" if a is passed else "ill"` as `<well or ill>`."""
    try:
        (output,) = _READER.parse("{{" + expression + "}}").body
    except (TemplateSyntaxError, ValueError):  # what the language knows and Jinja does not
        return _marked(" ".join(expression.split()))
    (node,) = output.nodes if isinstance(output, nodes.Output) else (None,)
    said = _said(node) if isinstance(node, nodes.Expr) else ""
    return said or _marked(" ".join(expression.split()))


def _said(node: nodes.Expr) -> str:
    """What stands there for a node, with marks around what is not known; empty: nothing short."""
    if isinstance(node, nodes.TemplateData | nodes.Const):
        return str(node.value if isinstance(node, nodes.Const) else node.data)
    if isinstance(node, nodes.Concat):
        return "".join(_said(part) for part in node.nodes)
    if isinstance(node, nodes.Add) and isinstance(node.left, nodes.List):  # a list of arguments
        return " ".join(_said(part) for part in (*node.left.items, node.right))
    if isinstance(node, nodes.CondExpr):
        return _either(node)
    counts = isinstance(node, nodes.Filter) and node.name in ("length", "count")
    if counts and (path := _path(node)):
        return _marked(f"number of {path}")
    inner = _inner(node)
    if isinstance(inner, nodes.List) and inner is not node:
        options = [said for item in inner.items for said in _texts(item) if said.strip()]
        return _marked(f"{SOME}: {', '.join(options)}") if options else ""
    if inner is not node:
        return _said(inner)
    path = _path(node)
    return _marked(path) if path else ""


def _either(node: nodes.CondExpr) -> str:
    """One of two texts: what stands around both of them stays outside of the marks."""
    options = [said for said in dict.fromkeys(_texts(node)) if said.strip()]
    if not options:
        return ""
    one = options[0]
    alone = len(options) == 1
    before, behind = (" " * one.startswith(" "), " " * one.endswith(" ")) if alone else ("", "")
    rest = " or nothing" if alone else ""
    return f"{before}{_marked(' or '.join(said.strip() for said in options) + rest)}{behind}"


def _texts(node: nodes.Node | None) -> Iterator[str]:
    """The texts that a node may be."""
    if isinstance(node, nodes.CondExpr):
        yield from _texts(node.expr1)
        yield from _texts(node.expr2)
    elif isinstance(node, nodes.And):
        yield from _texts(node.right)
    elif isinstance(node, nodes.Expr):
        yield _bare(_said(node))


def _bare(text: str) -> str:
    """A value that is not known, inside of marks that say so already."""
    return _MARKED.sub(r"\1", text)


def _inner(node: nodes.Expr) -> nodes.Expr:
    """What a value is made of: neither how it is written nor what stands for it where it is not."""
    while True:
        if isinstance(node, nodes.Filter) and node.node is not None:
            node = node.node
        elif isinstance(node, nodes.Or):
            node = node.left
        else:
            return node


def _path(node: nodes.Expr) -> str:
    """`a.b[0]`; of what is calculated, the first that it is made of."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        path = _path(node.node)
        return path and f"{path}.{node.attr}"
    if isinstance(node, nodes.Getitem):
        return _path(node.node)
    if isinstance(node, nodes.Call):
        return _path(node.node.node if isinstance(node.node, nodes.Getattr) else node.node)
    if isinstance(node, nodes.Filter) and node.node is not None:
        return _path(node.node)
    if isinstance(node, nodes.BinExpr):
        return _path(node.left) or _path(node.right)
    return ""


def _marked(text: str) -> str:
    return f"<{text}>"
