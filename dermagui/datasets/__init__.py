"""From reviewed pairs to files that a trainer reads, and back: pure functions, one module for a format.

``formats.py`` is the table of them all. ``rows.py`` says how a pair of any kind is worded in turns and
which columns travel with it, ``splits.py`` who goes where, ``manifest.py`` and ``card.py`` what is told
about the result. Nothing here opens the database.
"""
