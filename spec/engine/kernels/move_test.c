/* Copies between strided arrays, and the kernels that follow indices. */
#include "kernels_test.h"

/* Where element `flat` of an array of these dimensions lies under the strides. */
static int64_t place(int rank, const int32_t *dim, const int64_t *stride, int64_t flat) {
  int64_t p = 0;
  for (int k = rank - 1; k >= 0; k--) {
    p += flat % dim[k] * stride[k];
    flat /= dim[k];
  }
  return p;
}

/* Strides of a random permutation of a dense array, with gaps, and with repeats where `repeat`. Returns its extent. */
static int64_t random_strides(int rank, const int32_t *dim, int64_t *stride, bool repeat) {
  int order[HYLA_MAX_RANK];
  int64_t extent = 1;
  for (int k = 0; k < rank; k++) order[k] = k;
  for (int k = rank - 1; k > 0 && below(2); k--) {
    const int64_t j = below(k + 1);
    const int swap = order[k];
    order[k] = order[j], order[j] = swap;
  }
  for (int k = rank - 1; k >= 0; k--) {
    const int axis = order[k];
    stride[axis] = repeat && below(4) == 0 ? 0 : extent;
    if (stride[axis]) extent *= dim[axis] + (below(4) == 0);
  }
  return extent;
}

static void run_copy(int dtype) {
  int32_t dim[HYLA_MAX_RANK];
  int64_t stride[HYLA_MAX_RANK], n = 1;
  const int rank = (int)below(5);
  for (int k = 0; k < rank; k++) n *= dim[k] = (int32_t)(below(20) ? 1 + below(rank > 3 ? 7 : 40) : 0);
  int64_t extent = random_strides(rank, dim, stride, true);
  const size_t element = hy_dtype_size(dtype);
  void *in = random_array(extent, dtype, -1, 1), *out = array(n, dtype);
  hy_kernel_copy(rank, dim, out, in, stride, element);
  for (int64_t i = 0; i < n; i++)
    check(get(out, i, dtype) == get(in, place(rank, dim, stride, i), dtype), "copy of rank %d", rank);
  free(in);
  extent = random_strides(rank, dim, stride, false);
  void *spread = array(extent, dtype), *want = array(extent, dtype);
  hy_kernel_spread(rank, dim, spread, stride, out, element);
  for (int64_t i = 0; i < n; i++) put(want, place(rank, dim, stride, i), dtype, get(out, i, dtype));
  check(same_bits(spread, want, extent, dtype), "spread of rank %d", rank);
  free(out), free(spread), free(want);
}

void test_move(void) {
  for (int round = 0; round < 300; round++) run_copy(round % 2);
}

static void run_index(int dtype) {
  const int64_t n = 1 + below(30), rows = 1 + below(12), L = 1 + below(9);
  const size_t element = hy_dtype_size(dtype);
  int32_t *i = array(n, HYLA_INT32);
  for (int64_t r = 0; r < n; r++) i[r] = (int32_t)below(rows);
  void *table = random_array(rows * L, dtype, -9, 9), *x = random_array(n * rows, dtype, -9, 9);
  void *gathered = array(n * L, dtype), *added = array(rows * L, dtype), *taken = array(n, dtype);
  void *back = array(n * rows, dtype), *hot = array(n * rows, dtype);
  memset(added, 0, (size_t)(rows * L) * element);
  check(hy_kernel_gather(n, rows, L, gathered, table, i, element) == -1, "gather");
  check(hy_kernel_scatter_add(n, rows, L, added, i, gathered, dtype) == -1, "scatter_add");
  check(hy_kernel_take_along(n, rows, taken, x, i, element) == -1, "take_along");
  check(hy_kernel_put_along(n, rows, back, taken, i, element) == -1, "put_along");
  check(hy_kernel_one_hot(n, rows, hot, i, dtype) == -1, "one_hot");
  for (int64_t r = 0; r < n; r++) {
    for (int64_t j = 0; j < L; j++)
      check(get(gathered, r * L + j, dtype) == get(table, i[r] * L + j, dtype), "gather: value");
    for (int64_t j = 0; j < rows; j++) {
      check(get(back, r * rows + j, dtype) == (j == i[r] ? get(x, r * rows + j, dtype) : 0),
            "take_along, put_along: value");
      check(get(hot, r * rows + j, dtype) == (j == i[r]), "one_hot: value");
    }
  }
  for (int64_t p = 0; p < rows * L; p++) {
    double want = 0, size = 0;
    for (int64_t r = 0; r < n; r++) {
      const double term = i[r] == p / L ? get(gathered, r * L + p % L, dtype) : 0;
      want += term;
      size += fabs(term);
    }
    check(near(get(added, p, dtype), want, (double)n * size * epsilon(dtype)), "scatter_add: expected %.9g, got %.9g",
          want, get(added, p, dtype));
  }
  const int64_t bad = below(n);
  i[bad] = below(2) ? -1 : (int32_t)rows;
  check(hy_kernel_gather(n, rows, L, gathered, table, i, element) == bad, "gather out of range");
  check(hy_kernel_scatter_add(n, rows, L, added, i, gathered, dtype) == bad, "scatter_add out of range");
  check(hy_kernel_take_along(n, rows, taken, x, i, element) == bad, "take_along out of range");
  check(hy_kernel_put_along(n, rows, back, taken, i, element) == bad, "put_along out of range");
  check(hy_kernel_one_hot(n, rows, hot, i, dtype) == bad, "one_hot out of range");
  free(i), free(table), free(x), free(gathered), free(added), free(taken), free(back), free(hot);
}

void test_index(void) {
  for (int round = 0; round < 150; round++) run_index(round % 3);
}
