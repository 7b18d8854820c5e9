"""From YAML to a typed tree, with problems that name file, line, key path and what would be right."""
