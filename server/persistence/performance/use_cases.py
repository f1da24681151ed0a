"""What people do all day, for load: each looks whether the answer is that person's."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple
from uuid import UUID, uuid4

from server.domain.envelope import Keyring
from server.domain.school.boards import ALL_TIME
from server.errors import LyceumError
from server.ids import UserId
from server.persistence.access import Access
from server.persistence.database import Database
from server.persistence.school import (
    catalogue,
    comments,
    lessons,
    posts,
    profiles,
    ranks,
    search,
    search_curriculum,
    sign_in,
    timeline,
    votes,
)
from server.persistence.school.search import PostHit
from server.persistence.school.search_curriculum import LessonHit
from server.persistence.school.searching import Page
from server.persistence.seeding.people import email_of
from server.persistence.seeding.words import ENGLISH
from server.persistence.types import Connection


class WrongAnswer(LyceumError):
    """An answer was not that of the person who asked."""


class Learner(NamedTuple):
    """Somebody made up. lessons: of courses that the person takes; none that takes a quiz."""

    id: UserId
    public_id: UUID
    lessons: Sequence[UUID]


class School(NamedTuple):
    """What a use case works on. ring: None if nobody has an address."""

    database: Database
    access: Access
    ring: Keyring | None


# Spread over all by a hash, so that it is no matter how long they have been there.
LEARNERS = """
select id, public_id, array(
    select lessons.public_id
    from enrollments
    join lessons on lessons.course_id = enrollments.course_id
    where user_id = users.id and enrollments.status = 'ACTIVE' and lessons.status = 'PUBLISHED'
        and kind <> 'QUIZ'
    order by lessons.id
    limit 50
)
from (
    select id, public_id
    from users
    where status = 'ACTIVE'
    order by hashint8extended(id, $1)
    limit $2
) as users
"""


async def learners(connection: Connection, seed: int, count: int) -> list[Learner]:
    """So many people who may do something, or all if there are fewer."""
    return [Learner(*row) for row in await connection.fetch(LEARNERS, seed, count)]


def check(right: object, what: str) -> None:
    """Raise WrongAnswer unless that holds."""
    if not right:
        raise WrongAnswer(what)


async def signs_in(school: School, who: Learner, _random: Random) -> None:
    """By e-mail address where there are any; then the token is looked up, as each request does."""
    if school.ring is not None:
        async with school.database.acquire() as connection:
            person = await sign_in.find(connection, school.ring, email_of(who.id))
        check(person.id == who.id, "somebody else has this address")
    async with school.access.as_user(who.id) as connection:
        opened = await sign_in.open_session(connection, who.id)
    async with school.database.acquire() as connection:
        known = await sign_in.look_up(connection, opened.token)
    check(known.user == who.public_id, "the token is somebody else's")


async def sees_profile(school: School, who: Learner, _random: Random) -> None:
    """One's own."""
    async with school.access.as_user(who.id) as connection:
        own = await profiles.own(connection, who.id)
    check(own.shown.id == who.public_id, "somebody else's profile")


OWN_PROGRESS = "select count(*) filter (where user_id <> $1) from user_progress"


async def sees_catalogue(school: School, who: Learner, random: Random) -> None:
    """A page of courses, and one of them with how far one is."""
    async with school.access.as_user(who.id) as connection:
        page = await catalogue.courses(connection, who.id, limit=20)
        await catalogue.course(connection, who.id, random.choice(page).slug)
        check(not await connection.fetchval(OWN_PROGRESS, who.id), "others' progress is seen")


async def completes_lesson(school: School, who: Learner, random: Random) -> None:
    """One of a course that one takes; whoever takes none looks at the courses instead."""
    if not who.lessons:
        await sees_catalogue(school, who, random)
        return
    lesson = random.choice(who.lessons)
    async with school.access.as_user(who.id) as connection:
        await catalogue.lesson(connection, who.id, lesson)
    async with school.database.acquire() as connection:
        await lessons.start(connection, who.id, lesson, datetime.now(UTC))
        await lessons.complete(connection, who.id, lesson, datetime.now(UTC))


async def sees_rank(school: School, who: Learner, _random: Random) -> None:
    """How one stands, among whom, and who is first."""
    async with school.database.acquire() as connection:
        standing = await ranks.standing(connection, ALL_TIME, who.id)
        around = await ranks.around(connection, ALL_TIME, who.id)
        await ranks.top(connection, ALL_TIME, 20)
    listed = any(place.user_id == who.id for place in around)
    check(listed == (standing.rank is not None), "one's own place is not among one's neighbours")


WORDS = [word for word in ENGLISH.split() if len(word) > 3]  # the frequent ones
OTHERS_HIDDEN = """
select count(*)
from posts
where id = any ($2::bigint[]) and status = 'HIDDEN' and author_id is distinct from $1
"""


def typed(random: Random) -> str:
    """A word, or the beginning of one; more often a frequent one."""
    word = WORDS[min(random.randrange(len(WORDS)), random.randrange(len(WORDS)))]
    return random.choice((f"{word} ", word[:-1]))


def check_marks(page: Page[PostHit] | Page[LessonHit]) -> None:
    """See that all hits have something of what was looked for."""
    marked = all(hit.title.marks or hit.excerpt.marks for hit in page.hits)
    check(marked, "what was found is an answer to something else")


async def searches_posts(school: School, who: Learner, random: Random) -> None:
    """By a word; of what moderators have hidden only one's own may be found."""
    async with school.access.as_user(who.id) as connection:
        page = await search.posts(connection, typed(random))
        found = [hit.id for hit in page.hits]
        hidden = await connection.fetchval(OTHERS_HIDDEN, who.id, found)
    check(not hidden, "others' hidden posts are found")
    check_marks(page)


async def searches_lessons(school: School, who: Learner, random: Random) -> None:
    """By a word; what is not published is not found."""
    async with school.access.as_user(who.id) as connection:
        page = await search_curriculum.lessons(connection, typed(random))
    check(all(hit.status == "PUBLISHED" for hit in page.hits), "drafts are found")
    check_marks(page)


OTHERS_EVENTS = """
select count(*)
from unnest($2::timestamptz[], $3::uuid[]) as seen (at, event_id)
where not exists (
    select
    from learning_analytics as event
    where event.user_id = $1 and event.at = seen.at and event.event_id = seen.event_id
)
"""


async def sees_timeline(school: School, who: Learner, _random: Random) -> None:
    """The newest of what one did."""
    async with school.access.as_user(who.id) as connection:
        page = await timeline.own(connection, datetime.now(UTC), limit=50)
    seen = [entry.at for entry in page], [entry.event_id for entry in page]
    async with school.database.acquire() as connection:
        others = await connection.fetchval(OTHERS_EVENTS, who.id, *seen)
    check(not others, "others' events are in one's timeline")


async def reads_posts(school: School, who: Learner, random: Random) -> None:
    """The newest, or the best, and what was answered to one of them."""
    async with school.access.as_user(who.id) as connection:
        read = random.choice((posts.newest, posts.best))
        page = await read(connection, who.id)
        await comments.thread(connection, who.id, random.choice(page).number)


VALUES: Sequence[votes.Value] = (-1, 1, 1, 1)


async def votes_on_post(school: School, who: Learner, random: Random) -> None:
    """For or against one of the newest."""
    value: votes.Value = random.choice(VALUES)
    async with school.access.as_user(who.id) as connection:
        page = await posts.newest(connection, who.id)
        post = random.choice([post for post in page if post.author_id != who.id])
        await votes.vote_on_post(connection, who.id, post.id, value)
        seen = await posts.read(connection, who.id, post.id)
    check(seen.my_vote == value, "one's own vote is another")


async def writes_post(school: School, who: Learner, random: Random) -> None:
    """A question, which is one's own afterwards."""
    new = posts.NewPost(uuid4(), "How does this work?", f"I tried {random.random()}.", "QUESTION")
    async with school.access.as_user(who.id) as connection:
        post = await posts.write(connection, who.id, new)
    check(post.author_id == who.id, "the post is somebody else's")


async def writes_comment(school: School, who: Learner, random: Random) -> None:
    """An answer to one of the newest posts."""
    async with school.access.as_user(who.id) as connection:
        post = random.choice(await posts.newest(connection, who.id))
        new = comments.NewComment(uuid4(), post.id, "Look at the second line.")
        comment = await comments.write(connection, who.id, new)
    check(comment.author_id == who.id, "the comment is somebody else's")


Do = Callable[[School, Learner, Random], Awaitable[None]]


class UseCase(NamedTuple):
    """Something that people do. weight: how often, compared with others."""

    name: str
    weight: int
    do: Do


USE_CASES = (
    UseCase("sign in", 5, signs_in),
    UseCase("see one's profile", 10, sees_profile),
    UseCase("see the catalogue", 20, sees_catalogue),
    UseCase("complete a lesson", 20, completes_lesson),
    UseCase("see one's rank", 15, sees_rank),
    UseCase("see one's timeline", 5, sees_timeline),
    UseCase("search posts", 6, searches_posts),
    UseCase("search lessons", 4, searches_lessons),
    UseCase("read posts", 15, reads_posts),
    UseCase("vote", 8, votes_on_post),
    UseCase("post", 3, writes_post),
    UseCase("comment", 4, writes_comment),
)
