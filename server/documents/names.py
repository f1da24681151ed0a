"""What forms of documents are called, and what ProseMirror's basic schema and Tiptap call the
same nodes and marks.

Markdown is read and written with the basic schema's names; these translate.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Format = Literal["text", "json", "prosemirror", "markdown"]
Naming = Literal["prosemirror", "tiptap"]

NODES = {
    "bulletList": "bullet_list",
    "codeBlock": "code_block",
    "hardBreak": "hard_break",
    "horizontalRule": "horizontal_rule",
    "listItem": "list_item",
    "orderedList": "ordered_list",
}
MARKS = {"bold": "strong", "italic": "em"}
ATTRS = {("ordered_list", "start"): "order"}

TIPTAP_NODES = {basic: tiptap for tiptap, basic in NODES.items()}
TIPTAP_MARKS = {basic: tiptap for tiptap, basic in MARKS.items()}


def basic(nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Nodes under the basic schema's names, whichever they had."""
    return [_basic(node) for node in nodes]


def _basic(node: Mapping[str, Any]) -> dict[str, Any]:
    named = dict(node)
    named["type"] = name = NODES.get(node["type"], node["type"])
    if "attrs" in node:
        named["attrs"] = {ATTRS.get((name, key), key): attr for key, attr in node["attrs"].items()}
    if "content" in node:
        named["content"] = basic(node["content"])
    if "marks" in node:
        named["marks"] = [
            {**mark, "type": MARKS.get(mark["type"], mark["type"])} for mark in node["marks"]
        ]
    return named


def tiptap(nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Nodes of the basic schema under Tiptap's names."""
    return [_tiptap(node) for node in nodes]


def _tiptap(node: Mapping[str, Any]) -> dict[str, Any]:
    named = dict(node)
    named["type"] = TIPTAP_NODES.get(node["type"], node["type"])
    if node["type"] == "ordered_list" and "attrs" in node:
        named["attrs"] = {"start": node["attrs"]["order"]}
    if "content" in node:
        named["content"] = tiptap(node["content"])
    if "marks" in node:
        named["marks"] = [
            {**mark, "type": TIPTAP_MARKS.get(mark["type"], mark["type"])} for mark in node["marks"]
        ]
    return named


def naming_of(nodes: Sequence[Mapping[str, Any]], field: str) -> Naming:
    """How a document's nodes are named; where none tells, Tiptap's fragment is `default`."""
    waiting = [*nodes]
    while waiting:
        node = waiting.pop()
        named = [node["type"], *(mark["type"] for mark in node.get("marks", []))]
        if any(name in NODES or name in MARKS for name in named):
            return "tiptap"
        if any(name in TIPTAP_NODES or name in TIPTAP_MARKS for name in named):
            return "prosemirror"
        waiting += node.get("content", [])
    return "tiptap" if field == "default" else "prosemirror"
