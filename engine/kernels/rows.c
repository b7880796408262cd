/* Reductions of a leading axis: whole rows are added, so lanes run along the row. With HY_LANES(L) = 16 running rows,
 * sixteen rows of x are one long row; a "period" is that row, or for wide rows a row itself. */
#include "kernels/lanes.h"

HY_INLINE vec added(vec a, vec b) { return a + b; }

/* acc[0..width) <- acc how x, periods times, x moving on by `period`: V vectors, the last with `last` lanes. */
HY_INLINE void panel(vec (*how)(vec, vec), int V, int64_t last, int64_t periods, int64_t period, elem *acc,
                     const elem *x) {
  vec a[8];
  HY_UNROLL for (int v = 0; v < V - 1; v++) a[v] = load(acc + v * HY_W);
  a[V - 1] = load_part(acc + (V - 1) * HY_W, last);
  for (int64_t r = 0; r < periods; r++, x += period) {
    HY_UNROLL for (int v = 0; v < V - 1; v++) a[v] = how(a[v], load(x + v * HY_W));
    a[V - 1] = how(a[V - 1], last == HY_W ? load(x + (V - 1) * HY_W) : load_part(x + (V - 1) * HY_W, last));
  }
  HY_UNROLL for (int v = 0; v < V - 1; v++) store(acc + v * HY_W, a[v]);
  store_part(acc + (V - 1) * HY_W, a[V - 1], last);
}

HY_INLINE void run_periods(vec (*how)(vec, vec), int64_t periods, int64_t period, int64_t width, elem *acc,
                           const elem *x) {
  if (periods <= 0) return;
  int64_t i = 0;
  for (; i + 8 * HY_W <= width; i += 8 * HY_W) panel(how, 8, HY_W, periods, period, acc + i, x + i);
  for (; i + 2 * HY_W <= width; i += 2 * HY_W) panel(how, 2, HY_W, periods, period, acc + i, x + i);
  for (; i + HY_W <= width; i += HY_W) panel(how, 1, HY_W, periods, period, acc + i, x + i);
  if (i < width) panel(how, 1, width - i, periods, period, acc + i, x + i);
}

/* The rows up to the first whole period, the whole periods, and the rest. */
HY_INLINE void run_rows(vec (*how)(vec, vec), elem lowest, int64_t n, int64_t L, elem *acc, const elem *x, int64_t row,
                        bool first) {
  const int64_t lanes = HY_LANES(L), lane = row % lanes, period = lanes * L;
  if (first)
    for (int64_t i = 0; i < period; i++) acc[i] = lowest;
  int64_t head = lane ? lanes - lane : 0;
  if (head > n) head = n;
  run_periods(how, head > 0, period, head * L, acc + lane * L, x);
  const int64_t whole = (n - head) / lanes;
  run_periods(how, whole, period, period, acc, x + head * L);
  const int64_t done = head + whole * lanes;
  run_periods(how, n > done, period, (n - done) * L, acc, x + done * L);
}

void HY_KERNEL(sum_rows)(int64_t n, int64_t L, void *acc, const void *x, int64_t row, bool first) {
  run_rows(added, 0, n, L, acc, x, row, first);
}
void HY_KERNEL(max_rows)(int64_t n, int64_t L, void *acc, const void *x, int64_t row, bool first) {
  run_rows(larger, HY_LOWEST, n, L, acc, x, row, first);
}

/* `count` entries of every running row of one accumulator, joined 8 apart, 4, 2, 1. */
HY_INLINE vec join_rows(vec (*how)(vec, vec), int64_t L, const elem *acc, int64_t count) {
  if (HY_LANES(L) == 1) return load_part(acc, count);
  vec a[16];
  for (int r = 0; r < 16; r++) a[r] = load_part(acc + r * L, count);
  for (int half = 8; half; half /= 2)
    for (int r = 0; r < half; r++) a[r] = how(a[r], a[r + half]);
  return a[0];
}
HY_INLINE void run_join(vec (*how)(vec, vec), int64_t parts, int64_t apart, int64_t L, elem *out, const elem *acc) {
  for (int64_t i = 0; i < L; i += HY_W) {
    const int64_t count = L - i < HY_W ? L - i : HY_W;
    vec total = join_rows(how, L, acc + i, count);
    for (int64_t p = 1; p < parts; p++) total = how(total, join_rows(how, L, acc + p * apart + i, count));
    store_part(out + i, total, count);
  }
}

void HY_KERNEL(sum_join)(int64_t parts, int64_t apart, int64_t L, void *out, const void *acc) {
  run_join(added, parts, apart, L, out, acc);
}
void HY_KERNEL(max_join)(int64_t parts, int64_t apart, int64_t L, void *out, const void *acc) {
  run_join(larger, parts, apart, L, out, acc);
}
