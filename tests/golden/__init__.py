"""Answers with their sources."""
