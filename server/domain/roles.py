"""Who may do what in a session: teacher > editor > commenter > viewer."""

from collections.abc import Mapping
from enum import IntEnum


class Role(IntEnum):
    """A participant's role; a higher one may do all that a lower one may."""

    VIEWER = 1
    COMMENTER = 2
    EDITOR = 3
    TEACHER = 4

    @property
    def may_write(self) -> bool:
        """Whether this role may change the document."""
        return self >= Role.EDITOR

    @property
    def may_chat(self) -> bool:
        """Whether this role may say something."""
        return self >= Role.COMMENTER

    @property
    def label(self) -> str:
        """Its name in tokens, permissions and messages."""
        return self.name.lower()

    @classmethod
    def named(cls, name: str) -> "Role":
        """The role of that name, in lower case; raises ValueError, naming what is allowed."""
        try:
            return cls[name.upper()]
        except KeyError:
            allowed = ", ".join(role.name.lower() for role in cls)
            raise ValueError(f"{name!r} is no role; allowed are {allowed}") from None


def granted(grants: Mapping[str, Role], session: str) -> Role | None:
    """The role that grants by session name or `prefix*` give; the most exact one counts."""
    if session in grants:
        return grants[session]
    matching = [
        name for name in grants if name.endswith("*") and session.startswith(name.removesuffix("*"))
    ]
    return grants[max(matching, key=len)] if matching else None
