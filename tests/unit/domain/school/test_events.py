"""An event that is sent again is known by its id."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from server.domain.school.events import SPACE, event_id


@given(user=st.integers(1, 2**62), key=st.text(max_size=20))
def test_an_id_is_that_of_its_name(user: int, key: str) -> None:
    """Version 5 of RFC 9562: the same for the same, for ever."""
    made = uuid5(UUID(bytes=SPACE), f"{user}/lesson.started/{key}")
    assert event_id(user, "lesson.started", key) == made


def test_different_things_have_different_ids() -> None:
    """Another person, another type, another key."""
    ids = {event_id(1, "a", "x"), event_id(2, "a", "x"), event_id(1, "b", "x"), event_id(1, "a", 1)}
    assert len(ids) == 4
