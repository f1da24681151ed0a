"""Reads documents from their encoded updates, and makes the first update of new ones."""

from typing import Any

from pycrdt import Doc, Text

YDoc = Doc[Any]


def opened(encoded: bytes) -> YDoc:
    """A copy of a document from its update."""
    doc: YDoc = Doc()
    doc.apply_update(encoded)
    return doc


def text_of(encoded: bytes, field: str) -> str:
    """The text in a field; empty if there is none."""
    return str(opened(encoded).get(field, type=Text))


def seed(text: str, field: str = "content") -> bytes:
    """The first update of a document that is to hold a text."""
    doc: YDoc = Doc()
    doc[field] = Text(text)
    return doc.get_update()
