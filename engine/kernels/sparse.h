/* A constant matrix packed by its entries that are not 0, twice: by rows for x w, and for x'g by columns within each
 * chunk of rows, so that a row of the result is finished before the next begins. */
#ifndef HY_KERNELS_SPARSE_H
#define HY_KERNELS_SPARSE_H
#include "kernels/kernels.h"

struct hy_sparse {
  int64_t n, k;
  int dtype, chunks;
  bool wide;                      /* indices are int32, else uint16 */
  int64_t *chunk;                 /* [chunks + 1] row boundaries */
  /* Row i: entries row_start[i] .. row_start[i + 1], in order of columns. */
  int64_t *row_start;             /* [n + 1] */
  void *row_index, *row_value;    /* the column, the number */
  /* Column j of chunk c: entries column_start[c k + j] .. + 1, in order of rows. */
  int64_t *column_start;          /* [chunks k + 1] */
  void *column_index, *column_value;   /* the row within the chunk, the number */
};
#endif
