alter table content_versions drop column changes;
alter table content_items drop column review_at, drop column review_version;
