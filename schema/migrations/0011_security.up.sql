-- What roles may do, and how fast anybody may do it.

create table permissions (
    role text not null,
    action text not null,
    scope text not null,
    constraint permissions_pkey primary key (role, action),
    constraint permissions_role_check
        check (role in ('STUDENT', 'INSTRUCTOR', 'ADMIN', 'MODERATOR')),
    constraint permissions_action_check check (action ~ '^[a-z]+\.[a-z]+$'),
    constraint permissions_scope_check check (scope in ('OWN', 'ANY'))
);

comment on table permissions is 'What each role may do; what is not here it may not.';
comment on column permissions.action is 'A kind of thing, and what is done to it: «post.hide».';
comment on column permissions.scope is 'OWN: only to what is the person''s own.';

insert into permissions (role, action, scope) values
    ('STUDENT', 'post.write', 'OWN'),
    ('STUDENT', 'comment.write', 'OWN'),
    ('STUDENT', 'post.flag', 'ANY'),
    ('STUDENT', 'post.vote', 'ANY'),
    ('INSTRUCTOR', 'post.write', 'OWN'),
    ('INSTRUCTOR', 'comment.write', 'OWN'),
    ('INSTRUCTOR', 'post.flag', 'ANY'),
    ('INSTRUCTOR', 'post.vote', 'ANY'),
    ('INSTRUCTOR', 'course.write', 'OWN'),
    ('INSTRUCTOR', 'course.publish', 'OWN'),
    ('INSTRUCTOR', 'submission.read', 'OWN'),
    ('INSTRUCTOR', 'badge.award', 'ANY'),
    ('MODERATOR', 'post.write', 'OWN'),
    ('MODERATOR', 'comment.write', 'OWN'),
    ('MODERATOR', 'post.flag', 'ANY'),
    ('MODERATOR', 'post.vote', 'ANY'),
    ('MODERATOR', 'post.hide', 'ANY'),
    ('MODERATOR', 'user.suspend', 'ANY'),
    ('ADMIN', 'post.write', 'ANY'),
    ('ADMIN', 'comment.write', 'ANY'),
    ('ADMIN', 'post.flag', 'ANY'),
    ('ADMIN', 'post.vote', 'ANY'),
    ('ADMIN', 'post.hide', 'ANY'),
    ('ADMIN', 'course.write', 'ANY'),
    ('ADMIN', 'course.publish', 'ANY'),
    ('ADMIN', 'submission.read', 'ANY'),
    ('ADMIN', 'badge.award', 'ANY'),
    ('ADMIN', 'user.suspend', 'ANY'),
    ('ADMIN', 'user.erase', 'ANY'),
    ('ADMIN', 'role.grant', 'ANY');

create unlogged table rate_limits (
    action text not null,
    who text not null,
    tokens double precision not null,
    updated_at timestamptz not null default now(),
    constraint rate_limits_pkey primary key (action, who),
    constraint rate_limits_action_check check (length(action) between 1 and 64),
    constraint rate_limits_who_check check (length(who) between 1 and 255)
)
with (fillfactor = 50);

comment on table rate_limits is 'Token buckets that all servers share. Not logged: a crash or a promoted replica fills them anew.';
comment on column rate_limits.who is 'A person''s public id, or an address.';
comment on column rate_limits.tokens is 'What was left at updated_at; below 0 it is in debt.';

-- Buckets that have long been full.
create index rate_limits_updated_at_idx on rate_limits using brin (updated_at);
