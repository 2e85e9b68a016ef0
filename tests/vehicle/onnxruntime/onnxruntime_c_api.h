/* What the example calls of ONNX Runtime's C interface, declared for the tests: the package on the Python index brings
 * the shared library without headers. OrtApi is a table of functions to which releases only append, so a place stays
 * what it is; the numbers below are places. Integrators take the header of their own ONNX Runtime instead.
 */
#ifndef TESTS_ONNXRUNTIME_C_API_H
#define TESTS_ONNXRUNTIME_C_API_H

#include <stddef.h>
#include <stdint.h>

#define ORT_API_VERSION 17

typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtValue OrtValue;

typedef enum OrtLoggingLevel { ORT_LOGGING_LEVEL_WARNING = 2 } OrtLoggingLevel;
typedef enum OrtAllocatorType { OrtArenaAllocator = 1 } OrtAllocatorType;
typedef enum OrtMemType { OrtMemTypeDefault = 0 } OrtMemType;
typedef enum ONNXTensorElementDataType {
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT = 1,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 = 2,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8 = 3,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16 = 4,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16 = 5,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 = 6,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 = 7,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL = 9,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16 = 10,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE = 11,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32 = 12,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64 = 13
} ONNXTensorElementDataType;

typedef struct OrtApi {
  void *before_2[2];
  const char *(*GetErrorMessage)(const OrtStatus *);                                            /* 2 */
  OrtStatus *(*CreateEnv)(OrtLoggingLevel, const char *name, OrtEnv **);                        /* 3 */
  void *before_7[3];
  OrtStatus *(*CreateSession)(const OrtEnv *, const char *path, const OrtSessionOptions *, OrtSession **); /* 7 */
  void *before_9[1];
  OrtStatus *(*Run)(OrtSession *, const OrtRunOptions *, const char *const *input_names, const OrtValue *const *inputs,
                    size_t input_count, const char *const *output_names, size_t output_count, OrtValue **outputs); /* 9 */
  OrtStatus *(*CreateSessionOptions)(OrtSessionOptions **);                                     /* 10 */
  void *before_49[38];
  OrtStatus *(*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo *, void *data, size_t bytes, const int64_t *shape,
                                               size_t rank, ONNXTensorElementDataType, OrtValue **); /* 49 */
  void *before_69[19];
  OrtStatus *(*CreateCpuMemoryInfo)(OrtAllocatorType, OrtMemType, OrtMemoryInfo **);            /* 69 */
  void *before_96[26];
  void (*ReleaseValue)(OrtValue *);                                                             /* 96 */
} OrtApi;

typedef struct OrtApiBase {
  const OrtApi *(*GetApi)(uint32_t version);
} OrtApiBase;

#ifdef __cplusplus
extern "C"
#endif
const OrtApiBase *OrtGetApiBase(void);

#endif
