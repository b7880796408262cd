/* softmax and logsumexp of rows, shifted by the row's maximum so that nothing overflows. Short rows go HY_W at a time,
 * turned so that each lane is a row; long rows alone. Which of the two depends on L alone, hence never on a cut. */
#include "kernels/functions.h"
#include "kernels/transpose.h"

enum { SHORT = HY_MOST_COLUMNS, RUNNING = 4 };

/* e^(x - shift) in place; returns the sums. shift: the maximum, or 0 where that is infinite or NaN, which then
 * comes out by itself: log(0) = -inf, log(inf) = inf. */
HY_INLINE vec shifted_exp(vec *x, int64_t L, vec *shift) {
  vec top = largest_column(x, L);
  top = pick((mask)(top - top == (vec){0}), top, (vec){0});
  vec sum[RUNNING] = {{0}};
  for (int64_t j = 0; j < L; j++) {
    x[j] = vec_exp(x[j] - top);
    sum[j % RUNNING] += x[j];
  }
  *shift = top;
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}
HY_INLINE void columns_softmax(vec *x, int64_t L) {
  vec shift;
  const vec scale = splat(1) / shifted_exp(x, L, &shift);
  for (int64_t j = 0; j < L; j++) x[j] *= scale;
}
HY_INLINE vec columns_logsumexp(vec *x, int64_t L) {
  vec shift;
  const vec sum = shifted_exp(x, L, &shift);
  return shift + vec_log(sum);
}

static void short_softmax(int64_t n, int64_t L, elem *out, const elem *x) {
  vec columns[SHORT];
  for (; n >= HY_W; n -= HY_W, x += HY_W * L, out += HY_W * L) {
    load_columns(columns, L, x, L);
    columns_softmax(columns, L);
    store_columns(columns, L, out, L);
  }
  if (n > 0) {
    load_few_columns(columns, n, L, x);
    columns_softmax(columns, L);
    store_few_columns(columns, n, L, out);
  }
}

static void short_logsumexp(int64_t n, int64_t L, elem *out, const elem *x) {
  vec columns[SHORT];
  for (; n >= HY_W; n -= HY_W, x += HY_W * L, out += HY_W) {
    load_columns(columns, L, x, L);
    store(out, columns_logsumexp(columns, L));
  }
  if (n > 0) {
    load_few_columns(columns, n, L, x);
    store_part(out, columns_logsumexp(columns, L), n);
  }
}

/* A long row's sum of e^(x - shift), lanes along it; the terms go to `out` unless it is NULL. */
static elem long_exp(int64_t L, elem *out, const elem *x, elem *shift) {
  elem top;
  HY_KERNEL(max)(1, L, &top, x);
  if (!isfinite(top)) top = 0;
  vec sum[2] = {{0}};
  for (int64_t j = 0, v = 0; j < L; j += HY_W, v ^= 1) {
    const int64_t count = L - j < HY_W ? L - j : HY_W;
    const vec e = vec_exp(load_part(x + j, count) - splat(top));
    if (out) store_part(out + j, e, count);
    sum[v] += pick(lanes_below(count), e, (vec){0});
  }
  *shift = top;
  return join_sum(sum[0] + sum[1]);
}

void HY_KERNEL(softmax)(int64_t n, int64_t L, void *out, const void *x) {
  if (L <= SHORT) {
    short_softmax(n, L, out, x);
    return;
  }
  elem *y = out;
  const elem *row = x;
  for (int64_t i = 0; i < n; i++, row += L, y += L) {
    elem shift;
    const elem scale = 1 / long_exp(L, y, row, &shift);
    for (int64_t j = 0; j < L; j++) y[j] *= scale;
  }
}

void HY_KERNEL(logsumexp)(int64_t n, int64_t L, void *out, const void *x) {
  if (L <= SHORT) {
    short_logsumexp(n, L, out, x);
    return;
  }
  elem *y = out;
  const elem *row = x;
  for (int64_t i = 0; i < n; i++, row += L) {
    elem shift;
    const elem sum = long_exp(L, NULL, row, &shift);
    y[i] = shift + vec_log(splat(sum))[0];
  }
}
