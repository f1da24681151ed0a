"""Edits of a text: exactly what was asked for, as little as possible, nobody else's lost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text

from server.documents.reading import seed
from server.documents.text import Patch, patch_text, replace_text
from server.errors import BadRequest, Conflict

LINES = st.lists(st.sampled_from(["a\n", "b\n", "é\n", "😀x\n", "\n", "long line\n"]), max_size=8)
TEXTS = st.builds("".join, LINES) | st.text("ab é😀\n", max_size=30)


def merged(*updates: bytes) -> str:
    """The text of a document with these updates."""
    doc: Doc[Any] = Doc()
    for update in updates:
        doc.apply_update(update)
    return str(doc.get("content", type=Text))


@given(TEXTS, TEXTS)
def test_replacing_gives_exactly_the_new_text(old: str, new: str) -> None:
    """Whatever both are; equal ones make an update without anything."""
    encoded = seed(old)
    update = replace_text(encoded, "content", new, 7)
    assert merged(encoded, update) == new
    if old == new:
        assert update == b"\0\0"


@given(LINES, LINES, LINES)
def test_what_others_write_meanwhile_stays(
    before: list[str], old: list[str], new: list[str]
) -> None:
    """An edit elsewhere in the text that the server has not seen survives the replacement."""
    head = "".join(["first\n", *before])
    encoded = seed(head + "".join(old) + "last\n")
    doc: Doc[Any] = Doc(client_id=9)
    doc.apply_update(encoded)
    state = doc.get_state()
    doc.get("content", type=Text).insert(0, "[other]")
    update = replace_text(encoded, "content", head + "".join(new) + "last\n", 7)
    expected = "[other]" + head + "".join(new) + "last\n"
    assert merged(encoded, update, doc.get_update(state)) == expected
    assert merged(encoded, doc.get_update(state), update) == expected


def test_only_lines_that_differ_are_touched() -> None:
    """One changed line in a large text makes a small update; so does one changed letter."""
    lines = [f"line {number}\n" for number in range(1_500)]
    encoded = seed("".join(lines))
    changed = [*lines]
    changed[3], changed[1_400] = "three\n", "line 14oo\n"
    assert len(replace_text(encoded, "content", "".join(changed), 7)) < 100


def test_many_patches_of_a_large_text_are_made_in_few_pieces() -> None:
    """Else one request would hold everybody up for a minute; the result is the same."""
    old = "é" * 2_000_000
    patches = [Patch(at=at, delete=1, insert="x") for at in range(0, 2_000_000, 1_000)]
    encoded = seed(old)
    new = merged(encoded, patch_text(encoded, "content", patches, 7))
    assert new == ("x" + "é" * 999) * 2_000


def test_very_many_lines_are_replaced_as_one_piece() -> None:
    """Comparing them would hold everybody up; the result is the same."""
    old = "".join(f"{number}\n" for number in range(3_000))
    new = "start\n" + old.replace("7", "seven") + "end\n"
    encoded = seed(old)
    assert merged(encoded, replace_text(encoded, "content", new, 7)) == new


@st.composite
def patched(draw: st.DrawFn) -> tuple[str, list[Patch], str]:
    """A text, patches in any order, and what they make of it."""
    old = draw(st.text("ab é😀\n", max_size=20))
    cuts = sorted(draw(st.lists(st.integers(0, len(old)), max_size=6)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    patches, new, done, taken = [], "", 0, set()
    for start, end in pairs:
        if start in taken:
            continue
        taken |= {start, end}
        insert = draw(st.text("xé😀", max_size=3))
        at = len(old[:start].encode("utf-16-le")) // 2
        size = len(old[start:end].encode("utf-16-le")) // 2
        patches.append(Patch(at, size, insert))
        new += old[done:start] + insert
        done = end
    return old, draw(st.permutations(patches)), new + old[done:]


@given(patched())
def test_patches_count_as_javascript_does(case: tuple[str, list[Patch], str]) -> None:
    """Places are UTF-16 units of the text before, in any order."""
    old, patches, new = case
    encoded = seed(old)
    assert merged(encoded, patch_text(encoded, "content", patches, 7)) == new


@pytest.mark.parametrize(
    ("patches", "reason"),
    [
        ([Patch(7, 0, "x")], "reaches to 7, the text has 6"),
        ([Patch(0, 7)], "reaches to 7"),
        ([Patch(0, 3), Patch(2, 1)], "overlap at 2"),
        ([Patch(2, 0, "x")], "cuts a surrogate pair"),
        ([Patch(1, 1)], "cuts a surrogate pair"),
        ([Patch(0, 0, "\ud83d")], "half of a surrogate pair"),
    ],
)
def test_wrong_patches_are_refused(patches: list[Patch], reason: str) -> None:
    """With a reason that says where."""
    with pytest.raises(BadRequest, match=reason):
        patch_text(seed("a😀bcd"), "content", patches, 7)


def test_a_text_with_embedded_things() -> None:
    """Places could not be counted right: better no edit than a wrong one."""
    doc: Doc[Any] = Doc()
    doc["content"] = text = Text("ab")
    text.insert_embed(1, {"image": "x"})
    with pytest.raises(Conflict, match="more than characters"):
        replace_text(doc.get_update(), "content", "abc", 7)
