alter table journal_writers drop column writes;
comment on table journal_writers is 'One row a running server. A commit whose outcome is unknown is repeated under the same number; last_batch tells whether it had happened.';
drop table session_activity;
