"""Order books from ticks: by order (L3), by price (L2), top of book (L1), and their replay."""
