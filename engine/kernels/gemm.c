/* The general product of matrices, by OpenBLAS. The only file that calls it. The library is loaded when a plan first
 * has such a product: loading takes longer than all that a small problem does, and few of those have one. */
#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include "kernels/kernels.h"

static struct {
  __typeof__(&cblas_sgemm) sgemm;
  __typeof__(&cblas_dgemm) dgemm;
  __typeof__(&openblas_get_corename) core;
  __typeof__(&openblas_set_num_threads) threads;
  bool there;
} blas;

static bool find(void *library, const char *name, void *function) {
  void *found = dlsym(library, name);
  memcpy(function, &found, sizeof found);
  return found;
}

/* Our own threads share the work, so each of them calls a library that has one. It is not closed again. */
static void load(void) {
  void *library = dlopen(HYLA_OPENBLAS, RTLD_NOW | RTLD_LOCAL);
  if (!library || !find(library, "cblas_sgemm", &blas.sgemm) || !find(library, "cblas_dgemm", &blas.dgemm) ||
      !find(library, "openblas_get_corename", &blas.core) || !find(library, "openblas_set_num_threads", &blas.threads))
    return;
  blas.threads(1);
  blas.there = true;
}

int hy_blas_open(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load);
  return blas.there ? 0
                    : hy_fail(HYLA_EIO, NULL, "OpenBLAS cannot be loaded: %s (Debian: libopenblas0)", HYLA_OPENBLAS);
}

const char *hyla_blas_core(void) { return hy_blas_open() ? "none" : blas.core(); }

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
  if (dtype == HYLA_FLOAT64) blas.dgemm(CblasRowMajor, op_a, op_b, M, N, K, 1, a, A, b, B, 0, c, C);
  else blas.sgemm(CblasRowMajor, op_a, op_b, M, N, K, 1, a, A, b, B, 0, c, C);
}
