"""The front door: from a request target to a dialect, from a credential to an exchange. Data plane only."""
