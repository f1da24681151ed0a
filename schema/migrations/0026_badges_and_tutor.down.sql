revoke insert (public_id) on tutor_messages from lyceum_app;
alter table tutor_messages
    drop constraint tutor_messages_answers_check,
    drop column answers,
    drop column public_id;

create index user_badges_badge_id_idx on user_badges (badge_id);
drop index user_badges_badge_id_user_id_idx;
drop policy user_badges_update_policy on user_badges;
revoke update (worn) on user_badges from lyceum_app;
comment on table user_badges is 'Who wears which badge.';
alter table user_badges drop column worn;
