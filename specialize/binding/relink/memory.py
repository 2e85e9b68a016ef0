"""Places in memory for the arrays of a program: one arena, in which an array's place is free after its last use."""

from __future__ import annotations

import numpy as np

from specialize.binding.relink.assemble import Assembler, size_of
from specialize.binding.relink.program import (
    DTYPES,
    INPUTS,
    MASKED,
    MOST_AXES,
    POOLED,
    Home,
    Instruction,
    Op,
    Program,
    Slot,
)
from specialize.binding.relink.strides import Shape

ALIGN = 64


def placed(assembler: Assembler, outputs: dict[str, int], cameras: int) -> tuple[Program, dict[int, int]]:
    """Return a finished program: constants packed, every array at its place, what is unused left out.

    Also returns the new number of every slot that was kept.

    Args:
        assembler: What was made; its first four arrays are `INPUTS`.
        outputs: Slot of every table.
        cameras: Number of cameras.
    """
    instructions = _needed(assembler, set(outputs.values()))
    places, arena = _places(assembler, instructions, set(outputs.values()))
    constants, at = bytearray(), {}
    used = {slot for each in instructions for slot in slots_of(each)} | set(outputs.values())
    for number in sorted(used & assembler.constants.keys()):
        at[number] = len(constants)
        constants += assembler.constants[number].tobytes()
        constants += bytes(-len(constants) % 8)
    keep = [*range(len(INPUTS)), *sorted(used - set(range(len(INPUTS))))]
    renamed = {old: new for new, old in enumerate(keep)}
    slots = []
    for number in keep:
        draft = assembler.drafts[number]
        constant = number in assembler.constants
        place = at[number] if constant else places[draft.base] + draft.offset
        slots.append(
            Slot(draft.dtype, _recorded(draft.shape), Home.CONSTANT if constant else Home.ARENA, place)
        )
    program = Program(
        cameras=cameras,
        slots=tuple(slots),
        instructions=tuple(_renamed(each, renamed) for each in instructions),
        outputs={name: renamed[slot] for name, slot in sorted(outputs.items())},
        constants=bytes(constants),
        arena=arena,
    )
    return program, renamed


def _recorded(shape: Shape) -> Shape:
    """Return a shape as a slot records it: one of too many axes, which only instructions read, as a row."""
    return shape if len(shape) <= MOST_AXES else (int(np.prod(shape, dtype=np.int64)),)


_SLOTS = {
    Op.BINARY: (1, 2, 3),
    Op.UNARY: (1, 2),
    Op.WHERE: (0, 1, 2, 3),
    Op.COPY: (0, 1),
    Op.MATMUL: (0, 1, 2),
    Op.REDUCE: (1, 2),
    Op.TAKE: (0, 1, 2),
    Op.ROWS: (0, 1, 2),
    Op.BACK: (0, 1, 2),
    Op.INVERSE: (0, 1),
    Op.COUNT: (0, 1),
    Op.CUT: (0, 1, 2),
    Op.LIST: (0, 1),
}
"""Which operands are slots; the first is the target."""


def slots_of(instruction: Instruction) -> tuple[int, ...]:
    """Return the slots of an instruction, its target first."""
    return tuple(instruction.words[place] for place in _SLOTS[instruction.op])


def _renamed(instruction: Instruction, renamed: dict[int, int]) -> Instruction:
    words = list(instruction.words)
    for place in _SLOTS[instruction.op]:
        words[place] = renamed[words[place]]
    return Instruction(instruction.op, tuple(words))


def _needed(assembler: Assembler, wanted: set[int]) -> list[Instruction]:
    """Return the instructions that the wanted slots need, in order."""
    bases = {assembler.drafts[slot].base for slot in wanted}
    kept = []
    for instruction in reversed(assembler.instructions):
        target, *sources = slots_of(instruction)
        if assembler.drafts[target].base in bases:
            kept.append(instruction)
            bases |= {assembler.drafts[source].base for source in sources}
    return kept[::-1]


def _places(
    assembler: Assembler, instructions: list[Instruction], outputs: set[int]
) -> tuple[dict[int, int], int]:
    """Return where the memory of every base lies, and how large the arena is."""
    drafts = assembler.drafts
    first, last = dict.fromkeys(range(len(INPUTS)), -1), dict.fromkeys(range(len(INPUTS)), -1)
    for time, instruction in enumerate(instructions):
        for slot in slots_of(instruction):
            if slot not in assembler.constants:
                first.setdefault(drafts[slot].base, time)
                last[drafts[slot].base] = time
    asked = {each.words[1] for each in instructions if each.op in MASKED | POOLED}  # after the program ran
    last |= {drafts[slot].base: len(instructions) for slot in (outputs | asked) - assembler.constants.keys()}
    places: dict[int, int] = {}
    ends: dict[int, int] = {}
    for base in sorted(first, key=lambda each: (first[each], each)):
        size = size_of(drafts[base]) * DTYPES[drafts[base].dtype].itemsize
        busy = sorted((places[other], ends[other]) for other in places if last[other] >= first[base])
        at = 0
        for begin, end in busy:
            if begin - at >= size:
                break
            at = max(at, -(-end // ALIGN) * ALIGN)
        places[base], ends[base] = at, at + size
    return places, int(-(-max(ends.values(), default=0) // ALIGN) * ALIGN)
