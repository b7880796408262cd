/* Reductions of rows, and the search for what is not finite. Short rows go HY_W at a time, turned so that each lane is
 * a row; the order of a row's sum, and so its bits, are those of a row alone. */
#include "kernels/transpose.h"

enum {
  LANES = 16,             /* running lanes of a row */
  PARTS = LANES / HY_W,   /* the vectors that hold them */
  SHORT = HY_MOST_COLUMNS /* a row turned with others */
};

static elem sum_of_row(const elem *x, int64_t L) {
  vec acc[PARTS] = {{0}};
  int64_t j = 0;
  for (; j + LANES <= L; j += LANES) HY_UNROLL for (int v = 0; v < PARTS; v++) acc[v] += load(x + j + v * HY_W);
  for (int v = 0; v < PARTS && j < L; v++, j += HY_W) acc[v] += load_part(x + j, L - j < HY_W ? L - j : HY_W);
  HY_UNROLL for (int half = PARTS / 2; half; half /= 2) HY_UNROLL for (int v = 0; v < half; v++)
      acc[v] += acc[v + half];
  return join_sum(acc[0]);
}

/* Lanes that a short row does not reach are left out: they would add zeros. */
static vec sum_of_columns(const elem *x, int64_t L) {
  vec lane[SHORT];
  load_columns(lane, L, x, L);
  int64_t lanes = L < LANES ? L : LANES;
  for (int64_t j = 0; j < lanes; j++) {
    vec sum = lane[j] + (vec){0}; /* -0 becomes 0, as in a sum that starts from 0 */
    for (int64_t i = j + LANES; i < L; i += LANES) sum += lane[i];
    lane[j] = sum;
  }
  for (int64_t half = LANES / 2; half; half /= 2) {
    for (int64_t j = 0; j + half < lanes; j++) lane[j] += lane[j + half];
    if (lanes > half) lanes = half;
  }
  return lane[0];
}

void HY_KERNEL(sum)(int64_t n, int64_t L, void *out, const void *x) {
  elem *y = out;
  const elem *row = x;
  int64_t i = 0;
  if (L <= SHORT)
    for (; i + HY_W <= n; i += HY_W, row += HY_W * L) store(y + i, sum_of_columns(row, L));
  for (; i < n; i++, row += L) y[i] = sum_of_row(row, L);
}

/* Order and repetition do not change a maximum, so the last vector may overlap the one before. */
static elem max_of_row(const elem *x, int64_t L) {
  if (L < HY_W) return join_max(pick(lanes_below(L), load_part(x, L), splat(HY_LOWEST)));
  vec best = load(x);
  for (int64_t j = HY_W; j + HY_W <= L; j += HY_W) best = larger(best, load(x + j));
  return join_max(larger(best, load(x + L - HY_W)));
}

void HY_KERNEL(max)(int64_t n, int64_t L, void *out, const void *x) {
  elem *y = out;
  const elem *row = x;
  int64_t i = 0;
  if (L <= SHORT)
    for (; i + HY_W <= n; i += HY_W, row += HY_W * L) {
      vec columns[SHORT];
      load_columns(columns, L, row, L);
      store(y + i, largest_column(columns, L));
    }
  for (; i < n; i++, row += L) y[i] = max_of_row(row, L);
}

/* The first of the largest; the first NaN where there is one. */
void HY_KERNEL(argmax)(int64_t n, int64_t L, int32_t *out, const void *x) {
  const elem *row = x;
  for (int64_t i = 0; i < n; i++, row += L) {
    int64_t best = 0;
    for (int64_t j = 1; j < L && !is_nan(row[best]); j++)
      if (!((ordered)row[j] <= (ordered)row[best])) best = j;
    out[i] = (int32_t)best;
  }
}

int64_t HY_KERNEL(first_nonfinite)(int64_t n, const void *x) {
#if HY_REAL
  const elem *p = x;
  int64_t i = 0;
  /* x - x is 0 for a number, NaN for an infinity and NaN: no compare in the loop, and no sum that could overflow. */
  for (; i + 4 * HY_W <= n; i += 4 * HY_W) {
    vec a = load(p + i), b = load(p + i + HY_W), c = load(p + i + 2 * HY_W), d = load(p + i + 3 * HY_W);
    a = ((a - a) + (b - b)) + ((c - c) + (d - d));
    if (any(nan_lanes(a))) break;
  }
  for (; i < n; i++)
    if (!isfinite(p[i])) return i;
#else
  (void)n, (void)x;
#endif
  return -1;
}
