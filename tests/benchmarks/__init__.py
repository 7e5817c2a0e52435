"""Tests of the cross-check with hftbacktest: its own tools everywhere, the peer where it is."""
