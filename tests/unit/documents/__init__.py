"""Documents read and edited by the server."""
