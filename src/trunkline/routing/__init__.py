"""Choosing: health of the fleet, the order of candidates, and what to try next. Pure: time and dice are arguments."""
