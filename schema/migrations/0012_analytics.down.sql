drop table analytics_watermarks;
drop table analytics_user_daily;
drop table analytics_type_hourly;
drop table analytics_lesson_daily;
drop table analytics_course_daily;
drop table learning_analytics;
