/* Momentum in fixed point, which can be run backwards bit for bit; fixed.c has the arithmetic. */
#ifndef HY_FIXED_H
#define HY_FIXED_H
#include "base/base.h"

enum { HY_FIXED_MU_BITS = 32 }; /* momentum is n / 2^32: float32 values in [2^-8, 1] are such numbers */

/* What was taken off the buffer at one step, of every component. */
typedef struct hy_plane {
  double t;
  bool whole; /* the velocities (int64), where momentum is 0; else the buffer (uint32) */
  void *data;
} hy_plane;

/* One weight and its velocity in units of 2^-bits, and what multiplications of the velocity have lost. */
typedef struct hy_fixed {
  int64_t size;
  int bits;
  int dtype; /* of the reals that it is seen as */
  int64_t *w, *v;
  uint64_t *word; /* [size] i 2^32 + guard digit of v: i is the information buffer's end, the planes its beginning */
  uint64_t most;  /* no component of i is larger, whatever the data are; steps backwards leave it as it is */
  hy_plane *plane;
  int n_plane, plane_capacity;
} hy_fixed;

/* The settings of step t. */
typedef struct hy_fixed_step {
  double t;
  int64_t mu;       /* times 2^32: 0 .. 2^32 */
  const void *rate; /* reals of the weight's dtype: one, or with `rates` one for each component */
  bool rates;
} hy_fixed_step;

int hy_fixed_open(hy_fixed *f, int64_t size, int dtype, int bits);
void hy_fixed_close(hy_fixed *f);
double hy_fixed_limit(const hy_fixed *f); /* every weight and velocity is smaller than this, in absolute value */

/* These give true, or false where a value does not lie within the limit (it is NaN, too). */
bool hy_fixed_set(hy_fixed *f, const void *w, const void *v); /* rounded; the buffer is emptied */
bool hy_fixed_forward(hy_fixed *f, const hy_fixed_step *s, const void *g);

/* The bytes that a step at this momentum will take off the buffer, when no component of it is larger than *most (0 at
 * first); moves *most on to the bound after the step. Never looks at the data. */
size_t hy_fixed_forecast(int64_t size, int64_t mu, uint64_t *most);
/* To call before each step forward: takes off what it needs room for. On failure nothing has changed. */
int hy_fixed_make_room(hy_fixed *f, const hy_fixed_step *s);

/* A step backwards is two: w first, since the gradient that v needs is that at w. */
void hy_fixed_back_w(hy_fixed *f, const hy_fixed_step *s);
void hy_fixed_back_v(hy_fixed *f, const hy_fixed_step *s, const void *g);

/* As reals of dtype. */
void hy_fixed_show(const hy_fixed *f, const int64_t *x, void *to);
/* A number that tells one state from another; the buffer belongs to it. */
uint64_t hy_fixed_fingerprint(const hy_fixed *f);
#endif
