"""Runbooks that are nothing but triggers."""

from __future__ import annotations

from engine.language.load import load_runbook
from engine.language.model import Runbook
from engine.registry import Registry
from tests.runs import lab


def book(triggers: str, name: str = "p/x", head: str = "") -> Runbook:
    """A runbook with these triggers, each a line of YAML."""
    lines = "\n".join(f"  - {line}" for line in triggers.splitlines())
    text = f"title: t\n{head}\ntriggers:\n{lines}\nsteps: [{{end: resolved}}]\n"
    registry = Registry.of([lab], [lab.LabAdapter])
    return load_runbook(name, text, f"{name}.yaml", registry, lambda _: None)
