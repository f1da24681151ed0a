-- Searching posts as somebody whom row-level security holds, and counting the words that all may see.

-- Such a person's statements can't use an index on words: Postgres does not take for granted that
-- comparing them keeps to itself what it sees. This acts for the owner, and finds what is for all.

create function estimated_posts(since timestamptz, until timestamptz) returns double precision
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    plan json;
begin
    execute format(
        'explain (format json) select from posts where created_at >= %L and created_at < %L',
        since, until
    ) into plan;
    return greatest(1, (plan -> 0 -> 'Plan' ->> 'Plan Rows')::double precision);
end
$$;
comment on function estimated_posts is 'How many posts were written in a time, as the planner takes it.';

create function search_posts(
    wanted tsquery[], exact tsquery, labels tsquery[],
    since timestamptz, until timestamptz, most integer
) returns table (post_id bigint, posted_at timestamptz, votes bigint, relevance real, about bigint)
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
set enable_seqscan = off
as $$
declare
    epoch constant timestamptz := '2000-01-01 00:00:00+00';
    -- An order of words is looked for in so many that have them all.
    enough constant integer := case when exact is null then most else 4 * most end;
    asked constant tsquery[] := wanted || labels;
    statement constant text := 'select array_agg(id), min(created_at) from (
        select id, created_at
        from (
            select id, created_at from posts
            where status in (''VISIBLE'', ''FLAGGED'')%s
            -- Not by the order that is wanted next, however few the planner takes these for.
            offset 0
        ) as found
        where created_at >= $3 and created_at < $4
        order by created_at desc
        limit $5
    ) as newest';
    has constant text := ' and search_vector
        || search_labels(language, kind, course_id, lesson_id, created_at) @@ ';
    conditions constant text := (
        select string_agg(has || format('$1[%s]', number), '')
        from generate_subscripts(asked, 1) as number
    );
    first constant timestamptz := greatest(since, (select min(created_at) from posts));
    posts_in_all constant double precision := estimated_posts(first, until);
    whole tsquery := exact;
    ids bigint[] := '{}';
    covered double precision;
    top timestamptz := until;
    bottom timestamptz;
    size integer;  -- pieces of time are of 2 ^ size seconds
    piece bigint;
    now_found bigint[];
    oldest timestamptz;
    part tsquery;
begin
    if exact is null then
        foreach part in array wanted loop
            whole := coalesce(whole && part, part);
        end loop;
    end if;

    -- Back in time by two pieces at once, the first of which hold about as many posts as are wanted.
    select created_at into bottom
    from posts
    where created_at < until
    order by created_at desc
    offset greatest(most, posts_in_all / 1000)::integer
    limit 1;
    size := greatest(14, 2 * ceil(ln(extract(epoch from until - coalesce(bottom, first)) + 1) / ln(4)));
    loop
        piece := extract(epoch from top - epoch)::bigint >> size;
        bottom := epoch + ((piece - 1) << size) * interval '1 second';
        if size > 26 or bottom <= first then
            bottom := first;
            execute format(statement, conditions)
            into now_found, oldest
            using asked, null::tsquery, bottom, top, enough - cardinality(ids);
        else
            execute format(statement, conditions || has || '$2')
            into now_found, oldest
            using asked,
                format('''time %s %s'' | ''time %s %s''', size, piece, size, piece - 1)::tsquery,
                bottom, top, enough - cardinality(ids);
        end if;
        ids := ids || now_found;
        exit when bottom = first or cardinality(ids) >= enough;
        covered := estimated_posts(bottom, until);
        if cardinality(ids) * posts_in_all / covered > 4 * enough then
            size := size + greatest(2, 2 * ceil(ln(enough / greatest(1.0, cardinality(ids))) / ln(4)));
        elsif covered < posts_in_all / 20 then
            size := size + 6;
        else
            size := 28;  -- the rest at once
        end if;
        top := bottom;
    end loop;

    about := cardinality(ids);
    if about >= enough then
        about := about * greatest(1, posts_in_all / estimated_posts(oldest, until));
    end if;
    return query
        select id, created_at, score, ts_rank('{0.1, 0.2, 0.4, 1}', search_vector, whole, 1),
            search_posts.about
        from posts
        where id = any(ids) and (exact is null or search_vector @@ exact)
        order by created_at desc
        limit most;
end
$$;
comment on function search_posts is 'The newest of the posts for all that have what is wanted, each of these in words and labels. exact: what must hold beside, as an order of words; about: how many there may be in all.';

grant execute on function search_labels to lyceum_server, lyceum_app, lyceum_staff;
grant execute on function search_posts to lyceum_app, lyceum_staff;

-- Which words came and went, to be counted by the server: who writes would wait for others that
-- count the same word.

create table search_changes (
    id bigint generated always as identity,
    language text not null,
    change smallint not null,
    words text[] not null,
    constraint search_changes_pkey primary key (id),
    constraint search_changes_language_check check (language ~ '^[a-z]{2,3}$'),
    constraint search_changes_change_check check (change in (-1, 1))
);

comment on table search_changes is 'Words of what became visible for all (1), or no longer is or never was written so (-1), until search_vocabulary counts them.';
grant select, delete on search_changes to lyceum_server;

create function search_words(variadic texts text[]) returns text[]
language sql stable parallel safe
return tsvector_to_array(to_tsvector('pg_catalog.simple', array_to_string(texts, e'\n')));
comment on function search_words is 'The words of texts, once each and in lower case; numbers and addresses too.';
grant execute on function search_words to lyceum_server;

create function is_word(text) returns boolean
language sql immutable parallel safe
return $1 ~ '^[^[:digit:][:punct:][:space:]][^[:punct:][:space:]]{1,63}$';
comment on function is_word is 'Whether somebody may have meant this: no number, no address, not too long.';
grant execute on function is_word to lyceum_server;

create function note_words(language text, change integer, variadic texts text[]) returns void
language sql
set search_path = pg_catalog, public, pg_temp
as $$
    insert into search_changes (language, change, words)
    select split_part(language, '-', 1), change, words
    from search_words(variadic texts) as words
    where words <> '{}'
$$;
comment on function note_words is 'Notes that a text''s words came (1) or went (-1).';

create function note_post_words() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    shown constant text[] := '{VISIBLE, FLAGGED}';
begin
    if tg_op = 'UPDATE'
        and (old.status = any(shown), old.language, old.title, old.body)
            is not distinct from (new.status = any(shown), new.language, new.title, new.body)
    then
        return null;
    end if;
    if tg_op <> 'INSERT' and old.status = any(shown) then
        perform note_words(old.language, -1, old.title, old.body);
    end if;
    if tg_op <> 'DELETE' and new.status = any(shown) then
        perform note_words(new.language, 1, new.title, new.body);
    end if;
    return null;
end
$$;
comment on function note_post_words is 'Notes which words of a post everybody may see.';

create trigger posts_words
    after insert or delete or update of status, language, title, body on posts
    for each row execute function note_post_words();

create function note_lesson_words() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    shown boolean;
begin
    -- Who publishes the course meanwhile waits, and then sees this lesson. With the course gone, it
    -- took the words of its lessons along.
    if tg_op <> 'INSERT' and old.status = 'PUBLISHED' then
        select status = 'PUBLISHED' into shown from courses where id = old.course_id for share;
        if shown then
            perform note_words(old.language, -1, old.title, old.body);
        end if;
    end if;
    if tg_op <> 'DELETE' and new.status = 'PUBLISHED' then
        select status = 'PUBLISHED' into shown from courses where id = new.course_id for share;
        if shown then
            perform note_words(new.language, 1, new.title, new.body);
        end if;
    end if;
    return null;
end
$$;
comment on function note_lesson_words is 'Notes which words of a lesson everybody may see.';

create trigger lessons_words
    after insert or delete or update of status, language, title, body, course_id on lessons
    for each row execute function note_lesson_words();

create function note_course_words() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    was constant boolean := tg_op <> 'INSERT' and old.status = 'PUBLISHED';
    becomes constant boolean := tg_op <> 'DELETE' and new.status = 'PUBLISHED';
begin
    if was then
        perform note_words(old.language, -1, old.title, old.summary);
    end if;
    if becomes then
        perform note_words(new.language, 1, new.title, new.summary);
    end if;
    if was <> becomes then
        perform note_words(language, becomes::integer - was::integer, title, body)
        from lessons
        where course_id = coalesce(new.id, old.id) and status = 'PUBLISHED';
    end if;
    return coalesce(new, old);
end
$$;
comment on function note_course_words is 'Notes which words of a course and its lessons everybody may see.';

create trigger courses_words
    after insert or update of status, language, title, summary on courses
    for each row execute function note_course_words();
-- Before the lessons go.
create trigger courses_words_gone
    before delete on courses
    for each row execute function note_course_words();

revoke all on function search_labels(text, text, bigint, bigint, timestamptz),
    estimated_posts(timestamptz, timestamptz),
    search_posts(tsquery[], tsquery, tsquery[], timestamptz, timestamptz, integer),
    search_words(text[]), is_word(text), note_words(text, integer, text[]), note_post_words(),
    note_lesson_words(), note_course_words()
    from public;

-- What was there before.
do $$
begin
    perform note_words(language, 1, title, body)
    from posts
    where status in ('VISIBLE', 'FLAGGED');
    perform note_words(language, 1, title, summary)
    from courses
    where status = 'PUBLISHED';
    perform note_words(lessons.language, 1, lessons.title, body)
    from lessons
    join courses on courses.id = course_id
    where lessons.status = 'PUBLISHED' and courses.status = 'PUBLISHED';
end
$$;
