/* The general product y = A B with B packed in panels: PANEL columns side by side, row after row of B. The last panel,
 * where a register holds its columns, is one register wide; what is left of it is filled up with zeros. Entry (i, j) is
 * one running sum over k in order, in one rounding a term where the variant fuses: so its bits depend on row i of A and
 * column j of B alone, never on tiles, blocks or what else is computed. */
#include "kernels/transpose.h"

enum {
  VECTORS = 2,                 /* of a panel */
  PANEL = VECTORS * HY_W,      /* its columns */
  MOST = HY_BYTES == 64   ? 14 /* rows of a tile, so that its sums and a row of the panel fit the registers */
         : HY_BYTES == 32 ? 6
                          : 4,
  NEAR = 32 * 1024 / (PANEL * HY_SIZE), /* rows of a panel that stay in the first-level cache while all tiles pass */
  GATHERED = (MOST + HY_W - 1) / HY_W * HY_W, /* elements of a tile's part of A for one k, where they are gathered */
  V_MOST = GATHERED / HY_W,
  THIN = MOST / 2, /* columns of the last panel that are worth lanes along rows */
  RIVALS = 1024    /* bytes from row to row that leave a tile's rows four sets of lines, fewer than they are */
};

/* Registers of a panel of this many columns. */
HY_INLINE int vectors_of(int64_t columns) { return columns > HY_W ? VECTORS : 1; }

/* R rows by one panel of y, over k rows of the panel; `columns` of them are y's. */
typedef struct span {
  int64_t k, a_row, a_step, ldy, columns;
  const elem *a, *panel;
  elem *y;
  bool first; /* the sums start here, else they go on from what y holds */
} span;

HY_INLINE void tile(int R, int V, const span *s) {
  vec sum[MOST * VECTORS];
  const elem *a = s->a, *b = s->panel;
  const int64_t a_row = s->a_row, a_step = s->a_step, ldy = s->ldy, last = s->columns - (V - 1) * HY_W;
  HY_UNROLL for (int r = 0; r < R; r++) {
    HY_UNROLL for (int v = 0; v < V - 1; v++) sum[r * V + v] = s->first ? (vec){0} : load(s->y + r * ldy + v * HY_W);
    sum[r * V + V - 1] = s->first ? (vec){0} : load_part(s->y + r * ldy + (V - 1) * HY_W, last);
  }
  for (int64_t p = s->k; p > 0; p--, a += a_step, b += V * HY_W) {
    vec row[VECTORS];
    HY_UNROLL for (int v = 0; v < V; v++) row[v] = load(b + v * HY_W);
    HY_UNROLL for (int r = 0; r < R; r++) {
      const vec x = splat(a[r * a_row]);
      HY_UNROLL for (int v = 0; v < V; v++) sum[r * V + v] = madd(x, row[v], sum[r * V + v]);
    }
  }
  HY_UNROLL for (int r = 0; r < R; r++) {
    HY_UNROLL for (int v = 0; v < V - 1; v++) store(s->y + r * ldy + v * HY_W, sum[r * V + v]);
    if (last == HY_W) store(s->y + r * ldy + (V - 1) * HY_W, sum[r * V + V - 1]);
    else store_part(s->y + r * ldy + (V - 1) * HY_W, sum[r * V + V - 1], last);
  }
}

/* clang-format off */
static void tile_of(int64_t rows, const span *s) {
#define TILE(n) case 2 * n: tile(n, 1, s); break; case 2 * n + 1: tile(n, VECTORS, s); break;
  switch (2 * rows + (s->columns > HY_W)) {
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

/* A tile's part of A, brought together: column after column of its rows. */
HY_INLINE void gather_turned(int64_t rows, int64_t k, elem *near, const elem *a, int64_t lda) {
  for (int64_t p = 0; p < k; p++, a += lda, near += GATHERED)
    for (int64_t r = 0; r < rows; r += HY_W) store(near + r, load_part(a + r, rows - r < HY_W ? rows - r : HY_W));
}
HY_INLINE void gather_rows(int64_t rows, int64_t k, elem *near, const elem *a, int64_t lda) {
  for (int64_t r = 0; r < rows; r += HY_W)
    for (int64_t p = 0; p < k; p += HY_W) {
      const int64_t here = rows - r < HY_W ? rows - r : HY_W, count = k - p < HY_W ? k - p : HY_W;
      const elem *from = a + r * lda + p;
      vec t[HY_W];
      HY_UNROLL for (int i = 0; i < HY_W; i++) t[i] = i < here ? load_part(from + i * lda, count) : (vec){0};
      transpose_square(t);
      for (int64_t i = 0; i < count; i++) store(near + (p + i) * GATHERED + r, t[i]);
    }
}

/* C columns of y in a tile whose part of A is gathered: lanes run over its rows, in V registers, so that none is idle for
 * what the panel is filled up with. The same sums. */
HY_INLINE void thin_tile(int V, int C, int64_t rows, const span *s) {
  vec sum[THIN * V_MOST];
  elem turned[THIN * GATHERED];
  for (int64_t r = 0; r < rows && !s->first; r++)
    HY_UNROLL for (int c = 0; c < C; c++) turned[c * GATHERED + r] = s->y[r * s->ldy + c];
  HY_UNROLL for (int c = 0; c < C; c++) HY_UNROLL for (int v = 0; v < V; v++) {
    const elem *from = turned + c * GATHERED + v * HY_W;
    sum[c * V + v] = s->first ? (vec){0} : load_part(from, v < V - 1 ? HY_W : rows - v * HY_W);
  }
  const elem *a = s->a, *b = s->panel;
  for (int64_t p = s->k; p > 0; p--, a += GATHERED, b += HY_W) {
    vec x[V_MOST];
    HY_UNROLL for (int v = 0; v < V; v++) x[v] = load(a + v * HY_W);
    HY_UNROLL for (int c = 0; c < C; c++) {
      const vec weight = splat(b[c]);
      HY_UNROLL for (int v = 0; v < V; v++) sum[c * V + v] = madd(x[v], weight, sum[c * V + v]);
    }
  }
  HY_UNROLL for (int c = 0; c < C; c++) HY_UNROLL for (int v = 0; v < V; v++)
      store(turned + c * GATHERED + v * HY_W, sum[c * V + v]);
  for (int64_t r = 0; r < rows; r++)
    HY_UNROLL for (int c = 0; c < C; c++) s->y[r * s->ldy + c] = turned[c * GATHERED + r];
}

/* clang-format off */
static void thin_tile_of(int64_t rows, const span *s) {
#define TILE(n) case 2 * n: thin_tile(1, n, rows, s); break; case 2 * n + 1: thin_tile(V_MOST, n, rows, s); break;
  switch (2 * s->columns + (rows > HY_W)) {
    TILE(1) TILE(2)
#if HY_BYTES > 16
    TILE(3)
#endif
#if HY_BYTES > 32
    TILE(4) TILE(5) TILE(6) TILE(7)
#endif
  }
#undef TILE
}
/* clang-format on */

/* Tile after tile, each by all panels. `skipped`: rows of the panels before these. */
static void row_of_tiles(int64_t m, int64_t n, const elem *panels, int64_t panel, int64_t skipped, bool turned,
                         span s) {
  elem near[NEAR * GATHERED];
  const elem *a = s.a;
  elem *y = s.y;
  const int64_t tiles = (m + MOST - 1) / MOST, row = s.a_row, step = s.a_step;
  s.a = near;
  s.a_row = 1;
  s.a_step = GATHERED;
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t lo = t * m / tiles, rows = (t + 1) * m / tiles - lo;
    if (turned) gather_turned(rows, s.k, near, a + lo, step);
    else gather_rows(rows, s.k, near, a + lo * row, row);
    for (int64_t j = 0; j < n; j += PANEL) {
      s.columns = n - j < PANEL ? n - j : PANEL;
      s.panel = panels + j / PANEL * panel + skipped * vectors_of(s.columns) * HY_W;
      s.y = y + lo * s.ldy + j;
      if (s.columns <= THIN && s.columns < rows) thin_tile_of(rows, &s);
      else tile_of(rows, &s);
    }
  }
}

/* Rows so far apart that the same places of a tile's rows are rivals for the same few lines of a first-level cache. */
static bool rivals(int64_t lda) { return lda * HY_SIZE % RIVALS == 0; }

void HY_KERNEL(panels_product)(int64_t m, int64_t n, int64_t k, void *y, int64_t ldy, const void *a, int64_t lda,
                               bool turned, const void *panels) {
  const int64_t panel = k * PANEL;
  const bool gathered = turned || rivals(lda);
  for (int64_t p = 0; p < k || p == 0; p += NEAR) {
    span s = {.k = k - p < NEAR ? k - p : NEAR, .ldy = ldy, .y = y, .first = p == 0};
    s.a = (const elem *)a + p * (turned ? lda : 1);
    s.a_row = turned ? 1 : lda;
    s.a_step = turned ? lda : 1;
    if (gathered) {
      row_of_tiles(m, n, panels, panel, p, turned, s);
      continue;
    }
    for (int64_t j = 0; j < n; j += PANEL) {
      s.columns = n - j < PANEL ? n - j : PANEL;
      s.panel = (const elem *)panels + j / PANEL * panel + p * vectors_of(s.columns) * HY_W;
      s.y = (elem *)y + j;
      column_of_tiles(m, s);
    }
  }
}

/* ---- packing ---- */

enum { AHEAD = 16 }; /* rows from the one copied to the one fetched */

static void pack_straight(int64_t k, int64_t columns, elem *out, const elem *b, int64_t ldb) {
  const int64_t V = vectors_of(columns), last = columns - (V - 1) * HY_W;
  for (int64_t p = 0; p < k; p++, b += ldb, out += V * HY_W) {
    for (int64_t line = 0; line < columns; line += 64 / HY_SIZE) __builtin_prefetch(b + AHEAD * ldb + line);
    if (V > 1) store(out, load(b));
    store(out + (V - 1) * HY_W, load_part(b + (V - 1) * HY_W, last));
  }
}

/* B turned: column j of the panel is row j in memory. */
static void pack_turned(int64_t k, int64_t columns, elem *out, const elem *b, int64_t ldb) {
  const int V = vectors_of(columns);
  for (int v = 0; v < V; v++) {
    const int64_t rows = columns - v * HY_W < HY_W ? columns - v * HY_W : HY_W;
    const elem *from = b + v * HY_W * ldb;
    for (int64_t p = 0; p < k; p += HY_W) {
      const int64_t count = k - p < HY_W ? k - p : HY_W;
      vec t[HY_W];
      for (int r = 0; r < HY_W; r++) t[r] = r < rows ? load_part(from + r * ldb + p, count) : (vec){0};
      transpose_square(t);
      for (int r = 0; r < count; r++) store(out + ((p + r) * V + v) * HY_W, t[r]);
    }
  }
}

int64_t HY_KERNEL(panel_columns)(void) { return PANEL; }

void HY_KERNEL(pack_panels)(int64_t k, int64_t lo, int64_t hi, int64_t n, void *panels, const void *b, int64_t ldb,
                            bool turned) {
  elem *out = panels;
  const elem *from = b;
  for (int64_t j = 0; j < n; j += PANEL, out += k * PANEL) {
    const int64_t columns = n - j < PANEL ? n - j : PANEL;
    elem *to = out + lo * vectors_of(columns) * HY_W;
    if (turned) pack_turned(hi - lo, columns, to, from + j * ldb, ldb);
    else pack_straight(hi - lo, columns, to, from + j, ldb);
  }
}
