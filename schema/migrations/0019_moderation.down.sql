drop policy revocations_update_staff_policy on revocations;
drop policy revocations_insert_staff_policy on revocations;
revoke insert (user_id, issued_before), update (id, issued_before, created_at)
    on revocations from lyceum_staff;
drop table suspensions;
drop table flags;
drop function raise_flag();
