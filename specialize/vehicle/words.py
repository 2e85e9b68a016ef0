"""Define the guard's states and its reasons for rejecting a calibration or file, numbered as in `vehicle.h`."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """What to do about a build, given today's calibration."""

    FRESH = 0
    INSIDE = 1
    RELINK = 2
    STALE = 3
    UNUSABLE = 4


class Reason(IntEnum):
    """Why a calibration is unusable (1 to 31), or why a file cannot be read (32 and above)."""

    OK = 0
    NOT_VALID_NOW = 1
    CAMERA_COUNT = 2
    CAMERA_NAME = 3
    CAMERA_ORDER = 4
    IMAGE_SIZE = 5
    INCOMPLETE = 6
    NOT_FINITE = 7
    OUT_OF_RANGE = 8
    NOT_CALIBRATED = 9
    FOCAL_LENGTH = 10
    NOT_A_POSE = 11
    MIRRORED = 12
    SINGULAR = 13
    CONTRADICTION = 14
    NO_EGO_POSE = 15
    TOO_SHORT = 32
    NOT_THIS_FILE = 33
    OTHER_VERSION = 34
    DAMAGED = 35
    MALFORMED = 36
    FUSED = 37
    NO_RELINK = 38
    NO_ROOM = 39
    DOES_NOT_FIT = 40
    GOLDEN_DIFFERS = 41
    GOLDEN_BLIND = 42
    ENGINE_FAILED = 43
    NOT_ALIGNED = 44
    OTHER_BUILD = 45


HAS_PINHOLE, HAS_PROJECTION = 1, 2
"""Bits of a camera record: intrinsic and pose are given, `lidar2img` is."""

MODES = ("exact", "envelope", "tables")
"""Binding modes in the order of their numbers."""

REFERENCES = ("original", "specialized")
"""Who computed what a golden frame expects: the original model, or the build's own, in the order of their numbers."""

MOST_CAMERAS, MOST_GRIDS, MOST_TENSORS, NAME_BYTES = 64, 16, 64, 64
MOST_LENS_NUMBERS = 72
LENS_BYTES = NAME_BYTES + 8 * MOST_LENS_NUMBERS
