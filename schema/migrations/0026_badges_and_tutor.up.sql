-- released with 0001
-- Badges that people show or keep to themselves; questions and answers of the tutor that are written
-- once, however often they are sent.

alter table user_badges add column worn boolean not null default true;

comment on table user_badges is 'Who has which badge.';
comment on column user_badges.worn is 'Whether the person shows it.';

grant update (worn) on user_badges to lyceum_app;
create policy user_badges_update_policy on user_badges for update to lyceum_app
    using (user_id = (select current_user_id()))
    with check (user_id = (select current_user_id()));

-- Who has a badge, page by page.
create index user_badges_badge_id_user_id_idx
    on user_badges (badge_id, user_id) include (worn, awarded_at);
drop index user_badges_badge_id_idx;

alter table tutor_messages
    add column public_id uuid not null default gen_random_uuid(),
    add column answers bigint,
    add constraint tutor_messages_answers_check check (answers is null or role = 'TUTOR');

comment on column tutor_messages.public_id is 'Chosen by who sends a question, the same when it is sent again.';
comment on column tutor_messages.answers is 'The question that it is the answer to, of the same thread.';

grant insert (public_id) on tutor_messages to lyceum_app;
