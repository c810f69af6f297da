"""Rehearsal: the compiled graph's arithmetic on any host."""
