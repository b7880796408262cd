/* lo <= x_i <= hi: each component by itself, clipped. */
#include <math.h>
#include "constraint/constraint.h"

int hy_box_narrow(const hyla_set *set, const char *site, hy_region *r) {
  double lo = fmax(r->lo, set->lo), hi = fmin(r->hi, set->hi);
  if (set->lo > set->hi || set->lo == INFINITY || set->hi == -INFINITY)
    return hy_fail(HYLA_ECONSTRAINT, site, "infeasible constraint: box: expected lo <= hi, got %.9g and %.9g", set->lo,
                   set->hi);
  if (lo > hi)
    return hy_fail(HYLA_ECONSTRAINT, site,
                   "infeasible constraint: box(%.9g, %.9g) and the other sets want x >= %.9g "
                   "and x <= %.9g",
                   set->lo, set->hi, lo, hi);
  r->lo = lo;
  r->hi = hi;
  return HYLA_OK;
}

/* Inwards, so that a momentum kept in [0, .9999999999] does not become 1 in float32. A box between two neighbouring
 * numbers, such as [.1, .1], holds none of them: the nearest stands for it. */
int hy_box_round(hy_region *r, int dtype, const char *site) {
  if (dtype != HYLA_FLOAT32) return HYLA_OK;
  float lo = (float)r->lo, hi = (float)r->hi;
  if ((double)lo < r->lo) lo = nextafterf(lo, INFINITY);
  if ((double)hi > r->hi) hi = nextafterf(hi, -INFINITY);
  if (lo > hi) lo = hi = (float)r->lo;
  if (lo == INFINITY || hi == -INFINITY)
    return hy_fail(HYLA_ECONSTRAINT, site, "infeasible constraint: no float32 lies in box(%.9g, %.9g)", r->lo, r->hi);
  r->lo = (double)lo;
  r->hi = (double)hi;
  return HYLA_OK;
}

void hy_box_project(hy_span *s, const hy_region *r) {
  if (s->range.low >= r->lo && s->range.high <= r->hi) return;
  hy_span_write(s, &(hy_map){.move = HY_SHIFT, .lo = r->lo, .hi = r->hi});
}
