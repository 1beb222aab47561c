"""The clock of these tests: in the order of what is waited for, and not while anything is done."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.runbooks.hurried import Hurried


class Watch:
    """Writes down who was there at which time. `really`: something that takes time, and none of
    this clock.
    """

    def __init__(self):
        self.clock = Hurried()
        self.seen = []
        self._other = Hurried()

    def see(self, who):
        self.seen.append((who, round(self.clock.monotonic_s(), 6)))

    async def really(self):
        for _ in range(5):
            await self._other.sleep(1)

    async def sleeps(self, who, *seconds):
        for one in seconds:
            await self.clock.sleep(one)
            self.see(who)

    async def works(self, who):
        with self.clock.at_work():
            await self.really()
            self.see(who)


async def test_whoever_waits_for_an_earlier_time_wakes_first_at_that_time():
    watch = Watch()
    await asyncio.gather(*(watch.sleeps(str(s), s) for s in (3600, 0.05, 60, 900, 60.000001)))
    assert watch.seen == [
        ("0.05", 0.05),
        ("60", 60),
        ("60.000001", 60.000001),
        ("900", 900),
        ("3600", 3600),
    ]


async def test_of_two_who_wait_for_one_time_the_first_wakes_first():
    watch = Watch()
    await asyncio.gather(watch.sleeps("a", 10, 10), watch.sleeps("b", 10), watch.sleeps("c", 20))
    assert watch.seen == [("a", 10), ("b", 10), ("c", 20), ("a", 20)]


async def test_no_time_passes_while_anybody_is_at_work():
    watch = Watch()
    await asyncio.gather(watch.sleeps("an hour", 3600), watch.works("it"), watch.works("it"))
    assert watch.seen == [("it", 0), ("it", 0), ("an hour", 3600)]


async def test_what_follows_from_a_time_comes_before_the_next_time():
    watch = Watch()

    async def goes_on():
        await watch.clock.sleep(10)
        await asyncio.create_task(watch.works("ten"))
        await watch.sleeps("fifteen", 5)

    await asyncio.gather(goes_on(), watch.sleeps("twelve", 12), watch.sleeps("twenty", 20))
    assert watch.seen == [("ten", 10), ("twelve", 12), ("fifteen", 15), ("twenty", 20)]


async def test_whoever_waits_for_a_time_while_at_work_holds_nobody_up():
    watch = Watch()

    async def paced():
        with watch.clock.at_work():
            await watch.sleeps("its turn", 5)
            await watch.really()
            watch.see("sent")

    await asyncio.gather(paced(), watch.sleeps("six", 6))
    assert watch.seen == [("its turn", 5), ("sent", 5), ("six", 6)]


async def test_a_time_that_nobody_waits_for_any_more_never_comes():
    watch = Watch()
    gone = asyncio.create_task(watch.sleeps("gone", 5))

    async def takes_it_back():
        with watch.clock.at_work():
            await watch.really()
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone

    await asyncio.gather(takes_it_back(), watch.sleeps("seven", 7))
    assert watch.seen == [("seven", 7)]


async def test_both_faces_of_the_clock_show_what_passed():
    clock = Hurried()
    began_us, began_s = clock.now_us(), clock.monotonic_s()
    await clock.sleep(0)
    assert (clock.now_us(), clock.monotonic_s()) == (began_us, began_s)
    await clock.sleep(90)
    assert (clock.now_us(), clock.monotonic_s()) == (began_us + 90_000_000, began_s + 90)
