"""Strategies: one file each, with named, typed, bounded parameters and one compiled function."""
