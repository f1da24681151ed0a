"""CommonMark (and ~~strike~~) read as ProseMirror nodes, under the basic schema's names.

Raw HTML stays text, and so does a link that would run a script.
"""

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import unescapeAll
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from server.errors import BadRequest
from server.protocol.values import MAX_DEPTH

MAX_BRACKETS = 2_000  # in one paragraph: looking for links costs their square

CONTAINERS = {"blockquote", "bullet_list", "heading", "list_item", "ordered_list", "paragraph"}
FILLED = ("blockquote", "list_item")  # hold a paragraph at least
MARKS = {"em": "em", "s": "strike", "strong": "strong"}

Node = dict[str, Any]


def _check(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and token.content.count("[") > MAX_BRACKETS:
            raise BadRequest(f"A paragraph may have {MAX_BRACKETS} opening brackets, not more.")


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_DEPTH})
    parser.enable("strikethrough")
    parser.core.ruler.before("inline", "check", _check)
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]  # as it was written
    return parser


PARSER = _parser()


def parse(markdown: str) -> list[Node]:
    """The nodes of a document; an empty one has an empty paragraph. Raises BadRequest."""
    root: Node = {"content": []}
    open_nodes = [root]
    for token in PARSER.parse(markdown):
        kind, _, edge = token.type.rpartition("_")
        inside = open_nodes[-1]["content"]
        if edge == "open" and kind in CONTAINERS:
            node = _opened(kind, token)
            inside.append(node)
            open_nodes.append(node)
        elif edge == "close" and kind in CONTAINERS:
            _close(open_nodes.pop())
        elif token.type == "inline":
            inside += _inline(token.children or [])
        elif token.type in ("fence", "code_block"):
            inside.append(_code_block(token))
        elif token.type == "hr":
            inside.append({"type": "horizontal_rule"})
    return root["content"] or [{"type": "paragraph"}]


def parse_inline(markdown: str) -> list[Node]:
    """The inline nodes of one paragraph's text."""
    return [
        node for token in PARSER.parseInline(markdown) for node in _inline(token.children or [])
    ]


def _opened(kind: str, token: Token) -> Node:
    node: Node = {"type": kind, "content": []}
    if kind == "heading":
        node["attrs"] = {"level": int(token.tag[1:])}
    elif kind == "ordered_list" and token.attrs.get("start", 1) != 1:
        node["attrs"] = {"order": int(token.attrs["start"])}
    return node


def _close(node: Node) -> None:
    """Give a container what its schema wants to be in it."""
    content = node["content"]
    lacks = node["type"] in FILLED and not content
    if lacks or (node["type"] == "list_item" and content[0]["type"] != "paragraph"):
        content.insert(0, {"type": "paragraph"})
    if not content:
        del node["content"]


def _code_block(token: Token) -> Node:
    node: Node = {"type": "code_block"}
    language = unescapeAll(token.info.strip().partition(" ")[0])
    if language:
        node["attrs"] = {"language": language}
    text = token.content.removesuffix("\n")
    if text:
        node["content"] = [{"type": "text", "text": text}]
    return node


def _inline(tokens: Sequence[Token]) -> list[Node]:
    nodes: list[Node] = []
    marks: list[Node] = []
    for token in tokens:
        kind, _, edge = token.type.rpartition("_")
        if edge == "open":
            marks.append(_mark(kind, token))
        elif edge == "close":
            marks.pop()
        elif token.type == "hardbreak":
            nodes.append({"type": "hard_break"})
        elif token.type == "image":
            nodes.append(_image(token))
        elif token.type == "code_inline":
            _add_text(nodes, token.content, [*marks, {"type": "code"}])
        else:
            _add_text(nodes, " " if token.type == "softbreak" else token.content, marks)
    return nodes


def _mark(kind: str, token: Token) -> Node:
    if kind != "link":
        return {"type": MARKS[kind]}
    attrs = {name: token.attrs[name] for name in ("href", "title") if token.attrs.get(name)}
    return {"type": "link", "attrs": {"href": "", **attrs}}


def _add_text(nodes: list[Node], text: str, marks: Sequence[Node]) -> None:
    if not text:
        return
    unique = [mark for at, mark in enumerate(marks) if mark not in marks[:at]]
    node: Node = {"type": "text", "text": text, **({"marks": unique} if unique else {})}
    if nodes and nodes[-1]["type"] == "text" and nodes[-1].get("marks", []) == unique:
        nodes[-1]["text"] += text
    else:
        nodes.append(node)


def _image(token: Token) -> Node:
    alt = "".join(_words(token.children or []))
    attrs = {"src": token.attrs.get("src", ""), "alt": alt, "title": token.attrs.get("title", "")}
    return {"type": "image", "attrs": {name: text for name, text in attrs.items() if text}}


def _words(tokens: Sequence[Token]) -> list[str]:
    return [
        " " if token.type in ("softbreak", "hardbreak") else token.content
        for token in tokens
        if token.type != "image"
    ]
