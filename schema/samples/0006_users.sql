insert into encryption_keys (id, fingerprint) values (1, sha256('key 1'));
insert into users (subject, username, email, email_key_id, email_blind)
values ('ann', 'Ann', sha256('cipher'), 1, sha256('blind'));
insert into user_profiles (user_id) select id from users;
insert into user_keys (user_id, key_id, wrapped) select id, 1, sha256('key') || '\x00' from users;
insert into user_secrets (user_id, kind, value)
select id, 'phone', sha256('phone') || '\x00' from users;
insert into auth_sessions (user_id, token_hash, expires_at)
select id, sha256('token'), now() + interval '1 day' from users;
insert into role_grants (user_id, role) select id, 'INSTRUCTOR' from users;
