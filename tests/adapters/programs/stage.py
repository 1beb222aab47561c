"""An engine on which the worked steps of `checks/COMMANDS.md` run with the real programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engine.core.events import Actor
from engine.wiring import Faces
from tests.adapters.command_bench import Bench
from tests.adapters.command_docs import SECTIONS

PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
"""Where programs lie: those from PyPI beside the Python that runs the tests."""


class Stage(Bench):
    """Runs steps and pages over connections that are real."""

    def connections(self, **connections) -> None:
        super().connections(
            **{
                name: {"adapter": "command", "path": PATH, **settings}
                for name, settings in connections.items()
            }
        )

    async def page(self, program: str, *, rehearse: bool = False, **put: object):
        """The steps of a section as they stand there, but for the words that `put` replaces."""
        text = SECTIONS[program]
        for word, instead in put.items():
            assert word in text
            text = text.replace(word, str(instead))
        return await (self.rehearse(text) if rehearse else self.run(text))

    async def rehearse(self, steps: str):
        self.seen.clear()
        (self.folder / "book.yaml").write_text(f"title: t\n{steps}")
        return await self.engine.run(
            "p/book",
            environment="test",
            inputs={},
            actor=Actor("alice", "os-user"),
            faces=Faces(observe=self.seen.append),
            rehearsal=True,
        )

    async def run(self, steps: str, inputs=None):
        self.seen.clear()
        return await super().run(steps, inputs)

    def preview(self, path: str) -> dict[str, object]:
        """What a rehearsal says of an action."""
        return self.result(path)["preview"]

    def statuses(self) -> dict[str, str]:
        return {path: status for path, (status, _) in self.ends().items()}
