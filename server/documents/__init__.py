"""What a document holds, as text and JSON, and edits of it made by the server. Pure."""
