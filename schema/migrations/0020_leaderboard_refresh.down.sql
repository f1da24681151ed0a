drop function refresh_leaderboard();
