"""Where messages lead to: what is no address nobody can open from a telephone at night."""

from __future__ import annotations

import re

from engine.config.fields import Fields
from engine.language.nodes import Node
from engine.language.words import named

RUN = "{run}"
"""Stands in the link of the contacts for the id of the run."""

_ADDRESS = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)


def is_address(text: str) -> bool:
    """Whether every mail program and service makes something of it that can be opened."""
    return _ADDRESS.fullmatch(text) is not None


def read_link(fields: Fields, node: Node) -> str | None:
    """The link of the contacts. What is odd in it is a warning: people are told all the same."""
    text = fields.text(node, "link")
    if text is None:
        return None
    if not is_address(text):
        what = f"the link {named(text)} is no address that can be opened"
        fields.warn("RB879", what, node, f"https://HOST/runs/{RUN}")
    elif "{" in text.replace(RUN, ""):
        what = f"in the link {named(text)} only {RUN} is filled in"
        fields.warn("RB879", what, node, f"https://HOST/runs/{RUN}")
    return text
