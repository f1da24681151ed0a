insert into session_activity (at, session_id, participant, user_id, kind)
select now(), id, gen_random_uuid(), 'ann', 'join' from collaboration_sessions;
