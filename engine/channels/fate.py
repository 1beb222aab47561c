"""What is known of a message that is tried again, for channels that look for it before they send it
once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import AdapterError
from engine.plugin.channel import Message

KEPT_MAX = 1000
"""Messages that are remembered; beyond it all are forgotten, and looked for."""


class Fates:
    """Remembers which messages certainly did not go out, as long as the process lives. What is not
    remembered is looked for: a look may need rights that sending does not, and takes its time.
    """

    def __init__(self) -> None:
        self._kept_out: dict[str, None] = {}

    def unknown(self, message: Message) -> bool:
        """Whether it may have gone out before, so that it has to be looked for."""
        return message.attempt > 1 and message.key not in self._kept_out

    @contextmanager
    def sending(self, message: Message) -> Iterator[None]:
        """Around all that is done to send it."""
        try:
            yield
        except AdapterError as error:
            if error.maybe_done:
                self._kept_out.pop(message.key, None)
            else:
                self._kept_out = {} if len(self._kept_out) >= KEPT_MAX else self._kept_out
                self._kept_out[message.key] = None
            raise


@contextmanager
def looking() -> Iterator[None]:
    """Around a look for what may have gone out: where it fails, that is not known any better."""
    try:
        yield
    except AdapterError as error:
        raise AdapterError(
            f"whether it went out before cannot be seen: {error.message}",
            help=error.help,
            maybe_done=True,
            retryable=error.retryable,
            detail=error.detail,
        ) from error
