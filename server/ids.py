"""Typed ids; a name says what a number or a string is of."""

from typing import NewType

SessionName = NewType("SessionName", str)  # what users call a session; the document's name
DocumentId = NewType("DocumentId", int)  # the database's key of a document
Seq = NewType("Seq", int)  # 1, 2, 3, … within one document, in commit order, without gaps
ClientId = NewType("ClientId", int)  # Yjs's number of one client of one document
Lsn = NewType("Lsn", int)  # bytes of Postgres' log until then, over all of its life
UserId = NewType("UserId", int)  # the database's key of a person; tokens say a subject instead
