"""Accounting: records from the engine into the journal, and from the journal into the store."""
