"""Search over posts, as a login that is a member of lyceum_app only and as one of lyceum_staff."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.errors import BadRequest
from server.ids import UserId
from server.persistence.school import search
from server.persistence.school.search import PostFilter
from server.persistence.school.vocabulary import refresh_vocabulary
from tests.school.campus import Campus
from tests.school.searched import ago, found, ids, lesson, post


@pytest_asyncio.fixture
async def ann(campus: Campus) -> AsyncIterator[UserId]:
    """Somebody who searches; what a test posts goes with it."""
    yield await campus.person()
    await campus.superuser.execute("delete from posts; delete from search_changes")
    await campus.superuser.execute("delete from search_vocabulary")


async def test_titles_votes_and_new_posts_come_first(campus: Campus, ann: UserId) -> None:
    """In this order of weight; all else being equal, the one that was written last."""
    old, db = ago(days=700), campus.superuser
    in_body = await post(db, ann, "Question", "How much gas is that?", at=old)
    voted = await post(db, ann, "Question", "How much gas is that?", score=40, at=old)
    new = await post(db, ann, "Question", "How much gas is that?")
    in_title = await post(db, ann, "Gas", "How much is that?", at=old)
    await post(db, ann, "Question", "How much is that?")
    assert await ids(campus, ann, "gas ") == [in_title, new, voted, in_body]


async def test_quotes_and_minus(campus: Campus, ann: UserId) -> None:
    """All words, in any order; in their order within quotes; without what has a minus."""
    db = campus.superuser
    a = await post(db, ann, "Storage slots", "A mapping of structs.")
    b = await post(db, ann, "Structs in storage", "A nested mapping; slots.")
    assert set(await ids(campus, ann, "storage slots ")) == {a, b}
    assert await ids(campus, ann, '"storage slots"') == [a]
    assert await ids(campus, ann, 'mapping -"storage slots" ') == [b]
    assert await ids(campus, ann, "slots -nested ") == [a]
    assert await ids(campus, ann, "slots -nesting ") == [a]
    assert set(await ids(campus, ann, "mappings of the struct ")) == {a, b}
    assert await ids(campus, ann, "-nested ") == []
    assert await ids(campus, ann, "the ") == []


async def test_the_word_that_is_being_typed(campus: Campus, ann: UserId) -> None:
    """Its beginning finds all words that go on so, whatever their stems are."""
    db = campus.superuser
    a = await post(db, ann, "Running a node")
    b = await post(db, ann, "It runs nodes")
    c = await post(db, ann, "A runtime error")
    await refresh_vocabulary(campus.server)
    assert await ids(campus, ann, "run ") == await ids(campus, ann, "running") == [b, a]
    assert set(await ids(campus, ann, "run")) == {a, b, c}
    assert await ids(campus, ann, "runt") == [c]
    assert await ids(campus, ann, "node runn") == [b, a]
    assert await ids(campus, ann, '"runt') == []
    assert await ids(campus, ann, "ru") == []


async def test_what_was_mistyped(campus: Campus, ann: UserId) -> None:
    """With nothing found, what was probably meant is; with few hits, it is suggested."""
    db = campus.superuser
    posts = [await post(db, ann, f"Contracts {n}", "They hold ether.") for n in range(11)]
    rare = await post(db, ann, "Contrasts")
    await refresh_vocabulary(campus.server)
    for typed in ("cotnracts", "contrcts", "contraacts", "kontracts"):
        page = await found(campus, ann, f"ether {typed}")
        assert (page.meant, page.corrected) == ("ether contracts", True)
        assert {hit.id for hit in page.hits} == set(posts)
    page = await found(campus, ann, "contrasts")
    assert ([hit.id for hit in page.hits], page.meant) == ([rare], "contracts")
    assert not page.corrected
    page = await found(campus, ann, "contracts contrasts")
    assert (page.hits, page.meant) == ((), None)
    for typed in ("contracts", '"cotnracts"', "ethr2 ", "ehter contrazzz"):
        page = await found(campus, ann, typed)
        assert (page.meant, page.corrected) == (None, False)


async def test_languages(campus: Campus, ann: UserId) -> None:
    """Each text is searched by its own language's stems, whatever the person speaks."""
    db = campus.superuser
    german = await post(db, ann, "Verträge", "Das Wetter der Alpen", language="de-CH")
    english = await post(db, ann, "Contracting", "The running of it", language="en")
    other = await post(db, ann, "Verträge", "контракты the", language="xx")
    await refresh_vocabulary(campus.server)
    assert set(await ids(campus, ann, "Vertrag Wetter ", spoken="de")) == {german}
    assert set(await ids(campus, ann, "VERTRÄGE ", spoken="fr")) == {german, other}
    assert await ids(campus, ann, "contracts ", spoken="de") == [english]
    assert await ids(campus, ann, "die Verträge ", spoken="en") == [german]
    assert await ids(campus, ann, "КОНТРАКТЫ ") == [other]
    assert await ids(campus, ann, "verträge -wetter ") == [other]
    assert await ids(campus, ann, "verträge ", only=PostFilter(language="de")) == [german]
    assert await ids(campus, ann, "verträge ", only=PostFilter(language="xx-Latn")) == [other]
    assert await ids(campus, ann, "vertrag ", only=PostFilter(language="xx")) == []
    with pytest.raises(BadRequest):
        await ids(campus, ann, "verträge", only=PostFilter(language="'x'"))


async def test_hidden_posts_are_their_authors_and_staffs(campus: Campus, ann: UserId) -> None:
    """Nobody else finds them, by no filter; deleted ones nobody does, flagged ones all do."""
    db, bob = campus.superuser, await campus.person()
    course = await campus.course()
    mine = await post(db, ann, "Gas", status="HIDDEN", course=course)
    his = await post(db, bob, "Gas", status="HIDDEN")
    flagged = await post(db, bob, "Gas", status="FLAGGED")
    await db.execute(
        "update posts set status = 'DELETED', title = null, body = null where id = $1",
        await post(db, bob, "Gas"),
    )
    assert set(await ids(campus, ann, "gas ")) == {mine, flagged}
    assert (await found(campus, ann, "gas ")).about == 2
    assert set(await ids(campus, bob, "gas ")) == {his, flagged}
    assert await ids(campus, ann, "gas ", only=PostFilter(course_id=course)) == [mine]
    assert await ids(campus, bob, "gas ", only=PostFilter(course_id=course)) == []
    page = await search.posts(campus.staff, "gas ", staff=True)
    assert {hit.id for hit in page.hits} == {mine, his, flagged}
    page = await search.posts(campus.staff, "gas ", PostFilter(course_id=course), staff=True)
    assert [(hit.id, hit.status) for hit in page.hits] == [(mine, "HIDDEN")]


async def test_a_page_has_a_bound(campus: Campus, ann: UserId) -> None:
    """However many are asked for."""
    await campus.superuser.execute(
        "insert into posts (author_id, title, body)"
        " select $1, 'Gas', n::text from generate_series(1, 101) as n",
        ann,
    )
    page = await found(campus, ann, "gas ", limit=10**6)
    assert len(page.hits) == 100
    assert page.more is not None


async def test_before_the_first_post(campus: Campus, ann: UserId) -> None:
    """Where nobody has written yet, or not by then, nothing is found."""
    for _ in range(2):
        for only in (PostFilter(), PostFilter(until=ago(days=9)), PostFilter(since=ago(days=-9))):
            assert await ids(campus, ann, "gas ", only=only) == []
        await post(campus.superuser, ann, "Storage")


async def test_nobody_finds_nothing(campus: Campus, ann: UserId) -> None:
    """Who is not acting for a person sees no post, and can't get around that as staff would."""
    await post(campus.superuser, ann, "Gas")
    await post(campus.superuser, ann, "Gas", status="HIDDEN")
    async with campus.app.as_user(0) as connection:
        assert (await search.posts(connection, "gas ")).hits == ()
        assert (await search.posts(connection, "gas ", staff=True)).hits == ()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await search.posts(campus.server, "gas ")


async def test_filters(campus: Campus, ann: UserId) -> None:
    """By course, lesson, kind and time; hidden ones of one's own by the same."""
    db, course = campus.superuser, await campus.course()
    of = await lesson(db, course, "One")
    day = timedelta(days=1)
    at = ago(days=10)
    a = await post(db, ann, "Gas", course=course, lesson=of, at=at)
    b = await post(db, ann, "Gas", course=course, kind="QUESTION", status="HIDDEN", at=at - day)
    c = await post(db, ann, "Gas", kind="QUESTION", at=at - 2 * day)
    for only, expected in [
        (PostFilter(), {a, b, c}),
        (PostFilter(course_id=course), {a, b}),
        (PostFilter(lesson_id=of), {a}),
        (PostFilter(kind="QUESTION"), {b, c}),
        (PostFilter(kind="QUESTION", course_id=course), {b}),
        (PostFilter(since=at - day), {a, b}),
        (PostFilter(until=at - day), {c}),
        (PostFilter(since=at - day, until=at), {b}),
        (PostFilter(since=at, until=at), set()),
        (PostFilter(kind="SHOWCASE"), set()),
    ]:
        assert set(await ids(campus, ann, "gas ", only=only)) == expected, only


async def test_what_was_found_is_marked(campus: Campus, ann: UserId) -> None:
    """By places in the text, whatever is written there; markup does not get through as such."""
    body = "<script>loop()</script> I \ue000use\ue001 <b>Loops</b> & \n'looping'; no mark."
    await post(campus.superuser, ann, "Loop & <i>fees</i>", body)
    (hit,) = (await found(campus, ann, "loops ")).hits
    for text, marks in (hit.title, hit.excerpt):
        assert "\ue000" not in text
        assert "\ue001" not in text
        assert {text[a:b].lower() for a, b in marks} <= {"loop", "loops", "looping"}
    assert [hit.title.text[a:b] for a, b in hit.title.marks] == ["Loop"]
    assert [hit.excerpt.text[a:b] for a, b in hit.excerpt.marks] == ["Loops", "looping"]
    await post(campus.superuser, ann, "Long", "word " * 1000 + "loops " + "word " * 2000)
    long = next(
        hit for hit in (await found(campus, ann, "loops ")).hits if hit.title.text == "Long"
    )
    assert len(long.excerpt.text) < 260
    assert [long.excerpt.text[a:b] for a, b in long.excerpt.marks] == ["loops"]


async def test_page_by_page(campus: Campus, ann: UserId) -> None:
    """Each hit comes once, best first, though posts come and go meanwhile."""
    db = campus.superuser
    posts = [
        await post(db, ann, "Gas", "gas " * (1 + n % 3), score=n % 4, at=ago(days=n))
        for n in range(23)
    ]
    await post(db, ann, "Gas", status="HIDDEN")
    first = await found(campus, ann, "gas ", limit=5)
    assert first.about == 24
    seen, page = list(first.hits), first
    while page.more:
        await post(db, ann, "Gas", "gas gas")
        page = await found(campus, ann, "gas ", limit=5, after=page.more)
        seen += page.hits
    assert len(seen) == len({hit.id for hit in seen}) == 24
    assert set(posts) < {hit.id for hit in seen}
    assert [hit.rank for hit in seen] == sorted((hit.rank for hit in seen), reverse=True)


async def test_nothing_that_is_typed_is_an_error(campus: Campus, ann: UserId) -> None:
    """Whatever characters, with or without such words in the vocabulary."""
    loop = asyncio.get_running_loop()
    await post(
        campus.superuser, ann, "Gas it's a\\b 'c' \"d\" :* <-> & | ! ( )", "0xab a@b.example"
    )
    await refresh_vocabulary(campus.server)

    async def finds(typed: str) -> None:
        await found(campus, ann, typed)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.text(max_size=60) | st.text("gas'\\:*<->&|!()\" -\0\ud800%_0x.@ß", max_size=40))
    def law(typed: str) -> None:
        asyncio.run_coroutine_threadsafe(finds(typed), loop).result(30)

    await asyncio.to_thread(law)
