"""CommonMark: what it can say is written so that it is read back the same."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from server.documents.commonmark import MAX_BRACKETS, parse
from server.documents.markdown import markdown_of
from server.documents.names import basic, naming_of, tiptap
from server.errors import BadRequest
from tests.unit.documents.rich import DOCUMENTS, EMPTY, Node, node, normal

EXAMPLE = """\
# Lesson *one*

Read **this** [page](https://example.com/a_b "Title"), then run `make test`.\\
It has ~~no~~ spaces.

> Quoted

3. three
4. four

- a

  ```py
  print("x")
  ```

-

***

![picture](a.png)
"""


def text(words: str, *marks: str) -> Node:
    """A text with marks that need no attributes."""
    made: Node = {"type": "text", "text": words}
    return {**made, "marks": [{"type": mark} for mark in marks]} if marks else made


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(DOCUMENTS)
def test_import_undoes_export(document: list[Node]) -> None:
    """For all that Markdown can say, whatever characters stand where."""
    written = markdown_of(document)
    assert normal(parse(written)) == normal(document), written


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(DOCUMENTS)
def test_both_spellings_are_the_same(document: list[Node]) -> None:
    """Tiptap's names and back, and Markdown doesn't see the difference."""
    translated = tiptap(document)
    assert basic(translated) == document
    assert markdown_of(basic(translated)) == markdown_of(document)


def test_an_example() -> None:
    """Every kind of node, and what is written of it."""
    found = parse(EXAMPLE)
    assert [node["type"] for node in found] == [
        *("heading", "paragraph", "blockquote", "ordered_list", "bullet_list"),
        *("horizontal_rule", "paragraph"),
    ]
    assert found[0] == node("heading", [text("Lesson "), text("one", "em")], level=1)
    assert found[1]["content"][3] == {
        "type": "text",
        "text": "page",
        "marks": [{"type": "link", "attrs": {"href": "https://example.com/a_b", "title": "Title"}}],
    }
    assert found[3]["attrs"] == {"order": 3}
    assert found[4]["content"][1] == node("list_item", [EMPTY])
    assert markdown_of(found) == EXAMPLE.replace("*one*", "_one_")


@pytest.mark.parametrize(
    ("document", "written"),
    [
        (
            [node("paragraph", [text("a*b_c d"), text("e", "strong"), text("f")])],
            "a\\*b_c d**e**f\n",
        ),
        ([node("paragraph", [text("1. no list")])], "1\\. no list\n"),
        ([node("paragraph", [text("# no heading, C#")])], "\\# no heading, C\\#\n"),
        (
            [node("paragraph", [text("- no"), node("hard_break"), text("= no")])],
            "\\- no\\\n\\= no\n",
        ),
        (
            [node("paragraph", [text("a"), text("(b)", "strong"), text("c")])],
            "&#97;**&#40;b&#41;**&#99;\n",
        ),
        ([node("paragraph", [text(" a ", "em")])], "_&#32;a&#32;_\n"),
        ([node("paragraph", [text("`", "code")])], "`` ` ``\n"),
        ([node("paragraph", [text("a\nb")])], "a&#10;b\n"),
        ([node("heading", [text("x")], level=9)], "###### x\n"),
        ([node("heading", [text("a"), node("hard_break"), text("b")], level="1")], "# a b\n"),
        ([node("code_block", [text("```")], language="sol")], "````sol\n```\n````\n"),
        ([node("paragraph", [text("a"), node("hard_break")])], "a\n"),
        ([EMPTY], ""),
        ([], ""),
        ([node("table", [node("cell", [text("a", "underline")]), node("cell")])], "a\n"),
        ([text("loose"), node("paragraph", [node("mention"), text("b")])], "loose\n\nb\n"),
        ([node("bullet_list", [node("list_item", [EMPTY])])] * 2, "-\n\n+\n"),
    ],
)
def test_what_is_written(document: list[Node], written: str) -> None:
    """As plainly as it can be, and what Markdown has no word for by its text."""
    assert markdown_of(document) == written


def test_odd_attributes_are_no_trouble() -> None:
    """Values of the wrong kinds count as none."""
    odd: list[Any] = [
        node("heading", [text("a")], level=True),
        {"type": "code_block", "attrs": None, "content": [{"type": "text", "text": {"x": 1}}]},
        node("ordered_list", [node("list_item", [node("paragraph", [text("a")])])], order="x"),
        {
            "type": "paragraph",
            "content": [{"type": "text", "text": "b", "marks": [{"type": "link", "attrs": True}]}],
        },
        {"type": "image", "attrs": {"src": 7}},
    ]
    assert markdown_of(odd) == "# a\n\n```\n```\n\n1. a\n\n[b](<>)\n\n![](<>)\n"


def test_html_and_scripts_stay_text() -> None:
    """Nothing that a page might run comes from Markdown."""
    found = parse("<b>x</b> [y](javascript:alert(1))\n\n<script>\n")
    assert normal(found) == [
        node("paragraph", [text("<b>x</b> [y](javascript:alert(1))")]),
        node("paragraph", [text("<script>")]),
    ]


def test_lines_of_a_paragraph_are_one() -> None:
    """A line break in Markdown is a space; references and escapes are characters."""
    assert parse("a\nb \\* &amp; &#99;") == [node("paragraph", [text("a b * & c")])]


def test_too_many_brackets_are_refused() -> None:
    """They would hold everybody up."""
    with pytest.raises(BadRequest, match="opening brackets"):
        parse("[" * (MAX_BRACKETS + 1))
    assert parse("")


@pytest.mark.parametrize(
    ("nodes", "field", "naming"),
    [
        ([node("bulletList")], "prosemirror", "tiptap"),
        ([node("blockquote", [node("list_item")])], "default", "prosemirror"),
        ([node("paragraph", [text("a", "bold")])], "x", "tiptap"),
        ([node("paragraph", [text("a", "em")])], "default", "prosemirror"),
        ([EMPTY], "default", "tiptap"),
        ([EMPTY], "prosemirror", "prosemirror"),
    ],
)
def test_whose_names_are_used(nodes: list[Any], field: str, naming: str) -> None:
    """Those in use there; where none tells, by what the field is called."""
    assert naming_of(nodes, field) == naming
