"""Write files as a whole or not at all, read only regular ones, and find packaged ones in checkout and wheel."""
