drop table role_grants;
drop table auth_sessions;
drop table user_secrets;
drop table user_keys;
drop table user_profiles;
drop table users;
drop table encryption_keys;
