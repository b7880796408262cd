/* A box and sum |x_i| <= bound. For a multiplier t >= 0 the conditions separate: each x_i minimises
 * (x - v_i)^2 / 2 + t |x| over [lo, hi], which is the soft threshold of v_i, clipped, for the function is convex. */
#include <math.h>
#include "constraint/constraint.h"

int hy_l1_narrow(const hyla_set *set, const char *site, hy_region *r) {
  if (set->bound < 0)
    return hy_fail(HYLA_ECONSTRAINT, site, "infeasible constraint: l1: expected a bound >= 0, got %.9g", set->bound);
  r->l1 = fmin(r->l1, set->bound);
  return HYLA_OK;
}

/* With m = bound / n, at t = max |v_i| - m no magnitude passes m: the box comes as near to 0 as that, for the region
 * is not empty. */
void hy_l1_measure(const hy_span *s, const hy_region *r, hy_bound *out) {
  const double n = (double)s->n, nearest = fmax(0, fmax(r->lo, -r->hi));
  *out = (hy_bound){.map = {.move = HY_SOFT, .lo = r->lo, .hi = r->hi}, .target = r->l1};
  hy_span_sum(s, &out->map, &out->at);
  out->met = out->at.total <= r->l1 + hy_slack(s->dtype) * out->at.size;
  double mean = r->l1 / n, largest = fmax(fabs(s->range.low), fabs(s->range.high));
  out->b = n * nearest >= r->l1 ? INFINITY : (largest - mean) + 0x1p-50 * (largest + mean);
  out->a = out->b == INFINITY ? INFINITY : 0;
}
