"""One tree of errors; each knows its WebSocket close code and its HTTP status.

LyceumError
├── StartError            the server or a command can't start or go on
│   ├── ConfigError
│   └── DatabaseError
├── ProtocolError         bytes that no well-behaved client sends
│   └── MessageTooBig
├── BadName
├── Unauthorized
├── Forbidden
├── Unavailable           passing: the client should try again
│   ├── Draining
│   └── Overloaded
└── DocumentDamaged

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


class ProtocolError(LyceumError):
    """These bytes are no valid message."""

    close_code = 4400
    http_status = 400


class MessageTooBig(ProtocolError):
    """This message is larger than the server accepts."""

    close_code = 1009
    http_status = 413


class BadName(LyceumError):
    """A session's name has 1 to 255 characters and no control characters."""

    close_code = 4400
    http_status = 400


class Unauthorized(LyceumError):
    """A valid token is needed."""

    close_code = 4401
    http_status = 401


class Forbidden(LyceumError):
    """This participant may not do that."""

    close_code = 4403
    http_status = 403


class Unavailable(LyceumError):
    """The session can't be opened now; try again."""

    close_code = 1013
    http_status = 503


class Draining(Unavailable):
    """The server is restarting; try again."""

    close_code = 1012


class Overloaded(Unavailable):
    """Too much waits to be saved; try again."""


class DocumentDamaged(LyceumError):
    """What the database holds of this document can't be loaded."""
