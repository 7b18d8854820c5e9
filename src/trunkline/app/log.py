"""Log lines: one JSON object each on standard error, escaped and length-capped; never a key, prompt or answer."""

from __future__ import annotations

import json
import logging
import sys
import time

VALUE_CAP = 2000


class Lines(logging.Handler):
    """Formats every record of the standard logging module as one line; JSON escapes CR, LF, ANSI and bidi."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self.process = process

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {}
        data = getattr(record, "fields", None)
        if isinstance(data, dict):
            fields = data
        write(self.process, record.levelname.lower(), record.getMessage(), fields)


def write(process: str, level: str, event: str, fields: dict[str, object]) -> None:
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
    line: dict[str, object] = {"at": stamp, "process": process, "level": level, "event": event[:VALUE_CAP]}
    for name, value in fields.items():
        line[name] = value[:VALUE_CAP] if isinstance(value, str) else value
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()


def install(process: str) -> None:
    root = logging.getLogger()
    root.handlers[:] = [Lines(process)]
    root.setLevel(logging.INFO)
