"""The HTTP/1.1 client: pools, dialling, proxies, name resolution, and the reading of answers."""

from trunkline.transport.client.client import Client
from trunkline.transport.client.proxy import ProxyRules, parse_proxy

__all__ = ["Client", "ProxyRules", "parse_proxy"]
