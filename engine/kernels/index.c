/* Kernels that follow indices. Each stops at the first index outside its range and returns its position. */
#include <string.h>
#include "kernels/kernels.h"

static bool outside(int32_t i, int64_t size) { return i < 0 || i >= size; }

int64_t hy_kernel_gather(int64_t n, int64_t rows, int64_t L, void *out, const void *x, const int32_t *i,
                         size_t element) {
  const size_t row = (size_t)L * element;
  for (int64_t r = 0; r < n; r++) {
    if (outside(i[r], rows)) return r;
    memcpy((char *)out + (size_t)r * row, (const char *)x + (size_t)i[r] * row, row);
  }
  return -1;
}

/* int32 wraps, so its sums are unsigned. */
#define SCATTER(name, type)                                                                             \
  static int64_t name(int64_t n, int64_t rows, int64_t L, type *out, const int32_t *i, const type *x) { \
    for (int64_t r = 0; r < n; r++, x += L) {                                                           \
      if (outside(i[r], rows)) return r;                                                                \
      type *to = out + i[r] * L;                                                                        \
      for (int64_t j = 0; j < L; j++) to[j] += x[j];                                                    \
    }                                                                                                   \
    return -1;                                                                                          \
  }
SCATTER(scatter_float, float)
SCATTER(scatter_double, double)
SCATTER(scatter_int, uint32_t)

int64_t hy_kernel_scatter_add(int64_t n, int64_t rows, int64_t L, void *out, const int32_t *i, const void *x,
                              int dtype) {
  if (dtype == HYLA_FLOAT64) return scatter_double(n, rows, L, out, i, x);
  if (dtype == HYLA_FLOAT32) return scatter_float(n, rows, L, out, i, x);
  return scatter_int(n, rows, L, out, i, x);
}

#define TAKE(type)                                      \
  for (int64_t r = 0; r < n; r++) {                     \
    if (outside(i[r], K)) return r;                     \
    ((type *)out)[r] = ((const type *)x)[r * K + i[r]]; \
  }
int64_t hy_kernel_take_along(int64_t n, int64_t K, void *out, const void *x, const int32_t *i, size_t element) {
  if (element == sizeof(uint64_t)) TAKE(uint64_t)
  else TAKE(uint32_t)
  return -1;
}

#define PUT(type, value)                 \
  for (int64_t r = 0; r < n; r++) {      \
    if (outside(i[r], K)) return r;      \
    ((type *)out)[r * K + i[r]] = value; \
  }
int64_t hy_kernel_put_along(int64_t n, int64_t K, void *out, const void *x, const int32_t *i, size_t element) {
  memset(out, 0, (size_t)(n * K) * element);
  if (element == sizeof(uint64_t)) PUT(uint64_t, ((const uint64_t *)x)[r])
  else PUT(uint32_t, ((const uint32_t *)x)[r])
  return -1;
}

int64_t hy_kernel_one_hot(int64_t n, int64_t K, void *out, const int32_t *i, int dtype) {
  memset(out, 0, (size_t)(n * K) * hy_dtype_size(dtype));
  if (dtype == HYLA_FLOAT64) PUT(double, 1)
  else if (dtype == HYLA_FLOAT32) PUT(float, 1)
  else PUT(int32_t, 1)
  return -1;
}
