-- Webhooks: whom to tell over HTTP of what happens in sessions, and what is still owed to them.

create table webhooks (
    id bigint generated always as identity,
    public_id uuid not null default gen_random_uuid(),
    owner text not null,
    url text not null,
    secret text not null,
    sessions text not null,
    events text[] not null,
    status text not null default 'ACTIVE',
    reason text not null default '',
    failures integer not null default 0,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    last_delivered_at timestamptz,
    constraint webhooks_pkey primary key (id),
    constraint webhooks_public_id_key unique (public_id),
    constraint webhooks_url_check check (length(url) between 1 and 2048),
    constraint webhooks_secret_check check (secret like 'whsec\_%'),
    constraint webhooks_sessions_check check (length(sessions) between 1 and 256),
    constraint webhooks_events_check check (
        cardinality(events) > 0
        and events <@ array['session.opened', 'session.changed', 'session.closed', 'chat.message']
    ),
    constraint webhooks_status_check check (status in ('ACTIVE', 'PAUSED')),
    constraint webhooks_failures_check check (failures >= 0),
    constraint webhooks_version_check check (version >= 1)
)
with (fillfactor = 80);

comment on table webhooks is 'Whom to tell of what happens in which sessions.';
comment on column webhooks.owner is 'User id (a token''s sub) of whoever created it.';
comment on column webhooks.secret is 'Key of the signatures, whsec_ and base64; shown once, when it was created.';
comment on column webhooks.sessions is 'A session''s name, or prefix*.';
comment on column webhooks.reason is 'Why the server paused it; empty if a person did, or nobody.';
comment on column webhooks.failures is 'Attempts that failed since the last one that did not.';
comment on column webhooks.version is 'Rises with every change made over REST.';
comment on column webhooks.last_delivered_at is 'About when a delivery last succeeded; a minute may be missing.';

create index webhooks_owner_idx on webhooks (owner);
create index webhooks_active_idx on webhooks (id) where status = 'ACTIVE';

create table webhook_deliveries (
    id bigint generated always as identity,
    webhook_id bigint not null,
    event_id uuid not null,
    event_type text not null,
    session text not null,
    payload jsonb not null,
    status text not null default 'PENDING',
    attempts integer not null default 0,
    next_attempt_at timestamptz default now(),
    last_status integer,
    last_error text not null default '',
    created_at timestamptz not null default now(),
    delivered_at timestamptz,
    constraint webhook_deliveries_pkey primary key (id),
    constraint webhook_deliveries_webhook_id_fkey
        foreign key (webhook_id) references webhooks (id) on delete cascade,
    constraint webhook_deliveries_webhook_id_event_id_key unique (webhook_id, event_id),
    constraint webhook_deliveries_status_check
        check (status in ('PENDING', 'DELIVERED', 'FAILED')),
    constraint webhook_deliveries_pending_iff_next_attempt
        check ((status = 'PENDING') = (next_attempt_at is not null)),
    constraint webhook_deliveries_delivered_iff_time
        check ((status = 'DELIVERED') = (delivered_at is not null)),
    constraint webhook_deliveries_attempts_check check (attempts >= 0)
)
with (fillfactor = 80);

comment on table webhook_deliveries is 'Events on their way to webhooks; kept for a while to be looked at.';
comment on column webhook_deliveries.event_id is 'The header webhook-id: the same at every attempt, and for every webhook that gets the event.';
comment on column webhook_deliveries.next_attempt_at is 'When it is due; infinity while its webhook is paused. Whoever takes it moves this ahead: if that server dies, it is due again then.';
comment on column webhook_deliveries.last_error is 'What went wrong last; empty if nothing did.';

create index webhook_deliveries_due_idx
    on webhook_deliveries (webhook_id, next_attempt_at) where status = 'PENDING';
create index webhook_deliveries_webhook_id_id_idx on webhook_deliveries (webhook_id, id desc);
create index webhook_deliveries_created_at_idx on webhook_deliveries (created_at);
