"""Secrets: literal or `file:`, re-read off the request path, never printed."""
