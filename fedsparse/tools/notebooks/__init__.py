"""Notebooks as files: executed with other parameters, in grids, and refreshed when the code that they use has changed.

papermill only warns of a misspelt parameter and runs the default; here it is refused.
"""
