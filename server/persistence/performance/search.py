"""What the statements of search are measured with: words of posts, frequent ones more often."""

from server.persistence.performance.drawing import Draw, app, staff

SEARCHED = """
from (
    select n, person, word
    from drawn
    join posts on id = post
    cross join lateral (
        select lexeme as word
        from unnest(search_vector)
        where lexeme ~ '^[a-z]{4,}$'
        order by hashtextextended(lexeme, n)
        limit 1
    ) as words
) as searched
"""
POSTS = f"""
select person, word, word, array[word], null::text, array[]::text[], null::text,
    null::timestamptz, null::timestamptz, null::bigint, null::bigint, null::text,
    null::double precision, null::bigint, 21::bigint
{SEARCHED}
"""
SEARCH: dict[str, Draw] = {
    "search.stems": app(
        f"select person, null::text, 'en', array[word], array[false], left(word, 3) {SEARCHED}"
    ),
    "search.near": app(
        f"""
        select person, null::text, array[word || 'q'], array[left(word || 'q', 3)],
            array[substr(word || 'q', 4)], array[word]
        {SEARCHED}
        """
    ),
    "search.posts": app(POSTS),
    "search.posts_for_staff": staff(POSTS),
    "search.lessons": app(
        f"""
        select person, word, word, null::bigint, null::text, null::timestamptz,
            null::timestamptz, false, null::text, null::double precision, null::bigint, 21::bigint
        {SEARCHED}
        """
    ),
    "search.courses": app(
        f"""
        select person, word, word, false, null::text, null::text, null::double precision,
            null::bigint, 21::bigint
        {SEARCHED}
        """
    ),
}
