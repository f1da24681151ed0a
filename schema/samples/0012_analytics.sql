insert into learning_analytics (at, event_id, event_type)
values (now(), gen_random_uuid(), 'lesson.started');
insert into analytics_course_daily (course_id, day) values (1, current_date);
insert into analytics_lesson_daily (lesson_id, course_id, day) values (1, 1, current_date);
insert into analytics_type_hourly (event_type, hour)
values ('lesson.started', date_trunc('hour', now(), 'UTC'));
insert into analytics_user_daily (user_id, day) values (1, current_date);
insert into analytics_watermarks (rollup) values ('course_daily');
