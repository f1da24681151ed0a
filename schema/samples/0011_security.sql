insert into rate_limits (action, who, tokens) values ('post', 'ann', 1);
