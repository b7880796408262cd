/* One table of kernels for each CPU variant and dtype. The variant files are compiled once for each pair, with
 * -DHY_VARIANT=generic|avx2|avx512 and -DHY_ELEMENT=f32|f64|i32; table.c picks among the results. */
#ifndef HY_KERNELS_TABLE_H
#define HY_KERNELS_TABLE_H
#include "kernels/kernels.h"

/* K(result, name, parameters): kernels every dtype has. What they do is said in kernels.h. */
#define HY_KERNELS_ANY(K)                                                                      \
  K(void, sum, (int64_t n, int64_t L, void *out, const void *x))                               \
  K(void, max, (int64_t n, int64_t L, void *out, const void *x))                               \
  K(void, argmax, (int64_t n, int64_t L, int32_t * out, const void *x))                        \
  K(void, sum_rows, (int64_t n, int64_t L, void *acc, const void *x, int64_t row, bool first)) \
  K(void, max_rows, (int64_t n, int64_t L, void *acc, const void *x, int64_t row, bool first)) \
  K(void, sum_join, (int64_t parts, int64_t apart, int64_t L, void *out, const void *acc))     \
  K(void, max_join, (int64_t parts, int64_t apart, int64_t L, void *out, const void *acc))     \
  K(int64_t, first_nonfinite, (int64_t n, const void *x))

/* Kernels of the float dtypes alone. */
#define HY_KERNELS_REAL(K)                                                                                            \
  K(void, logsumexp, (int64_t n, int64_t L, void *out, const void *x))                                                \
  K(void, softmax, (int64_t n, int64_t L, void *out, const void *x))                                                  \
  K(void, rows_product,                                                                                               \
    (int64_t n, int64_t k, int64_t m, void *y, int64_t ldy, const void *x, int64_t ldx, const void *wt))              \
  K(void, rows_gram,                                                                                                  \
    (int64_t n, int64_t k, int64_t m, void *acc, const void *x, int64_t ldx, const void *g, int64_t ldg, bool first)) \
  K(void, gram_part,                                                                                                  \
    (int64_t n, int64_t k, int64_t m, void *acc, const void *x, int64_t ldx, const void *g, int64_t ldg, bool first)) \
  K(void, gram_join, (int64_t parts, int64_t apart, int64_t m, int64_t lo, int64_t hi, void *out, const void *acc))   \
  K(int64_t, panel_columns, (void))                                                                                   \
  K(void, pack_panels,                                                                                                \
    (int64_t k, int64_t lo, int64_t hi, int64_t n, void *panels, const void *b, int64_t ldb, bool turned))            \
  K(void, panels_product,                                                                                             \
    (int64_t m, int64_t n, int64_t k, void *y, int64_t ldy, const void *a, int64_t lda, bool turned,                  \
     const void *panels))                                                                                             \
  K(void, sparse_product,                                                                                             \
    (const hy_sparse *s, int64_t lo, int64_t hi, int64_t m, void *y, int64_t ldy, const void *w))                     \
  K(void, sparse_gram, (const hy_sparse *s, int c, int64_t m, void *acc, const void *g, int64_t ldg))

#define HY_KERNEL_FIELD(result, name, parameters) result(*name) parameters;
typedef struct hy_kernel_table {
  hy_map_kernel *const *map;       /* by op, in the order of ops.def */
  hy_map_kernel *const (*pair)[4]; /* by HY_PAIR_ADD.. of the first and of the second */
  HY_KERNELS_ANY(HY_KERNEL_FIELD)
  HY_KERNELS_REAL(HY_KERNEL_FIELD) /* NULL in the table of int32 */
} hy_kernel_table;
#undef HY_KERNEL_FIELD

#endif
