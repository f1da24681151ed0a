update collaboration_sessions set owner = 'ann', permissions = '{"user": "editor"}';
insert into session_participants (session_id, user_id) select id, 'ann' from collaboration_sessions;
insert into deleted_sessions (name) values ('old lesson');
insert into revocations (token_id) values ('token 1');
