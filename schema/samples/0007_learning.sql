insert into courses (slug, title) values ('solidity', 'Solidity'), ('basics', 'Basics');
insert into course_prerequisites (course_id, prerequisite_id) select max(id), min(id) from courses;
insert into modules (course_id, slug, position, title) select min(id), 'one', 1, 'One' from courses;
insert into lessons (module_id, course_id, slug, position, title)
select id, course_id, 'first', 1, 'First' from modules;
insert into enrollments (user_id, course_id)
select users.id, course_id from users, modules;
insert into user_progress (user_id, lesson_id, course_id)
select users.id, lessons.id, course_id from users, lessons;
insert into quizzes (lesson_id, title) select id, 'Did you get it?' from lessons;
insert into quiz_questions (quiz_id, position, kind, prompt, answer)
select id, 1, 'TEXT', 'Why?', '"because"' from quizzes;
insert into quiz_attempts (user_id, quiz_id, number) select users.id, quizzes.id, 1 from users, quizzes;
insert into code_submissions (user_id, lesson_id, course_id, source)
select users.id, lessons.id, course_id, 'contract A {}' from users, lessons;
