/* A square of HY_W by HY_W elements in registers, turned over its diagonal: at each step elements whose row and column
 * differ in one bit change places. */
#ifndef HY_KERNELS_TRANSPOSE_H
#define HY_KERNELS_TRANSPOSE_H
#include "kernels/lanes.h"

#define HY_LIST(...) __VA_ARGS__

/* Of two rows a and b, one after the other, the lanes of the first half of every 2 step lanes of a, each followed by that
 * of b; and of the second halves. */
#if HY_W == 16
#define HY_FIRST_8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HY_SECOND_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define HY_FIRST_4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define HY_SECOND_4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define HY_FIRST_2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HY_SECOND_2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define HY_FIRST_1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define HY_SECOND_1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#elif HY_W == 8
#define HY_FIRST_4 0, 1, 2, 3, 8, 9, 10, 11
#define HY_SECOND_4 4, 5, 6, 7, 12, 13, 14, 15
#define HY_FIRST_2 0, 1, 8, 9, 4, 5, 12, 13
#define HY_SECOND_2 2, 3, 10, 11, 6, 7, 14, 15
#define HY_FIRST_1 0, 8, 2, 10, 4, 12, 6, 14
#define HY_SECOND_1 1, 9, 3, 11, 5, 13, 7, 15
#elif HY_W == 4
#define HY_FIRST_2 0, 1, 4, 5
#define HY_SECOND_2 2, 3, 6, 7
#define HY_FIRST_1 0, 4, 2, 6
#define HY_SECOND_1 1, 5, 3, 7
#else
#define HY_FIRST_1 0, 2
#define HY_SECOND_1 1, 3
#endif

/* Rows i and i + step exchange their off-diagonal parts. */
#define HY_EXCHANGE(step, first, second)                        \
  HY_UNROLL for (int i = 0; i < HY_W; i++) if (!(i & (step))) { \
    const vec a = t[i], b = t[i + (step)];                      \
    t[i] = __builtin_shufflevector(a, b, first);                \
    t[i + (step)] = __builtin_shufflevector(a, b, second);      \
  }

HY_INLINE void swap_rows(vec *t, int i, int j) {
  const vec row = t[i];
  t[i] = t[j];
  t[j] = row;
}

HY_INLINE void transpose_square(vec t[HY_W]) {
#if HY_W == 16
  HY_EXCHANGE(8, HY_FIRST_8, HY_SECOND_8)
  HY_EXCHANGE(4, HY_FIRST_4, HY_SECOND_4)
  HY_EXCHANGE(2, HY_FIRST_2, HY_SECOND_2)
  HY_EXCHANGE(1, HY_FIRST_1, HY_SECOND_1)
#elif HY_W == 8
  /* The first step leaves rows 1 and 2 of each four in each other's place, for the sake of single instructions. */
  HY_EXCHANGE(1, HY_LIST(0, 8, 1, 9, 4, 12, 5, 13), HY_LIST(2, 10, 3, 11, 6, 14, 7, 15))
  HY_EXCHANGE(2, HY_FIRST_2, HY_SECOND_2)
  HY_EXCHANGE(4, HY_FIRST_4, HY_SECOND_4)
  swap_rows(t, 1, 2);
  swap_rows(t, 5, 6);
#elif HY_W == 4
  HY_EXCHANGE(1, HY_FIRST_1, HY_SECOND_1)
  HY_EXCHANGE(2, HY_FIRST_2, HY_SECOND_2)
#else
  HY_EXCHANGE(1, HY_FIRST_1, HY_SECOND_1)
#endif
}

/* The sums of the lanes of HY_W registers, sum i in lane i, each in the order of join_sum: rows i and i + step add the
 * second halves of their sums to the first and go on as one row. */
#define HY_FOLD(step, first, second)                                                                      \
  HY_UNROLL for (int i = 0; i < (step); i++) t[i] = __builtin_shufflevector(t[i], t[i + (step)], first) + \
                                                    __builtin_shufflevector(t[i], t[i + (step)], second);

HY_INLINE vec join_sums(vec t[HY_W]) {
#if HY_W >= 16
  HY_FOLD(8, HY_FIRST_8, HY_SECOND_8)
#endif
#if HY_W >= 8
  HY_FOLD(4, HY_FIRST_4, HY_SECOND_4)
#endif
#if HY_W >= 4
  HY_FOLD(2, HY_FIRST_2, HY_SECOND_2)
#endif
  HY_FOLD(1, HY_FIRST_1, HY_SECOND_1)
  return t[0];
}

/* columns[j] = column j of HY_W rows of x, `stride` apart and L long. Where L does not divide, the last square
 * overlaps the one before; `columns` has room for HY_W of them at least, and those past L become zeros. */
HY_INLINE void load_columns(vec *columns, int64_t L, const elem *x, int64_t stride) {
  vec t[HY_W];
  if (L < HY_W) {
    HY_UNROLL for (int r = 0; r < HY_W; r++) t[r] = load_part(x + r * stride, L);
    transpose_square(t);
    HY_UNROLL for (int r = 0; r < HY_W; r++) columns[r] = t[r];
    return;
  }
  for (int64_t start = 0; start < L; start += HY_W) {
    const int64_t j = start + HY_W <= L ? start : L - HY_W;
    HY_UNROLL for (int r = 0; r < HY_W; r++) t[r] = load(x + r * stride + j);
    transpose_square(t);
    HY_UNROLL for (int r = 0; r < HY_W; r++) columns[j + r] = t[r];
  }
}

/* The largest of each row, given its columns. */
HY_INLINE vec largest_column(const vec *columns, int64_t L) {
  vec best[2] = {columns[0], columns[L - 1]};
  int64_t j = 1;
  for (; j + 2 <= L; j += 2) {
    best[0] = larger(best[0], columns[j]);
    best[1] = larger(best[1], columns[j + 1]);
  }
  return larger(best[0], best[1]);
}

/* The reverse: HY_W rows of x from their L columns. */
HY_INLINE void store_columns(const vec *columns, int64_t L, elem *x, int64_t stride) {
  vec t[HY_W] = {{0}};
  if (L < HY_W) {
    for (int64_t j = 0; j < L; j++) t[j] = columns[j];
    transpose_square(t);
    HY_UNROLL for (int r = 0; r < HY_W; r++) store_part(x + r * stride, t[r], L);
    return;
  }
  for (int64_t start = 0; start < L; start += HY_W) {
    const int64_t j = start + HY_W <= L ? start : L - HY_W;
    HY_UNROLL for (int r = 0; r < HY_W; r++) t[r] = columns[j + r];
    transpose_square(t);
    HY_UNROLL for (int r = 0; r < HY_W; r++) store(x + r * stride + j, t[r]);
  }
}

/* The same for n < HY_W contiguous rows of at most HY_MOST_COLUMNS, by way of a copy padded with rows of zeros. */
#define HY_MOST_COLUMNS 64
HY_INLINE void load_few_columns(vec *columns, int64_t n, int64_t L, const elem *x) {
  elem room[HY_MOST_COLUMNS * HY_W];
  memcpy(room, x, (size_t)(n * L) * sizeof *x);
  memset(room + n * L, 0, (size_t)((HY_W - n) * L) * sizeof *x);
  load_columns(columns, L, room, L);
}
HY_INLINE void store_few_columns(const vec *columns, int64_t n, int64_t L, elem *x) {
  elem room[HY_MOST_COLUMNS * HY_W];
  store_columns(columns, L, room, L);
  memcpy(x, room, (size_t)(n * L) * sizeof *x);
}
#endif
