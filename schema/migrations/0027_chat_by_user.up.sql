-- no transaction
-- serves programs from 0026 on
-- What one person said: for row-level security, for giving out and removing a person's data.

create index concurrently if not exists chat_messages_user_id_sent_at_idx
    on chat_messages (user_id, sent_at);
