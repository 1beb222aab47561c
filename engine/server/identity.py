"""Who speaks over HTTP, and what they may do.

| role | may |
|---|---|
| viewer | read |
| operator | read; start, rehearse and undo runs, replay deliveries (`run`); answer, settle, cancel, pause (`speak`) |
| approver | read; approve and deny |
| admin | all of it, and freeze (`guard`), and tokens (`admin`) |

A role is held for a pack, or for all of them (`*`). What concerns no pack (freezing, tokens, the
ledger) takes a role for all. A token may be narrowed to some permissions, its scopes.
"""  # noqa: E501 - a table

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from engine.core.events import Actor
from engine.errors import Usage
from engine.language.words import did_you_mean, listed

EVERY_PACK: Final = "*"

SIGNED_ON: Final = "sign-on "
"""Before the issuer, as the maker of a token that stands for a session of a person."""

READ, RUN, SPEAK, APPROVE, GUARD, ADMIN = "read", "run", "speak", "approve", "guard", "admin"
PERMISSIONS: Final = (READ, RUN, SPEAK, APPROVE, GUARD, ADMIN)

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "viewer": frozenset({READ}),
    "operator": frozenset({READ, RUN, SPEAK}),
    "approver": frozenset({READ, APPROVE}),
    "admin": frozenset(PERMISSIONS),
}

Grants = Mapping[str, tuple[str, ...]]
"""Roles by pack."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose credentials held. `name` is what events say; `via` the token's id, or the
    identity provider.
    """

    name: str
    means: str
    via: str
    grants: Grants = field(default_factory=dict)
    scopes: tuple[str, ...] = ()

    @property
    def actor(self) -> Actor:
        return Actor(self.name, self.means, self.via)

    def may(self, permission: str, pack: str | None = None) -> bool:
        """Whether they may do this to what belongs to this pack (None: to no pack)."""
        if self.scopes and permission not in self.scopes:
            return False
        packs = (EVERY_PACK,) if pack is None else (EVERY_PACK, pack)
        return any(permission in ROLES[role] for one in packs for role in self.grants.get(one, ()))

    def packs(self, permission: str, known: Iterable[str]) -> tuple[str, ...]:
        """Those of the packs for which they may do this."""
        return tuple(pack for pack in known if self.may(permission, pack))


def read_grants(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """`operator`, `approver:stratum` as roles by pack. Raises Usage."""
    found: dict[str, list[str]] = {}
    for word in words:
        role, _, pack = word.partition(":")
        if role not in ROLES:
            known = f"roles are {listed(sorted(ROLES), 'and')}"
            raise Usage(f"`{role}` is no role", help=did_you_mean(role, ROLES, known))
        found.setdefault(pack or EVERY_PACK, []).append(role)
    return {pack: tuple(dict.fromkeys(roles)) for pack, roles in found.items()}


def read_scopes(words: Iterable[str]) -> tuple[str, ...]:
    """Permissions a token is narrowed to. Raises Usage."""
    for word in words:
        if word not in PERMISSIONS:
            known = f"scopes are {listed(PERMISSIONS, 'and')}"
            raise Usage(f"`{word}` is no scope", help=did_you_mean(word, PERMISSIONS, known))
    return tuple(dict.fromkeys(words))


def shown_grants(grants: Grants) -> str:
    """`operator; approver:stratum`."""
    words = [
        role if pack == EVERY_PACK else f"{role}:{pack}"
        for pack, roles in sorted(grants.items())
        for role in roles
    ]
    return ", ".join(words)
