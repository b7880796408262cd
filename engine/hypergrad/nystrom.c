/* Nystrom's approximation of a Hessian by some of its columns (Hataya and Yamada 2023, eq. 5-7): with C = H[:, K] and
 * W = H[K, K] of random indices K, H is taken as C W^-1 C', and by Woodbury's identity
 *
 *   (C W^-1 C' + rho)^-1 b = b / rho - C (W + C'C / rho)^-1 C'b / rho^2,   rho = damping */
#include "hypergrad/solve.h"
#include <float.h>
#include <math.h>
#include <string.h>

/* Where element i of the values, counted without gaps, lies in a vector. */
static int64_t place_of(const hy_layout *l, int64_t i) {
  int k = 0;
  for (; i >= hy_shape_size(&l->shape[k]); k++) i -= hy_shape_size(&l->shape[k]);
  return (int64_t)(l->offset[k] / hy_dtype_size(l->shape[k].dtype)) + i;
}

static int choose_columns(hy_solver *s, int64_t size) {
  hyla_tensor *order;
  int status = hyla_tensor_new(&(hyla_shape){.dtype = HYLA_INT32, .rank = 1, .dim = {(int32_t)size}}, &order);
  if (status) return status;
  status = hyla_random_permutation(order, s->o.seed, 0);
  const int32_t *index = order->storage->data;
  for (int i = 0; i < s->o.rank && !status; i++) s->chosen[i] = place_of(s->layout, index[i]);
  hyla_tensor_drop(order);
  return status;
}

int hy_nystrom_open(hy_solver *s) {
  int64_t size = 0;
  for (int i = 0; i < s->layout->n; i++) size += hy_shape_size(&s->layout->shape[i]);
  if (s->o.rank < 1 || s->o.rank > size || size > INT32_MAX)
    return hy_fail(HYLA_EVALUE, NULL, "implicit: nystrom: expected a rank from 1 to the %lld weights, got %d",
                   (long long)size, s->o.rank);
  size_t rank = (size_t)s->o.rank;
  s->column = hy_calloc(rank, sizeof *s->column);
  s->chosen = hy_calloc(rank, sizeof *s->chosen);
  s->small = hy_calloc(rank * (rank + 1), sizeof *s->small);
  if (!s->column || !s->chosen || !s->small) return HYLA_ENOMEM;
  for (size_t i = 0; i < rank; i++)
    if (!(s->column[i] = hy_calloc(s->layout->bytes + 1, 1))) return HYLA_ENOMEM;
  return choose_columns(s, size);
}

static double element(const hy_solver *s, const char *v, int64_t i) {
  return s->dtype == HYLA_FLOAT32 ? (double)((const float *)v)[i] : ((const double *)v)[i];
}

/* Column number s->iterations. */
static int make_column(hy_solver *s) {
  int i = (int)s->iterations;
  memset(s->p, 0, s->layout->bytes);
  hy_kernel_fill(1, s->p + (size_t)s->chosen[i] * hy_dtype_size(s->dtype), s->dtype, 1);
  int status = s->product(s->context, s->p, s->column[i]);
  if (!status) s->iterations++;
  return status;
}

/* The lower half of W + C'C / rho. */
static void make_matrix(const hy_solver *s, double *m) {
  int k = s->o.rank;
  for (int i = 0; i < k; i++)
    for (int j = 0; j <= i; j++) {
      double w = element(s, s->column[j], s->chosen[i]) + element(s, s->column[i], s->chosen[j]);
      m[i * k + j] = w / 2 + hy_dot(s->n, s->dtype, s->column[i], s->column[j]) / s->o.damping;
    }
}

/* m = L L' in place, of a matrix that is positive semidefinite up to rounding: a pivot that is zero so far has zeros
 * below it and is left out. */
static int factorise(const hy_solver *s, double *m) {
  int k = s->o.rank;
  double largest = 0;
  for (int i = 0; i < k; i++) largest = fmax(largest, m[i * k + i]);
  double rounding = (s->dtype == HYLA_FLOAT32 ? FLT_EPSILON : DBL_EPSILON) * k * largest;
  for (int j = 0; j < k; j++) {
    double pivot = m[j * k + j];
    for (int p = 0; p < j; p++) pivot -= m[j * k + p] * m[j * k + p];
    if (pivot < -rounding || !isfinite(pivot))
      return hy_fail(HYLA_ECONVERGE, s->site,
                     "implicit: nystrom: the Hessian of the inner objective is not positive definite: a pivot of its "
                     "columns is %.3g; a regulariser in the inner objective makes it so",
                     pivot);
    m[j * k + j] = pivot > rounding ? sqrt(pivot) : 0;
    for (int i = j + 1; i < k; i++) {
      double sum = m[i * k + j];
      for (int p = 0; p < j; p++) sum -= m[i * k + p] * m[j * k + p];
      m[i * k + j] = pivot > rounding ? sum / m[j * k + j] : 0;
    }
  }
  return 0;
}

static void solve_small(int k, const double *m, double *y) {
  for (int i = 0; i < k; i++) {
    for (int j = 0; j < i; j++) y[i] -= m[i * k + j] * y[j];
    y[i] = m[i * k + i] > 0 ? y[i] / m[i * k + i] : 0;
  }
  for (int i = k - 1; i >= 0; i--) {
    for (int j = i + 1; j < k; j++) y[i] -= m[j * k + i] * y[j];
    y[i] = m[i * k + i] > 0 ? y[i] / m[i * k + i] : 0;
  }
}

int hy_nystrom_run(hy_solver *s) {
  int k = s->o.rank, status = 0;
  double rho = s->o.damping, *m = s->small, *y = m + k * k;
  while (!status && s->iterations < k)
    if (!(status = hy_poll_interrupt())) status = make_column(s);
  if (status) return status;
  make_matrix(s, m);
  if ((status = factorise(s, m))) return status;
  for (int i = 0; i < k; i++) y[i] = hy_dot(s->n, s->dtype, s->column[i], s->b);
  solve_small(k, m, y);
  memset(s->x, 0, s->layout->bytes);
  hy_add_scaled(s->n, s->dtype, s->x, 1 / rho, s->b);
  for (int i = 0; i < k; i++) hy_add_scaled(s->n, s->dtype, s->x, -y[i] / (rho * rho), s->column[i]);
  return hy_solver_measure(s);
}
