alter table streaks drop column days;
