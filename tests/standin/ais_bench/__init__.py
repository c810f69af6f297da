"""SIMULATED: stands in for the vendor's module of this name. See README.md one folder up."""
