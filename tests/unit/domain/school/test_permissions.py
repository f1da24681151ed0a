"""What a permission comes to, for one's own things, for others' and for nobody's."""

from server.domain.school.permissions import covers
from server.ids import UserId

ANN, BEN = UserId(1), UserId(2)


def test_scopes() -> None:
    """OWN is for one's own things only, ANY for all, and none for none."""
    owners = (ANN, BEN, None)
    assert [covers("OWN", ANN, owner) for owner in owners] == [True, False, False]
    assert [covers("ANY", ANN, owner) for owner in owners] == [True, True, True]
    assert [covers(None, ANN, owner) for owner in owners] == [False, False, False]
