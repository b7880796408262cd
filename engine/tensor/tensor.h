/* Tensors inside the engine: typed, strided views of reference-counted storage. */
#ifndef HY_TENSOR_H
#define HY_TENSOR_H
#include "base/base.h"

/* Storage carries what the planner prepares once for an operand that never changes (packed forms of a constant). */
typedef struct hy_pack {
  struct hy_pack *next;
  int kind; /* the packing kernel's own number */
  void (*release)(struct hy_pack *);
} hy_pack;

typedef struct hy_storage {
  int references; /* atomic */
  void *data;     /* hy_alloc'ed: 64-byte aligned */
  size_t bytes;
  hy_pack *packs;
  bool borrowed; /* data belongs to somebody else */
} hy_storage;

struct hyla_tensor {
  int references; /* atomic */
  hyla_shape shape;
  int64_t stride[HYLA_MAX_RANK]; /* elements */
  int64_t offset;                /* elements */
  hy_storage *storage;
};

size_t hy_dtype_size(int dtype);
const char *hy_dtype_name(int dtype);
int64_t hy_shape_size(const hyla_shape *s);
bool hy_shape_equal(const hyla_shape *a, const hyla_shape *b); /* dtype too */
bool hy_dims_equal(const hyla_shape *a, const hyla_shape *b);
typedef struct hy_shape_text {
  char s[120];
} hy_shape_text;
hy_shape_text hy_shape_show(const hyla_shape *s); /* "float32[5000, 10]" */
/* Wraps memory that somebody else owns and keeps alive (a method's state); never freed. */
int hy_tensor_wrap(const hyla_shape *shape, void *data, hyla_tensor **out);
/* Another shape of t's storage, which the caller knows to hold every element so addressed. */
int hy_tensor_view(hyla_tensor *t, const hyla_shape *shape, const int64_t *stride, int64_t offset, hyla_tensor **out);
#endif
