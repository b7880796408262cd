/* y = x w with few columns, w given transposed: every entry of y is a dot product of two contiguous rows. Lanes run
 * over k, one register for each entry: entry = join(sum over vectors of x * w, the last vector padded with zeros). So
 * its bits depend on k alone; tiles and blocks only decide what is shared while it is near. */
#include "kernels/transpose.h"

enum {
  NEAR = 256 * 1024, /* bytes of x that stay in the second-level cache while all columns pass over them */
  AHEAD = 16,        /* rows from a tile to what is fetched for a later one */
  COLUMNS = 5        /* of a tile, at most */
};

/* y[i] = the sum of the lanes of sums[i], a register of them at a time. */
HY_INLINE void join_all(int n, elem *y, const vec *sums) {
  HY_UNROLL for (int i = 0; i < n; i += HY_W) {
    vec t[HY_W];
    HY_UNROLL for (int j = 0; j < HY_W; j++) t[j] = i + j < n ? sums[i + j] : (vec){0};
    store(y + i, join_sums(t));
  }
}

/* R rows by C columns of y. `fetch` asks for the rows AHEAD of these meanwhile, as if rows were contiguous. */
HY_INLINE void tile(bool fetch, int R, int C, int64_t k, elem *y, int64_t ldy, const elem *x, int64_t ldx,
                    const elem *wt) {
  vec acc[8 * COLUMNS];
  elem joined[8 * COLUMNS + HY_W];
  HY_UNROLL for (int i = 0; i < R * C; i++) acc[i] = (vec){0};
  int64_t j = 0;
  for (; j + HY_W <= k; j += HY_W) {
    vec w[COLUMNS];
    if (fetch)
      HY_UNROLL for (int line = 0; line < R * HY_BYTES; line += 64)
          __builtin_prefetch((const char *)(x + AHEAD * ldx + j * R) + line, 0, 2);
    HY_UNROLL for (int c = 0; c < C; c++) w[c] = load(wt + c * k + j);
    HY_UNROLL for (int r = 0; r < R; r++) {
      const vec v = load(x + r * ldx + j);
      HY_UNROLL for (int c = 0; c < C; c++) acc[r * C + c] = madd(v, w[c], acc[r * C + c]);
    }
  }
  if (j < k) {
    vec w[COLUMNS];
    HY_UNROLL for (int c = 0; c < C; c++) w[c] = load_part(wt + c * k + j, k - j);
    HY_UNROLL for (int r = 0; r < R; r++) {
      const vec v = load_part(x + r * ldx + j, k - j);
      HY_UNROLL for (int c = 0; c < C; c++) acc[r * C + c] = madd(v, w[c], acc[r * C + c]);
    }
  }
  join_all(R * C, joined, acc);
  HY_UNROLL for (int r = 0; r < R; r++) HY_UNROLL for (int c = 0; c < C; c++) y[r * ldy + c] = joined[r * C + c];
}

/* C columns for all rows, R at a time. */
HY_INLINE void strip(bool fetch, int R, int C, int64_t n, int64_t k, elem *y, int64_t ldy, const elem *x, int64_t ldx,
                     const elem *wt) {
  int64_t i = 0;
  for (; i + R <= n; i += R) tile(fetch, R, C, k, y + i * ldy, ldy, x + i * ldx, ldx, wt);
  for (; i < n; i++) tile(fetch, 1, C, k, y + i * ldy, ldy, x + i * ldx, ldx, wt);
}

/* R rows of y, which has one column: their sums stay in registers while k passes. */
HY_INLINE void column_tile(int R, int64_t k, elem *y, int64_t ldy, const elem *x, int64_t ldx, const elem *wt) {
  vec acc[HY_MOST_SUMS];
  elem joined[HY_MOST_SUMS + HY_W];
  int64_t j = 0;
  HY_UNROLL for (int r = 0; r < R; r++) acc[r] = (vec){0};
  for (; j + 2 * HY_W <= k; j += 2 * HY_W) {
    const vec w[2] = {load(wt + j), load(wt + j + HY_W)};
    HY_UNROLL for (int r = 0; r < R; r++) HY_UNROLL for (int s = 0; s < 2; s++)
        acc[r] = madd(load(x + r * ldx + j + s * HY_W), w[s], acc[r]);
  }
  for (; j < k; j += HY_W) {
    const int64_t count = k - j < HY_W ? k - j : HY_W;
    const vec w = load_part(wt + j, count);
    HY_UNROLL for (int r = 0; r < R; r++) acc[r] = madd(load_part(x + r * ldx + j, count), w, acc[r]);
  }
  join_all(R, joined, acc);
  if (ldy == 1) memcpy(y, joined, (size_t)R * sizeof *y);
  else
    for (int r = 0; r < R; r++) y[r * ldy] = joined[r];
}

static void column(int64_t n, int64_t k, elem *y, int64_t ldy, const elem *x, int64_t ldx, const elem *wt) {
  const int64_t tiles = (n + HY_MOST_SUMS - 1) / HY_MOST_SUMS;
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t i = t * n / tiles, R = (t + 1) * n / tiles - i;
    elem *to = y + i * ldy;
    const elem *from = x + i * ldx;
    // clang-format off
#define TILE(r) case (r): column_tile(r, k, to, ldy, from, ldx, wt); break;
    switch (R) {
      HY_EACH_SUMS(TILE)
    }
    // clang-format on
#undef TILE
  }
}

/* Tiles have 8 to 12 entries: enough to hide the latency of an addition, few enough for 16 registers; with 32 of them
 * up to 20, so that a register of x or w that is loaded serves more products. */
HY_INLINE void columns_of_block(bool fetch, int64_t n, int64_t k, int columns, elem *y, int64_t ldy, const elem *x,
                                int64_t ldx, const elem *wt) {
  switch (columns) {
    case 1: column(n, k, y, ldy, x, ldx, wt); break;
#if HY_BYTES == 64
    case 2: strip(fetch, 8, 2, n, k, y, ldy, x, ldx, wt); break;
    case 3: strip(fetch, 6, 3, n, k, y, ldy, x, ldx, wt); break;
    case 4: strip(fetch, 4, 4, n, k, y, ldy, x, ldx, wt); break;
    default: strip(fetch, 4, COLUMNS, n, k, y, ldy, x, ldx, wt); break;
#else
    case 2: strip(fetch, 4, 2, n, k, y, ldy, x, ldx, wt); break;
    case 3: strip(fetch, 4, 3, n, k, y, ldy, x, ldx, wt); break;
    case 4: strip(fetch, 3, 4, n, k, y, ldy, x, ldx, wt); break;
    default: strip(fetch, 2, COLUMNS, n, k, y, ldy, x, ldx, wt); break;
#endif
  }
}

void HY_KERNEL(rows_product)(int64_t n, int64_t k, int64_t m, void *y, int64_t ldy, const void *x, int64_t ldx,
                             const void *wt) {
  int64_t rows = NEAR / HY_SIZE / (k > 0 ? k : 1) / 8 * 8;
  if (rows < 8) rows = 8;
  const int64_t groups = (m + COLUMNS - 1) / COLUMNS;
  for (int64_t i = 0; i < n; i += rows) {
    const int64_t here = n - i < rows ? n - i : rows;
    for (int64_t g = 0; g < groups; g++) {
      const int64_t c = g * m / groups, columns = (g + 1) * m / groups - c;
      const elem *rows_here = (const elem *)x + i * ldx, *wt_here = (const elem *)wt + c * k;
      elem *y_here = (elem *)y + i * ldy + c;
      if (g == 0) columns_of_block(true, here, k, (int)columns, y_here, ldy, rows_here, ldx, wt_here);
      else columns_of_block(false, here, k, (int)columns, y_here, ldy, rows_here, ldx, wt_here);
    }
  }
}
