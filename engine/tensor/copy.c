/* Copies between any strides and dtypes, and the search for values that are not finite. Both walk a tensor as rows
 * of one stride, joined into as few and as long ones as its layout allows. */
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

/* ---- walking two tensors of equal dimensions, row by row in row-major order ---- */

typedef struct walk {
  int rank;                                   /* axes around the row */
  int64_t dim[HYLA_MAX_RANK], n;              /* n: length of the row */
  int64_t a[HYLA_MAX_RANK], b[HYLA_MAX_RANK]; /* strides, in elements */
  int64_t a_row, b_row;                       /* strides along the row */
  int64_t at[HYLA_MAX_RANK];
  int64_t a_at, b_at; /* where the current row starts, in elements */
  int64_t left;       /* rows to come, the current one included */
} walk;

/* Axes that continue one another in both tensors become one. */
static void walk_start(walk *w, const hyla_tensor *a, const hyla_tensor *b) {
  memset(w, 0, sizeof *w);
  int n = 0;
  for (int i = 0; i < a->shape.rank; i++) {
    int64_t dim = a->shape.dim[i];
    if (dim == 1) continue;
    if (n && w->a[n - 1] == a->stride[i] * dim && w->b[n - 1] == b->stride[i] * dim) {
      w->dim[n - 1] *= dim;
      w->a[n - 1] = a->stride[i];
      w->b[n - 1] = b->stride[i];
      continue;
    }
    w->dim[n] = dim;
    w->a[n] = a->stride[i];
    w->b[n++] = b->stride[i];
  }
  w->n = 1;
  w->a_row = w->b_row = 1;
  if (n) {
    n--;
    w->n = w->dim[n];
    w->a_row = w->a[n];
    w->b_row = w->b[n];
  }
  w->rank = n;
  w->a_at = a->offset;
  w->b_at = b->offset;
  w->left = w->n ? 1 : 0;
  for (int i = 0; i < n; i++) w->left *= w->dim[i];
}

static void walk_on(walk *w) {
  w->left--;
  for (int i = w->rank - 1; i >= 0; i--) {
    w->a_at += w->a[i];
    w->b_at += w->b[i];
    if (++w->at[i] < w->dim[i]) return;
    w->a_at -= w->a[i] * w->dim[i];
    w->b_at -= w->b[i] * w->dim[i];
    w->at[i] = 0;
  }
}

/* ---- rows ---- */

typedef void copy_row(int64_t n, void *to, int64_t to_step, const void *from, int64_t from_step);

#define COPY_ROW(name, to_type, from_type)                                                      \
  static void name(int64_t n, void *to, int64_t to_step, const void *from, int64_t from_step) { \
    to_type *y = to;                                                                            \
    const from_type *x = from;                                                                  \
    for (int64_t i = 0; i < n; i++) y[i * to_step] = (to_type)x[i * from_step];                 \
  }
COPY_ROW(float_from_float, float, float)
COPY_ROW(float_from_double, float, double)
COPY_ROW(float_from_int, float, int32_t)
COPY_ROW(double_from_float, double, float)
COPY_ROW(double_from_double, double, double)
COPY_ROW(double_from_int, double, int32_t)
COPY_ROW(int_from_float, int32_t, float)
COPY_ROW(int_from_double, int32_t, double)
COPY_ROW(int_from_int, int32_t, int32_t)
#undef COPY_ROW

/* [to][from] */
static copy_row *const row_copier[3][3] = {
    [HYLA_FLOAT32] = {float_from_float, float_from_double, float_from_int},
    [HYLA_FLOAT64] = {double_from_float, double_from_double, double_from_int},
    [HYLA_INT32] = {int_from_float, int_from_double, int_from_int},
};

static double value_at(const hyla_tensor *t, int64_t element) {
  if (t->shape.dtype == HYLA_FLOAT32) return ((const float *)t->storage->data)[element];
  if (t->shape.dtype == HYLA_FLOAT64) return ((const double *)t->storage->data)[element];
  return ((const int32_t *)t->storage->data)[element];
}

/* Once its fraction is cut off; false for NaN. */
static bool fits_int32(double x) { return x > -2147483649.0 && x < 2147483648.0; }

/* The first element, in row-major order, for which `good` is false; -1 when there is none. */
static int64_t first_bad(const hyla_tensor *t, bool (*good)(double)) {
  walk w;
  int64_t position = 0;
  for (walk_start(&w, t, t); w.left; walk_on(&w), position += w.n)
    for (int64_t i = 0; i < w.n; i++)
      if (!good(value_at(t, w.a_at + i * w.a_row))) return position + i;
  return -1;
}

/* ---- copy ---- */

static int check_copy(const hyla_tensor *to, const hyla_tensor *from) {
  if (!hy_dims_equal(&to->shape, &from->shape))
    return hy_fail(HYLA_ESHAPE, NULL, "copy: expected the dimensions of %s, got %s", hy_shape_show(&to->shape).s,
                   hy_shape_show(&from->shape).s);
  for (int i = 0; i < to->shape.rank; i++)
    if (to->stride[i] == 0 && to->shape.dim[i] > 1)
      return hy_fail(HYLA_EVALUE, NULL, "copy: axis %d of the %s to write to is one element repeated", i,
                     hy_shape_show(&to->shape).s);
  if (to->shape.dtype != HYLA_INT32 || from->shape.dtype == HYLA_INT32) return HYLA_OK;
  int64_t bad = first_bad(from, fits_int32);
  if (bad < 0) return HYLA_OK;
  return hy_fail(HYLA_EVALUE, NULL, "copy: element %lld of %s is not in the range of int32", (long long)bad,
                 hy_shape_show(&from->shape).s);
}

static void copy_rows(hyla_tensor *to, const hyla_tensor *from) {
  size_t to_size = hy_dtype_size(to->shape.dtype), from_size = hy_dtype_size(from->shape.dtype);
  copy_row *const copier = row_copier[to->shape.dtype][from->shape.dtype];
  walk w;
  for (walk_start(&w, to, from); w.left; walk_on(&w)) {
    char *y = (char *)to->storage->data + (size_t)w.a_at * to_size;
    const char *x = (const char *)from->storage->data + (size_t)w.b_at * from_size;
    if (copier == row_copier[from->shape.dtype][from->shape.dtype] && w.a_row == 1 && w.b_row == 1)
      memmove(y, x, (size_t)w.n * to_size);
    else copier(w.n, y, w.a_row, x, w.b_row);
  }
}

int hyla_tensor_copy(hyla_tensor *to, const hyla_tensor *from) {
  int status = check_copy(to, from);
  if (status) return status;
  if (to->storage->data != from->storage->data) {
    copy_rows(to, from);
    return HYLA_OK;
  }
  hyla_tensor *apart = NULL; /* views of one storage may overlap in any way */
  status = hyla_tensor_new(&from->shape, &apart);
  if (status) return status;
  copy_rows(apart, from);
  copy_rows(to, apart);
  hyla_tensor_drop(apart);
  return HYLA_OK;
}

static bool is_finite(double x) { return isfinite(x); }

/* x - x is 0 for a finite x and NaN otherwise: a sum of them that compilers can vectorise. */
static bool all_finite(const hyla_tensor *t) {
  int64_t n = hy_shape_size(&t->shape);
  bool finite = true;
  if (t->shape.dtype == HYLA_FLOAT32) {
    const float *x = (const float *)t->storage->data + t->offset;
    for (int64_t i = 0; i < n; i++) finite &= x[i] - x[i] == 0;
  } else {
    const double *x = (const double *)t->storage->data + t->offset;
    for (int64_t i = 0; i < n; i++) finite &= x[i] - x[i] == 0;
  }
  return finite;
}

int hyla_tensor_finite(const hyla_tensor *t, double *where) {
  if (t->shape.dtype == HYLA_INT32 || (hyla_tensor_contiguous(t) && all_finite(t))) return 1;
  int64_t bad = first_bad(t, is_finite);
  if (bad < 0) return 1;
  if (where) *where = (double)bad;
  return 0;
}
