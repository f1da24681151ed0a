drop trigger courses_words_gone on courses;
drop trigger courses_words on courses;
drop trigger lessons_words on lessons;
drop trigger posts_words on posts;
drop function note_course_words();
drop function note_lesson_words();
drop function note_post_words();
drop function note_words(text, integer, text[]);
drop function is_word(text);
drop function search_words(text[]);
drop table search_changes;
drop function search_posts(tsquery[], tsquery, tsquery[], timestamptz, timestamptz, integer);
drop function estimated_posts(timestamptz, timestamptz);
revoke execute on function search_labels(text, text, bigint, bigint, timestamptz)
    from lyceum_server, lyceum_app, lyceum_staff;
