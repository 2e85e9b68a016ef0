"""What operators do with rows: one file per family, the two halves of each operator side by side."""
