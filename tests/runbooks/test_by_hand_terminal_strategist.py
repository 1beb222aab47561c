"""Of the ten that were drawn: I1 "Terminal API Unavailable" and W4 "Cooldown Cleanup"."""

from __future__ import annotations

import json
import time

from tests.runbooks.by_hand.world import ABSENT, WHATEVER, differences, explained

UNAVAILABLE = "terminal-strategist/terminal-api-unavailable"
CLEANUP = "terminal-strategist/cooldown-cleanup"

PATIENCE_S = 0.7
"""After which somebody presses Ctrl-C on what does not end."""

FALLBACK = """curl -X POST https://api.liftoff.com/api/strategist/admin/feature-flags \\
  -H "Authorization: Bearer $TOKEN" \\
  -d '{"terminal_integration": false}'"""
TRIAL = '{"recommendations":[],"dryRun":true,"preValidate":true}'
AS_JSON = " -H 'Content-Type: application/json'"


# I1, lines 189-212. Terminal answers 503, because Strategist goes on sending it executions.


async def looked_at(it):
    """The document's diagnosis: what is typed, and what the person sees."""
    addresses = {"https://terminal-api.strategis.internal": it.services["terminal.url"]}
    operator = it.at("", addresses, TOKEN=it.services["terminal.token"])
    health = await operator("curl -v https://terminal-api.strategis.internal/api/terminal/health")
    assert "< HTTP/1.1 503" in health.err
    machine = it.at("strategist-host")
    endless = await machine("ping terminal-api.strategis.internal", patience_s=PATIENCE_S)
    assert endless.code is None, "without -c it never ends"
    pinged = await machine("ping -c 3 terminal-api.strategis.internal")
    state = await operator(
        """curl -H "Authorization: Bearer $TOKEN" \\
  https://terminal-api.strategis.internal/api/terminal/state -w '\n%{http_code}'"""
    )
    return {
        "health": (503, json.loads(health.out)),
        "ping": pinged.code,
        "token": int(state.lines[-1]),
    }


async def falls_back(it):
    """ "Fallback: disable automatic execution, use manual mode", with which the document ends."""
    addresses = {"https://api.liftoff.com": it.services["strategist.url"]}
    operator = it.at("", addresses, TOKEN=it.services["strategist.token"])
    refused = await operator(FALLBACK)
    assert json.loads(refused.out) == {"error": "JSON is expected"}, "curl -d sends a form"
    assert it.state("strategist")["flags"] == {"terminal_integration": True}
    await operator(FALLBACK + AS_JSON)


async def test_terminal_is_left_in_manual_mode_by_hand_and_by_the_runbook_that_is_told_to(world):
    async with world(UNAVAILABLE) as by_hand:
        seen = await looked_at(by_hand)
        await falls_back(by_hand)
        hand = await by_hand.left()
    async with world(UNAVAILABLE) as it:
        run = await it.run(reenable=False)
        ours = await it.left()
    assert run.status == "resolved", str(run)
    health = it.found["health"]
    assert seen == {
        "health": (health["status"], health["json"]),
        "ping": it.found["network"]["exit_code"],
        "token": it.found["authenticated"]["status"],
    }
    sent = "POST /api/strategist/admin/feature-flags"
    assert (
        explained(
            differences(hand, ours),
            {
                # Ours waits until Terminal is well, and sees it stay so.
                "terminal state asked": WHATEVER,
                # By hand it is sent twice; ours then tries an execution in dry run.
                "strategist sent": (
                    [f'{sent} {{"terminal_integration": false}}'] * 2,
                    [
                        f'{sent} {{"terminal_integration":false}}',
                        f"POST /api/strategist/execute-recommendations {TRIAL}",
                    ],
                ),
            },
        )
        == {}
    )
    assert ours["strategist"]["state"]["flags"] == {"terminal_integration": False}


async def test_what_the_document_leaves_off_for_good_the_runbook_switches_on_again(world):
    """That it is to be taken back stands in another procedure, "resolve" of the playbook."""
    async with world(UNAVAILABLE) as it:
        run = await it.run()
        flags = it.state("strategist")["flags"]
    assert (run.status, flags) == ("resolved", {"terminal_integration": True}), str(run)


# W4, line 457. Five cooldowns have no other end than their value, two of them are over.


def keys(left):
    return set(left["state"])


async def over(operator):
    """What somebody finds who asks for each key when it ends."""
    found = (await operator('redis-cli KEYS "cooldown:*"')).lines
    ends = {key: int((await operator(f"redis-cli GET {key}")).out) for key in found}
    return {key for key, end in ends.items() if end < time.time()}


async def test_the_documents_command_deletes_active_cooldowns_too_and_fails_without_any(world):
    async with world(CLEANUP) as by_hand:
        command = 'redis-cli KEYS "cooldown:*" | xargs redis-cli DEL'
        operator = by_hand.at("", {"redis-cli": f"redis-cli -p {by_hand.services['state.port']}"})
        told = await operator(command)
        again = await operator(command)
        assert (told.out, keys(await by_hand.left())) == ("5\n", set())
        assert "wrong number of arguments" in again.out


async def test_by_hand_and_by_the_runbook_only_cooldowns_that_are_over_are_deleted(world):
    async with world(CLEANUP) as by_hand:
        operator = by_hand.at("", {"redis-cli": f"redis-cli -p {by_hand.services['state.port']}"})
        seen = await over(operator)
        await operator(f"redis-cli DEL {' '.join(seen)}")
        hand = await by_hand.left()
    async with world(CLEANUP) as it:
        run = await it.run()
        ours = await it.left()
    assert run.status == "resolved", str(run)
    assert seen == {"cooldown:adset:31", "cooldown:adset:32"}
    assert (it.found["before"]["count"], it.found["after"]["count"]) == (5, 3)
    assert keys(hand) == keys(ours) == {f"cooldown:adset:{n}" for n in (123456, 2001, 33)}
    assert (
        explained(
            differences(hand, ours),
            # It forgot to expire, and would never: ours gives it what is left, a week at most.
            {"state cooldown:adset:33 stays": ("for ever", f"{7 * 24 * 60} min")},
        )
        == {}
    )
    assert ABSENT not in ours["state"].values()
