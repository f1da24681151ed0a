insert into attention_seen (user_id, seen_until) select id, now() from users;
