"""What is around the pages: strips, palette, jobs, ledger, first run, and what happens when we fail."""
