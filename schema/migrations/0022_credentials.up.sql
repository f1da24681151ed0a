-- released with 0001
-- What was last observed of a credential on its chain, as observations come late and twice.

alter table credentials
    add column observed bigint not null default 0,
    add constraint credentials_observed_check check (observed >= 0);

comment on column credentials.observed is 'Number of the newest observation of the chain that is in the row; older ones change nothing. 0: none.';
