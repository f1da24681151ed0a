"""What may be said in a chat: lengths, names of messages, mentions. Pure."""

from collections.abc import Sequence
from unicodedata import category

from server.errors import BadRequest, TooLong

MAX_ID, MAX_NAME, MAX_USER, MAX_MENTIONS = 64, 64, 255, 50
ALLOWED_CONTROLS = "\n\t"


def checked_body(body: str, bound: int) -> str:
    """The body of a message, with line ends as \\n and no blank space around it.

    bound: characters, 0 without one. Raises BadRequest, TooLong.
    """
    body = body.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not body:
        raise BadRequest("A message has to say something.")
    if bound and len(body) > bound:
        raise TooLong(f"A message has at most {bound} characters, this one has {len(body)}.")
    if any(category(char) in ("Cc", "Cs") and char not in ALLOWED_CONTROLS for char in body):
        raise BadRequest("A message has no control characters but line ends and tabs.")
    return body


def checked_id(client_message_id: str) -> str:
    """What a sender calls its message; raises BadRequest."""
    if not 1 <= len(client_message_id) <= MAX_ID or not client_message_id.isprintable():
        raise BadRequest(f"A client_message_id has 1 to {MAX_ID} printable characters.")
    return client_message_id


def checked_mentions(mentions: Sequence[str]) -> tuple[str, ...]:
    """User ids, each once, in their order; raises BadRequest, TooLong."""
    once = tuple(dict.fromkeys(mentions))
    if len(once) > MAX_MENTIONS:
        raise TooLong(f"A message mentions at most {MAX_MENTIONS} users.")
    if not all(1 <= len(user) <= MAX_USER and user.isprintable() for user in once):
        raise BadRequest(f"A mention is a user id of 1 to {MAX_USER} printable characters.")
    return once


def shown_name(token_name: str | None, chosen: str) -> str:
    """What others see: the token's word counts before what somebody calls itself."""
    name = " ".join("".join(c if c.isprintable() else " " for c in token_name or chosen).split())
    return name[:MAX_NAME]
