-- What participants did: joins, leaves, edits by interval, chat, roles, runs.

create table session_activity (
    at timestamptz not null,
    session_id bigint not null,
    participant uuid not null,
    user_id text,
    kind text not null,
    seconds real,
    updates integer,
    inserted integer,
    deleted integer,
    data jsonb,
    constraint session_activity_kind_check
        check (kind in ('join', 'leave', 'edit', 'chat', 'role', 'run')),
    constraint session_activity_edits_are_counted
        check (num_nonnulls(seconds, updates, inserted, deleted)
            = case kind when 'edit' then 4 else 0 end),
    constraint session_activity_counts_check
        check (seconds >= 0 and updates >= 1 and inserted >= 0 and deleted >= 0)
) partition by range (at);

comment on table session_activity is 'What participants did. One partition a month, in UTC, made and dropped by the server and by `lyceum db maintain`. Nothing refers to a session from here: when one is deleted its activity stays, with no more than the id of it.';
comment on column session_activity.at is 'When it happened; of an edit row when its first edit came.';
comment on column session_activity.session_id is 'Of collaboration_sessions, unless that was deleted.';
comment on column session_activity.participant is 'One place in a session, from join to leave; somebody who comes back gets another.';
comment on column session_activity.user_id is 'A token''s sub; null for a guest.';
comment on column session_activity.seconds is 'How much time an edit row covers, from `at` on.';
comment on column session_activity.updates is 'How often the participant sent changes meanwhile.';
comment on column session_activity.inserted is 'UTF-16 code units of text that was inserted.';
comment on column session_activity.deleted is 'What was deleted, in the same unit, whoever had inserted it.';
comment on column session_activity.data is 'Edit: {"unmeasured": updates whose characters were not counted}, null if none. Role: {"role", "by"}. Run: {"outcome", "language", "seconds"}.';

create index session_activity_session_id_at_idx on session_activity (session_id, at);
-- For questions about a time over all sessions; rows come nearly in the order of time.
create index session_activity_at_idx on session_activity using brin (at);

alter table journal_writers add column writes text not null default 'journal';

comment on table journal_writers is 'One row a writer: a running server has one for the journal and one for activity. A batch whose outcome is unknown is repeated under the same number; last_batch tells whether it had happened.';
comment on column journal_writers.writes is 'What its batches hold.';
