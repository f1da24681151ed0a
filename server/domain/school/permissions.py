"""What a permission of the table `permissions` comes to."""

from typing import Literal

from server.ids import UserId

Scope = Literal["OWN", "ANY"]


def covers(scope: Scope | None, who: UserId, owner: UserId | None) -> bool:
    """Whether somebody with an action's scope may do it to what `owner` owns.

    scope: None if the person's role lacks the action. owner: None for what is nobody's.
    """
    return scope == "ANY" or (scope == "OWN" and owner == who)
