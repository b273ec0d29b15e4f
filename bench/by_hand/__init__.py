"""A learning switch written by hand, on upcalls and flows alone: what a program's cost is measured by."""
