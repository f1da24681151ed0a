-- released with 0001
-- What needs somebody's attention: found by an index for each kind, newest first.

create table attention_seen (
    user_id bigint not null,
    seen_until timestamptz not null,
    constraint attention_seen_pkey primary key (user_id),
    constraint attention_seen_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade
)
with (fillfactor = 70);

comment on table attention_seen is 'Until when somebody has seen what needs attention; without a row, nothing of it.';

alter table attention_seen enable row level security;
grant select, insert, update on attention_seen to lyceum_server;
create policy attention_seen_select_server_policy on attention_seen for select to lyceum_server
    using (true);
create policy attention_seen_insert_server_policy on attention_seen for insert to lyceum_server
    with check (true);
create policy attention_seen_update_server_policy on attention_seen for update to lyceum_server
    using (true) with check (true);
grant select on content_items to lyceum_server;

-- Whom a comment answers.
alter table comments
    add column addressee_id bigint,
    add constraint comments_addressee_id_fkey
        foreign key (addressee_id) references users (id) on delete set null;

comment on column comments.addressee_id is 'Who wrote what it answers, the comment or else the post; null if that is its own author.';

create function address_comment() returns trigger
language plpgsql security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    new.addressee_id := nullif(
        coalesce(
            (select author_id from comments where id = new.parent_id),
            case when new.parent_id is null then
                (select author_id from posts where id = new.post_id)
            end
        ),
        new.author_id
    );
    return new;
end
$$;
comment on function address_comment is 'Says whom a new comment answers.';
revoke all on function address_comment() from public;

create trigger comments_addressed before insert on comments
    for each row execute function address_comment();

update comments
set addressee_id = nullif(
    case
        when parent_id is null then (select author_id from posts where id = post_id)
        else (select author_id from comments as parent where parent.id = comments.parent_id)
    end,
    author_id
);

-- Answers to somebody; also what names them when they are removed.
create index comments_addressee_id_idx on comments (addressee_id, created_at desc, id desc)
    where addressee_id is not null;
-- What of somebody's was hidden.
create index posts_author_id_moderated_at_idx on posts (author_id, moderated_at desc, id desc)
    where status = 'HIDDEN';
create index comments_author_id_moderated_at_idx
    on comments (author_id, moderated_at desc, id desc) where status = 'HIDDEN';
-- What of somebody's was judged, and what still waits for that.
create index code_submissions_user_id_judged_at_idx
    on code_submissions (user_id, judged_at desc, id desc) where judged_at is not null;
create index code_submissions_submitted_at_idx on code_submissions (submitted_at desc, id desc)
    where status = 'PENDING';
create index quiz_attempts_user_id_submitted_at_idx
    on quiz_attempts (user_id, submitted_at desc, id desc) where submitted_at is not null;
-- Where somebody was mentioned; messages without mentions cost nothing.
create index chat_messages_mentions_idx on chat_messages using gin (mentions)
    where mentions <> '{}';
