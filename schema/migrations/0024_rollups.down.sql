drop function own_events;
drop trigger session_activity_hours on session_activity;
drop trigger learning_analytics_batch on learning_analytics;
drop function note_activity_hours, begin_event_batch;
drop table
    analytics_rebuilds, analytics_collaboration_hourly, analytics_active_daily,
    analytics_submissions_daily, analytics_activity_hours, analytics_batches;
