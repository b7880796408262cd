/* Handles: what a tensor is, who holds it, when its memory goes. */
#include "tensor/tensor.h"

#include <limits.h>
#include <stdio.h>

static const struct {
  const char *name;
  size_t size;
} dtype_table[] = {
    [HYLA_FLOAT32] = {"float32", sizeof(float)},
    [HYLA_FLOAT64] = {"float64", sizeof(double)},
    [HYLA_INT32] = {"int32", sizeof(int32_t)},
};
enum { DTYPES = sizeof dtype_table / sizeof dtype_table[0] };

size_t hy_dtype_size(int dtype) { return dtype >= 0 && dtype < DTYPES ? dtype_table[dtype].size : 0; }

const char *hy_dtype_name(int dtype) { return dtype >= 0 && dtype < DTYPES ? dtype_table[dtype].name : "no dtype"; }

int64_t hy_shape_size(const hyla_shape *s) {
  int64_t size = 1;
  for (int i = 0; i < s->rank; i++) size *= s->dim[i];
  return size;
}

bool hy_dims_equal(const hyla_shape *a, const hyla_shape *b) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->dim[i] != b->dim[i]) return false;
  return true;
}

bool hy_shape_equal(const hyla_shape *a, const hyla_shape *b) { return a->dtype == b->dtype && hy_dims_equal(a, b); }

hy_shape_text hy_shape_show(const hyla_shape *s) {
  hy_shape_text text;
  int n = snprintf(text.s, sizeof text.s, "%s[", hy_dtype_name(s->dtype));
  for (int i = 0; i < s->rank && i < HYLA_MAX_RANK; i++)
    n += snprintf(text.s + n, sizeof text.s - (size_t)n, "%s%d", i ? ", " : "", (int)s->dim[i]);
  snprintf(text.s + n, sizeof text.s - (size_t)n, "]");
  return text;
}

/* Accepts what a tensor can be: a known dtype, rank up to HYLA_MAX_RANK, no negative dimension, bytes in 63 bits. */
static int check_shape(const hyla_shape *s) {
  if (!hy_dtype_size(s->dtype)) return hy_fail(HYLA_ETYPE, NULL, "tensor: there is no dtype %d", (int)s->dtype);
  if (s->rank < 0 || s->rank > HYLA_MAX_RANK)
    return hy_fail(HYLA_ESHAPE, NULL, "tensor: expected a rank from 0 to %d, got %d", HYLA_MAX_RANK, (int)s->rank);
  double bytes = (double)hy_dtype_size(s->dtype);
  for (int i = 0; i < s->rank; i++) {
    if (s->dim[i] < 0)
      return hy_fail(HYLA_ESHAPE, NULL, "tensor: expected dimensions of 0 or more, got %s", hy_shape_show(s).s);
    bytes *= s->dim[i] > 1 ? s->dim[i] : 1; /* strides too must fit, where another dimension is 0 */
  }
  if (bytes > 0x1p62)
    return hy_fail(HYLA_ENOMEM, NULL, "tensor: %s is larger than can be addressed", hy_shape_show(s).s);
  return HYLA_OK;
}

/* A handle on storage, of which it takes over one reference; row-major. NULL on failure: the reference stays. */
static hyla_tensor *handle(const hyla_shape *shape, hy_storage *storage) {
  hyla_tensor *t = hy_calloc(1, sizeof *t);
  if (!t) return NULL;
  t->references = 1;
  t->shape.dtype = shape->dtype;
  t->shape.rank = shape->rank;
  t->storage = storage;
  int64_t step = 1;
  for (int i = shape->rank - 1; i >= 0; i--) {
    t->shape.dim[i] = shape->dim[i];
    t->stride[i] = step;
    step *= shape->dim[i] > 1 ? shape->dim[i] : 1;
  }
  return t;
}

static void drop_storage(hy_storage *s) {
  if (__atomic_sub_fetch(&s->references, 1, __ATOMIC_ACQ_REL)) return;
  for (hy_pack *pack = s->packs, *next; pack; pack = next) {
    next = pack->next;
    pack->release(pack);
  }
  if (!s->borrowed) hy_free(s->data);
  hy_free(s);
}

/* A tensor on new storage; data: memory of somebody else, or NULL for zeros of its own. */
static int make(const hyla_shape *shape, void *data, hyla_tensor **out) {
  int status = check_shape(shape);
  if (status) return status;
  size_t bytes = (size_t)hy_shape_size(shape) * hy_dtype_size(shape->dtype);
  hy_storage *storage = hy_calloc(1, sizeof *storage);
  if (!storage) return HYLA_ENOMEM;
  storage->references = 1;
  storage->bytes = bytes;
  storage->borrowed = data != NULL;
  storage->data = data ? data : hy_calloc(1, bytes);
  hyla_tensor *t = storage->data ? handle(shape, storage) : NULL;
  if (!t) {
    drop_storage(storage);
    return hy_fail_within(HYLA_ENOMEM, "tensor %s: ", hy_shape_show(shape).s);
  }
  *out = t;
  return HYLA_OK;
}

int hyla_tensor_new(const hyla_shape *shape, hyla_tensor **out) { return make(shape, NULL, out); }

int hy_tensor_wrap(const hyla_shape *shape, void *data, hyla_tensor **out) {
  if (!data) return hy_fail(HYLA_EVALUE, NULL, "tensor %s: no memory to wrap", hy_shape_show(shape).s);
  return make(shape, data, out);
}

int hy_tensor_view(hyla_tensor *t, const hyla_shape *shape, const int64_t *stride, int64_t offset, hyla_tensor **out) {
  int status = check_shape(shape);
  if (status) return status;
  hyla_tensor *view = handle(shape, t->storage);
  if (!view) return HYLA_ENOMEM;
  for (int i = 0; i < shape->rank; i++) view->stride[i] = stride[i];
  view->offset = offset;
  __atomic_add_fetch(&t->storage->references, 1, __ATOMIC_RELAXED);
  *out = view;
  return HYLA_OK;
}

hyla_tensor *hyla_tensor_keep(hyla_tensor *t) {
  __atomic_add_fetch(&t->references, 1, __ATOMIC_RELAXED);
  return t;
}

void hyla_tensor_drop(hyla_tensor *t) {
  if (!t || __atomic_sub_fetch(&t->references, 1, __ATOMIC_ACQ_REL)) return;
  drop_storage(t->storage);
  hy_free(t);
}

void hyla_tensor_shape(const hyla_tensor *t, hyla_shape *out) { *out = t->shape; }

double hyla_tensor_size(const hyla_tensor *t) { return (double)hy_shape_size(&t->shape); }

void *hyla_tensor_data(hyla_tensor *t) {
  return (char *)t->storage->data + (size_t)t->offset * hy_dtype_size(t->shape.dtype);
}

int hyla_tensor_contiguous(const hyla_tensor *t) {
  if (!hy_shape_size(&t->shape)) return 1;
  int64_t step = 1;
  for (int i = t->shape.rank - 1; i >= 0; i--) {
    if (t->shape.dim[i] == 1) continue; /* never stepped along */
    if (t->stride[i] != step) return 0;
    step *= t->shape.dim[i];
  }
  return 1;
}

int hyla_tensor_stride(const hyla_tensor *t, int axis) {
  if (axis < 0 || axis >= t->shape.rank)
    return hy_fail(HYLA_ESHAPE, NULL, "stride: expected an axis from 0 to %d, got %d", t->shape.rank - 1, axis);
  if (t->stride[axis] > INT_MAX)
    return hy_fail(HYLA_EVALUE, NULL, "stride: axis %d of %s steps over %lld elements, more than an int holds", axis,
                   hy_shape_show(&t->shape).s, (long long)t->stride[axis]);
  return (int)t->stride[axis];
}
