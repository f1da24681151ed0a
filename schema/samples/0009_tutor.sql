insert into tutor_threads (user_id) select id from users;
insert into tutor_messages (thread_id, user_id, role, body)
select id, user_id, 'USER', 'What is a mapping?' from tutor_threads;
insert into recommendations (user_id, course_id, score, reason)
select users.id, course_id, 0.5, 'SIMILAR' from users, modules;
insert into ai_usage_daily (user_id, day) select id, current_date from users;
