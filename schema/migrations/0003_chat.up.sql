-- The chat of collaboration sessions: one order per session, each message stored once.

create table chat_messages (
    session_id bigint not null,
    seq bigint not null,
    revision bigint not null,
    user_id text,
    name text not null,
    client_message_id text not null,
    body text,
    reply_to bigint,
    mentions text[] not null default '{}',
    sent_at timestamptz not null,
    edited_at timestamptz,
    deleted_at timestamptz,
    deleted_by text,
    constraint chat_messages_pkey primary key (session_id, seq, sent_at),
    constraint chat_messages_session_id_fkey
        foreign key (session_id) references collaboration_sessions (id) on delete cascade,
    constraint chat_messages_seq_check check (seq >= 1),
    constraint chat_messages_revision_check check (revision >= seq),
    constraint chat_messages_client_message_id_check
        check (length(client_message_id) between 1 and 64),
    constraint chat_messages_reply_to_check check (reply_to >= 1 and reply_to < seq),
    constraint chat_messages_gone_iff_deleted check ((body is null) = (deleted_at is not null)),
    constraint chat_messages_deleted_by_check check (deleted_by is null or deleted_at is not null)
) partition by range (sent_at);

comment on table chat_messages is 'What was said in a session, by month of sending; edits and deletions change the row.';
comment on column chat_messages.seq is '1, 2, 3, … within the session, without gaps, in commit order.';
comment on column chat_messages.revision is 'Rises over the session with each message, edit and deletion; of the newest that concerned this row.';
comment on column chat_messages.user_id is 'A token''s sub; null for a guest.';
comment on column chat_messages.body is 'Null once deleted.';

create index chat_messages_session_id_revision_idx on chat_messages (session_id, revision);

do $$
declare
    first date := date_trunc('month', now() at time zone 'utc') - interval '1 month';
    month date;
begin
    for number in 0..4 loop
        month := first + make_interval(months => number);
        execute format(
            'create table %I partition of chat_messages for values from (%L) to (%L)',
            'chat_messages_' || to_char(month, 'YYYY_MM'),
            to_char(month, 'YYYY-MM-DD 00:00:00+00'),
            to_char(month + interval '1 month', 'YYYY-MM-DD 00:00:00+00')
        );
    end loop;
end
$$;

create table chat_counters (
    session_id bigint not null,
    last_seq bigint not null default 0,
    last_revision bigint not null default 0,
    constraint chat_counters_pkey primary key (session_id),
    constraint chat_counters_session_id_fkey
        foreign key (session_id) references collaboration_sessions (id) on delete cascade,
    constraint chat_counters_check check (0 <= last_seq and last_seq <= last_revision)
)
with (fillfactor = 70);

comment on table chat_counters is 'The newest numbers of each session''s chat; its row is locked while messages of the session are written.';

create table chat_keys (
    session_id bigint not null,
    author text not null,
    client_message_id text not null,
    seq bigint not null,
    revision bigint not null,
    created_at timestamptz not null default now(),
    constraint chat_keys_pkey primary key (session_id, author, client_message_id),
    constraint chat_keys_session_id_fkey
        foreign key (session_id) references collaboration_sessions (id) on delete cascade
);

comment on table chat_keys is 'What senders called their messages, for a week: sent twice, a message is stored once.';
comment on column chat_keys.author is 'User id behind «u:»; «g» for all guests, who are told apart by their clients'' random ids.';

create index chat_keys_created_at_idx on chat_keys using brin (created_at);
