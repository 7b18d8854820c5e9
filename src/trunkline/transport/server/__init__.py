"""The HTTP/1.1 server."""

from trunkline.transport.server.server import ErrorBody, Server

__all__ = ["ErrorBody", "Server"]
