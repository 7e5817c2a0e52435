"""Bytes in, exact tick tables out: readers, schemas, checks, instruments, calendar, simulator."""
