"""Text that people read: numbers with units, and foreign text that a terminal must not obey."""
