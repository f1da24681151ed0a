-- Who writes what of learning: people where they were, the server what counts.

-- A person who may write these could complete lessons without the points, or make time.
revoke insert, update on user_progress from lyceum_app;
grant insert (user_id, course_id, lesson_id, state), update (state, updated_at)
    on user_progress to lyceum_app;

grant insert on user_progress, enrollments to lyceum_server;
create policy user_progress_insert_server_policy on user_progress for insert to lyceum_server
    with check (true);
create policy enrollments_insert_server_policy on enrollments for insert to lyceum_server
    with check (true);

-- It finds out by the hash of a token who asks, whom nobody knows before, and forgets what is over.
grant select (id, public_id, user_id, token_hash, last_seen_at, expires_at, revoked_at, address),
    update (last_seen_at, address),
    delete
    on auth_sessions to lyceum_server;
create policy auth_sessions_select_server_policy on auth_sessions for select to lyceum_server
    using (true);
create policy auth_sessions_update_server_policy on auth_sessions for update to lyceum_server
    using (true) with check (true);
create policy auth_sessions_delete_server_policy on auth_sessions for delete to lyceum_server
    using (true);
