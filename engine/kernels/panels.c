/* The general product y = A B with B packed in panels: HY_PANEL columns side by side, row after row of B, the last
 * panel filled up with zeros. Entry (i, j) is one running sum over k in order, in one rounding a term where the variant
 * fuses: so its bits depend on row i of A and column j of B alone, never on tiles, blocks or what else is computed. */
#include "kernels/transpose.h"

enum {
  VECTORS = 2,                 /* of a panel */
  PANEL = VECTORS * HY_W,      /* its columns */
  MOST = HY_BYTES == 64   ? 14 /* rows of a tile, so that its sums and a row of the panel fit the registers */
         : HY_BYTES == 32 ? 6
                          : 4,
  NEAR = 32 * 1024 / (PANEL * HY_SIZE) /* rows of a panel that stay in the first-level cache while all tiles pass */
};

/* R rows by one panel of y, over k rows of the panel; `columns` of them are y's. */
typedef struct span {
  int64_t k, a_row, a_step, ldy, columns;
  const elem *a, *panel;
  elem *y;
  bool first; /* the sums start here, else they go on from what y holds */
} span;

HY_INLINE void tile(int R, const span *s) {
  vec sum[MOST * VECTORS];
  const elem *a = s->a, *b = s->panel;
  const int64_t a_row = s->a_row, a_step = s->a_step, ldy = s->ldy;
  const int64_t left = s->columns < HY_W ? s->columns : HY_W, right = s->columns - left;
  HY_UNROLL for (int r = 0; r < R; r++) {
    sum[2 * r] = s->first ? (vec){0} : load_part(s->y + r * ldy, left);
    sum[2 * r + 1] = s->first || !right ? (vec){0} : load_part(s->y + r * ldy + HY_W, right);
  }
  for (int64_t p = s->k; p > 0; p--, a += a_step, b += PANEL) {
    const vec b0 = load(b), b1 = load(b + HY_W);
    HY_UNROLL for (int r = 0; r < R; r++) {
      const vec x = splat(a[r * a_row]);
      sum[2 * r] = madd(x, b0, sum[2 * r]);
      sum[2 * r + 1] = madd(x, b1, sum[2 * r + 1]);
    }
  }
  if (s->columns == PANEL) {
    HY_UNROLL for (int r = 0; r < R; r++) {
      store(s->y + r * ldy, sum[2 * r]);
      store(s->y + r * ldy + HY_W, sum[2 * r + 1]);
    }
    return;
  }
  HY_UNROLL for (int r = 0; r < R; r++) {
    store_part(s->y + r * ldy, sum[2 * r], left);
    if (right) store_part(s->y + r * ldy + HY_W, sum[2 * r + 1], right);
  }
}

/* clang-format off */
static void tile_of(int64_t rows, const span *s) {
#define TILE(n) case n: tile(n, s); break;
  switch (rows) {
    TILE(1) TILE(2) TILE(3) TILE(4)
#if HY_BYTES > 16
    TILE(5) TILE(6)
#endif
#if HY_BYTES > 32
    TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14)
#endif
  }
#undef TILE
}
/* clang-format on */

/* All rows of A by one panel, in tiles of nearly one size. */
static void column_of_tiles(int64_t m, span s) {
  const elem *a = s.a;
  elem *y = s.y;
  const int64_t tiles = (m + MOST - 1) / MOST;
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t lo = t * m / tiles, rows = (t + 1) * m / tiles - lo;
    s.a = a + lo * s.a_row;
    s.y = y + lo * s.ldy;
    tile_of(rows, &s);
  }
}

/* Where the rows of A lie far apart in memory for one k, a tile's part of it is gathered first. */
static void row_of_tiles(int64_t m, int64_t n, const elem *panels, int64_t panel, span s) {
  elem near[NEAR * MOST];
  const elem *a = s.a;
  elem *y = s.y;
  const int64_t tiles = (m + MOST - 1) / MOST, step = s.a_step;
  s.a = near;
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t lo = t * m / tiles, rows = (t + 1) * m / tiles - lo;
    for (int64_t p = 0; p < s.k; p++)
      for (int64_t r = 0; r < rows; r++) near[p * rows + r] = a[(lo + r) + p * step];
    s.a_step = rows;
    for (int64_t j = 0; j < n; j += PANEL) {
      s.columns = n - j < PANEL ? n - j : PANEL;
      s.panel = panels + j / PANEL * panel;
      s.y = y + lo * s.ldy + j;
      tile_of(rows, &s);
    }
  }
}

void HY_KERNEL(panels_product)(int64_t m, int64_t n, int64_t k, void *y, int64_t ldy, const void *a, int64_t lda,
                               bool turned, const void *panels) {
  const int64_t panel = k * PANEL;
  for (int64_t p = 0; p < k || p == 0; p += NEAR) {
    const elem *b = (const elem *)panels + p * PANEL;
    span s = {.k = k - p < NEAR ? k - p : NEAR, .ldy = ldy, .y = y, .first = p == 0};
    s.a = (const elem *)a + p * (turned ? lda : 1);
    s.a_row = turned ? 1 : lda;
    s.a_step = turned ? lda : 1;
    if (turned) {
      row_of_tiles(m, n, b, panel, s);
      continue;
    }
    for (int64_t j = 0; j < n; j += PANEL) {
      s.columns = n - j < PANEL ? n - j : PANEL;
      s.panel = b + j / PANEL * panel;
      s.y = (elem *)y + j;
      column_of_tiles(m, s);
    }
  }
}

/* ---- packing ---- */

enum { AHEAD = 16 }; /* rows from the one copied to the one fetched */

static void pack_straight(int64_t k, int64_t columns, elem *out, const elem *b, int64_t ldb) {
  const int64_t left = columns < HY_W ? columns : HY_W, right = columns - left;
  for (int64_t p = 0; p < k; p++, b += ldb, out += PANEL) {
    for (int64_t line = 0; line < columns; line += 64 / HY_SIZE) __builtin_prefetch(b + AHEAD * ldb + line);
    store(out, load_part(b, left));
    store(out + HY_W, right ? load_part(b + HY_W, right) : (vec){0});
  }
}

/* B turned: column j of the panel is row j in memory. */
static void pack_turned(int64_t k, int64_t columns, elem *out, const elem *b, int64_t ldb) {
  for (int v = 0; v < VECTORS; v++) {
    const int64_t rows = columns - v * HY_W < 0 ? 0 : columns - v * HY_W < HY_W ? columns - v * HY_W : HY_W;
    const elem *from = b + v * HY_W * ldb;
    for (int64_t p = 0; p < k; p += HY_W) {
      const int64_t count = k - p < HY_W ? k - p : HY_W;
      vec t[HY_W];
      for (int r = 0; r < HY_W; r++) t[r] = r < rows ? load_part(from + r * ldb + p, count) : (vec){0};
      transpose_square(t);
      for (int r = 0; r < count; r++) store(out + (p + r) * PANEL + v * HY_W, t[r]);
    }
  }
}

int64_t HY_KERNEL(panel_columns)(void) { return PANEL; }

void HY_KERNEL(pack_panels)(int64_t k, int64_t n, void *panels, const void *b, int64_t ldb, bool turned) {
  elem *out = panels;
  const elem *from = b;
  for (int64_t j = 0; j < n; j += PANEL, out += k * PANEL) {
    const int64_t columns = n - j < PANEL ? n - j : PANEL;
    if (turned) pack_turned(k, columns, out, from + j * ldb, ldb);
    else pack_straight(k, columns, out, from + j, ldb);
  }
}
