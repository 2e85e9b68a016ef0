"""Numbers in sentences."""


def counted(count: int, word: str) -> str:
    """Return `1 vehicle`, `2 vehicles`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
