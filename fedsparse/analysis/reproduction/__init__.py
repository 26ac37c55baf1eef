"""The two papers' experiments: what is run (`plan`), what came out (`record`), and what it says of their claims.

`python -m fedsparse reproduce` runs them; `python -m fedsparse reproduce --list` says what is done and what is missing.
"""
