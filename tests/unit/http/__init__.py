"""What the server answers over HTTP, without a server."""
