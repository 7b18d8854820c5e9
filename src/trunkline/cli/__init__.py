"""The command line: parses arguments, prints. Exit 0 fine, 1 a negative verdict, 2 usage or configuration, 3 unreachable."""
