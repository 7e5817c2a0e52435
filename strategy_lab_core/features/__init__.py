"""What is computed from books and trades for strategies: every value knows its past only."""
