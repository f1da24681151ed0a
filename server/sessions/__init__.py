"""What is live: sessions, their documents and participants, and the sockets they speak over."""
