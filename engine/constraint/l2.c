/* A box and sqrt(sum x_i^2) <= bound. For a multiplier t >= 0 each x_i minimises (x - v_i)^2 / 2 + t x^2 / 2 over
 * [lo, hi]: x_i = clip(v_i / (1 + t)). Squares are taken of x in a unit near the bound, so that none overflows. */
#include <float.h>
#include <math.h>
#include "constraint/constraint.h"

int hy_l2_narrow(const hyla_set *set, const char *site, hy_region *r) {
  if (set->bound < 0)
    return hy_fail(HYLA_ECONSTRAINT, site, "infeasible constraint: l2: expected a bound >= 0, got %.9g", set->bound);
  r->l2 = fmin(r->l2, set->bound);
  return HYLA_OK;
}

static double unit_of(double bound) {
  int exponent = 0;
  (void)frexp(bound, &exponent);
  return ldexp(1, -(exponent > -1000 ? exponent : -1000));
}

/* With m = bound / sqrt(n), at 1 + t = max |v_i| / m no magnitude passes m. */
void hy_l2_measure(const hy_span *s, const hy_region *r, hy_bound *out) {
  const double root_n = sqrt((double)s->n), nearest = fmax(0, fmax(r->lo, -r->hi)), unit = unit_of(r->l2);
  *out = (hy_bound){.map = {.move = HY_SCALE, .lo = r->lo, .hi = r->hi, .unit = unit}};
  hy_span_sum(s, &out->map, &out->at);
  out->target = (r->l2 * unit) * (r->l2 * unit);
  out->met = out->at.total < INFINITY && out->at.total <= out->target + 2 * hy_slack(s->dtype) * out->at.size;
  double largest = fmax(fabs(s->range.low), fabs(s->range.high));
  out->b = root_n * nearest >= r->l2 ? INFINITY : fmin((1 + 0x1p-50) * largest * root_n / r->l2, DBL_MAX);
  out->a = out->b == INFINITY ? INFINITY : 0;
}
