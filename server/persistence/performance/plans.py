"""What a plan looks like without its numbers, and what it does that it should not. Pure."""

import re
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any, NamedTuple

Node = Mapping[str, Any]
# Months and hash partitions differ from day to day and are all alike.
PARTITION = re.compile(r"_(\d{4}_\d{2}|\d)(?=_|\b)")
NUMBERED = re.compile(r"\d+$")
APPENDS = ("Append", "Merge Append")

# Tables that grow with what is taught or by the calendar, not with people and what they do.
SMALL = frozenset(
    {
        "achievements",
        "badges",
        "content_items",
        "course_prerequisites",
        "courses",
        "encryption_keys",
        "leaderboard_periods",
        "lessons",
        "modules",
        "permissions",
        "quiz_questions",
        "quizzes",
    }
)


class Buffers(NamedTuple):
    """Pages that a statement touched: found in Postgres' memory, and read from outside."""

    hit: int
    read: int


def shape(plan: Node) -> list[str]:
    """The steps of a plan, one a line, indented; alike parts of an Append only once."""
    return list(_lines(plan, 0))


def _lines(node: Node, depth: int) -> Iterator[str]:
    what = [node["Node Type"]]
    if "Relation Name" in node:
        what.append(f"on {PARTITION.sub('', node['Relation Name'])}")
    if "Index Name" in node:
        what.append(f"by {PARTITION.sub('', node['Index Name'])}")
    yield "  " * depth + " ".join(what)
    seen: set[tuple[str, ...]] = set()
    for child in node.get("Plans", ()):
        lines = tuple(_lines(child, depth + 1))
        if node["Node Type"] in APPENDS and lines in seen:
            continue
        seen.add(lines)
        yield from lines


def nodes(plan: Node) -> Iterator[Node]:
    """A plan's node and all below it."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def scanned(plan: Node, rows: Mapping[str, float], least: float) -> list[str]:
    """Large tables that are read from end to end. rows: of each table or partition."""
    found = {
        node["Relation Name"]
        for node in nodes(plan)
        if node["Node Type"].endswith("Seq Scan") and rows.get(node["Relation Name"], 0) >= least
    }
    return sorted({PARTITION.sub("", name) for name in found} - SMALL)


def buffers(plan: Node) -> Buffers:
    """Of all of a plan."""
    return Buffers(plan.get("Shared Hit Blocks", 0), plan.get("Shared Read Blocks", 0))


def differences(kept: list[str], now: list[str]) -> list[str]:
    """Lines that left (-) and came (+); empty if the plans are alike."""
    changes = unified_diff(kept, now, n=0, lineterm="")
    return [line for line in changes if not line.startswith(("---", "+++", "@@"))]
