"""Cuts the SQL of a migration into its statements; pure."""

import re

from server.errors import DatabaseError

# What a semicolon in it does not end a statement: comments (nested ones are not known), quotes.
TOKEN = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?<![\w$]) e'(?:[^'\\]|\\.|'')*'
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | (?<![\w$]) \$(?P<tag>[^\W\d]\w*|)\$ .*? \$(?P=tag)\$
    | (?P<end> ; )
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
LEAD = re.compile(r"(?:\s|--[^\n]*(?:\n|$))*")
CONTROL = re.compile(
    r"(?:begin|start\s+transaction|commit|end|rollback|abort|savepoint)\b", re.IGNORECASE
)
ATOMIC = re.compile(r"\bbegin\s+atomic\b", re.IGNORECASE)
CONCURRENT_INDEX = re.compile(
    r"""
    (?P<verb> create | drop ) \s+ (?:unique\s+)? index \s+ concurrently \s+
    (?P<repeatable> if \s+ (?:not\s+)? exists \s+ )? (?P<name> "(?:[^"]|"")+" | \w+ )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def split(sql: str) -> list[str]:
    """The statements, each with the comments before it and without its semicolon.

    Raises DatabaseError where a migration begins or ends a transaction of its own, or has a
    function body that is not quoted.
    """
    statements = []
    start = 0
    for token in TOKEN.finditer(sql):
        if token["end"]:
            statements.append(sql[start : token.start()].strip())
            start = token.end()
    statements.append(sql[start:].strip())
    statements = [statement for statement in statements if bare(statement)]
    for statement in statements:
        if ATOMIC.search(TOKEN.sub(" ", statement)):
            raise DatabaseError("begin atomic can't be cut into statements; quote the body with $$")
        if found := CONTROL.match(bare(statement)):
            raise DatabaseError(f"a migration is a transaction already; leave out {found[0]!r}")
    return statements


def bare(statement: str) -> str:
    """A statement without its comments."""
    return TOKEN.sub(lambda token: " " if token["comment"] else token[0], statement).strip()


def lead(sql: str) -> str:
    """The comments that a file begins with."""
    found = LEAD.match(sql)
    assert found is not None
    return found[0]


def concurrent_index(statement: str) -> re.Match[str] | None:
    """What a statement does to an index concurrently: verb, repeatable, name; None if nothing."""
    return CONCURRENT_INDEX.match(bare(statement))
