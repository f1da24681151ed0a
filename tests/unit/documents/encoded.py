"""Bytes in the place of a document that pycrdt opened: also those that it would not give."""


class Encoded:
    """A document that is these bytes."""

    def __init__(self, update: bytes) -> None:
        self._update = update

    def get_update(self) -> bytes:
        """Them."""
        return self._update
