-- Documents, the journal of their updates, and snapshots compacted from it.

create table documents (
    id bigint generated always as identity,
    name text not null,
    last_seq bigint not null default 0,
    created_at timestamptz not null default now(),
    constraint documents_pkey primary key (id),
    constraint documents_name_key unique (name),
    constraint documents_name_check check (length(name) between 1 and 255),
    constraint documents_last_seq_check check (last_seq >= 0)
)
-- last_seq changes with every commit; room on the page lets it change in place.
with (fillfactor = 70);

comment on table documents is 'One CRDT document a session; what it holds is in the journal and its snapshots.';
comment on column documents.last_seq is 'Sequence number of its newest journal row; 0 while there is none.';

create table document_updates (
    document_id bigint not null,
    seq bigint not null,
    payload bytea not null,
    created_at timestamptz not null default now(),
    constraint document_updates_pkey primary key (document_id, seq),
    constraint document_updates_document_id_fkey
        foreign key (document_id) references documents (id) on delete cascade,
    constraint document_updates_seq_check check (seq >= 1)
) partition by hash (document_id);

comment on table document_updates is 'The journal: what was received, merged within one commit, numbered without gaps in commit order.';
comment on column document_updates.payload is 'A Yjs update, format v1.';

do $$
begin
    for remainder in 0..7 loop
        execute format(
            'create table document_updates_%s partition of document_updates'
            ' for values with (modulus 8, remainder %s)', remainder, remainder
        );
        -- Updates are dense already; compressing each costs more than it saves.
        execute format(
            'alter table document_updates_%s alter column payload set storage external', remainder
        );
    end loop;
end
$$;

create table document_snapshots (
    document_id bigint not null,
    seq bigint not null,
    payload bytea not null,
    created_at timestamptz not null default now(),
    constraint document_snapshots_pkey primary key (document_id, seq),
    constraint document_snapshots_document_id_fkey
        foreign key (document_id) references documents (id) on delete cascade,
    constraint document_snapshots_seq_check check (seq >= 1)
);

comment on table document_snapshots is 'A document as one update; covers its journal up to and including seq.';

create table journal_writers (
    id uuid,
    last_batch bigint not null default 0,
    created_at timestamptz not null default now(),
    last_commit_at timestamptz not null default now(),
    constraint journal_writers_pkey primary key (id),
    constraint journal_writers_last_batch_check check (last_batch >= 0)
)
with (fillfactor = 50);

comment on table journal_writers is 'One row a running server. A commit whose outcome is unknown is repeated under the same number; last_batch tells whether it had happened.';
