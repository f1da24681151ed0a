insert into chat_counters (session_id, last_seq, last_revision)
select id, 1, 1 from collaboration_sessions;
insert into chat_messages (session_id, seq, revision, user_id, name, client_message_id, body, sent_at)
select id, 1, 1, 'ann', 'Ann', 'm1', 'Hello', now() from collaboration_sessions;
insert into chat_keys (session_id, author, client_message_id, seq, revision)
select id, 'u:ann', 'm1', 1, 1 from collaboration_sessions;
