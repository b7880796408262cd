/* What a segment's dynamics is made of where it is momentum: v' = mu v + g, w' = w - rate v'. */
#ifndef HY_MOMENTUM_H
#define HY_MOMENTUM_H
#include "dynamics/dynamics.h"

typedef struct hy_momentum {
  int n; /* weights */
  int *w, *v;
  hy_ref *gradient, *rate, *mu;
  /* in: those of the step; out: mu, rate and g of each weight, and the next value of other states */
  hyla_program *mus, *rates, *gradients, *others;
  hy_layout mu_layout, rate_layout, gradient_layout, other_layout;
} hy_momentum;

void hy_momentum_drop(hy_momentum *q);                                             /* NULL is fine */
int hy_momentum_plan(hyla_problem *p, int segment, int n_other, const int *other); /* other: states */
bool hy_momentum_reads(const hy_momentum *q, int state);                           /* mu, rate and g do, once planned */
#endif
