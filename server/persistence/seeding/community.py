"""What made-up people wrote to each other, and what they thought of it.

A post's comments have the ids post · 64 + 1, 2, …. Where no triggers count, counters are computed
with the row, from what will be made: later changes would be dear, for the search indexes.
"""

from server.persistence.seeding.ground import prose
from server.persistence.seeding.plan import Plan, Step, once, ranged

POSTS = f"""
insert into posts (
    id, public_id, author_id, course_id, lesson_id, kind, status, title, body, language, score,
    comments, created_at, moderated_by, moderated_at, moderation_reason
)
overriding system value
select
    post, seeding.uuid(post, 'post'), author, course,
    case when seeding.unit(post, 'of lesson') < 0.4 then (course - 1) * 32 + 1
        + floor(power(seeding.unit(post, 'lesson'), 2) * seeding.lessons(course))::bigint end,
    case when post % 997 = 0 then 'ANNOUNCEMENT'
        else (array['QUESTION', 'QUESTION', 'DISCUSSION', 'SHOWCASE'])[1 + post % 4] end,
    status,
    case when status <> 'DELETED' then initcap({prose("post * 4", "5", "language")}) end,
    case when status <> 'DELETED' then {prose("post * 4 + 1", "words", "language")} end,
    language,
    (
        select coalesce(sum(seeding.vote(post * 64 + number)), 0)
        from generate_series(1, seeding.votes(post)) as number
        where seeding.untold()
    ),
    (
        select count(*)
        from generate_series(1, seeding.comments(post)) as number
        where seeding.untold()
            and seeding.comment_status(post * 64 + number) in ('VISIBLE', 'FLAGGED')
    ),
    at, case status when 'HIDDEN' then 3 end, case status when 'HIDDEN' then at end,
    case status when 'HIDDEN' then 'seeded' else '' end
from (
    select post, at,
        12 + floor(power(seeding.unit(post, 'length'), 3) * 90)::integer as words,
        known - floor(power(seeding.unit(post, 'author'), 2) * known)::bigint as author,
        case when seeding.unit(post, 'placed') < 0.8
            then seeding.course(post, 'post course') end as course,
        case
            when seeding.unit(post, 'post status') < 0.001 then 'HIDDEN'
            when seeding.unit(post, 'post status') < 0.004 then 'FLAGGED'
            when seeding.unit(post, 'post status') < 0.01 then 'DELETED'
            else 'VISIBLE'
        end as status,
        case
            when seeding.unit(post, 'language') < 0.8 then 'en'
            when seeding.unit(post, 'language') < 0.9 then 'de'
            when seeding.unit(post, 'language') < 0.95 then 'fr'
            else 'es'
        end as language
    from (
        select post, seeding.posted_at(post) as at, seeding.known(seeding.posted_at(post)) as known
        from generate_series($1::bigint, $2::bigint) as post
        offset 0
    ) as posted
    offset 0
) as written
"""  # noqa: S608
# A parent is of the same post, so it is in the same batch; triggers have to find it there before.
COMMENTS = f"""
with written as materialized (
    select post, comment, at, status, words,
        known - floor(power(seeding.unit(comment, 'author'), 2) * known)::bigint as author,
        case when number > 1 and seeding.unit(comment, 'answers') < 0.4
            then post * 64 + 1 + floor(seeding.unit(comment, 'parent') * (number - 1))::bigint
        end as parent
    from (
        select post, number, comment, at,
            seeding.known(at) as known,
            seeding.comment_status(comment) as status,
            4 + floor(power(seeding.unit(comment, 'length'), 2) * 25)::integer as words
        from (
            select post, number, comment,
                posted + (number + seeding.unit(comment, 'moment')) / 64
                    * (seeding.until() - posted) as at
            from (
                select post, number, post * 64 + number as comment,
                    seeding.posted_at(post) as posted
                from generate_series($1::bigint, $2::bigint) as post
                cross join lateral generate_series(1, seeding.comments(post)) as number
                offset 0
            ) as posted
            offset 0
        ) as placed
        offset 0
    ) as begun
)
insert into comments (
    id, public_id, post_id, parent_id, author_id, addressee_id, status, body, score, created_at,
    moderated_by, moderated_at
)
overriding system value
select
    comment, seeding.uuid(comment, 'comment'), post, parent, written.author,
    nullif(coalesce(answered.author, author_id), written.author),
    written.status, {prose("-comment", "words")},
    case when seeding.untold() and seeding.unit(comment, 'voted on') < 0.3
        then seeding.vote(-comment) else 0 end,
    at, case written.status when 'HIDDEN' then 3 end, case written.status when 'HIDDEN' then at end
from written
left join (select comment as answer, author from written) as answered on answer = parent
join posts on posts.id = post
order by comment
"""  # noqa: S608
# A post's votes have the ids post · 128 + 1, 2, …, its comments' post · 128 + 65, 66, ….
VOTES = """
insert into votes (id, user_id, post_id, comment_id, value, voted_at)
overriding system value
select
    post * 128 + number, seeding.voter(post, number), post, null,
    seeding.vote(post * 64 + number), seeding.posted_at(post)
        + power(seeding.unit(post * 64 + number, 'voted'), 4)
        * (seeding.until() - seeding.posted_at(post))
from generate_series($1::bigint, $2::bigint) as post
cross join lateral generate_series(1, seeding.votes(post)) as number
union all
select
    post_id * 128 + 64 + id % 64, seeding.voter(-id, 0), null, id, seeding.vote(-id), created_at
from comments
where post_id between $1 and $2 and seeding.unit(id, 'voted on') < 0.3
"""


# To build it of all posts at once takes a tenth of what adding them one by one does.
WITHOUT_INDEX = (
    """
    create table seeding.indexes as
    select pg_get_indexdef('posts_search_idx'::regclass) as definition
    """,
    "drop index posts_search_idx",
)
INDEX = """
do $$
begin
    execute (select definition from seeding.indexes);
    drop table seeding.indexes;
end
$$
"""


def steps(plan: Plan) -> list[Step]:
    """Posts with all that hangs on them, in ranges of posts."""
    return [
        once("posts without their index", *WITHOUT_INDEX),
        ranged("posts", plan.posts, POSTS, rows=4, cost=150),
        once("index of posts", INDEX, cost=plan.posts * 100.0),
        ranged("comments", plan.posts, COMMENTS, rows=2, cost=80),
        ranged("votes", plan.posts, VOTES, rows=3, cost=40),
    ]
