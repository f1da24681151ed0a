"""Examples and words that the API's description shows; tests send them to a server."""

from typing import Any

BODIES: dict[str, Any] = {
    "create_session": {
        "name": "lesson-1",
        "title": "Lesson one",
        "language": "solidity",
        "starting_code": "// SPDX-License-Identifier: MIT\n",
        "permissions": {"everyone": "editor", "guests": "viewer"},
        "capacity": 30,
    },
    "change_session": {"title": "Lesson one, continued", "permissions": {"guests": "none"}},
    "give_role": {"role": "commenter"},
    "put_text": {"text": "contract Counter {}\n"},
    "patch_text": {"patches": [{"at": 0, "delete": 0, "insert": "// "}]},
    "put_prosemirror_document": {
        "type": "doc",
        "content": [
            {
                "type": "heading",
                "attrs": {"level": 1},
                "content": [{"type": "text", "text": "Lesson one"}],
            },
            {
                "type": "paragraph",
                "content": [{"type": "text", "text": "Read this.", "marks": [{"type": "strong"}]}],
            },
        ],
    },
    "put_markdown_document": {"markdown": "# Lesson one\n\n**Read this.**\n"},
    "say": {
        "body": "Look at line 3",
        "client_message_id": "8c1ab5e0-5d3f-4a7e-9f53-2d0f5b1f7c11",
        "mentions": ["bob"],
    },
    "edit_message": {"body": "Look at line 4"},
    "report_run": {"outcome": "failed", "language": "solidity", "seconds": 1.5},
    "create_webhook": {
        "url": "https://lms.example/hooks/lyceum",
        "sessions": "lesson-*",
        "events": ["session.closed", "chat.message"],
    },
    "change_webhook": {"status": "PAUSED"},
    "revoke": {"user": "bob"},
}
BYTES = {"type": "string", "format": "binary"}
UPDATE = {"schema": BYTES, "example": "\u0000\u0000"}
TAKEN: dict[str, Any] = {"apply_update": {"application/octet-stream": UPDATE}}
ANSWERS: dict[str, Any] = {
    "read_document": {
        "text/plain": {"schema": {"type": "string"}, "example": "contract Counter {}\n"},
        "text/markdown": {"schema": {"type": "string"}, "example": "# Lesson one\n"},
        "application/json": {"schema": {}, "example": {"content": "contract Counter {}\n"}},
        "application/octet-stream": {"schema": BYTES},
    },
}
VERSIONED = (  # whose answers have an ETag
    *("create_session", "read_session", "change_session", "read_document"),
    *("create_webhook", "read_webhook", "change_webhook"),
)
NO_CONTROLS = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
PARAMETERS: dict[str, dict[str, Any]] = {
    "name": {
        "description": "The session's name, percent-encoded, slashes too.",
        "example": "lesson-1",
        "minLength": 1,
        "maxLength": 255,
        "pattern": NO_CONTROLS,
    },
    "user": {
        "description": "A user id (a token's `sub`), percent-encoded.",
        "example": "bob",
        "minLength": 1,
        "maxLength": 255,
        "pattern": NO_CONTROLS,
    },
    "format": {"description": "What of the document, in which form."},
    "guest": {"description": "`guest` in the list of participants."},
    "seq": {"description": "The message's place in the chat.", "example": 1},
    "hook": {"description": "The webhook's id."},
    "delivery": {"description": "The delivery's id, which is the event's."},
}
