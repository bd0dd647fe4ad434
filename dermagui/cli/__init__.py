"""The command line: one file for each command; each calls the same functions that the window calls."""
