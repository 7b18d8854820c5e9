"""Durable asynchronous jobs: video. Submitted at most once, polled by the recorder, settled exactly once."""
