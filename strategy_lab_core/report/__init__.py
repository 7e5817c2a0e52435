"""Reports for people (one HTML file) and programs (JSON)."""
