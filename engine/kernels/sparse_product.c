/* Products of a packed sparse matrix with few dense columns. Both are the same sum, of value * (a row of m numbers)
 * over a list of entries; lanes run over the m columns. Entries go in turn to TURNS running sums, which hide the
 * latency of an addition and are joined 0+2, 1+3, 0+1 at the end, what is left over after the last full turn to the
 * first: a fixed order, whatever the block. */
#include "kernels/lanes.h"
#include "kernels/sparse.h"

enum { TURNS = 4, VECTORS = 3 };   /* running sums; vectors of a panel of columns, at most */

/* A list of entries: entry j multiplies row index[j] of a table, whose rows are `apart`. */
typedef struct list {
  const void *index;
  const elem *value;
  int64_t n, apart;
} list;

HY_INLINE int64_t index_at(bool wide, const void *index, int64_t j) {
  return wide ? ((const int32_t *)index)[j] : ((const uint16_t *)index)[j];
}

/* out[0..) = the sum over the list for V vectors of columns at `table`. Vector v starts at column
 * v * HY_W, but the last at `tail`, where it overlaps the one before and so stays inside the row. */
HY_INLINE void panel(bool wide, int V, int64_t tail, list l, elem *out, const elem *table) {
  vec acc[TURNS * VECTORS];
  HY_UNROLL for (int i = 0; i < TURNS * V; i++) acc[i] = (vec){0};
  int64_t j = 0;
  for (; j + TURNS <= l.n; j += TURNS)
    HY_UNROLL for (int t = 0; t < TURNS; t++) {
      const elem *row = table + index_at(wide, l.index, j + t) * l.apart;
      const vec value = splat(l.value[j + t]);
      HY_UNROLL for (int v = 0; v < V; v++)
        acc[t * V + v] = madd(value, load(row + (v < V - 1 ? v * HY_W : tail)), acc[t * V + v]);
    }
  for (int t = 0; t < TURNS - 1 && j < l.n; t++, j++) {
    const elem *row = table + index_at(wide, l.index, j) * l.apart;
    const vec value = splat(l.value[j]);
    HY_UNROLL for (int v = 0; v < V; v++)
      acc[v] = madd(value, load(row + (v < V - 1 ? v * HY_W : tail)), acc[v]);
  }
  HY_UNROLL for (int v = 0; v < V; v++)
    store(out + (v < V - 1 ? v * HY_W : tail), (acc[v] + acc[2 * V + v]) + (acc[V + v] + acc[3 * V + v]));
}

/* Fewer columns than lanes. */
HY_INLINE void narrow(bool wide, list l, int64_t m, elem *out, const elem *table) {
  vec acc[TURNS] = {{0}};
  int64_t j = 0;
  for (; j + TURNS <= l.n; j += TURNS)
    HY_UNROLL for (int t = 0; t < TURNS; t++)
      acc[t] = madd(splat(l.value[j + t]), load_part(table + index_at(wide, l.index, j + t) * l.apart, m), acc[t]);
  for (; j < l.n; j++) acc[0] = madd(splat(l.value[j]), load_part(table + index_at(wide, l.index, j) * l.apart, m), acc[0]);
  store_part(out, (acc[0] + acc[2]) + (acc[1] + acc[3]), m);
}

/* One column: plain numbers. */
HY_INLINE void single(bool wide, list l, elem *out, const elem *table) {
  elem acc[TURNS] = {0};
  int64_t j = 0;
  for (; j + TURNS <= l.n; j += TURNS)
    HY_UNROLL for (int t = 0; t < TURNS; t++) acc[t] += l.value[j + t] * table[index_at(wide, l.index, j + t) * l.apart];
  for (; j < l.n; j++) acc[0] += l.value[j] * table[index_at(wide, l.index, j) * l.apart];
  *out = (acc[0] + acc[2]) + (acc[1] + acc[3]);
}

/* All m columns, in panels of up to three vectors. */
HY_INLINE void entry_sum(bool wide, list l, int64_t m, elem *out, const elem *table) {
  if (m == 1) single(wide, l, out, table);
  else if (m < HY_W) narrow(wide, l, m, out, table);
  else {
    int64_t c = 0;
    for (; m - c > VECTORS * HY_W; c += 2 * HY_W) panel(wide, 2, HY_W, l, out + c, table + c);
    const int64_t left = m - c, tail = left - HY_W;
    if (left <= HY_W) panel(wide, 1, tail, l, out + c, table + c);
    else if (left <= 2 * HY_W) panel(wide, 2, tail, l, out + c, table + c);
    else panel(wide, 3, tail, l, out + c, table + c);
  }
}

HY_INLINE list list_at(bool wide, const void *index, const void *value, const int64_t *start, int64_t apart) {
  return (list){ (const char *)index + start[0] * (wide ? (int)sizeof(int32_t) : (int)sizeof(uint16_t)),
                 (const elem *)value + start[0], start[1] - start[0], apart };
}

HY_INLINE void product(bool wide, const hy_sparse *s, int64_t lo, int64_t hi, int64_t m, elem *y, int64_t ldy,
                       const elem *w) {
  for (int64_t i = lo; i < hi; i++, y += ldy)
    entry_sum(wide, list_at(wide, s->row_index, s->row_value, s->row_start + i, m), m, y, w);
}
void HY_KERNEL(sparse_product)(const hy_sparse *s, int64_t lo, int64_t hi, int64_t m, void *y, int64_t ldy,
                               const void *w) {
  if (s->wide) product(true, s, lo, hi, m, y, ldy, w);
  else product(false, s, lo, hi, m, y, ldy, w);
}

/* The rows of g are the table; a column of the chunk is a list. */
HY_INLINE void gram(bool wide, const hy_sparse *s, int c, int64_t m, elem *acc, const elem *g, int64_t ldg) {
  const int64_t *start = s->column_start + c * s->k;
  for (int64_t j = 0; j < s->k; j++, acc += m)
    entry_sum(wide, list_at(wide, s->column_index, s->column_value, start + j, ldg), m, acc, g);
}
void HY_KERNEL(sparse_gram)(const hy_sparse *s, int c, int64_t m, void *acc, const void *g, int64_t ldg) {
  if (s->wide) gram(true, s, c, m, acc, g, ldg);
  else gram(false, s, c, m, acc, g, ldg);
}
