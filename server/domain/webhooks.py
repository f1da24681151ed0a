"""Which events webhooks are told of, in which sessions, and who may say so. Pure."""

from collections.abc import Mapping
from typing import Literal, get_args

from server.domain.roles import Role, granted

EventType = Literal["session.opened", "session.changed", "session.closed", "chat.message"]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
TEST = "webhook.test"  # what a webhook is sent when somebody asks for a test


def matches(pattern: str, session: str) -> bool:
    """Whether a session is one of those that a pattern, a name or `prefix*`, stands for."""
    if pattern.endswith("*"):
        return session.startswith(pattern[:-1])
    return session == pattern


def teaches(grants: Mapping[str, Role], pattern: str) -> bool:
    """Whether a token's grants say teacher for every session that a pattern stands for.

    Of grants the most exact one counts, so one for less *within* the pattern says no.
    """
    if not pattern.endswith("*"):
        return granted(grants, pattern) is Role.TEACHER
    prefix = pattern[:-1]
    around = [name for name in grants if name.endswith("*") and prefix.startswith(name[:-1])]
    within = [role for name, role in grants.items() if name.startswith(prefix)]
    return (
        bool(around)
        and grants[max(around, key=len)] is Role.TEACHER
        and all(role is Role.TEACHER for role in within)
    )
