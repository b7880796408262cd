/* The general product of matrices, by OpenBLAS. The only file that calls it. */
#include <cblas.h>
#include <stdatomic.h>
#include <string.h>
#include "kernels/kernels.h"

/* Our own threads share the work, so each of them calls a library that has one. */
static void one_thread(void) {
  static atomic_bool done;
  if (atomic_load_explicit(&done, memory_order_acquire)) return;
  openblas_set_num_threads(1);
  atomic_store_explicit(&done, true, memory_order_release);
}

const char *hyla_blas_core(void) { return openblas_get_corename(); }

void hy_kernel_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, void *c, int64_t ldc, const void *a, int64_t lda,
                    const void *b, int64_t ldb, int dtype) {
  const CBLAS_TRANSPOSE op_a = ta ? CblasTrans : CblasNoTrans, op_b = tb ? CblasTrans : CblasNoTrans;
  const blasint M = (blasint)m, N = (blasint)n, K = (blasint)k;
  const blasint A = (blasint)lda, B = (blasint)ldb, C = (blasint)ldc;
  if (m <= 0 || n <= 0) return;
  if (k <= 0) {
    for (int64_t i = 0; i < m; i++)
      memset((char *)c + (size_t)(i * ldc) * hy_dtype_size(dtype), 0, (size_t)n * hy_dtype_size(dtype));
    return;
  }
  one_thread();
  if (dtype == HYLA_FLOAT64) cblas_dgemm(CblasRowMajor, op_a, op_b, M, N, K, 1, a, A, b, B, 0, c, C);
  else cblas_sgemm(CblasRowMajor, op_a, op_b, M, N, K, 1, a, A, b, B, 0, c, C);
}
