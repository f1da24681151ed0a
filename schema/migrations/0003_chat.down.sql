drop table chat_keys;
drop table chat_counters;
drop table chat_messages;
