-- released with 0001
-- Who made, gave and took which badge stands in the audit log. A search for what was written before
-- the first post finds nothing: it went on for ever, or asked for the logarithm of less than 0. The
-- server alone enrols people, as it looks at prerequisites.

create trigger badges_audit after insert or delete or update on badges
    for each row execute function audit_row('id', '', '');
create trigger badges_audit_truncate after truncate on badges
    for each statement execute function audit_row();

-- One that comes with an achievement follows from what the person did; what is worn, each says.
create trigger user_badges_audit_insert after insert on user_badges
    for each row when (new.awarded_by is not null)
    execute function audit_row('user_id badge_id', 'reason', 'worn');
create trigger user_badges_audit_update after update on user_badges
    for each row
    when ((old.awarded_by, old.reason, old.awarded_at)
        is distinct from (new.awarded_by, new.reason, new.awarded_at))
    execute function audit_row('user_id badge_id', 'reason', 'worn');
create trigger user_badges_audit_delete after delete on user_badges
    for each row execute function audit_row('user_id badge_id', 'reason', 'worn');
create trigger user_badges_audit_truncate after truncate on user_badges
    for each statement execute function audit_row();

do $$
begin
    execute replace(
        pg_get_functiondef('search_posts'::regproc),
        ':= greatest(since, (select min(created_at) from posts))',
        ':= least(until, greatest(since, (select min(created_at) from posts)))'
    );
end
$$;

revoke insert (user_id, course_id), update (status) on enrollments from lyceum_app;
drop policy enrollments_insert_policy on enrollments;
drop policy enrollments_update_policy on enrollments;
