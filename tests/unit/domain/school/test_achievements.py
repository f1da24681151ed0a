"""Achievements are earned when all that they ask for is there."""

from hypothesis import given
from hypothesis import strategies as st

from server.domain.school.achievements import Achievement, Reached, newly_earned
from server.domain.school.xp import level

NAMES = ("lessons_completed", "achievements", "xp", "level", "streak")
counts = st.fixed_dictionaries({name: st.integers(0, 6) for name in NAMES[:2]})
catalogues = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(NAMES), st.integers(0, 300), max_size=2),
        st.integers(0, 150),
    ),
    max_size=8,
).map(
    lambda rows: [
        Achievement(id, f"a-{id}", criteria, xp) for id, (criteria, xp) in enumerate(rows)
    ]
)
reached = st.builds(Reached, counts, st.integers(0, 300), st.integers(0, 9))


@given(catalogue=catalogues, reached=reached)
def test_all_that_is_met_is_earned_and_nothing_else(
    catalogue: list[Achievement], reached: Reached
) -> None:
    """With the points and the number of those earned counted in, the others are not met."""
    earned = newly_earned(catalogue, reached)
    xp = reached.xp + sum(one.xp for one in earned)
    achievements = reached.counts["achievements"] + len(earned)
    in_the_end = {
        **reached.named(),
        "xp": xp,
        "level": level(xp),
        "achievements": achievements,
    }
    assert [one for one in catalogue if one.is_met(in_the_end)] == earned


@given(catalogue=catalogues, reached=reached, order=st.randoms())
def test_the_order_of_the_catalogue_makes_no_difference(
    catalogue: list[Achievement], reached: Reached, order: object
) -> None:
    """The same ones are earned."""
    shuffled = list(catalogue)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = newly_earned(catalogue, reached), newly_earned(shuffled, reached)
    assert {achievement.id for achievement in one} == {achievement.id for achievement in other}


def test_what_can_not_be_reached() -> None:
    """No criteria, a name that is not counted, and what is no whole number, are never met."""
    reached = Reached({"lessons_completed": 5}, 500, 5)
    for criteria in ({}, {"wisdom": 1}, {"xp": "many"}, {"xp": True}, {"xp": 1.5}, {"xp": None}):
        assert newly_earned([Achievement(1, "a", criteria)], reached) == []
    assert newly_earned([Achievement(1, "a", {"xp": 500, "streak": 5})], reached)
