"""Rich documents for tests: strategies for what Markdown can say, and a form to compare them in."""

from typing import Any

from hypothesis import strategies as st

Node = dict[str, Any]

MARKS = ("strong", "em", "strike", "code")
LETTERS = "ab1 *_~`[]()<>!#&;.\\-+=|é😀\"'\t:/{}$^%\u00a0"
TEXT = st.text(
    st.sampled_from(LETTERS) | st.characters(exclude_categories=["Cs", "Cc"]),
    min_size=1,
    max_size=8,
)
URL = st.text(st.sampled_from("ab/:.?&#()<>_*[]\\ é\"'"), max_size=6)
CODE_TEXT = st.text(st.sampled_from("ab \t`~\n>-"), max_size=10)
LANGUAGES = st.sampled_from(["", "py", "c++", "f#", "a`b", "&amp;", "x\\y"])
EMPTY: Node = {"type": "paragraph"}


def node(type: str, content: list[Node] | None = None, **attrs: Any) -> Node:
    """A node; attributes that are empty are left out."""
    given = {name: value for name, value in attrs.items() if value not in (None, "")}
    made: Node = {"type": type}
    if given:
        made["attrs"] = given
    if content:
        made["content"] = content
    return made


@st.composite
def texts(draw: st.DrawFn) -> Node:
    """A text with marks."""
    names = draw(st.lists(st.sampled_from(MARKS), unique=True, max_size=3))
    marks: list[Node] = [{"type": name} for name in names]
    if draw(st.integers(0, 3)) == 0:
        link = {"href": draw(URL), "title": draw(st.none() | TEXT)}
        attrs = {name: value for name, value in link.items() if value is not None}
        marks.append({"type": "link", "attrs": attrs})
    made: Node = {"type": "text", "text": draw(TEXT)}
    return {**made, "marks": marks} if marks else made


MAYBE = TEXT | st.none()
IMAGES = st.builds(
    lambda src, alt, title: node("image", src=src, alt=alt, title=title), URL, MAYBE, MAYBE
)


@st.composite
def inlines(draw: st.DrawFn, breaks: bool = True, least: int = 1) -> list[Node]:
    """What a paragraph holds; no hard break is at its end."""
    more = st.just({"type": "hard_break"}) if breaks else IMAGES
    found = draw(st.lists(texts() | texts() | IMAGES | more, min_size=least, max_size=5))
    while found and found[-1]["type"] == "hard_break":
        found.pop()
    return found or ([{"type": "text", "text": "x"}] if least else [])


def _code_block(text: str, language: str) -> Node:
    return node("code_block", [{"type": "text", "text": text}] if text else None, language=language)


def _item(content: list[Node]) -> Node:
    starts = content and content[0]["type"] == "paragraph"
    return node("list_item", content if starts else [EMPTY, *content])


def _containers(blocks: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    items = st.lists(st.builds(_item, st.lists(blocks, max_size=3)), min_size=1, max_size=3)
    quoted = st.lists(blocks, min_size=1, max_size=3) | st.just([EMPTY])
    numbers = st.sampled_from([None, 0, 2, 12, 999])
    return (
        st.builds(lambda content: node("blockquote", content), quoted)
        | st.builds(lambda content: node("bullet_list", content), items)
        | st.builds(
            lambda content, order: node("ordered_list", content, order=order), items, numbers
        )
    )


LEAVES = (
    st.builds(lambda content: node("paragraph", content), inlines())
    | st.builds(
        lambda level, content: node("heading", content, level=level),
        st.integers(1, 6),
        inlines(breaks=False, least=0),
    )
    | st.builds(_code_block, CODE_TEXT, LANGUAGES)
    | st.just(node("horizontal_rule"))
)
DOCUMENTS = st.lists(st.recursive(LEAVES, _containers, max_leaves=6), min_size=1, max_size=4)


def normal(nodes: list[Node]) -> list[Node]:
    """Equal for documents that mean the same: texts joined, marks in order, nothing empty."""
    found: list[Node] = []
    for given in nodes:
        made = {key: value for key, value in given.items() if value not in ([], {})}
        if "attrs" in made:
            made["attrs"] = {
                key: value for key, value in made["attrs"].items() if value is not None
            }
            if not made["attrs"]:
                del made["attrs"]
        if "marks" in made:
            marks = [_mark(mark) for mark in made["marks"]]
            made["marks"] = sorted(marks, key=lambda mark: repr(sorted(mark.items())))
        if "content" in made:
            made["content"] = normal(made["content"])
        same = found and found[-1]["type"] == made["type"] == "text"
        if same and found[-1].get("marks") == made.get("marks"):
            found[-1] = {**found[-1], "text": found[-1]["text"] + made["text"]}
        else:
            found.append(made)
    return found


def _mark(mark: Node) -> Node:
    attrs = {key: value for key, value in (mark.get("attrs") or {}).items() if value is not None}
    return {"type": mark["type"], "attrs": attrs}
