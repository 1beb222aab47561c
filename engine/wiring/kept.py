"""The contacts of a pack while a run goes on: what its file says at that moment, or said last."""

from __future__ import annotations

from engine.config import Books, Contacts
from engine.errors import RunbookError


def latest(books: Books, pack: str, before: Contacts | None) -> tuple[Contacts, str | None]:
    """The contacts, and why they are those of `before`, where they are: whoever replaces the file
    (an editor, a checkout) may leave it broken or away for a moment, in which a level is due.
    """
    try:
        found = books.contacts(pack)
    except RunbookError as error:
        return before or Contacts(), f"contacts.yaml cannot be read: {error.message}"
    if found.file is None and before is not None and before.file is not None:
        return before, "contacts.yaml is not there any more"
    return found, books.contacts_trouble(pack)
