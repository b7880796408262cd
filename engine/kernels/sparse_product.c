/* Products of a packed sparse matrix with few dense columns. Both are the same sum, of value * (a row of m numbers)
 * over a list of entries; lanes run over the m columns. Entries go in turn to TURNS running sums, which hide the
 * latency of an addition and are joined 0+2, 1+3, 0+1 at the end: a fixed order, whatever the block. */
#include "kernels/lanes.h"
#include "kernels/sparse.h"

enum { TURNS = HY_SPARSE_TURNS, VECTORS = 3 }; /* running sums; vectors of a panel of columns, at most */
enum { NEAR = 64 * 1024 };                     /* bytes of a table that is worth a copy with a register a row */

/* A list of entries: entry j multiplies row index[j] of a table, whose rows are `apart`. */
typedef struct list {
  const void *index;
  const elem *value, *table;
  int64_t n, apart;
} list;

HY_INLINE const elem *row_at(bool wide, const list *l, int64_t j) {
  return l->table + (wide ? ((const int32_t *)l->index)[j] : ((const uint16_t *)l->index)[j]) * l->apart;
}

/* The TURNS values from entry j, each in all lanes. One load and shuffles, where there are such: the loads of rows
 * leave few to spare. */
HY_INLINE void values_at(const list *l, int64_t j, vec value[TURNS]) {
#if HY_SIZE == 4 && HY_BYTES > 16
#if HY_BYTES == 32
  const vec four = _mm256_broadcast_ps((const __m128 *)(l->value + j));
#else
  const vec four = _mm512_broadcast_f32x4(_mm_loadu_ps(l->value + j));
#endif
  value[0] = HY_INTRINSIC(permute)(four, 0x00);
  value[1] = HY_INTRINSIC(permute)(four, 0x55);
  value[2] = HY_INTRINSIC(permute)(four, 0xAA);
  value[3] = HY_INTRINSIC(permute)(four, 0xFF);
#else
  for (int t = 0; t < TURNS; t++) value[t] = splat(l->value[j + t]);
#endif
}

/* out = the sum over the list for V vectors of columns from column `from`. Vector v starts v * HY_W later, but the last
 * at `tail`, where it overlaps the one before and so stays inside the row. */
HY_INLINE void panel(bool wide, int V, int64_t from, int64_t tail, list l, elem *out) {
  vec acc[TURNS * VECTORS];
  HY_UNROLL for (int i = 0; i < TURNS * V; i++) acc[i] = (vec){0};
  for (int64_t j = 0; j < l.n; j += TURNS) {
    vec value[TURNS];
    values_at(&l, j, value);
    HY_UNROLL for (int t = 0; t < TURNS; t++) {
      const elem *row = row_at(wide, &l, j + t);
      HY_UNROLL for (int v = 0; v < V - 1; v++)
          acc[t * V + v] = madd(value[t], load(row + from + v * HY_W), acc[t * V + v]);
      acc[t * V + V - 1] = madd(value[t], load(row + tail), acc[t * V + V - 1]);
    }
  }
  HY_UNROLL for (int v = 0; v < V; v++)
      store(out + (v < V - 1 ? from + v * HY_W : tail), (acc[v] + acc[2 * V + v]) + (acc[V + v] + acc[3 * V + v]));
}

/* Fewer columns than lanes. */
HY_INLINE void narrow(bool wide, list l, int64_t m, elem *out) {
  vec acc[TURNS] = {{0}};
  for (int64_t j = 0; j < l.n; j += TURNS)
    HY_UNROLL for (int t = 0; t < TURNS; t++)
        acc[t] = madd(splat(l.value[j + t]), load_part(row_at(wide, &l, j + t), m), acc[t]);
  store_part(out, (acc[0] + acc[2]) + (acc[1] + acc[3]), m);
}

/* The same from a table with a register a row: no load is cut by a mask, none crosses a cache line. */
HY_INLINE void padded(bool wide, list l, int64_t m, elem *out) {
  vec acc[TURNS] = {{0}};
  for (int64_t j = 0; j < l.n; j += TURNS) {
    vec value[TURNS];
    values_at(&l, j, value);
    HY_UNROLL for (int t = 0; t < TURNS; t++) acc[t] = madd(value[t], load(row_at(wide, &l, j + t)), acc[t]);
  }
  store_part(out, (acc[0] + acc[2]) + (acc[1] + acc[3]), m);
}

/* One column: plain numbers. */
HY_INLINE void single(bool wide, list l, elem *out) {
  elem acc[TURNS] = {0};
  for (int64_t j = 0; j < l.n; j += TURNS)
    HY_UNROLL for (int t = 0; t < TURNS; t++) acc[t] += l.value[j + t] * *row_at(wide, &l, j + t);
  *out = (acc[0] + acc[2]) + (acc[1] + acc[3]);
}

/* All m columns, in panels of up to three vectors. */
HY_INLINE void entry_sum(bool wide, list l, int64_t m, elem *out) {
  if (m == 1) single(wide, l, out);
  else if (m < HY_W) narrow(wide, l, m, out);
  else {
    int64_t c = 0;
    for (; m - c > VECTORS * HY_W; c += 2 * HY_W) panel(wide, 2, c, c + HY_W, l, out);
    if (m - c <= HY_W) panel(wide, 1, c, m - HY_W, l, out);
    else if (m - c <= 2 * HY_W) panel(wide, 2, c, m - HY_W, l, out);
    else panel(wide, 3, c, m - HY_W, l, out);
  }
}

/* Lists lo..hi-1 of l, each the sum of rows of `table` into a row of `out`. */
HY_INLINE void entry_sums(bool wide, bool pad, const hy_lists *l, int64_t lo, int64_t hi, int64_t m, elem *out,
                          int64_t ldout, const elem *table, int64_t apart) {
  const size_t index = wide ? sizeof(int32_t) : sizeof(uint16_t);
  for (int64_t i = lo; i < hi; i++, out += ldout) {
    const int64_t start = l->start[i];
    const list entries = {(const char *)l->index + (size_t)start * index, (const elem *)l->value + start, table,
                          l->start[i + 1] - start, apart};
    if (pad) padded(wide, entries, m, out);
    else entry_sum(wide, entries, m, out);
  }
}

/* The same; a table of `rows` rows of half a register and more is copied with a register a row where that stays near. */
static void sums(const hy_sparse *s, const hy_lists *l, int64_t lo, int64_t hi, int64_t m, elem *out, int64_t ldout,
                 const elem *table, int64_t apart, int64_t rows) {
  if (m < HY_W && 2 * m > HY_W && !s->wide && rows * HY_BYTES <= NEAR && 4 * rows <= l->start[hi] - l->start[lo]) {
    vec copy[NEAR / HY_BYTES];
    for (int64_t r = 0; r < rows; r++) copy[r] = load_part(table + r * apart, m);
    entry_sums(false, true, l, lo, hi, m, out, ldout, (const elem *)copy, HY_W);
  } else if (s->wide) entry_sums(true, false, l, lo, hi, m, out, ldout, table, apart);
  else entry_sums(false, false, l, lo, hi, m, out, ldout, table, apart);
}

void HY_KERNEL(sparse_product)(const hy_sparse *s, int64_t lo, int64_t hi, int64_t m, void *y, int64_t ldy,
                               const void *w) {
  sums(s, &s->rows, lo, hi, m, y, ldy, w, m, s->k);
}

/* The rows of g are the table; a column of the chunk is a list. */
void HY_KERNEL(sparse_gram)(const hy_sparse *s, int c, int64_t m, void *acc, const void *g, int64_t ldg) {
  const int64_t lo = c * s->k, hi = lo + s->k;
  sums(s, &s->columns, lo, hi, m, acc, m, g, ldg, s->chunk[c + 1] - s->chunk[c]);
}
