"""From a loaded configuration to a running supervisor."""

from __future__ import annotations

from trunkline.app.boot import Boot
from trunkline.app.sockets import listening, raise_descriptor_limit
from trunkline.app.supervisor import supervise


def serve_forever(boot: Boot) -> int:
    """Returns the exit code. OSError if an address cannot be listened on."""
    raise_descriptor_limit()
    boot.prepare_state()
    boot.publish()
    host, port = boot.listen_address
    sockets = [listening(host, port) for _ in range(boot.workers)]
    return supervise(boot, sockets)
