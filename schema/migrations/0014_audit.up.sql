-- The audit log: who changed what in the tables that matter, and the seals over it.
--
-- Rows only come. The server seals them every few seconds into signed Merkle trees (docs/audit.md),
-- so that whoever gets around what is refused here is found out by `lyceum db verify-audit`.

create table audit_log (
    id bigint not null,
    at timestamptz not null,
    transaction xid8 not null,
    actor bigint,
    actor_role text not null,
    login text not null,
    request_id text,
    table_name text not null,
    row_key jsonb,
    action text not null,
    old jsonb,
    new jsonb,
    constraint audit_log_pkey primary key (id, at),
    constraint audit_log_action_check check (action in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')),
    constraint audit_log_old_iff_was check ((old is not null) = (action in ('UPDATE', 'DELETE'))),
    constraint audit_log_new_iff_is check ((new is not null) = (action in ('INSERT', 'UPDATE'))),
    constraint audit_log_row_key_iff_row check ((row_key is null) = (action = 'TRUNCATE'))
) partition by range (at);

comment on table audit_log is 'Every change of the tables that matter, written by their triggers in the same transaction. One partition a month, in UTC; never dropped by Lyceum.';
comment on column audit_log.id is 'Rises with the order of the changes; numbers of transactions that were rolled back are missing.';
comment on column audit_log.transaction is 'Changes made together have the same one, as long as the database is not restored into another cluster.';
comment on column audit_log.actor is 'Of users: app.current_user_id at the time; null if that was not set.';
comment on column audit_log.actor_role is 'The database role that acted.';
comment on column audit_log.login is 'The database role that had logged in.';
comment on column audit_log.request_id is 'app.request_id at the time.';
comment on column audit_log.row_key is 'The primary key of the row.';
comment on column audit_log.old is 'The row before. What is secret or personal is there as «hmac:…», see audit_hash.';
comment on column audit_log.new is 'The row after, likewise.';

-- What happened to a row, and what a person did.
create index audit_log_table_name_row_key_idx on audit_log (table_name, row_key, id);
create index audit_log_actor_idx on audit_log (actor, id) where actor is not null;

-- Partitions that are attached can't bring a number series of their own.
create sequence audit_log_id_seq owned by audit_log.id;

create table audit_seals (
    number bigint not null,
    ids int8multirange not null,
    floor_id bigint not null,
    row_count integer not null,
    root bytea not null,
    previous bytea not null,
    sealed_at timestamptz not null,
    key_id text not null,
    signature bytea not null,
    leaves bytea not null,
    constraint audit_seals_pkey primary key (number),
    constraint audit_seals_number_check check (number >= 1),
    constraint audit_seals_row_count_check check (row_count >= 1),
    constraint audit_seals_root_check check (octet_length(root) = 32),
    constraint audit_seals_previous_check check (octet_length(previous) = 32),
    constraint audit_seals_signature_check check (octet_length(signature) = 64),
    constraint audit_seals_leaves_check check (octet_length(leaves) = 32 * row_count)
);

comment on table audit_seals is 'Signed statements on rows of audit_log: each names its rows, the root of the Merkle tree over them, and the seal before it.';
comment on column audit_seals.ids is 'The rows that it covers, in the order of their ids.';
comment on column audit_seals.floor_id is 'All rows up to this id are covered by this seal or one before: any other was put in later.';
comment on column audit_seals.root is 'Of the tree of RFC 6962 over the rows.';
comment on column audit_seals.previous is 'SHA-256 of the seal before, zeros for the first.';
comment on column audit_seals.key_id is 'Beginning of the SHA-256 of the public key.';
comment on column audit_seals.signature is 'Ed25519, over all of these but the leaves.';
comment on column audit_seals.leaves is 'The hash of each row, so that a changed one can be named. The root vouches for them.';

alter table audit_seals alter column leaves set storage external;

-- Which seals reach beyond an id.
create index audit_seals_upper_ids_idx on audit_seals (upper(ids));

create table audit_key (
    only_one boolean not null default true,
    inner_pad bytea not null,
    outer_pad bytea not null,
    constraint audit_key_pkey primary key (only_one),
    constraint audit_key_only_one_check check (only_one),
    constraint audit_key_inner_pad_check check (octet_length(inner_pad) = 64),
    constraint audit_key_outer_pad_check check (octet_length(outer_pad) = 64)
);

comment on table audit_key is 'The key of audit_hash, already combined with the two pads of HMAC. Only the schema''s owner may read it.';

do $$
declare
    -- 244 random bits; what Postgres has without an extension.
    key bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    inner_pad bytea := decode(repeat('36', 64), 'hex');
    outer_pad bytea := decode(repeat('5c', 64), 'hex');
begin
    for place in 0..31 loop
        inner_pad := set_byte(inner_pad, place, get_byte(inner_pad, place) # get_byte(key, place));
        outer_pad := set_byte(outer_pad, place, get_byte(outer_pad, place) # get_byte(key, place));
    end loop;
    insert into audit_key (inner_pad, outer_pad) values (inner_pad, outer_pad);
end
$$;

-- Inlined where it is called, so it has no settings of its own.
create function audit_hmac(inner_pad bytea, outer_pad bytea, domain text, value text) returns text
language sql stable parallel safe
return 'hmac:' || encode(
    sha256(outer_pad || sha256(inner_pad || convert_to(domain || e'\n' || value, 'UTF8'))), 'hex'
);

comment on function audit_hmac is 'HMAC-SHA256 by a key that is combined with the pads.';

create function audit_hash(domain text, value text) returns text
language sql stable parallel safe
return (select audit_hmac(inner_pad, outer_pad, domain, value) from audit_key);

comment on function audit_hash is 'What the audit log holds instead of a secret or personal value. Domain: table.column, or subject for what tokens call a person, wherever it stands.';

create function audit_row() returns trigger
language plpgsql security definer
as $$
declare
    key_columns constant text[] := string_to_array(coalesce(tg_argv[0], ''), ' ');
    hidden constant text[] := string_to_array(coalesce(tg_argv[1], ''), ' ');
    left_out constant text[] := string_to_array(coalesce(tg_argv[2], ''), ' ');
    was jsonb;
    becomes jsonb;
    key jsonb;
    pads audit_key;
    entry text;
    name text;
    hash text;
begin
    if tg_op in ('UPDATE', 'DELETE') then
        was := to_jsonb(old) - left_out;
    end if;
    if tg_op in ('INSERT', 'UPDATE') then
        becomes := to_jsonb(new) - left_out;
    end if;
    if was = becomes then
        return null;
    end if;
    select * into pads from audit_key;
    foreach entry in array hidden loop
        name := split_part(entry, '=', 1);
        entry := coalesce(nullif(split_part(entry, '=', 2), ''), tg_table_name || '.' || name);
        hash := audit_hmac(pads.inner_pad, pads.outer_pad, entry, was ->> name);
        if hash is not null then
            was := jsonb_set(was, array[name], to_jsonb(hash));
        end if;
        hash := audit_hmac(pads.inner_pad, pads.outer_pad, entry, becomes ->> name);
        if hash is not null then
            becomes := jsonb_set(becomes, array[name], to_jsonb(hash));
        end if;
    end loop;
    if tg_op <> 'TRUNCATE' then
        select jsonb_object_agg(each, coalesce(was, becomes) -> each)
        into key
        from unnest(key_columns) as each;
    end if;
    insert into audit_log (
        id, at, transaction, actor, actor_role, login, request_id,
        table_name, row_key, action, old, new
    )
    values (
        nextval('audit_log_id_seq'),
        clock_timestamp(),
        pg_current_xact_id(),
        current_user_id(),
        coalesce(nullif(current_setting('role'), 'none'), session_user),
        session_user,
        nullif(left(current_setting('app.request_id', true), 200), ''),
        tg_table_name, key, tg_op, was, becomes
    );
    return null;
end
$$;

comment on function audit_row is 'Writes a change into audit_log. Arguments, each with blanks between: the key''s columns; columns that are hidden, as column or column=domain of audit_hash; columns that are left out.';

-- Of each row, as that is handed down to partitions.
create trigger audit_log_immutable before update or delete on audit_log
    for each row execute function refuse_change();
create trigger audit_log_kept before truncate on audit_log
    for each statement execute function refuse_change();
create trigger audit_seals_immutable before update or delete or truncate on audit_seals
    for each statement execute function refuse_change();

do $$
declare
    first date := date_trunc('month', now() at time zone 'utc');
    month date;
begin
    -- Made here, as nothing that is logged can change without.
    for number in 0..3 loop
        month := first + make_interval(months => number);
        execute format(
            'create table %I partition of audit_log for values from (%L) to (%L)',
            'audit_log_' || to_char(month, 'YYYY_MM'),
            to_char(month, 'YYYY-MM-DD 00:00:00+00'),
            to_char(month + interval '1 month', 'YYYY-MM-DD 00:00:00+00')
        );
    end loop;

    -- Whoever changes a row must not choose what names mean there, or how values are printed.
    execute format(
        'alter function audit_row() set search_path = pg_catalog, %I, pg_temp', current_schema()
    );
    alter function audit_row() set timezone = 'UTC';
    alter function audit_row() set bytea_output = 'hex';
end
$$;

-- By table: its key, what is hidden, and what is left out.
do $$
declare
    watched record;
begin
    for watched in
        select *
        from (
            values
                ('users', 'id', 'subject=subject username email email_blind',
                    'level xp streak last_active_at updated_at'),
                ('user_profiles', 'user_id',
                    'display_name bio avatar_url website time_zone wallet', 'updated_at'),
                ('user_secrets', 'user_id kind', 'value', 'updated_at'),
                ('user_keys', 'user_id', 'wrapped', 'updated_at'),
                ('encryption_keys', 'id', 'fingerprint', ''),
                ('auth_sessions', 'id', 'token_hash', 'user_agent address last_seen_at'),
                ('role_grants', 'id', 'reason', ''),
                ('permissions', 'role action', '', ''),
                ('collaboration_sessions', 'id', 'owner=subject starting_code',
                    'version updated_at'),
                ('revocations', 'id', 'user_id=subject', ''),
                ('webhooks', 'id', 'owner=subject url secret reason',
                    'version failures last_delivered_at updated_at'),
                ('courses', 'id', '', 'search_vector updated_at'),
                ('content_items', 'id', '', 'updated_at'),
                ('credentials', 'id', 'recipient metadata', 'updated_at')
        ) as chosen (name, key_columns, hidden, left_out)
    loop
        execute format(
            'create trigger %I after insert or delete or update %s on %I'
            ' for each row execute function audit_row(%L, %L, %L)',
            watched.name || '_audit',
            -- Where what is left out changes all the time, naming the others spares that all cost.
            case when watched.name in ('users', 'auth_sessions') then (
                select 'of ' || string_agg(quote_ident(attname), ', ' order by attnum)
                from pg_attribute
                where attrelid = watched.name::regclass and attnum > 0 and not attisdropped
                    and attname <> all (string_to_array(watched.left_out, ' '))
            ) end,
            watched.name, watched.key_columns, watched.hidden, watched.left_out
        );
    end loop;
end
$$;

-- Who was where and when changes all the time: only roles of one's own matter.
create trigger session_participants_audit_insert after insert on session_participants
    for each row when (new.role is not null)
    execute function audit_row('session_id user_id', 'user_id=subject name', '');
create trigger session_participants_audit_update after update on session_participants
    for each row when (old.role is distinct from new.role)
    execute function audit_row('session_id user_id', 'user_id=subject name', '');
create trigger session_participants_audit_delete after delete on session_participants
    for each row when (old.role is not null)
    execute function audit_row('session_id user_id', 'user_id=subject name', '');

-- What people write is theirs; what moderators decide on it matters.
create trigger posts_audit_update after update on posts
    for each row when (old.moderated_at is distinct from new.moderated_at)
    execute function audit_row('id', 'title body moderation_reason', 'search_vector score comments');
create trigger comments_audit_update after update on comments
    for each row when (old.moderated_at is distinct from new.moderated_at)
    execute function audit_row('id', 'body moderation_reason', 'score');

do $$
declare
    name text;
begin
    for name in
        select distinct relname
        from pg_trigger
        join pg_class on pg_class.oid = tgrelid
        where tgfoid = 'audit_row'::regproc
    loop
        execute format(
            'create trigger %I after truncate on %I'
            ' for each statement execute function audit_row()', name || '_audit_truncate', name
        );
    end loop;
end
$$;

revoke all on function audit_row(), audit_hash(text, text), audit_hmac(bytea, bytea, text, text)
    from public;
-- The server seals; who else may read the log has to be given that.
grant select on audit_log, audit_log_id_seq to lyceum_server;
grant select, insert on audit_seals to lyceum_server;
