"""dpif."""
