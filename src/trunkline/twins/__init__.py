"""Wire-exact simulators of the providers, with faults on demand.

A twin is written from wire-formats.md and judged by the official SDK; it shares no code with the dialects that the
gateway speaks to it, so that the two cannot share a mistake.
"""
