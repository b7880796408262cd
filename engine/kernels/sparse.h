/* A constant matrix packed by its entries that are not 0, twice: by rows for x w, and for x'g by columns within each
 * chunk of rows, so that a row of the result is finished before the next begins. */
#ifndef HY_KERNELS_SPARSE_H
#define HY_KERNELS_SPARSE_H
#include "kernels/kernels.h"

/* A list is filled up to a multiple of HY_SPARSE_TURNS entries by its last index with the value 0, so that the
 * products have no remainders. (Where that meets an infinity of w, the entry before has met it too.) */
enum { HY_SPARSE_TURNS = 4 };

/* List i: entries start[i] .. start[i + 1], a position and a number each. */
typedef struct hy_lists {
  int64_t count, *start; /* [count + 1] */
  void *index, *value;   /* uint16 or int32; the dtype of the matrix */
} hy_lists;

struct hy_sparse {
  int64_t n, k, *chunk; /* chunk [chunks + 1]: row boundaries */
  int dtype, chunks;
  bool wide;        /* indices are int32 */
  hy_lists rows;    /* list i: row i, its columns in order */
  hy_lists columns; /* list c k + j: column j of chunk c, its rows within the chunk in order */
};
#endif
