"""What was measured, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One measurement beside its floor: medians of `rounds` taken in turns in the same run.

    `target`: what the ratio may be at most; `limit`: what `ours` may be at most. Neither: it is
    measured to be known, and nothing is promised.
    """

    name: str
    ours: float
    floor: float | None
    unit: str
    rounds: int
    target: float | None = None
    limit: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.floor if self.floor else None

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or nothing where nothing is promised."""
        good = [self.ours <= self.limit] if self.limit is not None else []
        if self.target is not None and self.ratio is not None:
            good.append(self.ratio <= self.target)
        if not good:
            return ""
        return "met" if all(good) else "missed"

    def cells(self) -> tuple[str, ...]:
        ratio, floor = self.ratio, self.floor
        target = f"<= {self.target:g} x" if self.target is not None else ""
        if self.limit is not None:
            target = f"<= {self.limit:g} {self.unit}"
        return (
            self.name,
            f"{number(self.ours)} {self.unit}",
            f"{number(floor)} {self.unit}" if floor is not None else "-",
            f"{ratio:.2f}" if ratio is not None else "-",
            target,
            self.verdict,
            str(self.rounds),
        )


def number(value: float) -> str:
    """Three digits that mean something."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


HEAD = ("what", "ours", "floor", "ratio", "target", "", "N")


def table(rows: Sequence[Row]) -> str:
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(_line(line, widths) for line in lines)


def _line(cells: Iterable[str], widths: Sequence[int]) -> str:
    made = [
        cell.ljust(width) if column in (0, 4, 5) else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(made).rstrip()


def machine() -> dict[str, Any]:
    """Where it was measured, and how busy that was: a load near the number of CPUs is noise."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }


def as_json(rows: Iterable[Row], where: dict[str, Any]) -> str:
    made = [{**asdict(row), "ratio": row.ratio, "verdict": row.verdict} for row in rows]
    return json.dumps({"machine": where, "rows": made}, indent=2) + "\n"
