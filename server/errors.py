"""One tree of errors; each knows its WebSocket close code and its HTTP status.

LyceumError
├── StartError            the server or a command can't start or go on
│   ├── ConfigError
│   ├── DatabaseError
│   └── KeysError         of the keys of personal data
│       ├── MissingKey
│       └── WrongKey
├── ProtocolError         bytes that no well-behaved client sends
│   ├── CorruptMessage
│   └── MessageTooBig
├── BadRequest            the request itself is wrong
│   ├── BadName
│   └── TooLong
├── Unauthorized
│   ├── TokenExpired
│   └── TokenRevoked
├── Forbidden
│   └── ForeignPage
├── NotFound
│   └── Gone
├── Conflict
│   └── Closed
├── DocumentFull
├── TooFast
├── TooManySockets
├── Unavailable           passing: the client should try again
│   ├── Draining
│   ├── Overloaded
│   ├── TokenEarly
│   ├── SessionFull
│   ├── RoleChanged
│   ├── QueryTimeout      both are TimeoutError as well
│   └── PoolExhausted
├── DocumentDamaged
└── Undecipherable

y-websocket clients take 4400–4499 as lasting and try again after all other codes; Hocuspocus
clients never come back after 4401 and 1009. An error's docstring is its default message.
"""


class LyceumError(Exception):
    """Something went wrong."""

    close_code = 1011
    http_status = 500

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class StartError(LyceumError):
    """The server can't start."""


class ConfigError(StartError):
    """A setting has a value that is not allowed."""


class DatabaseError(StartError):
    """The database can't be used."""


class AuditError(StartError):
    """The audit log can't be sealed or verified."""


class KeysError(StartError):
    """The encryption keys can't be used."""


class MissingKey(KeysError):
    """An encryption key is missing."""


class WrongKey(KeysError):
    """An encryption key is not the one that the database was filled with."""


class ProtocolError(LyceumError):
    """These bytes are no valid message."""

    close_code = 4400
    http_status = 400


class CorruptMessage(ProtocolError):
    """This message can't be unpacked."""

    close_code = 1007


class MessageTooBig(ProtocolError):
    """This message is larger than the server accepts."""

    close_code = 1009
    http_status = 413


class BadRequest(LyceumError):
    """This can't be done as it was asked."""

    close_code = 4400
    http_status = 400


class BadName(BadRequest):
    """A session's name has 1 to 255 characters and no control characters."""


class TooLong(BadRequest):
    """This has more characters than are allowed."""

    http_status = 413


class Unauthorized(LyceumError):
    """A valid token is needed."""

    close_code = 4401
    http_status = 401


class TokenExpired(Unauthorized):
    """The token has expired."""


class TokenRevoked(Unauthorized):
    """The token was revoked."""


class Forbidden(LyceumError):
    """This participant may not do that."""

    close_code = 4403
    http_status = 403


class ForeignPage(Forbidden):
    """Pages of this origin may not connect here; LYCEUM_ORIGINS says which may."""


class NotFound(LyceumError):
    """There is no such session."""

    close_code = 4404
    http_status = 404


class Gone(NotFound):
    """This session was deleted."""

    close_code = 4410
    http_status = 410


class Conflict(LyceumError):
    """This does not fit what is there already."""

    close_code = 4409
    http_status = 409


class Closed(Conflict):
    """This session is closed to writing."""

    close_code = 4403


class DocumentFull(LyceumError):
    """The document has reached its largest size; delete something, then reload."""

    close_code = 4413
    http_status = 413


class TooFast(LyceumError):
    """Too much at once; wait a little.

    retry_after: seconds.
    """

    close_code = 1008
    http_status = 429

    def __init__(self, message: str | None = None, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManySockets(LyceumError):
    """Too many sockets come from this address."""

    close_code = 1013
    http_status = 429


class Unavailable(LyceumError):
    """The session can't be opened now; try again."""

    close_code = 1013
    http_status = 503


class Draining(Unavailable):
    """The server is restarting; try again."""

    close_code = 1012


class Overloaded(Unavailable):
    """Too much waits to be saved; try again."""


class TokenEarly(Unavailable):
    """The token is not valid yet, but soon."""


class SessionFull(Unavailable):
    """The session is full; there is a place once somebody leaves."""


class RoleChanged(Unavailable):
    """Your role changed; come in again."""

    close_code = 1012


class QueryTimeout(Unavailable, TimeoutError):
    """The database takes too long; try again."""


class PoolExhausted(Unavailable, TimeoutError):
    """All connections to the database are in use; try again."""


class DocumentDamaged(LyceumError):
    """What the database holds of this document can't be loaded."""


class Undecipherable(LyceumError):
    """This ciphertext can't be decrypted."""
