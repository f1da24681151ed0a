drop policy revocations_update_staff_policy on revocations;
drop policy revocations_insert_staff_policy on revocations;
revoke insert (user_id, issued_before), update (id, issued_before, created_at)
    on revocations from lyceum_staff;
drop table suspensions;
drop table flags;
drop index posts_flagged_idx;
drop index comments_flagged_idx;
create index posts_flagged_idx on posts (created_at) where status = 'FLAGGED';
create index comments_flagged_idx on comments (created_at) where status = 'FLAGGED';
alter table posts drop column flagged_at;
alter table comments drop column flagged_at;
drop function raise_flag();
