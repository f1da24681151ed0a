"""ProseMirror nodes written as CommonMark, for the basic schema's nodes under its names.

A node that Markdown has no word for gives way to its content. Empty paragraphs can't be written.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from server.documents.inline import inline

Node = Mapping[str, Any]
Lines = list[str]

INLINE = ("text", "hard_break", "image")
LISTS = ("bullet_list", "ordered_list")
BLOCKS = ("blockquote", "code_block", "heading", "horizontal_rule", "paragraph", *LISTS)
MARKERS = {"bullet_list": ("-", "+"), "ordered_list": (".", ")")}
LARGEST_NUMBER = 999_999_999
MAX_LEVEL = 6


def markdown_of(nodes: Sequence[Node]) -> str:
    """A document's nodes as CommonMark, with a line break at the end unless it is empty."""
    return "".join(f"{line}\n" for line in _blocks(nodes))


def _blocks(nodes: Sequence[Node]) -> Lines:
    """Blocks with an empty line between each two."""
    lines: Lines = []
    before, marker = "", 0
    for node in _known(nodes):
        # The same kind of list again is a list of its own only under another marker.
        marker = 1 - marker if node["type"] == before else 0
        before = node["type"]
        block = _block(node, marker)
        if block:
            lines += ["", *block] if lines else block
    return lines


def _known(nodes: Sequence[Node]) -> Iterator[Node]:
    """Blocks that Markdown has; inline nodes that stand among blocks get a paragraph."""
    loose: list[Node] = []
    for node in [*nodes, None]:
        if node is not None and node["type"] in INLINE:
            loose.append(node)
            continue
        if loose:
            yield {"type": "paragraph", "content": loose}
            loose = []
        if node is None:
            return
        if node["type"] not in BLOCKS:
            yield from _known(node.get("content", []))
        elif node["type"] != "paragraph" or _content(node):
            yield node


def _content(node: Node) -> Sequence[Node]:
    content: Sequence[Node] = node.get("content", [])
    return content


def _attr(node: Node, name: str) -> Any:
    attrs = node.get("attrs")
    return attrs.get(name) if isinstance(attrs, Mapping) else None


def _block(node: Node, marker: int) -> Lines:
    match node["type"]:
        case "paragraph":
            text = inline(_content(node))
            return text.split("\n") if text else []
        case "heading":
            level = _attr(node, "level")
            marks = "#" * (min(max(level, 1), MAX_LEVEL) if isinstance(level, int) else 1)
            return [f"{marks} {inline(_content(node), one_line=True)}".rstrip()]
        case "code_block":
            return _code_block(node)
        case "blockquote":
            return [f"> {line}" if line else ">" for line in _blocks(_content(node)) or [""]]
        case "horizontal_rule":
            return ["***"]
    return _list(node, marker)


def _code_block(node: Node) -> Lines:
    text = "".join(part["text"] for part in _content(node) if isinstance(part.get("text"), str))
    language = _attr(node, "language") or _attr(node, "params")
    info = language.strip() if isinstance(language, str) else ""
    char = "~" if "`" in info else "`"
    longest = max((len(line) - len(line.lstrip(char)) for line in _stripped(text)), default=0)
    fence = char * max(3, longest + 1)
    return [fence + _info(info), *(text.split("\n") if text else []), fence]


def _stripped(text: str) -> Lines:
    return [line.strip() for line in text.split("\n")]


def _info(language: str) -> str:
    return "".join(f"\\{char}" if char in "\\&" else char for char in language.split("\n")[0])


def _list(node: Node, marker: int) -> Lines:
    items = [item for item in _content(node) if item["type"] == "list_item"]
    mark = MARKERS[node["type"]][marker]
    number = _attr(node, "order") if node["type"] == "ordered_list" else None
    number = number if isinstance(number, int) and number >= 0 else 1
    number = min(number, LARGEST_NUMBER - len(items))
    between = [] if _is_tight(node) else [""]
    lines: Lines = []
    for item in items:
        bullet = f"{number}{mark} " if node["type"] == "ordered_list" else f"{mark} "
        first, *rest = _blocks(_content(item)) or [""]
        indent = " " * len(bullet)
        if lines:
            lines += between
        lines.append((bullet + first) if first else bullet.rstrip())
        lines += [indent + line if line else "" for line in rest]
        number += 1
    return lines


def _is_tight(node: Node) -> bool:
    """Whether a list needs no empty lines: each item has but one paragraph, or none."""
    for item in _content(node):
        blocks = list(_known(_content(item)))
        if len(blocks) > 1 or any(block["type"] != "paragraph" for block in blocks):
            return False
    return True
