/* Vectors of the solvers. Sums run in double in eight lanes, element j in lane j mod 8, joined in order. */
#include "hypergrad/solve.h"
#include <math.h>

enum { LANES = 8 };

static double join(const double *lane) {
  double sum = 0;
  for (int k = 0; k < LANES; k++) sum += lane[k];
  return sum;
}

double hy_dot(int64_t n, int dtype, const char *x, const char *y) {
  double lane[LANES] = {0};
  if (dtype == HYLA_FLOAT32) {
    const float *a = (const float *)x, *b = (const float *)y;
    for (int64_t i = 0; i < n; i++) lane[i % LANES] += (double)a[i] * (double)b[i];
  } else {
    const double *a = (const double *)x, *b = (const double *)y;
    for (int64_t i = 0; i < n; i++) lane[i % LANES] += a[i] * b[i];
  }
  return join(lane);
}

double hy_distance(int64_t n, int dtype, const char *x, const char *y) {
  double lane[LANES] = {0};
  for (int64_t i = 0; i < n; i++) {
    double d = dtype == HYLA_FLOAT32 ? (double)((const float *)x)[i] - (double)((const float *)y)[i]
                                     : ((const double *)x)[i] - ((const double *)y)[i];
    lane[i % LANES] += d * d;
  }
  return sqrt(join(lane));
}

void hy_add_scaled(int64_t n, int dtype, char *y, double a, const char *x) {
  if (dtype == HYLA_FLOAT32)
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] += (float)a * ((const float *)x)[i];
  else
    for (int64_t i = 0; i < n; i++) ((double *)y)[i] += a * ((const double *)x)[i];
}

void hy_scale_and_add(int64_t n, int dtype, char *y, double a, const char *x) {
  if (dtype == HYLA_FLOAT32)
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] = ((const float *)x)[i] + (float)a * ((float *)y)[i];
  else
    for (int64_t i = 0; i < n; i++) ((double *)y)[i] = ((const double *)x)[i] + a * ((double *)y)[i];
}
