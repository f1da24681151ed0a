insert into course_sequels (course_id, recent, sequels, shares) select id, 1, '{}', '{}' from courses;
insert into recommendations_due (user_id) select id from users on conflict do nothing;
