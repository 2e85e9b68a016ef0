"""Format text for people: numbers with units, and foreign text that must not control a terminal."""
