/* Reductions: values against plain loops, sums against the stated order, equal bits in any cut. */
#include "kernels_test.h"

/* The order kernels.h promises: 16 running lanes, joined 8 apart, 4, 2, 1. In the arithmetic of the dtype. */
#define LANED(name, type)                                       \
  static type name(int64_t L, const type *x) {                  \
    type lane[16] = {0};                                        \
    for (int64_t j = 0; j < L; j++) lane[j % 16] += x[j];       \
    for (int half = 8; half; half /= 2)                         \
      for (int i = 0; i < half; i++) lane[i] += lane[i + half]; \
    return lane[0];                                             \
  }
LANED(laned_float, float)
LANED(laned_double, double)
LANED(laned_int, uint32_t)

static double laned(int64_t L, const void *x, int dtype) {
  if (dtype == HYLA_FLOAT64) return laned_double(L, x);
  return dtype == HYLA_FLOAT32 ? (double)laned_float(L, x) : (double)(int32_t)laned_int(L, x);
}

static void run_reduce(int64_t n, int64_t L, int dtype) {
  void *x = random_array(n * L, dtype, -50, 50), *sum = array(n, dtype), *max = array(n, dtype);
  int32_t *arg = array(n, HYLA_INT32);
  if (dtype != HYLA_INT32 && below(4) == 0) put(x, below(n * L), dtype, NAN);
  hy_kernel_sum(n, L, sum, x, dtype);
  hy_kernel_max(n, L, max, x, dtype);
  hy_kernel_argmax(n, L, arg, x, dtype);
  for (int64_t i = 0; i < n; i++) {
    int32_t best = 0;
    for (int64_t j = 1; j < L; j++) {
      const double b = get(x, i * L + best, dtype), v = get(x, i * L + j, dtype);
      if (b == b && (v > b || v != v)) best = (int32_t)j;
    }
    check(near(get(sum, i, dtype), laned(L, at(x, i * L, dtype), dtype), 0), "sum %s L=%ld row %ld", type_name(dtype),
          (long)L, (long)i);
    check(near(get(max, i, dtype), get(x, i * L + best, dtype), 0), "max %s L=%ld row %ld", type_name(dtype), (long)L,
          (long)i);
    check(arg[i] == best, "argmax %s L=%ld: expected %d, got %d", type_name(dtype), (long)L, best, arg[i]);
  }
  free(x), free(sum), free(max), free(arg);
}

static void run_finite(int64_t n, int dtype) {
  void *x = random_array(n, dtype, -1e30, 1e30);
  check(hy_kernel_finite(n, x, dtype), "finite %s n=%ld", type_name(dtype), (long)n);
  if (dtype != HYLA_INT32 && n > 0) {
    const int64_t where = below(n);
    const double bad[] = {NAN, INFINITY, -INFINITY};
    put(x, n - 1, dtype, NAN);
    put(x, where, dtype, bad[below(3)]);
    check(hy_kernel_first_nonfinite(n, x, dtype) == where, "first_nonfinite %s n=%ld", type_name(dtype), (long)n);
    check(!hy_kernel_finite(n, x, dtype), "finite of NaN");
  }
  free(x);
}

void test_reduce(void) {
  for (int dtype = 0; dtype < 3; dtype++) {
    for (int64_t L = 1; L < 70; L++) run_reduce(1 + below(6), L, dtype);
    run_reduce(3, 1000, dtype);
    for (int64_t n = 0; n < 90; n++) run_finite(n, dtype);
  }
}

/* Three accumulators over parts of n rows, each fed in pieces, joined; against whole calls and a plain sum. */
static void run_rows(int64_t n, int64_t L, int dtype) {
  const int64_t size = HY_LANES(L) * L, apart = size + below(3);
  void *x = random_array(n * L, dtype, -50, 50);
  void *whole = array(3 * apart, dtype), *cut = array(3 * apart, dtype), *top = array(3 * apart, dtype);
  void *sum = array(L, dtype), *sum_cut = array(L, dtype), *max = array(L, dtype);
  for (int p = 0; p < 3; p++) {
    const int64_t lo = p * n / 3, hi = (p + 1) * n / 3;
    hy_kernel_sum_rows(hi - lo, L, at(whole, p * apart, dtype), at(x, lo * L, dtype), lo, true, dtype);
    hy_kernel_max_rows(hi - lo, L, at(top, p * apart, dtype), at(x, lo * L, dtype), lo, true, dtype);
    for (int64_t i = lo; i < hi || i == lo;) {
      const int64_t piece = hi > i ? 1 + below(hi - i) : 0;
      hy_kernel_sum_rows(piece, L, at(cut, p * apart, dtype), at(x, i * L, dtype), i, i == lo, dtype);
      i += piece ? piece : 1;
    }
  }
  hy_kernel_sum_join(3, apart, L, sum, whole, dtype);
  hy_kernel_sum_join(3, apart, L, sum_cut, cut, dtype);
  hy_kernel_max_join(3, apart, L, max, top, dtype);
  check(same_bits(sum, sum_cut, L, dtype), "sum_rows %s n=%ld L=%ld: bits depend on the cut", type_name(dtype), (long)n,
        (long)L);
  for (int64_t j = 0; j < L; j++) {
    double want = 0, size_of_sum = 0, best = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
      const double v = get(x, i * L + j, dtype);
      want += v;
      size_of_sum += fabs(v);
      if (v > best) best = v;
    }
    check(near(get(sum, j, dtype), want, size_of_sum * 2 * epsilon(dtype)),
          "sum_rows %s n=%ld L=%ld: expected %g, got %g", type_name(dtype), (long)n, (long)L, want, get(sum, j, dtype));
    check(get(max, j, dtype) == best, "max_rows %s n=%ld L=%ld", type_name(dtype), (long)n, (long)L);
  }
  free(x), free(whole), free(cut), free(top), free(sum), free(sum_cut), free(max);
}

void test_rows(void) {
  for (int dtype = 0; dtype < 3; dtype++)
    for (int round = 0; round < 150; round++) run_rows(3 + below(80), 1 + below(round % 3 ? 20 : 200), dtype);
}

static void run_softmax(int64_t n, int64_t L, int dtype) {
  void *x = random_array(n * L, dtype, -30, 30), *y = array(n * L, dtype), *again = array(n * L, dtype);
  void *log_sum = array(n, dtype), *log_again = array(n, dtype);
  const double e = epsilon(dtype);
  hy_kernel_softmax(n, L, y, x, dtype);
  hy_kernel_logsumexp(n, L, log_sum, x, dtype);
  for (int64_t i = 0; i < n; i++) {
    double top = -INFINITY, sum = 0;
    for (int64_t j = 0; j < L; j++) top = fmax(top, get(x, i * L + j, dtype));
    for (int64_t j = 0; j < L; j++) sum += exp(get(x, i * L + j, dtype) - top);
    const double want = top + log(sum);
    check(near(get(log_sum, i, dtype), want, 4 * e * (fabs(top) + 1)), "logsumexp %s L=%ld: expected %.17g, got %.17g",
          type_name(dtype), (long)L, want, get(log_sum, i, dtype));
    for (int64_t j = 0; j < L; j++) {
      const double p = exp(get(x, i * L + j, dtype) - top) / sum; /* x - top rounds to half an ulp of at most 60 */
      check(near(get(y, i * L + j, dtype), p, 70 * e * p), "softmax %s L=%ld: expected %.17g, got %.17g",
            type_name(dtype), (long)L, p, get(y, i * L + j, dtype));
    }
  }
  memcpy(again, x, (size_t)(n * L) * hy_dtype_size(dtype));
  for (int64_t i = 0; i < n;) { /* in pieces, in place */
    const int64_t piece = 1 + below(n - i);
    hy_kernel_logsumexp(piece, L, at(log_again, i, dtype), at(x, i * L, dtype), dtype);
    hy_kernel_softmax(piece, L, at(again, i * L, dtype), at(again, i * L, dtype), dtype);
    i += piece;
  }
  check(same_bits(y, again, n * L, dtype), "softmax %s n=%ld L=%ld: bits depend on the cut", type_name(dtype), (long)n,
        (long)L);
  check(same_bits(log_sum, log_again, n, dtype), "logsumexp %s n=%ld L=%ld: bits depend on the cut", type_name(dtype),
        (long)n, (long)L);
  free(x), free(y), free(again), free(log_sum), free(log_again);
}

void test_softmax(void) {
  for (int dtype = 0; dtype < 2; dtype++) {
    for (int64_t L = 1; L < 90; L++) run_softmax(1 + below(40), L, dtype);
    run_softmax(3, 777, dtype);
  }
  for (int64_t L = 3; L < 200; L += 97) {
    float x[200], out;
    for (int64_t j = 0; j < L; j++) x[j] = -INFINITY;
    hy_kernel_logsumexp(1, L, &out, x, HYLA_FLOAT32);
    check(out == -INFINITY, "logsumexp of nothing: got %g", (double)out);
    x[1] = 1e38f;
    hy_kernel_logsumexp(1, L, &out, x, HYLA_FLOAT32);
    check(out == 1e38f, "logsumexp of a large number: got %g", (double)out);
    x[2] = NAN;
    hy_kernel_logsumexp(1, L, &out, x, HYLA_FLOAT32);
    check(out != out, "logsumexp drops a NaN");
  }
}
