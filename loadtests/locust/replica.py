"""One user's copy of a session's document, and what became of the user's edits.

How arrival is measured: the last key of a burst also appends a *mark* to an array in the same
transaction: author, number, and the time of Linux's monotonic clock, which all processes of one
machine share. Whoever measures sees each mark once. A mark builds on all that its author typed
before, so that it can't be there without it.
"""

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pycrdt import Array, ArrayEvent, Doc, Text, TransactionEvent

from loadtests.locust.report import JOIN, PEER, SAVED, Report
from loadtests.locust.wire import Denied, Dialect, Event, Status, Sync
from server.ids import ClientId
from server.protocol.yjs import SyncType

Send = Callable[[bytes], None]


@dataclass(frozen=True)
class Edit:
    """An edit of ours that nobody has acknowledged yet; mark: its number if it carries one."""

    since: float
    mark: int | None


class Replica:
    """See the module.

    author: who types here, unique in the run. measures: whether it reports what it sees arrive.
    """

    def __init__(
        self, session: str, author: str, dialect: Dialect, report: Report, measures: bool
    ) -> None:
        self.session = session
        self.author = author
        self.dialect = dialect
        self.synced = False
        self._arrived = False  # what a newcomer finds was typed before and is no measurement
        self.saved_marks: list[int] = []
        self._report = report
        self._doc = Doc[object]()
        self._text = self._doc.get("content", type=Text)
        self._marks = self._doc.get("marks", type=Array)
        self._client = ClientId(self._doc.client_id)
        self._send: Send | None = None
        self._unanswered: deque[list[Edit]] = deque()  # in the order of their updates
        self._unsent: list[Edit] = []  # while offline; the next step 2 carries them
        self._updates: list[bytes] = []
        self._clock = 0
        self._state = ""
        self._last_mark = 0
        self._integrating = False
        self._subscriptions = [self._doc.observe(self._changed)]
        if measures:
            self._subscriptions.append(self._marks.observe(self._marked))

    # What the connection calls.

    def online(self, send: Send, token: str) -> None:
        """A socket is there: say who we are and what we have."""
        self._send = send
        for frame in self.dialect.greeting(token):
            send(frame)
        send(self.dialect.sync(SyncType.STEP1, self._doc.get_state()))
        self.announce()

    def offline(self) -> None:
        """The socket is gone. What was not acknowledged goes out again with the next step 2."""
        self._send = None
        self.synced = False
        for edits in self._unanswered:
            self._unsent += edits
        self._unanswered.clear()

    def receive(self, event: Event) -> None:
        """Take in what the server says about this document."""
        match event:
            case Sync(SyncType.STEP1, state_vector):
                self._transmit(SyncType.STEP2, self._doc.get_update(state_vector), self._unsent)
                self._unsent = []
            case Sync(kind, update):
                self._integrating = True
                try:
                    self._doc.apply_update(update)
                finally:
                    self._integrating = False
                if kind is SyncType.STEP2:
                    self.synced = self._arrived = True
            case Status(saved):
                self._answered(saved)
            case Denied(reason):
                self._report.failed(SAVED if self._arrived else JOIN, reason)

    def _answered(self, saved: bool) -> None:
        if not self._unanswered:
            self._report.failed(SAVED, "the server acknowledged more than it was sent")
            return
        for edit in self._unanswered.popleft():
            if not saved:
                self._report.failed(SAVED, "the server refused an edit", edit.since)
                continue
            self._report.took(SAVED, edit.since)
            if edit.mark is not None:
                self.saved_marks.append(edit.mark)

    # What the user does.

    def type(self, at: int, text: str, mark: bool = False) -> int:
        """Insert text, or delete the character before for none; returns where the cursor is."""
        at = min(at, len(self._text))
        if not text and not at:
            return 0
        now = time.perf_counter()
        with self._doc.transaction():
            if text:
                self._text.insert(at, text)
            else:
                del self._text[at - 1 : at]
            if mark:
                self._last_mark += 1
                self._marks.append([self.author, self._last_mark, now])
        at += len(text) or -1
        edit = Edit(now, self._last_mark if mark else None)
        updates, self._updates = self._updates, []
        for update in updates:
            self._transmit(SyncType.UPDATE, update, [edit])
        self.announce(at)
        return at

    def announce(self, cursor: int | None = None) -> None:
        """Tell the others that we are here (still), and where our cursor is."""
        if cursor is not None or not self._state:
            user = {"name": self.author, "color": "#3465a4"}
            self._state = json.dumps({"user": user, "cursor": {"anchor": cursor, "head": cursor}})
        self._clock += 1
        if self._send is not None:
            self._send(self.dialect.presence(self._client, self._clock, self._state))

    # What the check at the end asks.

    @property
    def length(self) -> int:
        """Of the text."""
        return len(self._text)

    @property
    def unsaved(self) -> int:
        """Edits that were never acknowledged; 0 in a dialect without acknowledgements."""
        return len(self._unsent) + sum(map(len, self._unanswered))

    def content(self) -> str:
        """The text."""
        return str(self._text)

    def marks(self) -> list[tuple[str, int]]:
        """Author and number of every mark, in the document's order."""
        return [(author, int(number)) for author, number, _ in self._marks.to_py() or []]

    # How.

    def _transmit(self, kind: SyncType, update: bytes, edits: list[Edit]) -> None:
        if self._send is None:
            self._unsent += edits
            return
        if self.dialect.acknowledges:
            self._unanswered.append(edits)
        self._send(self.dialect.sync(kind, update))

    def _changed(self, event: TransactionEvent) -> None:
        if not self._integrating:
            self._updates.append(event.update)

    def _marked(self, event: ArrayEvent) -> None:
        if not self._arrived:
            return
        for part in event.delta:
            for author, _, sent_at in part.get("insert", ()):
                if author != self.author:
                    self._report.took(PEER, sent_at)
