insert into documents (name, last_seq) values ('lesson', 2);
insert into document_snapshots (document_id, seq, payload) select id, 1, '\x0000' from documents;
insert into document_updates (document_id, seq, payload) select id, 2, '\x0000' from documents;
insert into journal_writers (id, last_batch) values (gen_random_uuid(), 1);
