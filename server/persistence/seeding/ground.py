"""The schema `seeding`: what was made of it so far, and the functions that rows are made from.

The functions go when all is made; the two tables stay and tell what the database was filled with.
"""

from server.persistence.seeding.plan import HOUR, Plan
from server.persistence.seeding.words import names, vocabulary

TABLES = """
create schema if not exists seeding;
create table if not exists seeding.runs (
    only_one boolean not null default true,
    users bigint not null,
    events bigint not null,
    seed bigint not null,
    until date not null,
    months integer not null,
    batch integer not null,
    key_id integer,
    triggers boolean not null,
    finished_at timestamptz,
    constraint runs_pkey primary key (only_one),
    constraint runs_only_one_check check (only_one)
);
comment on table seeding.runs is 'What this database was filled with: none of it is real.';
create table if not exists seeding.batches (
    step text not null,
    first bigint not null,
    last bigint not null,
    constraint batches_pkey primary key (step, first)
);
comment on table seeding.batches is 'What is made; a batch and its row here are one transaction.';
"""

# Nothing else of a run is in the audit log where its rows' triggers may be left out.
AUDIT = """
create or replace trigger runs_audit after insert or update on seeding.runs
    for each row execute function audit_row('seed', '', '')
"""

# A hash of a number is a float from 0 to below 1; the salt says what it is for. Functions of one
# expression are inlined, if what they are given more than once is cheap, and if they are no less
# stable than they say; what only hangs on the salt is computed once a statement.
FUNCTIONS = """
drop function if exists seeding.unit, seeding.uuid, seeding.people, seeding.courses, seeding.posts,
    seeding.since, seeding.until, seeding.lessons, seeding.kind, seeding.joined, seeding.known,
    seeding.habit, seeding.done_at, seeding.word, seeding.paths, seeding.name,
    seeding.course, seeding.posted_at, seeding.comments, seeding.comment_status, seeding.votes,
    seeding.vote, seeding.voter, seeding.untold, seeding.span cascade;

create function seeding.unit(n bigint, salt text) returns float8
    language sql immutable parallel safe
    return (hashint8extended(n, hashtextextended(salt collate "C", {seed})) & 9007199254740991)
        ::float8 / 9007199254740992.0;
create function seeding.uuid(n bigint, salt text) returns uuid
    language sql immutable parallel safe
    return md5(salt || n::text || ':{seed}')::uuid;

create function seeding.people() returns bigint
    language sql immutable parallel safe return {users}::bigint;
create function seeding.courses() returns bigint
    language sql immutable parallel safe return {courses}::bigint;
create function seeding.posts() returns bigint
    language sql immutable parallel safe return {posts}::bigint;
create function seeding.since() returns timestamptz
    language sql immutable parallel safe return timestamptz '{start}';
create function seeding.until() returns timestamptz
    language sql immutable parallel safe return timestamptz '{end}';

create function seeding.span() returns interval
    language sql immutable parallel safe return interval '{hours} hours';

-- Half of all people were there before; the others joined one after the other, in order of id.
create function seeding.joined(person bigint) returns timestamptz
    language sql stable parallel safe
    return seeding.since() + (2.0 * (person - 1) / seeding.people() - 1)::float8 * case
        when 2 * (person - 1) < seeding.people() then interval '8760 hours'
        else seeding.span()
    end;
create function seeding.known(at timestamptz) returns bigint
    language sql immutable parallel safe
    return greatest(1, floor(
        seeding.people() * (0.5 + 0.5
            * date_part('epoch', at - seeding.since()) / date_part('epoch', seeding.span()))
    )::bigint);

-- The first course is taken by most, the next by half as many, then a third: Zipf's law.
create function seeding.course(n bigint, salt text) returns bigint
    language sql immutable parallel safe
    return floor(exp(seeding.unit(n, salt) * ln(seeding.courses() + 1)::float8))::bigint;
create function seeding.lessons(course bigint) returns integer
    language sql immutable parallel safe return (8 + course * 7 % 17)::integer;
create function seeding.kind(course bigint, place bigint) returns text
    language sql immutable parallel safe
    return case
        when place = seeding.lessons(course) then 'PROJECT'
        else (array['READING', 'VIDEO', 'EXERCISE', 'QUIZ'])[1 + (place - 1) % 4]
    end;

-- Everybody has an hour of the day for learning, evenings more than nights; in minutes.
create function seeding.habit(person bigint) returns integer
    language sql immutable parallel safe
    return 60 + floor((seeding.unit(person, 'habit') + seeding.unit(person, 'habit too')) * 600)
        ::integer;
create function seeding.done_at(person bigint, course bigint, enrolled timestamptz, pace float8,
        place bigint) returns timestamptz
    language sql stable parallel safe
    return to_timestamp(
        (floor(date_part('epoch', enrolled) / 86400) + 1 + floor(place * pace)) * 86400
            + seeding.habit(person) * 60 + place % 6 * 900
            + seeding.unit((person * 4096 + course) * 32 + place, 'moment') * 600
    );

-- Who takes which course, and how far each got: most drop out early, few go through. An offset ends
-- what is planned as one: what is asked for several times is computed once.
create function seeding.paths(first bigint, last bigint)
    returns table (person bigint, course bigint, enrolled timestamptz, lessons integer,
        pace float8, done integer)
    language sql stable parallel safe
begin atomic
    select person, course, enrolled, lessons, pace,
        greatest(0, least(
            lessons,
            floor(ln(1 - seeding.unit(key, 'stays')) / ln(case
                when seeding.unit(key, 'devoted') < 0.15 then 0.985 else 0.8
            end::float8)),
            floor((date_part('epoch', seeding.until() - enrolled) / 86400 - 2) / pace)
        ))::integer
    from (
        select person, course, enrolled,
            person * 4096 + course as key,
            seeding.lessons(course) as lessons,
            0.2 + 3 * power(seeding.unit(person * 4096 + course, 'pace'), 2) as pace
        from (
            select distinct on (person, course)
                person, course, enrolled
            from (
                select person, number,
                    seeding.course(person * 8 + number, 'course') as course,
                    greatest(seeding.joined(person), seeding.since())
                        + power(seeding.unit(person * 8 + number, 'enrols'), 2)
                        * (seeding.until() - greatest(seeding.joined(person), seeding.since()))
                        as enrolled
                from generate_series(first, last) as person
                cross join lateral generate_series(
                    1, least(6, floor(-ln(1 - seeding.unit(person, 'eager')) * 2.2))::integer
                ) as number
                offset 0
            ) as taken
            order by person, course, number
        ) as taken
        offset 0
    ) as taken
    offset 0;
end;

create function seeding.name(person bigint) returns text
    language sql immutable parallel safe
    return (array[{names}])[1 + floor(seeding.unit(person, 'name') * {name_count})::integer];

create function seeding.word(n bigint, language text) returns text
    language sql immutable parallel safe
    return case language {languages} end;
-- Whether what triggers would count has to come with the row.
create function seeding.untold() returns boolean
    language sql stable parallel safe
    return current_setting('session_replication_role') = 'replica';

create function seeding.posted_at(post bigint) returns timestamptz
    language sql stable parallel safe
    return seeding.since() + ((post - 0.5) / seeding.posts())::float8 * seeding.span();
create function seeding.comments(post bigint) returns integer
    language sql immutable parallel safe
    return least(60, floor(-ln(1 - seeding.unit(post, 'comments')) * case
        when seeding.unit(post, 'lively') < 0.02 then 15 else 1.5
    end))::integer;
create function seeding.comment_status(comment bigint) returns text
    language sql immutable parallel safe
    return case
        when seeding.unit(comment, 'comment status') < 0.001 then 'HIDDEN'
        when seeding.unit(comment, 'comment status') < 0.004 then 'FLAGGED'
        else 'VISIBLE'
    end;
-- Votes of one thing come from people who lie evenly apart, so nobody votes twice.
create function seeding.votes(post bigint) returns integer
    language sql immutable parallel safe
    return least(60, seeding.people() / 8, floor(-ln(1 - seeding.unit(post, 'votes')) * case
        when seeding.unit(post, 'lively') < 0.02 then 25 else 2
    end))::integer;
create function seeding.vote(n bigint) returns integer
    language sql immutable parallel safe
    return case when seeding.unit(n, 'vote') < 0.87 then 1 else -1 end;
create function seeding.voter(n bigint, number bigint) returns bigint
    language sql immutable parallel safe
    return 1 + (floor(seeding.unit(n, 'voter') * seeding.people())::bigint
        + number * greatest(1, seeding.people() / 61)) % seeding.people();
"""

DROP_FUNCTIONS = FUNCTIONS.split(";", 1)[0]


# As text, since a function around a subquery would be planned anew with each call.
PROSE = """(
        select string_agg(
            seeding.word(({number}) * 256 + nth, {language})
                || case when nth % 9 = 0 then '.' else '' end,
            ' ' order by nth
        )
        from generate_series(1, {words}) as nth
    )"""


def prose(number: str, words: str, language: str = "'en'") -> str:
    """SQL of some text. All three are SQL; texts of one number begin with the same words."""
    return PROSE.format(number=number, words=words, language=language)


def functions(plan: Plan) -> str:
    """The functions, for this plan."""
    return FUNCTIONS.format(
        seed=plan.seed,
        users=plan.users,
        courses=plan.courses,
        posts=plan.posts,
        start=plan.start.isoformat(),
        end=plan.end.isoformat(),
        hours=(plan.end - plan.start) // HOUR,
        names=_list(names()),
        name_count=len(names()),
        languages=" ".join(
            f"when '{language}' then (array[{_list(words)}])"
            f"[floor(exp(seeding.unit(n, 'word') * ln({len(words) + 1})::float8))::integer]"
            for language, words in vocabulary().items()
        ),
    )


def _list(words: list[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
