"""Bytes to messages and back, for both dialects that Yjs clients speak. Pure."""
