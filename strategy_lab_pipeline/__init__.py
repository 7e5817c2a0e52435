"""Strategy Lab pipeline: where data live, when things run, who starts them."""
