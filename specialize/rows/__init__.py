"""Row maps: the one idea of the compiler (docs/concepts/row-maps.md)."""
