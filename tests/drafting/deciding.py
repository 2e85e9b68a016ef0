"""What a person does to a draft."""

from __future__ import annotations

import re


def decided(draft: str, **choices: str) -> str:
    """Return a draft with every guess decided: as a choice by key says, or for the first alternative."""

    def choose(match: re.Match[str]) -> str:
        key, guess = match[2], match[3]
        return f"{match[1]}{key}: {choices.get(key, guess.split(' or ')[0])}"

    record = r"(?<=kind: )GUESS (\w+)(?: or \w+)*(?=, repeat: )"
    whole = re.sub(record, lambda match: match[1], draft)
    return re.sub(r"^(\s*)(.+?): GUESS (.+?)(?=  #|$)", choose, whole, flags=re.MULTILINE)
