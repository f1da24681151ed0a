drop table ai_usage_daily;
drop table recommendations;
drop table tutor_messages;
drop table tutor_threads;
