/* acc (+)= x'g with few columns: lanes run over k, along the rows of x, and a tile of acc stays in registers while all
 * rows pass. Entry (j, c) takes x[i, j] g[i, c] in order of i, so its bits do not depend on where a caller cuts. Sums
 * stand turned, register after register of k and of these column after column: partial sums as such, until they are
 * joined; those of a result, a stripe of k at a time, in a small buffer: in from acc at its start, out at its end. */
#include "kernels/transpose.h"

enum {
  COLUMNS = HY_BYTES == 64 ? 10 : 6,    /* of a tile, at most */
  REGISTERS = HY_BYTES == 64 ? 20 : 12, /* that hold its sums, at most */
  VECTORS = 8,
  STRIPE = HY_FEW * 3, /* vectors of a stripe's buffer, at most */
  NEAR = 1024 * 1024,  /* bytes of x that stay in a near cache while all stripes pass over them */
  FEWEST = 64,         /* rows that such a block has at least: acc goes in and out once for each */
  FEW_ROWS = 64        /* that a column meets, at most, to be one of its own */
};

/* What the tiles of a stripe share: n rows of x, read `last` lanes wide in the last vector; those of g; how far ahead
 * the next stripe of x lies. sums[v * m + c] is column c of vector v. */
typedef struct stripe {
  int64_t n, ldx, ldg, last, m, ahead;
  const elem *x, *g;
  vec_unaligned *sums;
} stripe;

/* V vectors of k by C columns, from column `at`. */
HY_INLINE void tile(int V, int C, const stripe *s, int64_t at) {
  const elem *x = s->x, *g = s->g + at;
  const int64_t last = s->last, ldx = s->ldx, ldg = s->ldg, ahead = s->ahead;
  vec_unaligned *sums = s->sums + at;
  vec acc[REGISTERS];
  HY_UNROLL for (int c = 0; c < C; c++) HY_UNROLL for (int v = 0; v < V; v++) acc[c * V + v] = sums[v * s->m + c];
  for (int64_t i = s->n; i > 0; i--, x += ldx, g += ldg) {
    vec row[VECTORS];
    __builtin_prefetch(x + ahead);
    HY_UNROLL for (int v = 0; v < V - 1; v++) row[v] = load(x + v * HY_W);
    row[V - 1] = last == HY_W ? load(x + (V - 1) * HY_W) : load_part(x + (V - 1) * HY_W, last);
    HY_UNROLL for (int c = 0; c < C; c++) {
      const vec weight = splat(g[c]);
      HY_UNROLL for (int v = 0; v < V; v++) acc[c * V + v] = madd(row[v], weight, acc[c * V + v]);
    }
  }
  HY_UNROLL for (int c = 0; c < C; c++) HY_UNROLL for (int v = 0; v < V; v++) sums[v * s->m + c] = acc[c * V + v];
}

/* A tile of 8 to REGISTERS sums where k has that many; each pair that a stripe can ask for. */
static void tile_of(int V, int C, const stripe *s, int64_t at) {
  // clang-format off
#define TILE(v, c) case (v) * 16 + (c): tile(v, c, s, at); break;
  switch (V * 16 + C) {
    TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1) TILE(7, 1) TILE(8, 1)
    TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2)
    TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3)
    TILE(1, 4) TILE(2, 4) TILE(3, 4)
    TILE(1, 5) TILE(2, 5)
    TILE(1, 6) TILE(2, 6)
#if HY_BYTES == 64
    TILE(3, 5) TILE(4, 5) TILE(3, 6)
    TILE(1, 7) TILE(2, 7) TILE(1, 8) TILE(2, 8) TILE(1, 9) TILE(2, 9) TILE(1, 10) TILE(2, 10)
#endif
  }
  // clang-format on
#undef TILE
}

/* Rows j.. of acc into a stripe's buffer (in) or back. */
HY_INLINE void exchange(bool in, int V, const stripe *s, vec *sums, elem *acc) {
  if (s->m == 1) {
    const size_t bytes = (size_t)((V - 1) * HY_W + s->last) * sizeof *acc;
    if (in) memcpy(sums, acc, bytes);
    else memcpy(acc, sums, bytes);
    return;
  }
  for (int v = 0; v < V; v++, acc += HY_W * s->m, sums += s->m) {
    const bool whole = v < V - 1 || s->last == HY_W;
    if (in && whole) load_columns(sums, s->m, acc, s->m);
    else if (in) load_few_columns(sums, s->last, s->m, acc);
    else if (whole) store_columns(sums, s->m, acc, s->m);
    else store_few_columns(sums, s->last, s->m, acc);
  }
}

/* V registers of a column: its sums stay in registers while all rows pass. `last`: lanes of the last one. */
HY_INLINE void column_tile(int V, int64_t n, int64_t last, elem *acc, const elem *x, int64_t ldx, const elem *g,
                           int64_t ldg, bool first) {
  vec sum[HY_MOST_SUMS];
  elem *end = acc + (V - 1) * HY_W;
  HY_UNROLL for (int v = 0; v < V - 1; v++) sum[v] = first ? (vec){0} : load(acc + v * HY_W);
  sum[V - 1] = first ? (vec){0} : load_part(end, last);
  for (; n > 0; n--, x += ldx, g += ldg) {
    const vec weight = splat(*g);
    HY_UNROLL for (int v = 0; v < V - 1; v++) sum[v] = madd(load(x + v * HY_W), weight, sum[v]);
    const vec row = last == HY_W ? load(x + (V - 1) * HY_W) : load_part(x + (V - 1) * HY_W, last);
    sum[V - 1] = madd(row, weight, sum[V - 1]);
  }
  HY_UNROLL for (int v = 0; v < V - 1; v++) store(acc + v * HY_W, sum[v]);
  if (last == HY_W) store(end, sum[V - 1]);
  else store_part(end, sum[V - 1], last);
}

/* One column, of any number of rows. */
static void column(int64_t n, int64_t k, elem *acc, const elem *x, int64_t ldx, const elem *g, int64_t ldg,
                   bool first) {
  const int64_t vectors = (k + HY_W - 1) / HY_W, tiles = (vectors + HY_MOST_SUMS - 1) / HY_MOST_SUMS;
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t v = t * vectors / tiles, V = (t + 1) * vectors / tiles - v;
    const int64_t last = t + 1 < tiles ? HY_W : k - (vectors - 1) * HY_W;
    elem *to = acc + v * HY_W;
    const elem *from = x + v * HY_W;
    // clang-format off
#define TILE(v) case (v): column_tile(v, n, last, to, from, ldx, g, ldg, first); break;
    switch (V) {
      HY_EACH_SUMS(TILE)
    }
    // clang-format on
#undef TILE
  }
}

/* All of acc, for rows that stay near. turned: acc is partial sums. */
static void block_gram(const stripe *shared, bool turned, int64_t k, elem *acc, const elem *x, bool first) {
#if HY_BYTES == 64
  static const int vectors[COLUMNS + 1] = {0, 8, 4, 4, 3, 4, 3, 2, 2, 2, 2};
#else
  static const int vectors[COLUMNS + 1] = {0, 8, 4, 4, 3, 2, 2};
#endif
  vec room[STRIPE];
  stripe s = *shared;
  const int64_t m = s.m, groups = (m + COLUMNS - 1) / COLUMNS;
  const int most = vectors[(m + groups - 1) / groups];
  for (int64_t j = 0; j < k; j += most * HY_W) {
    const int64_t left = k - j;
    const int V = left >= most * HY_W ? most : (int)((left + HY_W - 1) / HY_W);
    s.last = left >= V * HY_W ? HY_W : left - (V - 1) * HY_W;
    s.ahead = left > V * HY_W ? V * HY_W : 0;
    s.x = x + j;
    const bool there = turned || (m == 1 && s.last == HY_W); /* a column turned is itself */
    s.sums = there ? (vec_unaligned *)(acc + j * m) : (vec_unaligned *)room;
    if (first) memset(s.sums, 0, (size_t)(V * m) * sizeof *s.sums);
    else if (!there) exchange(true, V, &s, room, acc + j * m);
    for (int64_t q = 0; q < groups; q++) {
      const int64_t at = q * m / groups;
      tile_of(V, (int)((q + 1) * m / groups - at), &s, at);
    }
    if (!there) exchange(false, V, &s, room, acc + j * m);
  }
}

HY_INLINE void gram(bool turned, int64_t n, int64_t k, int64_t m, void *acc, const void *x, int64_t ldx, const void *g,
                    int64_t ldg, bool first) {
  int64_t rows = NEAR / HY_SIZE / (k > 0 ? k : 1);
  if (rows < FEWEST) rows = FEWEST;
  if (m <= 0) return;
  if (m == 1 && n > 0 && n <= FEW_ROWS) {
    column(n, k, acc, x, ldx, g, ldg, first);
    return;
  }
  for (int64_t i = 0; i < n || i == 0; i += rows) {
    const stripe s = {.n = n - i < rows ? n - i : rows, .ldx = ldx, .ldg = ldg, .m = m, .g = (const elem *)g + i * ldg};
    block_gram(&s, turned, k, acc, (const elem *)x + i * ldx, first && i == 0);
  }
}

void HY_KERNEL(rows_gram)(int64_t n, int64_t k, int64_t m, void *acc, const void *x, int64_t ldx, const void *g,
                          int64_t ldg, bool first) {
  gram(false, n, k, m, acc, x, ldx, g, ldg, first);
}

void HY_KERNEL(gram_part)(int64_t n, int64_t k, int64_t m, void *acc, const void *x, int64_t ldx, const void *g,
                          int64_t ldg, bool first) {
  gram(true, n, k, m, acc, x, ldx, g, ldg, first);
}

/* A register of k at a time, of which [lo, hi) may want some rows alone. */
void HY_KERNEL(gram_join)(int64_t parts, int64_t apart, int64_t m, int64_t lo, int64_t hi, void *out, const void *acc) {
  vec sums[HY_MOST_COLUMNS];
  elem rows[HY_MOST_COLUMNS * HY_W];
  for (int64_t i = lo / HY_W * HY_W; i < hi; i += HY_W) {
    const elem *from = (const elem *)acc + i * m;
    for (int64_t c = 0; c < m; c++) sums[c] = load(from + c * HY_W);
    for (int64_t p = 1; p < parts; p++)
      for (int64_t c = 0; c < m; c++) sums[c] += load(from + p * apart + c * HY_W);
    elem *to = (elem *)out + (i - lo) * m;
    if (i >= lo && i + HY_W <= hi) {
      if (m == 1) store(to, sums[0]);
      else store_columns(sums, m, to, m);
      continue;
    }
    const int64_t begin = i < lo ? lo : i, end = i + HY_W < hi ? i + HY_W : hi;
    store_columns(sums, m, rows, m);
    memcpy((elem *)out + (begin - lo) * m, rows + (begin - i) * m, (size_t)((end - begin) * m) * sizeof *rows);
  }
}
