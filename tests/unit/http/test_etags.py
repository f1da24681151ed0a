"""If-Match: what it names, and what it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadRequest
from server.http.api.etags import etag, tag_in, version_in
from server.persistence.collaboration import VersionMismatch


@given(st.integers(0, 10**18 - 1))
def test_a_version_comes_back(version: int) -> None:
    """Also as a proxy that compresses leaves it."""
    for header in (etag(f"a-{version}"), f" W/{etag(f'a-{version}')} "):
        assert version_in(header, "a-") == version


@pytest.mark.parametrize("header", [None, "*", " * "])
def test_any(header: str | None) -> None:
    """Without the header, or with an asterisk, any version will do."""
    assert version_in(header) is None
    assert tag_in(header) is None


@pytest.mark.parametrize("header", ["", "1", '"1', "'1'", '"1", "2"', 'w/"1"', '"a"b"', '"\0"'])
def test_what_is_no_etag(header: str) -> None:
    """Is refused rather than taken for any."""
    with pytest.raises(BadRequest):
        version_in(header)


@pytest.mark.parametrize("tag", ["", "1", "b-1", "a-", "a-x", "a-1-2", "a-²", "a-" + "9" * 30])
def test_versions_of_other_things(tag: str) -> None:
    """Are no versions of this one."""
    with pytest.raises(VersionMismatch):
        version_in(etag(tag), "a-")
