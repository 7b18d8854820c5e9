"""The composition root: knows a concrete class of every room, compiles the snapshot, supervises the processes."""
