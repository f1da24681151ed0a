drop trigger enrollments_recommendations_due_update on enrollments;
drop trigger enrollments_recommendations_due_insert on enrollments;
drop trigger users_recommendations_due on users;
drop function recommendations_due_add();
drop table recommendations_due;
drop table course_sequels;
