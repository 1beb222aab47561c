"""Questions about who is on call: one at a time for a schedule, and their answers for a while."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.errors import AdapterError
from engine.plugin.on_call import NEVER_US, Turn
from engine.runner import on_call
from engine.runner.on_call import FAILED_S, KNOWN_S, Desk

ANA = (Turn("PANA", "Ana", None, 0, NEVER_US),)
PS1, PS2 = ("p", "PS1"), ("p", "PS2")


def plain(text: str) -> str:
    """There is no secret."""
    return text


class Still:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.at_s = 1000.0

    def now_us(self) -> int:
        return round(self.at_s * 1e6)

    def monotonic_s(self) -> float:
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        self.at_s += seconds


class Asked:
    """Answers, and counts: a list of answers, the last one for all further questions."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.count = 0
        self.spans: list[tuple[int, int]] = []
        self.begun = asyncio.Event()

    async def __call__(self, since_us: int, until_us: int) -> Any:
        self.count += 1
        self.spans.append((since_us, until_us))
        self.begun.set()
        answer = self.answers[min(self.count, len(self.answers)) - 1]
        if isinstance(answer, asyncio.Future):
            return await answer
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_an_answer_serves_all_who_ask_within_a_minute():
    clock, asked = Still(), Asked(ANA)
    desk = Desk(clock)
    found = await asyncio.gather(*[desk.ask(PS1, asked, plain) for _ in range(100)])
    assert {one.turns for one in found} == {ANA}
    clock.at_s += KNOWN_S - 1
    await desk.ask(PS1, asked, plain)
    assert asked.count == 1
    clock.at_s += 1
    assert desk.known(PS1) is None
    await desk.ask(PS1, asked, plain)
    assert asked.count == 2
    assert asked.spans[0] == (1_000_000_000, 1_000_000_000 + 25 * 3600 * 1_000_000)


async def test_that_it_could_not_be_asked_is_kept_for_a_shorter_time():
    clock, asked = Still(), Asked(AdapterError("no"), ANA)
    desk = Desk(clock)
    assert (await desk.ask(PS1, asked, plain)).trouble == "no"
    clock.at_s += FAILED_S - 1
    assert (await desk.ask(PS1, asked, plain)).trouble == "no"
    clock.at_s += 1
    assert (await desk.ask(PS1, asked, plain)).turns == ANA
    assert asked.count == 2


async def test_schedules_do_not_wait_for_one_another():
    never = asyncio.get_running_loop().create_future()
    desk = Desk(Still())
    asked = Asked(never)
    waits = asyncio.create_task(desk.ask(PS1, asked, plain))
    await asked.begun.wait()
    assert (await desk.ask(PS2, Asked(ANA), plain)).turns == ANA
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)


async def test_when_whoever_asks_is_cut_short_the_next_who_waits_asks():
    never = asyncio.get_running_loop().create_future()
    asked = Asked(never, ANA)
    desk = Desk(Still())
    tasks = [asyncio.create_task(desk.ask(PS1, asked, plain)) for _ in range(3)]
    await asked.begun.wait()
    tasks[0].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert [one.turns for one in found[1:]] == [ANA, ANA]
    assert asked.count == 2


async def test_when_somebody_who_waits_is_cut_short_the_others_have_their_answer():
    answer = asyncio.get_running_loop().create_future()
    asked = Asked(answer)
    desk = Desk(Still())
    tasks = [asyncio.create_task(desk.ask(PS1, asked, plain)) for _ in range(3)]
    await asked.begun.wait()
    tasks[1].cancel()
    answer.set_result(ANA)
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[1], asyncio.CancelledError)
    assert [found[0].turns, found[2].turns] == [ANA, ANA]
    assert asked.count == 1


async def test_nobody_waits_longer_than_the_limit(monkeypatch):
    monkeypatch.setattr(on_call, "ASK_S", 0.02)
    never = asyncio.get_running_loop().create_future()
    found = await Desk(Still()).ask(PS1, Asked(never), plain)
    assert found.trouble == "no answer within 0.02 s"


async def test_a_fault_of_an_adapter_is_a_trouble_and_its_words_are_kept_without_secrets():
    found = await Desk(Still()).ask(
        PS1, Asked(ZeroDivisionError("by zero")), lambda t: t.replace("by", "(secret)")
    )
    assert found.trouble == "ZeroDivisionError: (secret) zero"


async def test_no_more_schedules_are_kept_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(on_call, "KEPT_MAX", 3)
    desk = Desk(Still())
    for number in range(7):
        await desk.ask(("p", str(number)), Asked(ANA), plain)
    assert sum(desk.known(("p", str(n))) is not None for n in range(7)) == 1


@pytest.mark.parametrize("gone", [OSError("x"), AdapterError("x")])
async def test_whatever_is_raised_the_next_question_is_asked(gone):
    clock = Still()
    desk, asked = Desk(clock), Asked(gone, ANA)
    assert (await desk.ask(PS1, asked, plain)).trouble is not None
    clock.at_s += FAILED_S
    assert (await desk.ask(PS1, asked, plain)).turns == ANA
