grant insert (user_id, course_id), update (status) on enrollments to lyceum_app;
create policy enrollments_insert_policy on enrollments for insert to lyceum_app
    with check (user_id = (select current_user_id()));
create policy enrollments_update_policy on enrollments for update to lyceum_app
    using (user_id = (select current_user_id()))
    with check (user_id = (select current_user_id()));

do $$
begin
    execute replace(
        pg_get_functiondef('search_posts'::regproc),
        ':= least(until, greatest(since, (select min(created_at) from posts)))',
        ':= greatest(since, (select min(created_at) from posts))'
    );
end
$$;

drop trigger user_badges_audit_truncate on user_badges;
drop trigger user_badges_audit_delete on user_badges;
drop trigger user_badges_audit_update on user_badges;
drop trigger user_badges_audit_insert on user_badges;
drop trigger badges_audit_truncate on badges;
drop trigger badges_audit on badges;
