insert into badges (slug, title) values ('saver', 'Gas saver');
insert into user_badges (user_id, badge_id) select users.id, badges.id from users, badges;
insert into achievements (slug, title, criteria) values ('begun', 'Begun', '{}');
insert into user_achievements (user_id, achievement_id)
select users.id, achievements.id from users, achievements;
insert into xp_events (user_id, amount, reason, key) select id, 10, 'LESSON', 'lesson:1' from users;
insert into xp_event_keys (user_id, key) select id, 'lesson:1' from users;
insert into user_stats (user_id) select id from users;
insert into xp_histogram (width, bucket, shard) values (100, 0, 0);
insert into streaks (user_id) select id from users;
insert into leaderboard_periods (kind, course_id) select 'COURSE', min(id) from courses;
insert into leaderboard_scores (period_id, user_id, xp)
select leaderboard_periods.id, users.id, 10 from leaderboard_periods, users;
