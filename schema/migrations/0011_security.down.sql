drop table rate_limits;
drop table permissions;
