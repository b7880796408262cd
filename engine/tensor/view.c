/* Views: other shapes of the same storage. */
#include "tensor/tensor.h"

int hyla_tensor_slice(hyla_tensor *t, int axis, int start, int stop, hyla_tensor **out) {
  if (axis < 0 || axis >= t->shape.rank)
    return hy_fail(HYLA_ESHAPE, NULL, "slice: expected an axis from 0 to %d of %s, got %d", t->shape.rank - 1,
                   hy_shape_show(&t->shape).s, axis);
  if (start < 0 || stop < start || stop > t->shape.dim[axis])
    return hy_fail(HYLA_EVALUE, NULL, "slice: expected 0 <= start <= stop <= %d on axis %d of %s, got [%d, %d)",
                   (int)t->shape.dim[axis], axis, hy_shape_show(&t->shape).s, start, stop);
  hyla_shape shape = t->shape;
  shape.dim[axis] = stop - start;
  /* An empty slice keeps the offset, which thus never points past the storage. */
  int64_t offset = t->offset + (stop > start ? start * t->stride[axis] : 0);
  return hy_tensor_view(t, &shape, t->stride, offset, out);
}

int hyla_tensor_transpose(hyla_tensor *t, const int *perm, hyla_tensor **out) {
  hyla_shape shape = t->shape;
  int64_t stride[HYLA_MAX_RANK];
  bool seen[HYLA_MAX_RANK] = {false};
  for (int i = 0; i < shape.rank; i++) {
    if (perm[i] < 0 || perm[i] >= shape.rank || seen[perm[i]])
      return hy_fail(HYLA_ESHAPE, NULL, "transpose: expected each axis of %s once, got %d in place %d",
                     hy_shape_show(&t->shape).s, perm[i], i);
    seen[perm[i]] = true;
    shape.dim[i] = t->shape.dim[perm[i]];
    stride[i] = t->stride[perm[i]];
  }
  return hy_tensor_view(t, &shape, stride, t->offset, out);
}

static int same_dtype(const char *what, const hyla_tensor *t, const hyla_shape *shape) {
  if (shape->dtype == t->shape.dtype) return HYLA_OK;
  return hy_fail(HYLA_ETYPE, NULL, "%s: expected dtype %s, got %s", what, hy_dtype_name(t->shape.dtype),
                 hy_dtype_name(shape->dtype));
}

int hyla_tensor_expand(hyla_tensor *t, const hyla_shape *shape, hyla_tensor **out) {
  int status = same_dtype("expand", t, shape);
  if (status) return status;
  int64_t stride[HYLA_MAX_RANK];
  bool fits = shape->rank == t->shape.rank;
  for (int i = 0; fits && i < shape->rank; i++) {
    bool equal = shape->dim[i] == t->shape.dim[i];
    fits = equal || t->shape.dim[i] == 1;
    stride[i] = equal ? t->stride[i] : 0;
  }
  if (!fits)
    return hy_fail(HYLA_ESHAPE, NULL, "expand: %s cannot become %s: ranks must agree, and only axes of size 1 repeat",
                   hy_shape_show(&t->shape).s, hy_shape_show(shape).s);
  return hy_tensor_view(t, shape, stride, t->offset, out);
}

/* Strides under which t's storage reads as `shape`, in the same row-major order of elements; false where none do.
 * Each run of t's axes is matched with the run of new axes that has as many elements; a run of several old axes
 * must lie in one piece, then the new axes divide it. Sizes are equal and not 0. */
static bool strides_after_reshape(const hyla_tensor *t, const hyla_shape *shape, int64_t *stride) {
  int32_t dim[HYLA_MAX_RANK];
  int64_t step[HYLA_MAX_RANK];
  int rank = 0;
  for (int i = 0; i < t->shape.rank; i++) {
    if (t->shape.dim[i] == 1) continue;
    dim[rank] = t->shape.dim[i];
    step[rank++] = t->stride[i];
  }
  int from = 0, to = 0;
  while (from < rank) {
    int old_end = from + 1, new_end = to + 1;
    int64_t old_size = dim[from], new_size = shape->dim[to];
    while (old_size != new_size) {
      if (old_size < new_size) old_size *= dim[old_end++];
      else new_size *= shape->dim[new_end++];
    }
    for (int i = from; i + 1 < old_end; i++)
      if (step[i] != step[i + 1] * dim[i + 1]) return false;
    int64_t inner = step[old_end - 1];
    for (int i = new_end - 1; i >= to; i--) {
      stride[i] = inner;
      inner *= shape->dim[i];
    }
    from = old_end;
    to = new_end;
  }
  for (; to < shape->rank; to++) stride[to] = 1; /* trailing axes of size 1 */
  return true;
}

static int reshape_by_copy(const hyla_tensor *t, const hyla_shape *shape, hyla_tensor **out) {
  hyla_tensor *copy = NULL;
  int status = hyla_tensor_new(&t->shape, &copy);
  if (!status) status = hyla_tensor_copy(copy, t);
  if (!status) status = hyla_tensor_reshape(copy, shape, out);
  hyla_tensor_drop(copy);
  return status;
}

int hyla_tensor_reshape(hyla_tensor *t, const hyla_shape *shape, hyla_tensor **out) {
  int status = same_dtype("reshape", t, shape);
  if (status) return status;
  int64_t stride[HYLA_MAX_RANK], size = hy_shape_size(&t->shape);
  bool legal = shape->rank >= 0 && shape->rank <= HYLA_MAX_RANK;
  for (int i = 0; legal && i < shape->rank; i++) legal = shape->dim[i] >= 0;
  double wanted = 1; /* not an integer: the product of a caller's dimensions may pass 63 bits */
  for (int i = 0; legal && i < shape->rank; i++) wanted *= shape->dim[i];
  if (!legal || wanted != (double)size)
    return hy_fail(HYLA_ESHAPE, NULL, "reshape: %s has %lld elements and cannot become %s", hy_shape_show(&t->shape).s,
                   (long long)size, hy_shape_show(shape).s);
  if (!size) return hyla_tensor_new(shape, out);
  if (!strides_after_reshape(t, shape, stride)) return reshape_by_copy(t, shape, out);
  return hy_tensor_view(t, shape, stride, t->offset, out);
}
