"""One mechanism for everything slow: a job is a process, its truth is in the database, its story a file."""
