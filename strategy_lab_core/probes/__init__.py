"""What a result rests on: rows that nobody could know yet, rows before it, and assumptions."""
