"""One paragraph's content written as CommonMark.

First as people would write it. What does not read back as the same (emphasis beside the wrong
characters, mostly) is written once more with character references at the edges of every text:
then each delimiter stands between punctuation, where it may both open and close.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from server.documents.commonmark import parse_inline

Node = Mapping[str, Any]
Escape = Callable[[str], str]

PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# A low line within a word is no delimiter.
SPECIAL = re.compile(r"([\\`*\[\]<~]|(?<![^\W_])_|_(?![^\W_])|#(?=[#\s]|$)|!$|&(?=#|\w+;))")
LINE_BREAKS = re.compile(r"[\n\r]")
EDGES = re.compile(r"^\s|\s$")
LINE_START = re.compile(r"^(\d{0,9})([.)](?=\s|$)|(?<!\d)[>+=-])")
SIMPLE_URL = re.compile(r"[^\s<>()\\&\x00-\x1f\x7f]+")
BREAK = "\\\n"

DELIMITERS = {"strong": "**", "em": "_", "strike": "~~"}
ORDER = ("link", "strong", "em", "strike")  # which mark is opened first


def inline(nodes: Sequence[Node], one_line: bool = False) -> str:
    """Text, hard breaks and images; whatever else there is gives way to its own text.

    one_line: hard breaks become spaces.
    """
    content = _joined([_space(node) if one_line else node for node in _flat(nodes)])
    while content and content[-1]["type"] == "hard_break":
        content.pop()  # Markdown has none at the end
    written = _written(content, _escaped)
    if _comparable(parse_inline(written)) != _comparable(content):
        written = _written(content, _referenced)
    return written


def _flat(nodes: Sequence[Node]) -> list[Node]:
    found: list[Node] = []
    for node in nodes:
        if node["type"] not in ("text", "hard_break", "image"):
            found += _flat(node.get("content", []))
        elif node["type"] != "text" or isinstance(node.get("text"), str):
            found.append(node)
    return found


def _joined(nodes: Sequence[Node]) -> list[Node]:
    """Text nodes beside each other as one if Markdown sees no difference between them."""
    found: list[Node] = []
    for node in nodes:
        both = [*found[-1:], node]
        if len(both) == 2 and all(one["type"] == "text" for one in both):
            before, _ = both
            if _marks(before) == _marks(node) and _is_code(before) == _is_code(node):
                found[-1] = {**before, "text": before["text"] + node["text"]}
                continue
        found.append(node)
    return found


def _space(node: Node) -> Node:
    return {"type": "text", "text": " "} if node["type"] == "hard_break" else node


def _written(nodes: Sequence[Node], escape: Escape) -> str:
    parts: list[str] = []
    active: list[Node] = []
    for node in nodes:
        wanted = _marks(node)
        kept = 0
        while kept < len(active) and active[kept] in wanted:
            kept += 1
        opened = [mark for mark in wanted if mark not in active[:kept]]
        parts += [_closing(mark) for mark in reversed(active[kept:])]
        parts += [_opening(mark) for mark in opened]
        active = active[:kept] + opened
        parts.append(_content(node, escape))
    parts += [_closing(mark) for mark in reversed(active)]
    return BREAK.join(_line(line) for line in "".join(parts).split(BREAK))


def _line(line: str) -> str:
    """A line that begins no block, and of which nothing is cut off."""
    return LINE_START.sub(r"\1\\\2", EDGES.sub(_reference, line))


def _marks(node: Node) -> list[Node]:
    """The marks of a text that Markdown knows, in order."""
    found: dict[str, Node] = {}
    for mark in node.get("marks", []):
        name, attrs = mark["type"], mark.get("attrs")
        if name == "link":
            attrs = attrs if isinstance(attrs, Mapping) else {}
            mark = {"href": _string(attrs, "href"), "title": _string(attrs, "title")}
            found.setdefault(name, {"type": name, **mark})
        elif name in DELIMITERS:
            found[name] = {"type": name}
    return [found[name] for name in ORDER if name in found]


def _is_code(node: Node) -> bool:
    return any(mark["type"] == "code" for mark in node.get("marks", []))


def _string(attrs: Mapping[str, Any], name: str) -> str:
    value = attrs.get(name)
    return value if isinstance(value, str) else ""


def _opening(mark: Node) -> str:
    return "[" if mark["type"] == "link" else DELIMITERS[mark["type"]]


def _closing(mark: Node) -> str:
    if mark["type"] == "link":
        return f"]({_target(mark['href'], mark['title'])})"
    return DELIMITERS[mark["type"]]


def _content(node: Node, escape: Escape) -> str:
    if node["type"] == "hard_break":
        return BREAK
    if node["type"] == "image":
        src, alt, title = _image_attrs(node)
        alt = LINE_BREAKS.sub(_reference, PUNCTUATION.sub(r"\\\1", alt))
        return f"![{alt}]({_target(src, title)})"
    return _code(node["text"]) if _is_code(node) else escape(node["text"])


def _target(url: str, title: str) -> str:
    if not SIMPLE_URL.fullmatch(url):
        escaped = LINE_BREAKS.sub(_reference, re.sub(r"([\\<>&])", r"\\\1", url))
        url = f"<{escaped}>"
    if not title:
        return url
    escaped = LINE_BREAKS.sub(_reference, re.sub(r'([\\"&])', r"\\\1", title))
    return f'{url} "{escaped}"'


def _code(text: str) -> str:
    text = LINE_BREAKS.sub(" ", text)
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    padded = text.startswith("`") or text.endswith("`")
    spaced = text.startswith(" ") and text.endswith(" ") and bool(text.strip(" "))
    space = " " if padded or spaced else ""
    return f"{fence}{space}{text}{space}{fence}"


def _escaped(text: str) -> str:
    return LINE_BREAKS.sub(_reference, SPECIAL.sub(r"\\\1", text))


def _referenced(text: str) -> str:
    inner = LINE_BREAKS.sub(_reference, PUNCTUATION.sub(r"\\\1", text[1:-1]))
    last = f"&#{ord(text[-1])};" if len(text) > 1 else ""
    return f"&#{ord(text[0])};{inner}{last}"


def _reference(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def _comparable(nodes: Sequence[Node]) -> list[Any]:
    """What of inline nodes is to come back."""
    return [
        (node["type"], node.get("text"), _marks(node), _is_code(node), _image_attrs(node))
        for node in _joined(nodes)
    ]


def _image_attrs(node: Node) -> list[str]:
    attrs = node.get("attrs") or {}
    return [_string(attrs, name) for name in ("src", "alt", "title")]
