insert into revocations (token_id) values (gen_random_uuid()::text);
insert into audit_seals (
    number, ids, floor_id, row_count, root, previous, sealed_at, key_id, signature, leaves
)
values (
    1, '{[1,2)}', 1, 1, sha256('root'), sha256('previous'), now(), 'key',
    sha256('signature') || sha256('signature'), sha256('leaf')
);
