"""Searches of parameters and walk-forwards: what to try next, and what the trials are worth."""
