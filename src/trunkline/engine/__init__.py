"""The straight line: one function per exchange, one mutable object, no middleware."""
