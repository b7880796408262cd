/* Products of matrices, dense and sparse, with random shapes and gaps between rows. */
#include "kernels_test.h"

/* n terms of this size sum to within n/2 + 1 roundings of each; half of it covers fused and plain arithmetic alike. */
static bool close_sum(double got, double want, double size, int64_t terms, int dtype) {
  return near(got, want, size * epsilon(dtype) * (double)(terms + 2) / 2);
}

static double dot(int64_t k, const void *a, int64_t step_a, const void *b, int64_t step_b, int dtype, double *size) {
  double sum = 0;
  *size = 0;
  for (int64_t j = 0; j < k; j++) {
    const double term = get(a, j * step_a, dtype) * get(b, j * step_b, dtype);
    sum += term;
    *size += fabs(term);
  }
  return sum;
}

static void run_rows_product(int64_t n, int64_t k, int64_t m, int dtype) {
  const int64_t ldx = k + below(4), ldy = m + below(3);
  void *x = random_array(n * ldx, dtype, -1, 1), *wt = random_array(m * k, dtype, -1, 1);
  void *y = array(n * ldy, dtype), *again = array(n * ldy, dtype);
  hy_kernel_rows_product(n, k, m, y, ldy, x, ldx, wt, dtype);
  for (int64_t i = 0; i < n; i++)
    for (int64_t c = 0; c < m; c++) {
      double size;
      const double want = dot(k, at(x, i * ldx, dtype), 1, at(wt, c * k, dtype), 1, dtype, &size);
      check(close_sum(get(y, i * ldy + c, dtype), want, size, k, dtype),
            "rows_product %s %ld x %ld x %ld: expected %.17g, got %.17g", type_name(dtype), (long)n, (long)k, (long)m,
            want, get(y, i * ldy + c, dtype));
    }
  for (int64_t i = 0; i < n;) {
    const int64_t piece = 1 + below(n - i);
    hy_kernel_rows_product(piece, k, m, at(again, i * ldy, dtype), ldy, at(x, i * ldx, dtype), ldx, wt, dtype);
    i += piece;
  }
  check(same_bits(y, again, n * ldy, dtype), "rows_product %s %ld x %ld x %ld: bits depend on the cut",
        type_name(dtype), (long)n, (long)k, (long)m);
  free(x), free(wt), free(y), free(again);
}

/* Partial sums, of other rows each and in two calls: their sum in order, whatever rows they are joined for. */
static void run_gram_parts(int64_t n, int64_t k, int64_t m, int dtype, const void *x, int64_t ldx, const void *g,
                           int64_t ldg) {
  enum { PARTS = 3 };
  const int64_t apart = hy_gram_part(k, m) + 16 * below(2), cut = below(n + 1), second = below(k + 1);
  void *part = array(PARTS * apart, dtype), *sum = array(k * m, dtype), *want = array(k * m, dtype);
  void *one = array(k * m, dtype);
  for (int64_t p = 0; p < PARTS; p++) { /* part p leaves out the first p rows */
    const int64_t from = p < cut ? p : cut;
    hy_kernel_gram_part(cut - from, k, m, at(part, p * apart, dtype), at(x, from * ldx, dtype), ldx,
                        at(g, from * ldg, dtype), ldg, true, dtype);
    hy_kernel_gram_part(n - cut, k, m, at(part, p * apart, dtype), at(x, cut * ldx, dtype), ldx,
                        at(g, cut * ldg, dtype), ldg, false, dtype);
    hy_kernel_rows_gram(n - from, k, m, one, at(x, from * ldx, dtype), ldx, at(g, from * ldg, dtype), ldg, true, dtype);
    for (int64_t i = 0; i < k * m; i++) /* in the type's own arithmetic */
      put(want, i, dtype, p ? get(want, i, dtype) + get(one, i, dtype) : get(one, i, dtype));
  }
  hy_kernel_gram_join(PARTS, apart, m, 0, second, sum, part, dtype);
  hy_kernel_gram_join(PARTS, apart, m, second, k, at(sum, second * m, dtype), part, dtype);
  check(same_bits(sum, want, k * m, dtype), "gram_part %s %ld x %ld x %ld, joined", type_name(dtype), (long)n, (long)k,
        (long)m);
  free(part), free(sum), free(want), free(one);
}

static void run_rows_gram(int64_t n, int64_t k, int64_t m, int dtype) {
  const int64_t ldx = k + below(4), ldg = m + below(3);
  void *x = random_array(n * ldx, dtype, -1, 1), *g = random_array(n * ldg, dtype, -1, 1);
  void *acc = array(k * m, dtype), *again = array(k * m, dtype);
  hy_kernel_rows_gram(n, k, m, acc, x, ldx, g, ldg, true, dtype);
  for (int64_t j = 0; j < k; j++)
    for (int64_t c = 0; c < m; c++) {
      double size;
      const double want = dot(n, at(x, j, dtype), ldx, at(g, c, dtype), ldg, dtype, &size);
      check(close_sum(get(acc, j * m + c, dtype), want, size, n, dtype),
            "rows_gram %s %ld x %ld x %ld: expected %.17g, got %.17g", type_name(dtype), (long)n, (long)k, (long)m,
            want, get(acc, j * m + c, dtype));
    }
  for (int64_t i = 0; i < n;) {
    const int64_t piece = 1 + below(n - i);
    hy_kernel_rows_gram(piece, k, m, again, at(x, i * ldx, dtype), ldx, at(g, i * ldg, dtype), ldg, i == 0, dtype);
    i += piece;
  }
  check(same_bits(acc, again, k * m, dtype), "rows_gram %s %ld x %ld x %ld: bits depend on the cut", type_name(dtype),
        (long)n, (long)k, (long)m);
  run_gram_parts(n, k, m, dtype, x, ldx, g, ldg);
  free(x), free(g), free(acc), free(again);
}

static void run_gemm(int dtype) {
  check(!hy_blas_open(), "OpenBLAS is there");
  const bool ta = below(2), tb = below(2);
  const int64_t m = below(12), n = below(12), k = below(12);
  const int64_t lda = (ta ? m : k) + 1 + below(3), ldb = (tb ? k : n) + 1 + below(3), ldc = n + 1 + below(3);
  void *a = random_array((ta ? k : m) * lda, dtype, -1, 1), *b = random_array((tb ? n : k) * ldb, dtype, -1, 1);
  void *c = random_array(m * ldc, dtype, -1, 1);
  hy_kernel_gemm(ta, tb, m, n, k, c, ldc, a, lda, b, ldb, dtype);
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      double size;
      const double want = dot(k, at(a, ta ? i : i * lda, dtype), ta ? lda : 1, at(b, tb ? j * ldb : j, dtype),
                              tb ? 1 : ldb, dtype, &size);
      check(close_sum(get(c, i * ldc + j, dtype), want, size, k, dtype), "gemm %s %ld x %ld x %ld", type_name(dtype),
            (long)m, (long)n, (long)k);
    }
  free(a), free(b), free(c);
}

/* In one go, and in pieces of rows and of whole panels: the same bits, and right. */
static void run_panels(int64_t m, int64_t n, int64_t k, int dtype) {
  const bool ta = below(2), tb = below(2);
  const int64_t even = 1024 / (int64_t)hy_dtype_size(dtype); /* rows so far apart are gathered */
  const int64_t ldb = (tb ? k : n) + below(4), ldy = n + below(3);
  int64_t lda = (ta ? m : k) + below(4);
  if (below(3) == 0) lda = (lda + even - 1) / even * even;
  const int64_t columns = hy_kernel_panel_columns(dtype), panels = (n + columns - 1) / columns;
  void *a = random_array((ta ? k : m) * lda, dtype, -1, 1), *b = random_array((tb ? n : k) * ldb, dtype, -1, 1);
  void *packed = random_array(panels * columns * k, dtype, -1, 1);
  void *y = array(m * ldy, dtype), *again = array(m * ldy, dtype);
  const int64_t first = below(k + 1);
  hy_kernel_pack_panels(k, 0, first, n, packed, b, ldb, tb, dtype);
  hy_kernel_pack_panels(k, first, k, n, packed, at(b, first * (tb ? 1 : ldb), dtype), ldb, tb, dtype);
  hy_kernel_panels_product(m, n, k, y, ldy, a, lda, ta, packed, dtype);
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      double size;
      const double want = dot(k, at(a, ta ? i : i * lda, dtype), ta ? lda : 1, at(b, tb ? j * ldb : j, dtype),
                              tb ? 1 : ldb, dtype, &size);
      check(close_sum(get(y, i * ldy + j, dtype), want, size, k, dtype),
            "panels %s %ld x %ld x %ld: expected %.17g, got %.17g", type_name(dtype), (long)m, (long)k, (long)n, want,
            get(y, i * ldy + j, dtype));
    }
  const int64_t cut = below(panels) * columns;
  for (int64_t i = 0, rows; i < m; i += rows) {
    const void *from = at(a, ta ? i : i * lda, dtype);
    rows = 1 + below(m - i);
    hy_kernel_panels_product(rows, cut, k, at(again, i * ldy, dtype), ldy, from, lda, ta, packed, dtype);
    hy_kernel_panels_product(rows, n - cut, k, at(again, i * ldy + cut, dtype), ldy, from, lda, ta,
                             at(packed, cut * k, dtype), dtype);
  }
  check(same_bits(y, again, m * ldy, dtype), "panels %s %ld x %ld x %ld: bits depend on the cut", type_name(dtype),
        (long)m, (long)k, (long)n);
  free(a), free(b), free(packed), free(y), free(again);
}

void test_products(void) {
  for (int dtype = 0; dtype < 2; dtype++) {
    for (int64_t m = 1; m <= HY_FEW; m++) {
      run_rows_product(1 + below(30), 1 + below(70), m, dtype);
      run_rows_gram(1 + below(30), 1 + below(150), m, dtype);
    }
    for (int64_t k = 1; k < 40; k++) {
      run_rows_product(1 + below(20), k, 1 + below(6), dtype);
      run_rows_gram(1 + below(20), k, 1 + below(6), dtype);
    }
    for (int i = 0; i < 60; i++) { /* one column */
      run_rows_product(1 + below(45), 1 + below(300), 1, dtype);
      run_rows_gram(1 + below(90), 1 + below(300), 1, dtype);
    }
    run_rows_product(700, 130, 10, dtype); /* more rows than one block near the processor */
    run_rows_gram(150, 4300, 2, dtype);
    for (int round = 0; round < 50; round++) run_gemm(dtype);
    for (int round = 0; round < 60; round++) run_panels(1 + below(40), 1 + below(90), 1 + below(70), dtype);
    for (int round = 0; round < 12; round++) /* more than a near cache holds */
      run_panels(1 + below(20), 40, 250 + round % 3 * 521, dtype);
  }
}

static void run_sparse(int64_t n, int64_t k, int64_t m, int dtype) {
  const int64_t ldx = k + below(3), ldy = m + below(3), chunk[4] = {0, n / 3, n / 2, n};
  void *x = random_array(n * ldx, dtype, -1, 1), *w = random_array(k * m, dtype, -1, 1);
  void *g = random_array(n * ldy, dtype, -1, 1), *y = array(n * ldy, dtype), *again = array(n * ldy, dtype);
  void *acc = array(k * m, dtype);
  int64_t entries = 0;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < k; j++) {
      if (below(3)) put(x, i * ldx + j, dtype, 0);
      entries += get(x, i * ldx + j, dtype) != 0;
    }
  check(near(hy_kernel_density(n, k, x, ldx, dtype), (double)entries / (double)(n * k), 1e-12), "density");
  hy_sparse *s = NULL;
  check(hy_sparse_pack(n, k, x, ldx, dtype, 3, chunk, &s) == HYLA_OK, "sparse_pack");
  hy_sparse_rows_product(s, 0, n, m, y, ldy, w);
  for (int64_t i = 0; i < n; i++)
    for (int64_t c = 0; c < m; c++) {
      double size;
      const double want = dot(k, at(x, i * ldx, dtype), 1, at(w, c, dtype), m, dtype, &size);
      check(close_sum(get(y, i * ldy + c, dtype), want, size, k, dtype),
            "sparse product %s %ld x %ld x %ld: expected %.17g, got %.17g", type_name(dtype), (long)n, (long)k, (long)m,
            want, get(y, i * ldy + c, dtype));
    }
  for (int64_t i = 0; i < n;) {
    const int64_t piece = 1 + below(n - i);
    hy_sparse_rows_product(s, i, i + piece, m, at(again, i * ldy, dtype), ldy, w);
    i += piece;
  }
  check(same_bits(y, again, n * ldy, dtype), "sparse product: bits depend on the cut");
  for (int p = 0; p < 3; p++) {
    hy_sparse_rows_gram(s, p, m, acc, at(g, chunk[p] * ldy, dtype), ldy);
    for (int64_t j = 0; j < k; j++)
      for (int64_t c = 0; c < m; c++) {
        double size;
        const int64_t lo = chunk[p], rows = chunk[p + 1] - lo;
        const double want = dot(rows, at(x, lo * ldx + j, dtype), ldx, at(g, lo * ldy + c, dtype), ldy, dtype, &size);
        check(close_sum(get(acc, j * m + c, dtype), want, size, rows, dtype),
              "sparse gram %s %ld x %ld x %ld: expected %.17g, got %.17g", type_name(dtype), (long)n, (long)k, (long)m,
              want, get(acc, j * m + c, dtype));
      }
  }
  hy_sparse_drop(s);
  free(x), free(w), free(g), free(y), free(again), free(acc);
}

/* Every allocation of a packing refused once: a status, nothing left behind, then success. */
static void run_refusals(void) {
  const float x[6] = {1, 0, 2, 0, 3, 4};
  const int64_t chunk[2] = {0, 2};
  const double before = hyla_memory_current();
  for (int at = 1;; at++) {
    hy_sparse *s = NULL;
    hyla_memory_fail_at(at);
    const int status = hy_sparse_pack(2, 3, x, 3, HYLA_FLOAT32, 1, chunk, &s);
    hyla_memory_fail_at(0);
    check(status == HYLA_OK || (status == HYLA_ENOMEM && !s), "sparse_pack: allocation %d refused: status %d", at,
          status);
    hy_sparse_drop(s);
    check(hyla_memory_current() == before, "sparse_pack: allocation %d refused: memory is left", at);
    if (status == HYLA_OK) {
      check(at > 8, "sparse_pack: %d allocations, expected eight", at - 1);
      return;
    }
  }
}

void test_sparse(void) {
  run_refusals();
  for (int dtype = 0; dtype < 2; dtype++) {
    for (int64_t m = 1; m <= HY_FEW; m++) run_sparse(3 + below(20), 1 + below(40), m, dtype);
    run_sparse(3, 70000, 2, dtype); /* columns past 16 bits */
  }
}
