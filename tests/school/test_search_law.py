"""Search over any posts agrees with a plain model of what is written in them and who may see it."""

import asyncio
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.ids import UserId
from server.persistence.school import search
from tests.school.campus import Campus
from tests.school.searched import ids, post

# No language takes one for another, or leaves one out.
WORDS = ("gas", "blok", "storm", "ether")
LANGUAGES = ("en", "de", "xx", "pt-BR")
words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5)


class Text(NamedTuple):
    """A post of the model. author: which of the people."""

    author: int
    title: list[str]
    body: list[str]
    status: str
    language: str

    def has(self, asked: list[str]) -> bool:
        """Whether these words stand in it in this order."""
        text, size = [*self.title, *self.body], len(asked)
        return any(text[at : at + size] == asked for at in range(len(text)))

    def seen_by(self, who: int | None) -> bool:
        """Whether one of the people, or staff, may see it."""
        return self.status != "HIDDEN" or who in (None, self.author)


class Asked(NamedTuple):
    """What is typed: words and phrases that are wanted, and that are not."""

    wanted: list[list[str]]
    unwanted: list[list[str]]

    def typed(self) -> str:
        """As it is typed; a space says that no word is unfinished."""
        wanted = [_quoted(term) for term in self.wanted]
        return " ".join([*wanted, *(f"-{_quoted(term)}" for term in self.unwanted)]) + " "

    def finds(self, text: Text) -> bool:
        """Whether a text is one of those asked for."""
        return all(map(text.has, self.wanted)) and not any(map(text.has, self.unwanted))


def _quoted(term: list[str]) -> str:
    return term[0] if len(term) == 1 else f'"{" ".join(term)}"'


TEXTS = st.lists(
    st.builds(
        Text,
        st.integers(0, 1),
        words,
        words,
        st.sampled_from(["VISIBLE", "FLAGGED", "HIDDEN"]),
        st.sampled_from(LANGUAGES),
    ),
    max_size=8,
)
ASKED = st.lists(
    st.builds(
        Asked,
        st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=2), min_size=1, max_size=3),
        st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=2), max_size=1),
    ),
    min_size=1,
    max_size=4,
)


async def written(campus: Campus, people: list[UserId], texts: list[Text]) -> dict[int, Text]:
    """The texts as posts, in place of those there were."""
    await campus.superuser.execute("delete from posts")
    return {
        await post(
            campus.superuser,
            people[text.author],
            " ".join(text.title),
            " ".join(text.body),
            text.language,
            text.status,
        ): text
        for text in texts
    }


async def test_what_is_found_is_what_the_model_has(campus: Campus) -> None:
    """As each of two people, and as staff: no post more and none less, in whatever language."""
    loop = asyncio.get_running_loop()
    people = [await campus.person(), await campus.person()]

    async def agrees(texts: list[Text], questions: list[Asked]) -> None:
        posts = await written(campus, people, texts)
        for asked in questions:
            typed = asked.typed()
            for who, person in enumerate(people):
                expected = {id for id, t in posts.items() if asked.finds(t) and t.seen_by(who)}
                assert set(await ids(campus, person, typed)) == expected, typed
            page = await search.posts(campus.staff, typed, staff=True)
            expected = {id for id, text in posts.items() if asked.finds(text)}
            assert {hit.id for hit in page.hits} == expected, typed

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(TEXTS, ASKED)
    def law(texts: list[Text], questions: list[Asked]) -> None:
        asyncio.run_coroutine_threadsafe(agrees(texts, questions), loop).result(30)

    # Its languages are those that are searched, beside the one that is spoken.
    await campus.superuser.execute(
        "insert into search_vocabulary (language, word, uses)"
        " values ('de', 'x', 1), ('xx', 'x', 1), ('pt', 'x', 1)"
    )
    await asyncio.to_thread(law)
