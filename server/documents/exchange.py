"""Documents as people and other programs want them, and the edits that make documents so."""

from collections.abc import Sequence
from typing import Any

import msgspec

from server.documents.commonmark import parse
from server.documents.markdown import markdown_of
from server.documents.names import Format, Naming, basic, naming_of, tiptap
from server.documents.plain import all_roots, lines_of, nodes, one_root, text_of
from server.documents.prosemirror import Node, checked, document_of, field_for, fragment_in
from server.documents.rich import replace_nodes
from server.documents.text import replace_text
from server.documents.tree import TEXT, Tree

TEXT_FIELD = "content"


def export(encoded: bytes, format: Format, field: str | None) -> str:
    """A document in a form, or only one root type of it; raises Conflict, BadRequest.

    Without a field: JSON has all of them; ProseMirror, Markdown and text take the only XmlFragment,
    the latter two the text `content` if there is none.
    """
    tree = Tree(encoded)
    if format == "json":
        return _json(all_roots(tree) if field is None else one_root(tree, field))
    if format == "prosemirror":
        return _json(document_of(fragment_in(tree, field)))
    root = _text_in(tree, field)
    if root is not None:
        return text_of(root)
    fragment = fragment_in(tree, field)
    found = [] if fragment is None else nodes(fragment, foreign=False)
    return markdown_of(basic(found)) if format == "markdown" else "\n".join(lines_of(found))


def _text_in(tree: Tree, field: str | None) -> Any:
    """The text that a field is; without a field, `content` if it has text."""
    root = tree.roots.get(TEXT_FIELD if field is None else field)
    return root if root is not None and root.kind == TEXT else None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def put_prosemirror(
    encoded: bytes, field: str | None, content: Sequence[Node], client_id: int
) -> bytes:
    """The update that has an XmlFragment hold these nodes; raises Conflict, BadRequest."""
    wanted = checked(content)
    tree = Tree(encoded)
    return replace_nodes(tree, field_for(tree, field), wanted, client_id)


def put_markdown(
    encoded: bytes,
    field: str | None,
    markdown: str,
    client_id: int,
    prose: bool = False,
    naming: Naming | None = None,
) -> bytes:
    """The update that has an XmlFragment hold what Markdown says, or a text the Markdown itself.

    prose: what a document without anything is to become. naming: of nodes; else as those that are
    there are named. Raises Conflict, BadRequest.
    """
    tree = Tree(encoded)
    if _becomes_text(tree, field, prose):
        return replace_text(encoded, field or TEXT_FIELD, markdown, client_id)
    target = field_for(tree, field)
    fragment = tree.roots.get(target)
    parsed = parse(markdown)
    there = [] if fragment is None else nodes(fragment, foreign=False)
    if (naming or naming_of(there, target)) == "tiptap":
        parsed = tiptap(parsed)
    wanted = checked(msgspec.convert(parsed, list[Node]))
    return replace_nodes(tree, target, wanted, client_id)


def _becomes_text(tree: Tree, field: str | None, prose: bool) -> bool:
    if _text_in(tree, field) is not None:
        return True
    root = tree.roots.get(field or "")
    if root is not None and root.kind is not None:
        return False
    return field == TEXT_FIELD or (field is None and not prose and fragment_in(tree, None) is None)
