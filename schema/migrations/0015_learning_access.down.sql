drop policy auth_sessions_delete_server_policy on auth_sessions;
drop policy auth_sessions_update_server_policy on auth_sessions;
drop policy auth_sessions_select_server_policy on auth_sessions;
revoke all (id, public_id, user_id, token_hash, last_seen_at, expires_at, revoked_at, address)
    on auth_sessions from lyceum_server;
revoke delete on auth_sessions from lyceum_server;
drop policy enrollments_insert_server_policy on enrollments;
drop policy user_progress_insert_server_policy on user_progress;
revoke insert on user_progress, enrollments from lyceum_server;
revoke insert (user_id, course_id, lesson_id, state), update (state, updated_at)
    on user_progress from lyceum_app;
grant insert, update on user_progress to lyceum_app;
