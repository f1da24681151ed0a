insert into analytics_batches default values;
insert into analytics_activity_hours (hour) values (date_trunc('hour', now(), 'UTC'));
insert into analytics_submissions_daily (course_id, day, result) values (1, current_date, 'PASSED');
insert into analytics_active_daily (day) values (current_date);
insert into analytics_collaboration_hourly (hour) values (date_trunc('hour', now(), 'UTC'));
insert into analytics_rebuilds (day) values (current_date);
