"""What models can do and what they cost: built-in, dated data and the pure arithmetic over it."""
