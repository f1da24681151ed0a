-- released with 0001
-- What waits to be published, and what each version changed.

alter table content_items
    add column review_version integer,
    add column review_at timestamptz,
    add constraint content_items_review_version_check
        check (review_version between 1 and last_version),
    add constraint content_items_review_iff_time
        check ((review_version is null) = (review_at is null)),
    add constraint content_items_id_review_version_fkey
        foreign key (id, review_version) references content_versions (item_id, version)
        on delete restrict;

comment on column content_items.review_version is 'What somebody should look at and publish; null: nothing.';
comment on column content_items.review_at is 'Since when.';

-- What reviewers should look at.
create index content_items_review_at_idx on content_items (review_at)
    where review_version is not null;

alter table content_versions
    add column changes jsonb not null default '{}',
    add constraint content_versions_changes_check check (jsonb_typeof(changes) = 'object');

comment on column content_versions.changes is 'By field, what it was in the version before and what it is: [before, after]; null where that is long.';
