-- Collaboration sessions around documents: who owns them, who may do what, how long they last.

create table collaboration_sessions (
    id bigint not null,
    name text not null,
    title text not null default '',
    type text not null default 'code',
    language text not null default '',
    status text not null default 'ACTIVE',
    owner text,
    permissions jsonb not null default '{}',
    capacity integer,
    starting_code text,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    expires_at timestamptz,
    constraint collaboration_sessions_pkey primary key (id),
    constraint collaboration_sessions_id_fkey
        foreign key (id) references documents (id) on delete cascade,
    constraint collaboration_sessions_name_key unique (name),
    constraint collaboration_sessions_title_check check (length(title) <= 255),
    constraint collaboration_sessions_type_check check (type in ('code', 'prose')),
    constraint collaboration_sessions_language_check check (length(language) <= 64),
    constraint collaboration_sessions_status_check
        check (status in ('ACTIVE', 'ARCHIVED', 'EXPIRED')),
    constraint collaboration_sessions_expired_has_expiry
        check (status <> 'EXPIRED' or expires_at is not null),
    constraint collaboration_sessions_permissions_check
        check (jsonb_typeof(permissions) = 'object'),
    constraint collaboration_sessions_capacity_check check (capacity >= 1),
    constraint collaboration_sessions_version_check check (version >= 1)
)
with (fillfactor = 80);

comment on table collaboration_sessions is 'What makes a document a session; one row a document, under its id.';
comment on column collaboration_sessions.name is 'What clients join by; the document''s name.';
comment on column collaboration_sessions.owner is 'User id (a token''s sub) of whoever created it; a teacher of it. Null: created by a join, or by a guest.';
comment on column collaboration_sessions.permissions is 'Roles of those without one of their own: {"everyone": role, "guests": role | "none"}.';
comment on column collaboration_sessions.capacity is 'Participants at the same time; null: no bound.';
comment on column collaboration_sessions.starting_code is 'What it was seeded with; the document''s first journal row holds it.';
comment on column collaboration_sessions.version is 'Rises with every change of this row or of its participants'' roles.';

create index collaboration_sessions_owner_status_idx on collaboration_sessions (owner, status);
create index collaboration_sessions_status_expires_at_idx on collaboration_sessions (status, expires_at);
create index collaboration_sessions_updated_at_idx on collaboration_sessions (updated_at);

insert into collaboration_sessions (id, name) select id, name from documents;

create table session_participants (
    session_id bigint not null,
    user_id text not null,
    name text not null default '',
    role text,
    first_seen_at timestamptz,
    last_seen_at timestamptz,
    constraint session_participants_pkey primary key (session_id, user_id),
    constraint session_participants_session_id_fkey
        foreign key (session_id) references collaboration_sessions (id) on delete cascade,
    constraint session_participants_role_check
        check (role in ('teacher', 'editor', 'commenter', 'viewer', 'none')),
    constraint session_participants_seen_check
        check ((first_seen_at is null) = (last_seen_at is null) and first_seen_at <= last_seen_at)
);

comment on table session_participants is 'Users of a session: when they were there, and the role given to each, if any.';
comment on column session_participants.role is 'A role of this user''s own in this session; none: removed; null: as everyone.';

create index session_participants_user_id_idx on session_participants (user_id, last_seen_at desc);

create table deleted_sessions (
    name text not null,
    deleted_at timestamptz not null default now(),
    constraint deleted_sessions_pkey primary key (name)
);

comment on table deleted_sessions is 'Names whose session was deleted: a client that comes back must not bring it to life again.';

create index deleted_sessions_deleted_at_idx on deleted_sessions (deleted_at);

create table revocations (
    id bigint generated always as identity,
    user_id text,
    token_id text,
    issued_before timestamptz,
    created_at timestamptz not null default now(),
    constraint revocations_pkey primary key (id),
    constraint revocations_user_id_key unique (user_id),
    constraint revocations_token_id_key unique (token_id),
    constraint revocations_one_kind_check
        check ((user_id is null) <> (token_id is null)
            and (user_id is null) = (issued_before is null))
);

comment on table revocations is 'Tokens that count no more: one by its id (jti), or all of a user issued until a moment.';
