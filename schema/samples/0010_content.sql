insert into content_items (course_id) select min(id) from courses;
insert into content_versions (item_id, version, body, sha256, author_id)
select content_items.id, 1, '{}', sha256('{}'), users.id from content_items, users;
insert into posts (author_id, title, body) select id, 'Gas', 'Why so much?' from users;
insert into comments (author_id, post_id, body) select author_id, id, 'Loops.' from posts;
insert into votes (user_id, post_id, value) select author_id, id, 1 from posts;
insert into search_vocabulary (language, word, uses) values ('en', 'gas', 1);
insert into credentials (user_id, course_id, chain_id, contract, recipient)
select users.id, course_id, 1, '0x' || repeat('a', 40), '0x' || repeat('a', 40) from users, modules;
insert into document_versions (document_id, version, name, seq, payload)
select id, 1, 'handed in', last_seq, '\x0000' from documents;
