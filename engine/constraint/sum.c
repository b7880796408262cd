/* A box and sum_min <= sum x_i <= sum_max. By the optimality conditions x_i = clip(v_i - t), t the multiplier of the
 * bound that is met with equality: > 0 at sum_max, < 0 at sum_min, 0 when neither is. */
#include <math.h>
#include "constraint/constraint.h"

int hy_sum_narrow(const hyla_set *set, const char *site, hy_region *r) {
  if (set->bound == -INFINITY)
    return hy_fail(HYLA_ECONSTRAINT, site, "infeasible constraint: sum: expected a bound above -inf, got %.9g",
                   set->bound);
  r->sum_max = fmin(r->sum_max, set->bound);
  return HYLA_OK;
}

int hy_simplex_narrow(const hyla_set *set, const char *site, hy_region *r) {
  if (!(set->bound >= 0) || set->bound == INFINITY)
    return hy_fail(HYLA_ECONSTRAINT, site, "infeasible constraint: simplex: expected a finite bound >= 0, got %.9g",
                   set->bound);
  r->sum_min = fmax(r->sum_min, set->bound);
  r->sum_max = fmin(r->sum_max, set->bound);
  return hy_box_narrow(&(hyla_set){.kind = HYLA_SET_BOX, .lo = 0, .hi = INFINITY}, site, r);
}

/* With m = target / n, at t = high - m no component passes m (lo <= m, for the region is not empty), so the sum is at
 * most the target; at t = low - m it is at least that. */
void hy_sum_measure(const hy_span *s, const hy_region *r, hy_bound *out) {
  const double n = (double)s->n;
  *out = (hy_bound){.map = {.move = HY_SHIFT, .lo = r->lo, .hi = r->hi}};
  hy_span_sum(s, &out->map, &out->at);
  double slack = hy_slack(s->dtype) * out->at.size;
  bool above = out->at.total > r->sum_max + slack, below = out->at.total < r->sum_min - slack;
  out->met = !above && !below;
  out->target = above ? r->sum_max : r->sum_min;
  double mean = out->target / n, low = s->range.low - mean, high = s->range.high - mean;
  if (above) {
    out->b = n * r->lo >= out->target ? INFINITY : high + 0x1p-50 * (fabs(s->range.high) + fabs(mean));
    out->a = out->b == INFINITY ? INFINITY : 0;
  } else if (below) {
    out->a = n * r->hi <= out->target ? -INFINITY : low - 0x1p-50 * (fabs(s->range.low) + fabs(mean));
    out->b = out->a == -INFINITY ? -INFINITY : 0;
  }
}
