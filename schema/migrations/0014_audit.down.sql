-- With the triggers that call it.
drop function audit_row() cascade;
drop table audit_log;
drop table audit_seals;
drop function audit_hash(text, text);
drop function audit_hmac(bytea, bytea, text, text);
drop table audit_key;
