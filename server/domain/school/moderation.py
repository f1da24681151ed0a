"""What moderators may decide about what people wrote."""

from typing import Literal, NamedTuple

Decision = Literal["HIDE", "RESTORE", "DISMISS"]


class Change(NamedTuple):
    """From which states a decision leads to which."""

    before: frozenset[str]
    after: str


# HIDE: only its author sees it; RESTORE: all do again; DISMISS: those who flagged it were wrong.
CHANGES: dict[Decision, Change] = {
    "HIDE": Change(frozenset({"VISIBLE", "FLAGGED"}), "HIDDEN"),
    "RESTORE": Change(frozenset({"HIDDEN"}), "VISIBLE"),
    "DISMISS": Change(frozenset({"FLAGGED"}), "VISIBLE"),
}
