/* Symmetric matrices and matrices of zero diagonal, ahead of a region K of other sets.
 *
 * Symmetric (subspace S): symmetrise, then project on K. Exact: K treats components alike, so it is its own transpose,
 * and so is, by uniqueness, the nearest point p of K to a symmetric matrix: p is in K and S. And for any z in S,
 * |x - z|^2 = |x - x_S|^2 + |x_S - z|^2 where x_S = (x + x') / 2, so what is nearest to x_S is nearest to x.
 *
 * Zero diagonal: the diagonal is fixed, the rest is free and has the same bounds (zeros add nothing to a sum or a
 * norm; the box must hold 0), so the projection is that of the components off the diagonal. Zeroing the diagonal of
 * a symmetrised matrix leaves it symmetric, so the two go together. */
#include "constraint/constraint.h"

int hy_symmetric_narrow(const hyla_set *set, const char *site, hy_region *r) {
  (void)set, (void)site;
  r->symmetric = true;
  return HYLA_OK;
}

int hy_zero_diagonal_narrow(const hyla_set *set, const char *site, hy_region *r) {
  (void)set, (void)site;
  r->zero_diagonal = true;
  return HYLA_OK;
}

int64_t hy_matrix_count(const hy_region *r, int64_t order) {
  return r->zero_diagonal ? order * order - order : order * order;
}

/* Equal components keep their bits, whatever their sign or size. */
static double mean_of(double a, double b) { return a == b ? a : a / 2 + b / 2; }

#define MATRIX(T, name)                                                                     \
  static void gather_##name(const hy_region *r, int64_t order, const T *matrix, T *part) {  \
    for (int64_t i = 0; i < order; i++)                                                     \
      for (int64_t j = 0; j < order; j++) {                                                 \
        if (i == j && r->zero_diagonal) continue;                                           \
        T x = matrix[i * order + j], mirror = matrix[j * order + i];                        \
        *part++ = r->symmetric && x != mirror ? (T)mean_of((double)x, (double)mirror) : x;  \
      }                                                                                     \
  }                                                                                         \
  static void scatter_##name(const hy_region *r, int64_t order, const T *part, T *matrix) { \
    for (int64_t i = 0; i < order; i++)                                                     \
      for (int64_t j = 0; j < order; j++) {                                                 \
        T *x = &matrix[i * order + j];                                                      \
        if (i != j || !r->zero_diagonal) *x = *part++;                                      \
        else if (*x != 0) *x = 0; /* -0 is feasible, and keeps its bits */                  \
      }                                                                                     \
  }
MATRIX(float, narrow)
MATRIX(double, wide)
#undef MATRIX

void hy_matrix_gather(const hy_region *r, int64_t order, int dtype, const void *matrix, void *free_part) {
  if (dtype == HYLA_FLOAT32) gather_narrow(r, order, matrix, free_part);
  else gather_wide(r, order, matrix, free_part);
}

void hy_matrix_scatter(const hy_region *r, int64_t order, int dtype, const void *free_part, void *matrix) {
  if (dtype == HYLA_FLOAT32) scatter_narrow(r, order, free_part, matrix);
  else scatter_wide(r, order, free_part, matrix);
}
