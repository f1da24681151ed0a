drop trigger votes_counted on votes;
drop trigger comments_counted on comments;
drop trigger posts_counted on posts;
drop function count_vote();
drop function count_comment();
drop function count_post();
drop function add_to_stats(bigint, bigint, bigint, bigint);
