"""Carries out one plan: gives a check the reading side of its connection, an action the writing
side.

This is the one place that catches everything a plugin may raise: whatever it is, it becomes the
outcome of a step and stands in the journal, and never ends a run without a word.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from engine.clock import Clock
from engine.core.judge import Outcome
from engine.errors import RunbookError, StepError
from engine.language.shape import ShapeError
from engine.plugin import StepContext, to_json
from engine.registry import Registry
from engine.runner.connections import Connections
from engine.secret import STANDS_FOR

TRACEBACK_MAX_CHARS = 8000
"""Of a plugin's own exception in the journal: enough frames to find the fault."""

Telling = Callable[[str, str | None], Awaitable[Mapping[str, Any]]]
"""Tells people: policy and message, to what they were told by."""


class _Unusable(StepError):
    """What a step gave back is no result: the fault of its code."""


class Carrying:
    """What performing and rehearsing share: time limit, parameters, what becomes of an error."""

    def __init__(
        self, run: str, registry: Registry, redact: Callable[[str], str], clock: Clock
    ) -> None:
        self._run = run
        self._registry = registry
        self._redact = redact
        self._clock = clock

    async def __call__(self, body: Mapping[str, Any], progress: Callable[[str], None]) -> Outcome:
        """What came of the attempt that a `StepStarted` announces. Raises CancelledError only."""
        begun_s = self._clock.monotonic_s()
        action = body["kind"] == "action"
        try:
            result = await self._within(body, progress)
            error = None
        except TimeoutError:
            result, error = None, _timed_out(body, action)
        except _Unusable as e:
            result, error = None, _error(e, "bug", e.maybe_done, False, {})
        except StepError as e:
            result, error = None, _error(e, "adapter", e.maybe_done, e.retryable, e.detail)
        except RunbookError as e:
            result, error = None, _error(e, "refused", False, False, {})
        except Exception as e:  # noqa: BLE001 - anything a plugin raises is an outcome, see above
            result, error = None, _bug(e, action, self._redact)
        return Outcome(result, error, round((self._clock.monotonic_s() - begun_s) * 1000, 3))

    async def _within(
        self, body: Mapping[str, Any], progress: Callable[[str], None]
    ) -> Mapping[str, Any]:
        plan = body["plan"]
        if body["kind"] == "escalate":
            return await self._told(plan)
        async with asyncio.timeout(plan["timeout_s"]):
            signature = self._registry.step(plan["type"], body["kind"]).signature
            params = self._params(signature.parameters, plan["params"])
            context = StepContext(
                run=self._run,
                path=body["path"],
                attempt=body["attempt"],
                key=plan.get("key", ""),
                timeout_s=plan["timeout_s"],
                max_affected=plan.get("max_affected"),
                progress=progress,
                redact=self._redact,
            )
            if plan["target"] is not None:
                self._check_whole(plan["params"])
            return await self._carry(body["kind"], plan, params, context)

    async def _told(self, plan: Mapping[str, Any]) -> Mapping[str, Any]:
        raise RunbookError(f"nobody can be told of {plan['policy']} from here")

    async def _carry(
        self, kind: str, plan: Mapping[str, Any], params: dict[str, Any], context: StepContext
    ) -> Mapping[str, Any]:
        what = f"a {kind} ({plan['type']} {sorted(params)}) at {context.path}"
        raise RunbookError(f"{what} cannot be carried out from here")

    @staticmethod
    def _check_whole(params: Mapping[str, Any]) -> None:
        """What is done is what is recorded, and that is without secrets: a target would get a
        parameter that is not the one that was meant. Raises RunbookError, before anything is sent.
        """
        for name, value in params.items():
            text = json.dumps(value, ensure_ascii=False)
            if hit := STANDS_FOR.search(text):
                raise RunbookError(
                    f"the parameter `{name}` holds a secret ({hit[1]}), which is not passed on",
                    help="a secret belongs into the connection; or it is a common word by chance",
                )

    def _params(self, signature: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        taken = {}
        for name, value in given.items():
            try:
                taken[name] = signature[name].shape.take(value)
            except ShapeError as error:
                where = ".".join(str(part) for part in (name, *error.path))
                raise RunbookError(f"parameter `{where}` {error.what}") from error
        return taken


def _taken(found: Any, action: bool) -> Mapping[str, Any]:
    """What a step found, as JSON. Of an action that returns none: it is done all the same, so that
    is in doubt.
    """
    try:
        return to_json(found)
    except RunbookError as e:
        raise _Unusable(e.message, help=e.help, maybe_done=action, retryable=False) from e


class Performer(Carrying):
    """Performs the plans of one run. `tell` carries out escalations."""

    def __init__(
        self, run: str, registry: Registry, connections: Connections, tell: Telling, clock: Clock
    ) -> None:
        super().__init__(run, registry, connections.redact, clock)
        self._connections = connections
        self._tell = tell

    async def _told(self, plan: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._tell(plan["policy"], plan["message"])

    async def _carry(
        self, kind: str, plan: Mapping[str, Any], params: dict[str, Any], context: StepContext
    ) -> Mapping[str, Any]:
        step = self._registry.step(plan["type"], "action" if kind == "action" else "check")
        side = None
        if plan["target"] is not None:
            adapter = self._connections.adapter(plan["target"])
            side = adapter.reader(context) if kind == "check" else adapter.writer(context)
        return _taken(await step.call(side, params), kind == "action")


def _timed_out(body: Mapping[str, Any], action: bool) -> dict[str, Any]:
    limit_s = body["plan"]["timeout_s"]
    message = f"no answer within {limit_s:g} s"
    if action:
        message += ": it may or may not have happened"
    return {
        "message": message,
        "help": "`timeout` of the step sets how long an attempt may take",
        "maybe_done": action,
        "retryable": True,
        "detail": {"timeout_s": limit_s},
        "kind": "timeout",
    }


def _error(
    error: RunbookError, kind: str, maybe_done: bool, retryable: bool, detail: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "message": error.message,
        "help": error.help,
        "maybe_done": maybe_done,
        "retryable": retryable,
        "detail": dict(detail),
        "kind": kind,
    }


def _bug(error: Exception, action: bool, redact: Callable[[str], str]) -> dict[str, Any]:
    """A plugin's own exception. An action may have got as far as its target before it.

    Redacted before it is cut: half a secret would not be recognised.
    """
    lines = redact("".join(traceback.format_exception(error)))
    return {
        "message": redact(f"{type(error).__name__}: {error}")[:1000],
        "help": "a fault of the plugin, not of the target: its traceback is in the journal",
        "maybe_done": action,
        "retryable": False,
        "detail": {"traceback": lines[-TRACEBACK_MAX_CHARS:]},
        "kind": "bug",
    }
