/* From one dtype to another, and one value everywhere. */
#include "kernels/kernels.h"

/* Towards 0; past the range its end, and 0 for NaN, as no cast of C promises. */
static int32_t truncated(double x) {
  if (x != x) return 0;
  if (x >= 2147483647.0) return INT32_MAX;
  return x <= -2147483648.0 ? INT32_MIN : (int32_t)x;
}

/* CAST(name, to, from, expression of x[i]): the loop between two types. */
#define CAST(name, to, from, expression)                                     \
  static void name(int64_t n, void *restrict out, const void *restrict in) { \
    to *restrict y = out;                                                    \
    const from *restrict x = in;                                             \
    for (int64_t i = 0; i < n; i++) y[i] = expression;                       \
  }
CAST(float_to_float, float, float, x[i])
CAST(float_to_double, double, float, x[i])
CAST(float_to_int, int32_t, float, truncated(x[i]))
CAST(double_to_float, float, double, (float)x[i])
CAST(double_to_double, double, double, x[i])
CAST(double_to_int, int32_t, double, truncated(x[i]))
CAST(int_to_float, float, int32_t, (float)x[i])
CAST(int_to_double, double, int32_t, x[i])
CAST(int_to_int, int32_t, int32_t, x[i])

void hy_kernel_cast(int64_t n, void *out, int to, const void *in, int from) {
  static void (*const cast[3][3])(int64_t, void *restrict, const void *restrict) = {
      /* [from][to] */
      [HYLA_FLOAT32] = {[HYLA_FLOAT32] = float_to_float, [HYLA_FLOAT64] = float_to_double, [HYLA_INT32] = float_to_int},
      [HYLA_FLOAT64] =
          {[HYLA_FLOAT32] = double_to_float, [HYLA_FLOAT64] = double_to_double, [HYLA_INT32] = double_to_int},
      [HYLA_INT32] = {[HYLA_FLOAT32] = int_to_float, [HYLA_FLOAT64] = int_to_double, [HYLA_INT32] = int_to_int},
  };
  if (n > 0) cast[from][to](n, out, in);
}

void hy_kernel_fill(int64_t n, void *out, int dtype, double value) {
  if (dtype == HYLA_FLOAT64) {
    for (int64_t i = 0; i < n; i++) ((double *)out)[i] = value;
  } else if (dtype == HYLA_FLOAT32) {
    for (int64_t i = 0; i < n; i++) ((float *)out)[i] = (float)value;
  } else {
    for (int64_t i = 0; i < n; i++) ((int32_t *)out)[i] = truncated(value);
  }
}
