/* out, [m, n], is in, [n, m], turned, by squares in registers. Rows of either may lie apart. */
#include "kernels/transpose.h"

/* `rows` rows and `columns` columns of in, at most HY_W of each. */
HY_INLINE void square(bool whole, int64_t rows, int64_t columns, elem *out, int64_t ldo, const elem *in, int64_t ldi) {
  vec t[HY_W];
  HY_UNROLL for (int i = 0; i < HY_W; i++) t[i] = whole      ? load(in + i * ldi)
                                                  : i < rows ? load_part(in + i * ldi, columns)
                                                             : (vec){0};
  transpose_square(t);
  HY_UNROLL for (int j = 0; j < HY_W; j++) {
    if (whole) store(out + j * ldo, t[j]);
    else if (j < columns) store_part(out + j * ldo, t[j], rows);
  }
}

void HY_KERNEL(turn)(int64_t n, int64_t m, void *out, int64_t ldo, const void *in, int64_t ldi) {
  for (int64_t i = 0; i < n; i += HY_W)
    for (int64_t j = 0; j < m; j += HY_W) {
      const int64_t rows = n - i < HY_W ? n - i : HY_W, columns = m - j < HY_W ? m - j : HY_W;
      elem *to = (elem *)out + j * ldo + i;
      const elem *from = (const elem *)in + i * ldi + j;
      if (rows == HY_W && columns == HY_W) square(true, HY_W, HY_W, to, ldo, from, ldi);
      else square(false, rows, columns, to, ldo, from, ldi);
    }
}
