"""Who may do what in the database, tried with logins that may no more than that."""
