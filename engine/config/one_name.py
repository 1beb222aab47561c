"""Names that mean two things: who a level calls by one is not who somebody may think."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.config.fields import Fields
from engine.language.nodes import Scalar
from engine.language.words import listed, named

if TYPE_CHECKING:
    from engine.config.contacts import Contacts


def check_one_name(fields: Fields, contacts: Contacts, item: Scalar, console: str) -> None:
    """A place is told before a person, a role or a rota of its name is called; and a person before
    a role that others have. Whoever has the role of their own name stands for all who do.
    """
    name = item.text
    others = [one.id for one in contacts.in_role(name) if one.id != name]
    kinds = {
        "a person": name in contacts.people,
        "a role": bool(others),
        "a rota": name in contacts.rotas,
    }
    known = [kind for kind, is_one in kinds.items() if is_one]
    if name == console or name in contacts.channels:
        if known:
            also = listed(known, "and")
            what = f"{named(name)} is a channel, and {also} too: the channel is told"
            fields.warn("RB878", what, item, "give one of them a name of its own")
    elif name in contacts.people and others and name not in contacts.people[name].roles:
        has = f"{listed(others, 'and')} {'has' if len(others) == 1 else 'have'}"
        what = f"{named(name)} is a person, and a role that {has}: only the person is called"
        fields.warn("RB878", what, item, "give the role a name of its own")
