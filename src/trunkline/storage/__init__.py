"""Documents and the journal: the only room that speaks to databases, and the files between worker and recorder."""
