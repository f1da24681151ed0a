drop table credentials;
drop table search_vocabulary;
drop table votes;
drop table comments;
drop table posts;
alter table content_items drop constraint content_items_id_published_version_fkey;
drop table content_versions;
drop function refuse_change();
drop table content_items;
