"""Faults of a port, one small function each: planted to see that a verdict catches them, simulated to explain a red verdict."""
