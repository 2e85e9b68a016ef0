"""Files: written whole or not at all, read only if regular, found in checkout and wheel."""
