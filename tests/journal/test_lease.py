"""Who is taken for alive."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from engine.journal.lease import LEASE_S, seems_alive, this_holder, this_host

NOW_US = 1_700_000_000_000_000


def test_this_process_is_alive_however_old_its_lease_is():
    assert seems_alive(this_holder(), 0, NOW_US)


def test_a_holder_names_host_pid_and_start():
    host, pid, start = this_holder().split(":")
    assert (host, int(pid)) == (this_host(), os.getpid())
    assert start


def test_a_process_of_this_host_that_ended_is_dead_at_once():
    code = "from engine.journal.lease import this_holder; print(this_holder())"
    holder = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert holder.startswith(f"{this_host()}:")
    assert not seems_alive(holder, NOW_US, NOW_US)


def test_a_process_that_was_killed_and_not_collected_yet_is_dead():
    code = "from engine.journal.lease import this_holder; print(this_holder(), flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        holder = child.stdout.readline().strip()
        assert seems_alive(holder, 0, NOW_US)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not seems_alive(holder, NOW_US, NOW_US)


def test_a_process_that_took_the_pid_of_a_dead_one_is_another():
    assert not seems_alive(f"{this_host()}:{os.getpid()}:0-1", NOW_US, NOW_US)


@pytest.mark.parametrize("holder", ["elsewhere:1:2", "odd", "", f"{this_host()}:x:1", "a:b:c:1:2"])
def test_any_other_holder_is_alive_for_as_long_as_a_lease(holder):
    assert seems_alive(holder, NOW_US, NOW_US + LEASE_S * 1_000_000 - 1)
    assert not seems_alive(holder, NOW_US, NOW_US + LEASE_S * 1_000_000)


def test_a_pid_no_process_can_have_is_dead():
    assert not seems_alive(f"{this_host()}:{2**70}:1", NOW_US, NOW_US)
