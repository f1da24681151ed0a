insert into background_jobs (name) values ('partitions');
