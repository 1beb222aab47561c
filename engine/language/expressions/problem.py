"""What is told when a template or an expression cannot be evaluated."""

from __future__ import annotations

from typing import ClassVar

from engine.errors import Place, RunbookError


class TemplateProblem(RunbookError):
    """A template or an expression cannot be evaluated: a name that is not there, something not
    allowed.

    `place` is where the text begins in its file, None while nobody has said so. `offset` and
    `width` count characters inside the text, where they are known.
    """

    exit_code: ClassVar[int] = 2

    def __init__(
        self, message: str, *, help: str | None = None, offset: int | None = None, width: int = 1
    ) -> None:
        super().__init__(message, help=help)
        self.place: Place | None = None
        self.offset = offset
        self.width = width


class Undefined(TemplateProblem):
    """Something that was named is not there. `default` and `is defined` take it for an answer."""


class TooMuch(TemplateProblem):
    """A limit of an evaluation was reached."""
