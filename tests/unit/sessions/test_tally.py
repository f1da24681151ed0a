"""Activity that waits: bounded, and nothing is lost, doubled or mixed up on its way."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from server.ids import DocumentId
from server.persistence.activity import Kind, Row
from server.sessions.counting import Edits
from server.sessions.tally import MOST, Batch, Tally

START = datetime(2026, 3, 1, tzinfo=UTC)
KINDS: list[Kind] = ["join", "leave", "chat", "run", "role"]

session_ids = st.integers(1, 2).map(DocumentId)
people = st.integers(0, 3)
edit_counts = st.builds(
    Edits, st.integers(1, 5), st.integers(0, 9), st.integers(0, 9), st.integers(0, 2)
)
steps = st.one_of(
    st.tuples(st.just("note"), st.sampled_from(KINDS), session_ids, people),
    st.tuples(st.just("count"), edit_counts, session_ids, people),
    st.tuples(st.just("end")),
    st.tuples(st.just("take"), st.integers(1, 5)),
    st.tuples(st.just("land")),
)


def participant(number: int) -> UUID:
    return UUID(int=number)


def user(number: int) -> str | None:
    """Every participant with an even number is a guest."""
    return f"u{number}" if number % 2 else None


class Model:
    """What goes into a tally, what is shed, and what comes out."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.tally = Tally(most)
        self.now = START
        self.kept: Counter[tuple[object, ...]] = Counter()
        self.out: Counter[tuple[object, ...]] = Counter()
        self.edits: dict[tuple[int, int], Edits] = {}
        self.times: dict[tuple[int, str], list[datetime]] = {}
        self.seen: dict[tuple[int, str], list[datetime]] = {}
        self.flying: list[Batch] = []

    def do(self, step: tuple[object, ...]) -> None:
        self.now += timedelta(seconds=1)
        match step:
            case ("note", kind, session, int(who)):
                row = Row(self.now, session, participant(who), user(who), kind)  # type: ignore[arg-type]
                full = self.tally.full
                assert self.tally.note(row, "") is not full
                if not full:
                    self.kept[row] += 1
                    self.note_time(session, who)
            case ("count", Edits() as edits, session, int(who)):
                known = (session, who) in self.edits
                full = self.tally.full and not known
                kept = self.tally.count(
                    session,
                    participant(who),
                    user(who),
                    "",
                    self.now,
                    edits,  # type: ignore[arg-type]
                )
                assert kept is not full
                if kept:
                    before = self.edits.get((session, who), Edits(0))  # type: ignore[arg-type]
                    sums = (one + other for one, other in zip(before, edits, strict=True))
                    self.edits[session, who] = Edits(*sums)  # type: ignore[index]
                    self.note_time(session, who)
            case ("end",):
                self.end()
            case ("take", int(most)):
                self.take(most)
            case ("land",) if self.flying:
                self.tally.landed(self.flying.pop())
        assert not self.most or len(self.tally) <= self.most

    def note_time(self, session: object, who: int) -> None:
        name = user(who)
        if name is not None:
            self.times.setdefault((session, name), []).append(self.now)  # type: ignore[arg-type]

    def end(self) -> None:
        for (session, who), edits in self.edits.items():
            self.kept["edit", session, participant(who), user(who), *edits] += 1
        self.edits = {}
        self.tally.end_interval()

    def take(self, most: int) -> None:
        batch = self.tally.take(most)
        assert len(batch.rows) <= most
        self.flying.append(batch)
        for row in batch.rows:
            if row.kind == "edit":
                left = int((row.data or '{"unmeasured": 0}').split(": ")[1].rstrip("}"))
                counts = (row.updates, row.inserted, row.deleted, left)
                self.out["edit", row.session_id, row.participant, row.user_id, *counts] += 1
            else:
                self.out[row] += 1
        for seen in batch.seen:
            at = self.seen.setdefault((seen.session_id, seen.user_id), [])
            at += [seen.first_at, seen.last_at]


@given(most=st.integers(0, 8), steps=st.lists(steps, max_size=60))
def test_what_is_kept_comes_out_once(most: int, steps: list[tuple[object, ...]]) -> None:
    """Every row as it was; edits summed for each participant and interval; never over the bound."""
    model = Model(most)
    for step in steps:
        model.do(step)
    model.end()
    while len(model.tally):
        model.take(3)
        while model.flying:
            model.tally.landed(model.flying.pop())
    model.take(1_000)
    assert model.out == model.kept
    assert {key: (min(at), max(at)) for key, at in model.seen.items()} == {
        key: (min(at), max(at)) for key, at in model.times.items()
    }


def test_an_edit_row_covers_its_time() -> None:
    """From the first edit to the last; a new interval begins with its own first edit."""
    tally = Tally(0)
    for second in (0, 4, 9):
        tally.count(
            DocumentId(1), participant(1), "ann", "Ann", START + timedelta(seconds=second), Edits(1)
        )
    tally.end_interval()
    late = START + timedelta(seconds=12)
    tally.count(DocumentId(1), participant(1), "ann", "Ann", late, Edits(1, 2, 3))
    tally.end_interval()
    first, second_row = tally.take(10).rows
    assert (first.at, first.seconds, first.updates) == (START, 9.0, 3)
    assert (second_row.at, second_row.seconds, second_row.updates) == (late, 0.0, 1)


def test_a_clock_that_goes_back_makes_no_negative_time() -> None:
    """The table takes none."""
    tally = Tally(0)
    for second in (5, 0):
        at = START + timedelta(seconds=second)
        tally.count(DocumentId(1), participant(1), None, "", at, Edits(1))
    tally.end_interval()
    (row,) = tally.take(10).rows
    assert row.seconds == 0.0


def test_claims_beyond_what_a_column_takes() -> None:
    """Who claims to delete more than there is makes no row that Postgres refuses."""
    tally = Tally(0)
    for _ in range(3):
        tally.count(DocumentId(1), participant(1), None, "", START, Edits(1, 0, 2**53))
    tally.end_interval()
    (row,) = tally.take(10).rows
    assert row.deleted == MOST == 2**31 - 1


def test_the_newest_known_name_counts() -> None:
    """An empty one says nothing."""
    tally = Tally(0)
    for name in ("Ann", "Anna", ""):
        tally.note(Row(START, DocumentId(1), participant(1), "ann", "join"), name)
    (seen,) = tally.take(10).seen
    assert seen.name == "Anna"


@given(rows=st.integers(0, 9), seen=st.integers(0, 9))
def test_halves(rows: int, seen: int) -> None:
    """Together they hold what the whole held, and each has less, down to one."""
    batch = Batch(list(range(rows)), list(range(seen)))  # type: ignore[arg-type]
    one, other = batch.halves
    assert [*one.rows, *other.rows] == batch.rows
    assert [*one.seen, *other.seen] == batch.seen
    if rows + seen > 1:
        assert all(len(half.rows) + len(half.seen) < rows + seen for half in (one, other))
