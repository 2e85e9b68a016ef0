/* What a vehicle asks about a build: the C interface. Every function is noexcept, allocates nothing and reads no clock.
 *
 * Matrices are row-major doubles; `b_from_a` takes points of frame a to frame b; lengths in metres, images in raw pixels.
 * The file formats are described byte by byte in docs/reference/vehicle-files.md.
 */
#ifndef SPECIALIZE_VEHICLE_H
#define SPECIALIZE_VEHICLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What to do about a build, given today's calibration. */
typedef enum specialize_state {
  SPECIALIZE_FRESH = 0,   /* the model is fed the very numbers that it was built for */
  SPECIALIZE_INSIDE = 1,  /* other numbers, inside the envelope: exact, nothing to do */
  SPECIALIZE_RELINK = 2,  /* the engine serves it with tables of its own: make them */
  SPECIALIZE_STALE = 3,   /* the build is for another calibration: build again */
  SPECIALIZE_UNUSABLE = 4 /* today's calibration itself cannot be right for this build; `reason` says why */
} specialize_state;

/* Why a calibration is unusable (1 to 31), or why a file cannot be read (32 and above). */
typedef enum specialize_reason {
  SPECIALIZE_OK = 0,
  SPECIALIZE_NOT_VALID_NOW = 1,   /* its time is outside its validity */
  SPECIALIZE_CAMERA_COUNT = 2,    /* other number of cameras */
  SPECIALIZE_CAMERA_NAME = 3,     /* a camera that the build does not know, or none at all */
  SPECIALIZE_CAMERA_ORDER = 4,    /* the build's cameras in another order */
  SPECIALIZE_IMAGE_SIZE = 5,      /* another raw image size */
  SPECIALIZE_INCOMPLETE = 6,      /* neither matrices nor intrinsic and pose; or the model reads these apart */
  SPECIALIZE_NOT_FINITE = 7,      /* NaN or infinity */
  SPECIALIZE_OUT_OF_RANGE = 8,    /* a number above 1e9 */
  SPECIALIZE_NOT_CALIBRATED = 9,  /* K[0] is 0, as ROS writes for cameras that were never calibrated */
  SPECIALIZE_FOCAL_LENGTH = 10,   /* a focal length below 0, or K not [f s c; 0 f c; 0 0 1] */
  SPECIALIZE_NOT_A_POSE = 11,     /* the rotation is not orthonormal, or the last row not 0 0 0 1 */
  SPECIALIZE_MIRRORED = 12,       /* a negative determinant: an axis has the wrong sign */
  SPECIALIZE_SINGULAR = 13,       /* no camera centre */
  SPECIALIZE_CONTRADICTION = 14,  /* lidar2img is not the product of the intrinsic and the pose beside it */
  SPECIALIZE_NO_EGO_POSE = 15,    /* the model reads the lidar's pose on the vehicle, and there is none */
  SPECIALIZE_TOO_SHORT = 32,      /* fewer bytes than the file says, or than any such file has */
  SPECIALIZE_NOT_THIS_FILE = 33,  /* it does not begin as this kind of file */
  SPECIALIZE_OTHER_VERSION = 34,  /* of a format version that this code does not read */
  SPECIALIZE_DAMAGED = 35,        /* the checksum does not fit */
  SPECIALIZE_MALFORMED = 36,      /* a count, size or place that cannot be */
  SPECIALIZE_FUSED = 37,          /* this code was compiled with fused multiply-add: add -ffp-contract=off */
  SPECIALIZE_NO_RELINK = 38,      /* the contract has no program that makes tables */
  SPECIALIZE_NO_ROOM = 39,        /* the buffer that was given is too small */
  SPECIALIZE_DOES_NOT_FIT = 40,   /* the tables have fewer places than this calibration needs */
  SPECIALIZE_GOLDEN_DIFFERS = 41, /* the engine gives other outputs for the golden frame */
  SPECIALIZE_GOLDEN_BLIND = 42,   /* the engine gives the same outputs for two different frames */
  SPECIALIZE_ENGINE_FAILED = 43,  /* the engine's callback returned an error */
  SPECIALIZE_NOT_ALIGNED = 44,    /* memory that is not aligned to 8 bytes */
  SPECIALIZE_OTHER_BUILD = 45     /* the file belongs to another build than the contract */
} specialize_reason;

enum {
  SPECIALIZE_NAME_BYTES = 64,
  SPECIALIZE_MOST_CAMERAS = 64,
  SPECIALIZE_MOST_GRIDS = 16,
  SPECIALIZE_LENS_BYTES = 640
};

enum { SPECIALIZE_HAS_PINHOLE = 1, SPECIALIZE_HAS_PROJECTION = 2 };

/* One camera today. `name` is UTF-8 and ends with a zero. */
typedef struct specialize_camera {
  const char *name;
  uint32_t width_px, height_px;
  uint32_t has; /* SPECIALIZE_HAS_PINHOLE: intrinsic and pose are given; SPECIALIZE_HAS_PROJECTION: lidar2img is */
  uint32_t unused;
  double intrinsic[9];          /* K, pixels */
  double camera_from_lidar[16]; /* pose: camera axes x right, y down, z forward */
  double image_from_lidar[16];  /* lidar2img */
} specialize_camera;

/* Today's calibration. Times are seconds of any one clock, NaN where unknown. */
typedef struct specialize_today {
  const specialize_camera *cameras;
  uint32_t camera_count;
  uint32_t has_ego;
  double ego_from_lidar[16];
  double time_s, valid_from_s, valid_until_s;
  const unsigned char *lenses; /* SPECIALIZE_LENS_BYTES per camera as in today.bin; null if no camera has a lens */
} specialize_today;

/* A contract in the caller's memory, which must stay there. Filled by specialize_open. */
typedef struct specialize_contract {
  const unsigned char *data;
  size_t size;
  uint32_t mode; /* 0 exact, 1 envelope, 2 tables */
  uint32_t cameras;
  uint32_t grids;
  uint32_t reads; /* bit 0: intrinsic and pose apart; bit 1: the lidar's pose on the vehicle; bit 3: has a frustum */
  uint32_t fan_in;
  size_t grid_at[SPECIALIZE_MOST_GRIDS];
  size_t relink_at, relink_size, frustum_at;
} specialize_contract;

/* The answer. Numbers are of `camera`, the one with most pairs and then the one that turned most; -1 for none. */
typedef struct specialize_verdict {
  uint32_t state, reason;
  int32_t camera;
  uint32_t unused;
  uint64_t pairs;        /* outside the envelope, beyond capacity, or seen otherwise than built for; all cameras */
  uint64_t camera_pairs; /* of `camera` */
  double rotation_mrad, translation_mm, focal_percent, centre_px;
} specialize_verdict;

/* Checks the bytes of a contract.bin once. Returns SPECIALIZE_OK or why not; then the contract must not be used. */
int specialize_open(const void *data, size_t size, specialize_contract *contract);

/* Reads a today.bin into `cameras` (room for `most`), whose names point into `data`. */
int specialize_read_today(const void *data, size_t size, specialize_today *today, specialize_camera *cameras,
                          uint32_t most);

/* Judges today's calibration: the cheapest test that decides is the last that is made. */
specialize_verdict specialize_check(const specialize_contract *contract, const specialize_today *today);

/* What to do about a state. Warn: go on, and say so. Fall back: run the model that was not specialized. */
enum {
  SPECIALIZE_DO_RUN = 0,
  SPECIALIZE_DO_WARN = 1,
  SPECIALIZE_DO_RELINK = 2,
  SPECIALIZE_DO_FALL_BACK = 3,
  SPECIALIZE_DO_FAIL = 4,
  SPECIALIZE_MOST_CHECKS = 64
};

typedef struct specialize_policies {
  uint32_t on_relink, on_stale, on_unusable; /* SPECIALIZE_DO_WARN to SPECIALIZE_DO_FAIL; relink only on_relink */
} specialize_policies;

/* Remembers checks; one per build. Filled by specialize_start. */
typedef struct specialize_watch {
  uint32_t needed, window, next, checks;
  specialize_policies policies;
  uint8_t last[SPECIALIZE_MOST_CHECKS];
} specialize_watch;

/* A state counts once `needed` of the last `window` checks were that bad. SPECIALIZE_OK, or SPECIALIZE_MALFORMED. */
int specialize_start(specialize_watch *watch, uint32_t needed, uint32_t window, specialize_policies policies);

/* Takes note of a state of specialize_check; returns what to do, one of SPECIALIZE_DO_... */
uint32_t specialize_step(specialize_watch *watch, uint32_t state);

/* The program that makes tables, in a contract's memory. Filled by specialize_open_relink. */
typedef struct specialize_relink {
  const unsigned char *data;
  uint32_t cameras, slots, instructions, tables;
  size_t arena; /* bytes that specialize_make_tables wants */
  size_t code_at, names_at, constants_at;
} specialize_relink;

/* What does not fit: rows that each camera wants and has, cameras that see one query, points that are added to one cell,
 * or blocks of `block_rows` such points. */
typedef struct specialize_misfit {
  uint32_t cameras, cameras_per_query, kept_per_query, unused;
  uint64_t wanted[SPECIALIZE_MOST_CAMERAS], kept[SPECIALIZE_MOST_CAMERAS];
  uint64_t rows_per_cell, kept_rows_per_cell;
  uint64_t blocks, kept_blocks, block_rows;
} specialize_misfit;

enum {
  SPECIALIZE_BOOL = 0,
  SPECIALIZE_INT32 = 1,
  SPECIALIZE_INT64 = 2,
  SPECIALIZE_FLOAT32 = 3,
  SPECIALIZE_FLOAT64 = 4,
  SPECIALIZE_FLOAT16 = 5, /* from here on in golden.bin alone, not in tables */
  SPECIALIZE_INT8 = 6,
  SPECIALIZE_UINT8 = 7,
  SPECIALIZE_INT16 = 8,
  SPECIALIZE_UINT16 = 9,
  SPECIALIZE_UINT32 = 10,
  SPECIALIZE_UINT64 = 11
};

/* One table: the engine's input `name`, `name_bytes` long and without a zero at its end. */
typedef struct specialize_table {
  const char *name;
  uint32_t name_bytes, type, rank, unused;
  uint32_t shape[6];
  const void *data;
  size_t bytes;
} specialize_table;

/* Checks the program of a contract once. SPECIALIZE_OK, or why there is none. */
int specialize_open_relink(const specialize_contract *contract, specialize_relink *relink);

/* Makes today's tables in `memory`, of relink->arena bytes, aligned to 8. The calibration is taken as it is. */
int specialize_make_tables(const specialize_relink *relink, const specialize_today *today, void *memory, size_t size,
                           specialize_misfit *misfit);

/* Describes table `number` of relink->tables after specialize_make_tables. */
int specialize_read_table(const specialize_relink *relink, void *memory, uint32_t number, specialize_table *table);

enum { SPECIALIZE_MOST_TENSORS = 64 };

/* A golden.bin in the caller's memory, which must stay there. Filled by specialize_open_golden. */
typedef struct specialize_golden {
  const unsigned char *data;
  size_t size;
  uint32_t inputs, outputs;
  uint32_t reference; /* who computed what is expected: 0 the original model, 1 the build's own model */
  uint32_t unused;
} specialize_golden;

/* One input or output of the engine. `name` ends with a zero. */
typedef struct specialize_tensor {
  const char *name;
  uint32_t type, rank; /* SPECIALIZE_BOOL to SPECIALIZE_UINT64 */
  int64_t shape[8];
  const void *data;
  size_t bytes;
} specialize_tensor;

/* Runs the engine once. Names, types, shapes and sizes of all outputs are filled in, `data` is NULL: let it point to
 * what the engine gave, which stays there until the next call. Returns 0, or anything else if the engine failed. */
typedef int (*specialize_engine)(void *user, const specialize_tensor *inputs, uint32_t input_count,
                                 specialize_tensor *outputs, uint32_t output_count);

/* The first difference: output and element, -1 for none; `beyond` is the number of elements of it that differ. */
typedef struct specialize_difference {
  int32_t frame, output;
  int64_t index;
  uint64_t beyond;
  double expected, found, allowed;
} specialize_difference;

/* Checks a golden.bin once, of the same build as `contract` unless that is NULL. `data` is aligned to 8. */
int specialize_open_golden(const void *data, size_t size, const specialize_contract *contract,
                           specialize_golden *golden);

/* Describes tensor `number`, inputs first and then outputs, in frame 0 or 1. SPECIALIZE_MALFORMED: there is none. */
int specialize_golden_tensor(const specialize_golden *golden, uint32_t number, uint32_t frame,
                             specialize_tensor *tensor);

/* Describes all inputs and outputs in frame 0 or 1; room for golden->inputs and golden->outputs of them. */
int specialize_golden_frame(const specialize_golden *golden, uint32_t frame, specialize_tensor *inputs,
                            specialize_tensor *outputs);

/* Points the engine's inputs to today's tables, by name, after specialize_make_tables. SPECIALIZE_MALFORMED: a table
 * whose input is missing, or is of another type or size. */
int specialize_bind_tables(const specialize_relink *relink, void *memory, specialize_tensor *inputs,
                           uint32_t input_count);

/* Runs the engine on both frames. SPECIALIZE_OK, SPECIALIZE_GOLDEN_DIFFERS, SPECIALIZE_GOLDEN_BLIND (it gives the
 * outputs of the other frame), or SPECIALIZE_ENGINE_FAILED. */
int specialize_selftest(const specialize_golden *golden, specialize_engine run, void *user,
                        specialize_difference *first);

/* Names for people, never NULL: "FRESH", "the rotation is not orthonormal", "CAM_FRONT". */
const char *specialize_state_name(uint32_t state);
const char *specialize_reason_text(uint32_t reason);
const char *specialize_camera_name(const specialize_contract *contract, int32_t camera);

#ifdef __cplusplus
}
#endif

#endif
