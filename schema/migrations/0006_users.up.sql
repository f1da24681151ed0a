-- People: who they are, what of them is secret, how they are signed in, which roles they were given.

create table encryption_keys (
    id integer not null,
    purpose text not null default 'kek',
    fingerprint bytea not null,
    status text not null default 'ACTIVE',
    created_at timestamptz not null default now(),
    retired_at timestamptz,
    constraint encryption_keys_pkey primary key (id),
    constraint encryption_keys_fingerprint_key unique (fingerprint),
    constraint encryption_keys_id_check check (id >= 1),
    constraint encryption_keys_purpose_check check (purpose in ('kek')),
    constraint encryption_keys_fingerprint_check check (octet_length(fingerprint) = 32),
    constraint encryption_keys_status_check check (status in ('ACTIVE', 'RETIRING', 'RETIRED')),
    constraint encryption_keys_retired_iff_time
        check ((status = 'RETIRED') = (retired_at is not null))
);

comment on table encryption_keys is 'Keys that this database''s secrets are encrypted with, by number. The keys themselves are never here.';
comment on column encryption_keys.id is 'From the key file; each ciphertext begins with it.';
comment on column encryption_keys.fingerprint is 'HMAC by the key over a fixed text: tells a wrong key under a right number.';
comment on column encryption_keys.status is 'ACTIVE: encrypts; RETIRING: still decrypts what is not yet encrypted anew; RETIRED: nothing needs it.';

-- One key of a purpose encrypts at a time.
create unique index encryption_keys_active_key on encryption_keys (purpose) where status = 'ACTIVE';

create table users (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    subject text not null,
    username text not null,
    email bytea,
    email_key_id integer,
    email_blind bytea,
    role text not null default 'STUDENT',
    status text not null default 'ACTIVE',
    level integer not null default 1,
    xp bigint not null default 0,
    streak integer not null default 0,
    last_active_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint users_pkey primary key (id),
    constraint users_public_id_key unique (public_id),
    constraint users_subject_key unique (subject),
    constraint users_email_key_id_email_blind_key unique (email_key_id, email_blind),
    constraint users_email_key_id_fkey
        foreign key (email_key_id) references encryption_keys (id) on delete restrict,
    constraint users_subject_check check (length(subject) between 1 and 255),
    constraint users_username_check check (username ~ '^[^[:space:][:cntrl:]@]{1,64}$'),
    constraint users_email_is_whole
        check (num_nonnulls(email, email_key_id, email_blind) in (0, 3)),
    constraint users_email_blind_check check (octet_length(email_blind) = 32),
    constraint users_role_check check (role in ('STUDENT', 'INSTRUCTOR', 'ADMIN', 'MODERATOR')),
    constraint users_status_check check (status in ('ACTIVE', 'SUSPENDED', 'DELETED')),
    constraint users_deleted_has_no_email check (status <> 'DELETED' or email is null),
    constraint users_level_check check (level >= 1),
    constraint users_xp_check check (xp >= 0),
    constraint users_streak_check check (streak >= 0)
)
-- Progress changes these rows all the time.
with (fillfactor = 80);

comment on table users is 'People. Somebody who is erased stays as a row without anything personal, so that what others refer to stays whole.';
comment on column users.public_id is 'The id that is told outside.';
comment on column users.subject is 'What tokens call the person (a JWT''s sub); the live server''s tables hold this text.';
comment on column users.email is 'Ciphertext, by the person''s own key, bound to this row.';
comment on column users.email_key_id is 'The key that the blind index was made with; the ciphertext is under the person''s own key.';
comment on column users.email_blind is 'HMAC-SHA256 of the normalised address: finds a person without reading any address.';
comment on column users.role is 'What the person is now; role_grants tells how it came to that.';
comment on column users.status is 'DELETED: erased, see the table.';
comment on column users.level is 'Follows from xp.';
comment on column users.xp is 'Sum of the person''s xp_events.';
comment on column users.streak is 'Days in a row until now; streaks has the rest.';

-- Names that differ by case alone would pass for each other.
create unique index users_lower_username_key on users (lower(username));
-- The leaderboard of now, and one's neighbours on it.
create index users_xp_id_idx on users (xp desc, id) where status = 'ACTIVE';

create table user_profiles (
    user_id bigint not null,
    display_name text not null default '',
    bio text not null default '',
    avatar_url text,
    website text,
    language text not null default 'en',
    time_zone text not null default 'UTC',
    wallet text,
    visibility text not null default 'MEMBERS',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint user_profiles_pkey primary key (user_id),
    constraint user_profiles_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint user_profiles_display_name_check check (length(display_name) <= 64),
    constraint user_profiles_bio_check check (length(bio) <= 4000),
    constraint user_profiles_avatar_url_check
        check (avatar_url ~ '^https://' and length(avatar_url) <= 2048),
    constraint user_profiles_website_check
        check (website ~ '^https?://' and length(website) <= 2048),
    constraint user_profiles_language_check check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]+)*$'),
    -- A zone that Postgres doesn't know would fail every query that asks for the person's day.
    constraint user_profiles_time_zone_check
        check (timestamptz '2000-01-01 00:00:00+00' at time zone time_zone is not null),
    constraint user_profiles_wallet_check check (wallet ~ '^0x[0-9a-f]{40}$'),
    constraint user_profiles_visibility_check
        check (visibility in ('PUBLIC', 'MEMBERS', 'PRIVATE'))
)
with (fillfactor = 90);

comment on table user_profiles is 'What people show of themselves, and how they want to be spoken to.';
comment on column user_profiles.time_zone is 'IANA name; says when the person''s day begins, for streaks.';
comment on column user_profiles.wallet is 'Address that credentials are issued to.';

create table user_keys (
    user_id bigint not null,
    key_id integer not null,
    wrapped bytea not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint user_keys_pkey primary key (user_id),
    constraint user_keys_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint user_keys_key_id_fkey
        foreign key (key_id) references encryption_keys (id) on delete restrict,
    constraint user_keys_wrapped_check check (octet_length(wrapped) >= 33)
);

comment on table user_keys is 'Each person''s own key, wrapped by one of encryption_keys. Without its row nobody can read the person''s secrets any more.';
comment on column user_keys.wrapped is 'Version, number of the wrapping key, nonce, and the key under AES-256-GCM.';

-- What is still wrapped by a key, when it is replaced.
create index user_keys_key_id_user_id_idx on user_keys (key_id, user_id);

create table user_secrets (
    user_id bigint not null,
    kind text not null,
    value bytea not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint user_secrets_pkey primary key (user_id, kind),
    constraint user_secrets_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint user_secrets_kind_check check (
        kind in ('legal_name', 'phone', 'address', 'payment_reference', 'preferences')
    ),
    constraint user_secrets_value_check check (octet_length(value) >= 33)
);

comment on table user_secrets is 'What only the person and few others may read, encrypted by the person''s own key.';
comment on column user_secrets.value is 'Ciphertext, bound to this row.';

create table auth_sessions (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    user_id bigint not null,
    token_hash bytea not null,
    user_agent text not null default '',
    address inet,
    created_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz,
    constraint auth_sessions_pkey primary key (id),
    constraint auth_sessions_public_id_key unique (public_id),
    constraint auth_sessions_token_hash_key unique (token_hash),
    constraint auth_sessions_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint auth_sessions_token_hash_check check (octet_length(token_hash) = 32),
    constraint auth_sessions_user_agent_check check (length(user_agent) <= 512),
    constraint auth_sessions_times_check check (
        created_at <= last_seen_at and created_at < expires_at and created_at <= revoked_at
    )
)
with (fillfactor = 80);

comment on table auth_sessions is 'Where people are signed in. Expired and revoked ones stay for a while to be looked at.';
comment on column auth_sessions.token_hash is 'SHA-256 of the token, which only the person''s device has.';
comment on column auth_sessions.address is 'Where it was last used from.';

create index auth_sessions_user_id_idx on auth_sessions (user_id, last_seen_at desc);
-- What can be forgotten.
create index auth_sessions_expires_at_idx on auth_sessions (expires_at);

create table role_grants (
    id bigint generated always as identity,
    user_id bigint not null,
    role text not null,
    reason text not null default '',
    granted_by bigint,
    granted_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_by bigint,
    revoked_at timestamptz,
    constraint role_grants_pkey primary key (id),
    constraint role_grants_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint role_grants_granted_by_fkey
        foreign key (granted_by) references users (id) on delete set null,
    constraint role_grants_revoked_by_fkey
        foreign key (revoked_by) references users (id) on delete set null,
    constraint role_grants_role_check check (role in ('INSTRUCTOR', 'ADMIN', 'MODERATOR')),
    constraint role_grants_reason_check check (length(reason) <= 1000),
    constraint role_grants_expires_at_check check (expires_at > granted_at),
    constraint role_grants_revoked_at_check check (revoked_at >= granted_at),
    constraint role_grants_revoked_by_check check (revoked_by is null or revoked_at is not null)
);

comment on table role_grants is 'Who gave whom which role, until when, and who took it back. Everybody is a student without a grant.';

-- A role is given once at a time.
create unique index role_grants_user_id_role_key
    on role_grants (user_id, role) where revoked_at is null;
create index role_grants_user_id_idx on role_grants (user_id, granted_at desc);
create index role_grants_granted_by_idx on role_grants (granted_by);
create index role_grants_revoked_by_idx on role_grants (revoked_by);
-- What lapses next.
create index role_grants_expires_at_idx on role_grants (expires_at) where revoked_at is null;
