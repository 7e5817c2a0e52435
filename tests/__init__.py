"""The tests of Strategy Lab; `python -m tests.run` runs them."""
