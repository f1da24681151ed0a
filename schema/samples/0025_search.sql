insert into search_changes (language, change, words) values ('en', 1, '{gas}');
