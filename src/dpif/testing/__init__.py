"""Helpers for tests, ours and those of programs that use dpif."""
