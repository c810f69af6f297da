"""What the compiler is given: export, adapt, the two vendor operators and their host definitions."""
