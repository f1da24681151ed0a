-- Streaks by the days themselves, so that a day that comes late falls in its place.

alter table streaks
    add column days datemultirange not null default '{}',
    add constraint streaks_days_check check (upper(days) is not distinct from last_day + 1);

comment on column streaks.days is 'The days in a row, run by run: the newest hundred of them.';
