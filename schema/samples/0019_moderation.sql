insert into flags (user_id, post_id, reason) select author_id, id, 'Is this so?' from posts;
insert into suspensions (user_id, reason, lifted_at) select id, 'Spam.', now() from users;
