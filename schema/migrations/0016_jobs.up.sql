-- serves programs from 0015 on
-- What is done regularly by one server among many, and how it went.

create table background_jobs (
    name text not null,
    started_at timestamptz,
    finished_at timestamptz,
    succeeded_at timestamptz,
    seconds real,
    failing integer not null default 0,
    error text,
    did jsonb,
    constraint background_jobs_pkey primary key (name),
    constraint background_jobs_name_check check (length(name) between 1 and 64),
    constraint background_jobs_failing_check check (failing >= 0),
    constraint background_jobs_seconds_check check (seconds >= 0)
);

comment on table background_jobs is 'The newest run of each background job. Who runs one holds an advisory lock; a run that has begun and not ended, while nobody holds that, died.';
comment on column background_jobs.succeeded_at is 'When the newest run that succeeded ended.';
comment on column background_jobs.seconds is 'That the newest run took which ended.';
comment on column background_jobs.failing is 'Runs that began since the newest success.';
comment on column background_jobs.error is 'Why the newest run failed.';
comment on column background_jobs.did is 'What the newest success did, by kind.';

grant select, insert, update on background_jobs to lyceum_server;
grant select on background_jobs to lyceum_staff, lyceum_analyst;
