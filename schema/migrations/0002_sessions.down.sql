drop table revocations;
drop table deleted_sessions;
drop table session_participants;
drop table collaboration_sessions;
