-- What the community counts, kept by triggers in the transaction of whoever votes or writes: a
-- person can't write scores, and no retry or kill leaves them apart from what they count.
--
-- Each locks what was voted on or commented, then one row of user_stats: always in that order.

create function add_to_stats(
    person bigint, more_posts bigint, more_comments bigint, more_reputation bigint
) returns void
language plpgsql
set search_path = pg_catalog, public, pg_temp
as $$
begin
    if person is null or (more_posts, more_comments, more_reputation) = (0, 0, 0) then
        return;
    end if;
    -- Nobody is brought back who is just being deleted.
    insert into user_stats (user_id)
    select id from users
    where id = person and not exists (select from user_stats where user_id = person)
    on conflict do nothing;
    update user_stats
    set posts = posts + more_posts,
        comments = comments + more_comments,
        reputation = reputation + more_reputation,
        updated_at = now()
    where user_id = person;
end
$$;
comment on function add_to_stats is 'Adds to what somebody has written and what others think of it.';

create function count_post() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    perform add_to_stats(
        coalesce(new.author_id, old.author_id),
        coalesce((new.status in ('VISIBLE', 'FLAGGED'))::integer, 0)
            - coalesce((old.status in ('VISIBLE', 'FLAGGED'))::integer, 0),
        0,
        case tg_op when 'DELETE' then -old.score else 0 end
    );
    return null;
end
$$;
comment on function count_post is 'Counts the posts of an author that are shown.';

create function count_comment() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    change bigint := coalesce((new.status in ('VISIBLE', 'FLAGGED'))::integer, 0)
        - coalesce((old.status in ('VISIBLE', 'FLAGGED'))::integer, 0);
begin
    if change <> 0 then
        update posts set comments = comments + change
        where id = coalesce(new.post_id, old.post_id);
    end if;
    perform add_to_stats(
        coalesce(new.author_id, old.author_id),
        0,
        change,
        case tg_op when 'DELETE' then -old.score else 0 end
    );
    return null;
end
$$;
comment on function count_comment is 'Counts the comments of a post, and of an author, that are shown.';

create function count_vote() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    change bigint := coalesce(new.value, 0) - coalesce(old.value, 0);
    author bigint;
begin
    if coalesce(new.post_id, old.post_id) is not null then
        update posts set score = score + change
        where id = coalesce(new.post_id, old.post_id)
        returning author_id into author;
    else
        update comments set score = score + change
        where id = coalesce(new.comment_id, old.comment_id)
        returning author_id into author;
    end if;
    perform add_to_stats(author, 0, 0, change);
    return null;
end
$$;
comment on function count_vote is 'Adds a vote to the score of what it is on, and to its author''s reputation.';

create trigger posts_counted after insert or delete or update of status on posts
    for each row execute function count_post();
create trigger comments_counted after insert or delete or update of status on comments
    for each row execute function count_comment();
create trigger votes_counted after insert or delete or update of value on votes
    for each row execute function count_vote();

revoke all on function add_to_stats(bigint, bigint, bigint, bigint), count_post(), count_comment(),
    count_vote()
    from public;

-- What was there before.
update posts
set score = (select coalesce(sum(value), 0) from votes where post_id = posts.id),
    comments = (
        select count(*) from comments
        where post_id = posts.id and status in ('VISIBLE', 'FLAGGED')
    );
update comments
set score = (select coalesce(sum(value), 0) from votes where comment_id = comments.id);
insert into user_stats (user_id, posts, comments, reputation)
select id,
    (select count(*) from posts where author_id = users.id and status in ('VISIBLE', 'FLAGGED')),
    (select count(*) from comments where author_id = users.id and status in ('VISIBLE', 'FLAGGED')),
    (select coalesce(sum(score), 0) from posts where author_id = users.id)
        + (select coalesce(sum(score), 0) from comments where author_id = users.id)
from users
where exists (select from posts where author_id = users.id)
    or exists (select from comments where author_id = users.id)
on conflict (user_id) do update
set posts = excluded.posts, comments = excluded.comments, reputation = excluded.reputation;
