"""What is known of one escalation, and of everybody it calls."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field

OWN = "run"
"""The run's own escalation: no step has this path."""

STATUS = "status"
"""How a run stands, told every so often: no step has this path."""

QUESTIONS = "questions"
"""Stands for a policy where people are told of a question."""

CONSOLE = "console"
"""The channel of whoever sits before the engine, or reads its log: no telephone rings there."""

NONE: Mapping[Any, Any] = MappingProxyType({})
"""Of what most escalations have nothing: thousands share it."""

ENDED_WELL = ("resolved", "cancelled")
"""Outcomes after which nobody is called any more."""

FIRST = ("page", "status", "question")
"""Kinds of messages that tell of something first; all others follow one of them."""


class Summons(Struct):
    """Somebody is to be told, by one channel after the other until one works.

    `status`: `due`, `flying`, `cut` (flying when its driver died), `told`, `failed` (no channel is
    left), `dropped` (nobody needs it any more).
    """

    id: str
    level: int
    round: int
    recipient: Mapping[str, Any]
    generation: int = 1
    kind: str = "page"
    """`page`, `status`, `question`, or what is told where one of them went: `acknowledged`,
    `resolved`, `answered`, and `counted`: not everybody who is needed has answered.
    """
    channel: int = 0
    attempt: int = 0
    status: str = "due"
    next_us: int = 0
    begun_us: int = 0
    """When the last attempt at telling them began."""
    doubts: int = 0
    unseen: tuple[int, ...] = ()
    """Channels where it may stand open, though nobody saw it arrive, see `engine.core.unseen`."""
    receipt: Mapping[str, Any] | None = None
    later: Mapping[int, tuple[int, int]] = field(default_factory=lambda: NONE)
    """Channels that failed for a while: how often they were tried, and when they may be again."""
    second: bool = False
    """All channels failed, and those that may work yet are tried again: `another_round`."""

    @property
    def by(self) -> Mapping[str, Any]:
        """The channel it is at: `{channel, again}`."""
        found: Mapping[str, Any] = self.recipient["by"][self.channel]
        return found

    @property
    def last(self) -> bool:
        return self.second or self.channel + 1 >= len(self.recipient["by"])

    @property
    def open(self) -> bool:
        return self.status in ("due", "flying", "cut")

    def key(self, run: str, escalation: str) -> str:
        """The same for every attempt at telling this person this thing by this channel."""
        return f"{run}:{escalation}:{self.id}:{self.by['channel']}"


class Escalation(Struct):
    """One escalation. `level`: the number of the last level that was due, from 1; 0 for none."""

    key: str
    policy: str
    levels: tuple[Mapping[str, Any], ...]
    message: str | None
    started_us: int
    reopen_us: int | None = None
    wait: bool = False
    after_end: bool = False
    """Begun by the undo of a run that is over: how the run ended says nothing about it."""
    until_end: bool = False
    """Once somebody took it, it stays open until the run is over, so that the end is told too. Runs
    of older engines closed it at once.
    """
    answer_us: int | None = None
    """How long whoever is called last has to take it, before that nobody did is recorded. None in
    runs of older engines: it was recorded at once.
    """
    hands_over: bool = False
    """Its step goes on once the first of its levels was tried. In runs of older engines it went on
    once somebody was told, or nobody could be.
    """
    informs: bool = False
    """Whom it tells is to know of it, and nobody is asked to take it: nothing follows, and how the
    run ends says nothing of it.
    """
    generation: int = 1
    level: int = 0
    due_us: int = 0
    """When the next level is due."""
    again_us: dict[int, int] = field(default_factory=dict)
    """When levels are told again."""
    rounds: dict[int, int] = field(default_factory=dict)
    words: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """What a level says, by its number."""
    skipped: set[int] = field(default_factory=set)
    """Levels that nobody needed any more when they were due."""
    summons: dict[str, Summons] = field(default_factory=dict)
    acknowledged: Mapping[str, Any] | None = None
    holds: Mapping[str | None, int | None] = field(default_factory=lambda: NONE)
    """Incidents by whose acknowledgement in PagerDuty it is taken, and when that was by PagerDuty's
    clock; of older engines neither is known. Empty where it is taken in another way.
    """
    backed: bool = False
    """Somebody took it in another way besides: it stays taken, whatever PagerDuty says."""
    lost: Mapping[str, int | None] = field(default_factory=lambda: NONE)
    """When PagerDuty said last of an incident that nobody has it."""
    taken_back: Mapping[str, Any] | None = None
    """Whoever took it has it no longer (incident, how, by): it begins anew."""
    anew: str = ""
    """Why it began anew."""
    groups: Mapping[str, str] = field(default_factory=lambda: NONE)
    """Of levels (`generation.level`) whose incident is that of an earlier one."""
    question: Mapping[str, Any] = field(default_factory=dict)
    """What is asked, where it tells of a question: path, kind, attempt, who, and, of an approval,
    hash, count, reason_min, expires_us. Else empty.
    """
    became: Mapping[str, Any] | None = None
    """What became of the question: word, by, why, at_us."""
    stopped: bool = False
    """Somebody asked the run to stop since it began: that person acts."""
    counted: Mapping[str, Any] = field(default_factory=dict)
    """How many agreed so far, as those were told who are to be: given, why."""
    exhausted: bool = False
    closed: str | None = None

    @property
    def well(self) -> tuple[str, ...]:
        """Outcomes of the run after which nobody is called by it any more."""
        return ("cancelled",) if self.informs else ENDED_WELL

    @property
    def taken(self) -> bool:
        """Somebody has it."""
        return self.acknowledged is not None and self.taken_back is None

    @property
    def calls(self) -> list[Summons]:
        """All that tell of it first, not what follows."""
        return [s for s in self.summons.values() if s.kind in FIRST]

    @property
    def told(self) -> list[Summons]:
        return [s for s in self.calls if s.status == "told"]

    @property
    def until_us(self) -> int | None:
        """By when somebody is to take it who was called last; None where nobody is waited for.

        From when they were told, or perhaps were: a level may be told late, in quiet hours, by the
        last try of a channel, or behind a death. Whoever is told at the console is here.
        """
        if self.answer_us is None:
            return None
        told = [
            s.begun_us
            for s in self.calls
            if s.generation == self.generation
            and (s.status == "told" or s.doubts)
            and s.by["channel"] != CONSOLE
        ]
        return max(told) + self.answer_us if told else None

    def of_level(self, number: int) -> list[Summons]:
        return [s for s in self.calls if s.level == number and s.generation == self.generation]

    def unreached(self, number: int) -> bool:
        """Whether nobody could be told of a level: nobody will be, or perhaps by another round."""
        if number == 0 or number in self.skipped:
            return False
        calls = self.of_level(number)
        return all(s.status == "failed" or (s.second and s.open) for s in calls)
