"""Who may do what: virtual keys, the cache of them that a worker lives on, and admission."""
