"""The tutor: threads of one's own, questions and answers once, and no more of them than allowed."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from server.domain.school.tutoring import Limits, Usage
from server.errors import BadRequest, Conflict, NotFound, TooFast, TooLong
from server.ids import UserId
from server.persistence.school import tutor, tutor_answers
from server.persistence.school.tutor import Message, Thread
from server.persistence.school.tutor_answers import Answer
from tests.school.campus import Campus
from tests.support.logins import connected, login

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
TODAY = NOON.date()
GIVEN = Answer("A table of keys.", "large-1", 120, 30)


async def begun(campus: Campus, who: UserId, title: str = "") -> Thread:
    """A new thread."""
    async with campus.app.as_user(who) as own:
        return await tutor.open_thread(own, who, uuid4(), title)


async def asked(campus: Campus, who: UserId, thread: UUID, body: str = "What?") -> Message:
    """A question."""
    async with campus.app.as_user(who) as own:
        return await tutor.ask(own, thread, uuid4(), body)


async def usage(campus: Campus, who: UserId) -> list[Usage]:
    """What the person sees of their own usage."""
    async with campus.app.as_user(who) as own:
        return await tutor_answers.usage(own, who, date(2020, 1, 1), date(2100, 1, 1))


async def test_threads_are_one_s_own(campus: Campus) -> None:
    """Opened once, renamed, archived, opened again and deleted; nobody else sees any of it."""
    ann, ben = await campus.person(), await campus.person()
    id = uuid4()
    async with campus.app.as_user(ann) as own:
        thread = await tutor.open_thread(own, ann, id, "Mappings")
        assert await tutor.open_thread(own, ann, id, "Mappings") == thread
        assert (await tutor.change(own, id, title="Maps")).title == "Maps"
        archived = await tutor.change(own, id, status="ARCHIVED")
        assert (archived.title, archived.status) == ("Maps", "ARCHIVED")
        with pytest.raises(Conflict, match="archived"):
            await tutor.ask(own, id, uuid4(), "Hello?")
        assert await tutor.threads(own, ann) == []
        assert [one.id for one in await tutor.threads(own, ann, "ARCHIVED")] == [id]
        await tutor.change(own, id, status="OPEN")
    async with campus.app.as_user(ben) as other:
        with pytest.raises(NotFound):
            await tutor.read(other, id)
        with pytest.raises(NotFound):
            await tutor.change(other, id, title="Mine")
        with pytest.raises(NotFound):
            await tutor.ask(other, id, uuid4(), "Hello?")
        with pytest.raises(Conflict):
            await tutor.open_thread(other, ben, id)
        assert await tutor.messages(other, id) == []
        assert not await tutor.delete(other, id)
    await asked(campus, ann, id)
    async with campus.app.as_user(ann) as own:
        assert await tutor.delete(own, id)
        assert not await tutor.delete(own, id)
        assert await tutor.messages(own, id) == []


async def test_what_is_no_thread(campus: Campus) -> None:
    """A title that is too long, a lesson that is not there, a question with NUL in it."""
    ann = await campus.person()
    thread = await begun(campus, ann)
    with pytest.raises(BadRequest, match="at most 255"):
        await begun(campus, ann, "x" * 256)
    with pytest.raises(NotFound, match="no such lesson"):
        async with campus.app.as_user(ann) as own:
            await tutor.open_thread(own, ann, uuid4(), lesson_id=1 << 40)
    with pytest.raises(BadRequest, match="at most 255"):
        async with campus.app.as_user(ann) as own:
            await tutor.change(own, thread.id, title="x" * 256)
    with pytest.raises(BadRequest, match="NUL"):
        await asked(campus, ann, thread.id, "\0")


async def test_threads_page_by_page(campus: Campus) -> None:
    """What was last said something in comes first, and no thread is passed over."""
    ann = await campus.person()
    threads = [await begun(campus, ann, f"{number}") for number in range(5)]
    await asked(campus, ann, threads[1].id)
    async with campus.app.as_user(ann) as own:
        first = await tutor.threads(own, ann, limit=3)
        rest = await tutor.threads(own, ann, after=first[-1], limit=3)
    assert [thread.title for thread in first + rest] == ["1", "4", "3", "2", "0"]


async def test_a_question_is_written_once(campus: Campus) -> None:
    """However often it is sent, also at the same moment."""
    ann = await campus.person()
    thread, id = await begun(campus, ann), uuid4()

    async def send() -> Message:
        async with campus.app.as_user(ann) as own:
            return await tutor.ask(own, thread.id, id, "What is a mapping?")

    sent = await asyncio.gather(*(send() for _ in range(5)))
    assert sent == sent[:1] * 5
    async with campus.app.as_user(ann) as own:
        assert await tutor.messages(own, thread.id) == sent[:1]
        with pytest.raises(TooLong):
            await tutor.ask(own, thread.id, uuid4(), "x" * 200_001)


async def test_messages_page_by_page(campus: Campus) -> None:
    """The newest page first, each in the order in which it was said; the server reads it, too."""
    ann = await campus.person()
    thread = await begun(campus, ann)
    for number in range(3):
        question = await asked(campus, ann, thread.id, f"question {number}")
        await tutor_answers.answer(campus.server, thread, question, GIVEN, TODAY)
    newest = await tutor.messages(campus.server, thread.id, limit=4)
    oldest = await tutor.messages(campus.server, thread.id, newest[0], 4)
    said = [message.body for message in oldest + newest if message.role == "USER"]
    assert said == ["question 0", "question 1", "question 2"]
    assert [message.role for message in oldest + newest] == ["USER", "TUTOR"] * 3


async def test_an_answer_is_written_and_counted_once(campus: Campus) -> None:
    """Two servers, or one that tries again, give the same answer and the tokens of one."""
    ann = await campus.person()
    thread = await begun(campus, ann)
    question = await asked(campus, ann, thread.id)
    other = await asked(campus, ann, thread.id)
    url = await login(campus.url, "lyceum_server")

    async def give(which: Message) -> Message | None:
        async with connected(url) as server:
            return await tutor_answers.answer(server, thread, which, GIVEN, TODAY)

    same = await asyncio.gather(*(give(question) for _ in range(4)))
    assert len({answer.number for answer in same if answer is not None}) == 1
    another = await give(other)
    assert another is not None
    assert (another.answers, another.model) == (other.number, "large-1")
    assert await usage(campus, ann) == [Usage(TODAY, 0, 240, 60)]


async def test_an_answer_to_a_thread_that_is_gone(campus: Campus) -> None:
    """Nothing is written, and what it cost is counted; of an erased person's not even that."""
    ann = await campus.person()
    thread = await begun(campus, ann)
    question = await asked(campus, ann, thread.id)
    async with campus.app.as_user(ann) as own:
        await tutor.delete(own, thread.id)
    for _ in range(2):
        given = await tutor_answers.answer(campus.server, thread, question, GIVEN, TODAY)
        assert given is None
    assert await usage(campus, ann) == [Usage(TODAY, 0, 240, 60)]
    await campus.superuser.execute("delete from users where id = $1", ann)
    given = await tutor_answers.answer(campus.server, thread, question, GIVEN, TODAY)
    assert given is None


async def test_no_more_requests_than_allowed(campus: Campus) -> None:
    """Of twenty at once seven get one, and of those that come back one more; each day anew."""
    ann = await campus.person()
    url = await login(campus.url, "lyceum_server")
    together = asyncio.Barrier(20)

    async def reserve() -> bool:
        async with connected(url) as server:
            await together.wait()
            try:
                await tutor_answers.reserve(server, ann, Limits(7), NOON)
            except TooFast:
                return False
            return True

    assert sum(await asyncio.gather(*(reserve() for _ in range(20)))) == 7
    assert await usage(campus, ann) == [Usage(TODAY, 7)]
    await tutor_answers.give_back(campus.server, ann, TODAY)
    assert await tutor_answers.reserve(campus.server, ann, Limits(7), NOON) == Usage(TODAY, 7)
    with pytest.raises(TooFast) as refused:
        await tutor_answers.reserve(campus.server, ann, Limits(7), NOON)
    assert refused.value.retry_after == 12 * 3600
    tomorrow = NOON + timedelta(days=1)
    assert (await tutor_answers.reserve(campus.server, ann, Limits(7), tomorrow)).requests == 1


async def test_no_request_beyond_the_tokens(campus: Campus) -> None:
    """Once they are used up; and none at all where none are allowed."""
    ann = await campus.person()
    thread = await begun(campus, ann)
    limits = Limits(10, 150)
    await tutor_answers.reserve(campus.server, ann, limits, NOON)
    question = await asked(campus, ann, thread.id)
    await tutor_answers.answer(campus.server, thread, question, GIVEN, TODAY)
    with pytest.raises(TooFast):
        await tutor_answers.reserve(campus.server, ann, limits, NOON)
    ben = await campus.person()
    for nothing in (Limits(0, 100), Limits(100, 0)):
        with pytest.raises(TooFast):
            await tutor_answers.reserve(campus.server, ben, nothing, NOON)
    assert await usage(campus, ben) == []
