"""`manage.py` where nothing runs: a line, at once."""
