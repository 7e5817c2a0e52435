"""Slow, obvious references: what the fast code must agree with."""
