drop table journal_writers;
drop table document_snapshots;
drop table document_updates;
drop table documents;
