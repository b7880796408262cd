/* Sets to a region: what they ask together, and whether any point is left. */
#include <math.h>
#include "constraint/constraint.h"

static const struct {
  const char *name;
  hy_narrow *narrow;
} rules[] = {
    [HYLA_SET_BOX] = {"box", hy_box_narrow},
    [HYLA_SET_SUM] = {"sum", hy_sum_narrow},
    [HYLA_SET_L1] = {"l1", hy_l1_narrow},
    [HYLA_SET_L2] = {"l2", hy_l2_narrow},
    [HYLA_SET_SIMPLEX] = {"simplex", hy_simplex_narrow},
    [HYLA_SET_SYMMETRIC] = {"symmetric", hy_symmetric_narrow},
    [HYLA_SET_ZERO_DIAGONAL] = {"zero_diagonal", hy_zero_diagonal_narrow},
};

int hy_region_of(int n, const hyla_set *sets, const char *site, hy_region *out) {
  hy_region r = {
      .lo = -INFINITY, .hi = INFINITY, .sum_min = -INFINITY, .sum_max = INFINITY, .l1 = INFINITY, .l2 = INFINITY};
  const int known = (int)(sizeof rules / sizeof *rules);
  if (n < 0) return hy_fail(HYLA_EVALUE, site, "project: expected 0 or more sets, got %d", n);
  for (int i = 0; i < n; i++) {
    const hyla_set *set = &sets[i];
    if (set->kind < 0 || set->kind >= known)
      return hy_fail(HYLA_EVALUE, site, "project: expected a kind of set from 0 to %d, got %d", known - 1, set->kind);
    if (isnan(set->lo) || isnan(set->hi) || isnan(set->bound))
      return hy_fail(HYLA_EVALUE, site, "%s: expected numbers, got nan", rules[set->kind].name);
    int status = rules[set->kind].narrow(set, site, &r);
    if (status) return status;
  }
  *out = r;
  return HYLA_OK;
}

/* A region of n components treats them alike and is convex, so with a point it holds that point's average over all
 * orders of its components: it is empty just when it holds no constant vector (c, ..., c). Each bound asks something
 * of c; the strictest two decide. */
typedef struct limit {
  const char *what;
  double bound, c;
} limit;

static void raise_to(limit *l, const char *what, double bound, double c) {
  if (c > l->c) *l = (limit){what, bound, c};
}

static void lower_to(limit *l, const char *what, double bound, double c) {
  if (c < l->c) *l = (limit){what, bound, c};
}

int hy_region_check(const hy_region *r, int64_t count, const char *site) {
  const double n = (double)count;
  if (r->zero_diagonal && (r->lo > 0 || r->hi < 0))
    return hy_fail(HYLA_ECONSTRAINT, site, "infeasible constraint: zero_diagonal and x from %.9g to %.9g", r->lo,
                   r->hi);
  if (count == 0) {
    if (r->sum_min <= 0 && r->sum_max >= 0) return HYLA_OK;
    return hy_fail(HYLA_ECONSTRAINT, site, "infeasible constraint: expected a sum from %.9g to %.9g of no components",
                   r->sum_min, r->sum_max);
  }
  limit least = {"lower bound", r->lo, r->lo}, most = {"upper bound", r->hi, r->hi};
  raise_to(&least, "sum >=", r->sum_min, r->sum_min / n);
  raise_to(&least, "l1 norm <=", r->l1, -r->l1 / n);
  raise_to(&least, "l2 norm <=", r->l2, -r->l2 / sqrt(n));
  lower_to(&most, "sum <=", r->sum_max, r->sum_max / n);
  lower_to(&most, "l1 norm <=", r->l1, r->l1 / n);
  lower_to(&most, "l2 norm <=", r->l2, r->l2 / sqrt(n));
  /* 1/n of a bound, n times, may pass it by rounding. */
  if (least.c - most.c <= 0x1p-50 * fmax(fabs(least.c), fabs(most.c)) || least.c <= most.c) return HYLA_OK;
  return hy_fail(HYLA_ECONSTRAINT, site,
                 "infeasible constraint: %s %.9g and %s %.9g leave no point of %.0f components: "
                 "their mean would be at least %.9g and at most %.9g",
                 least.what, least.bound, most.what, most.bound, n, least.c, most.c);
}

void hy_region_reduce(hy_region *r) {
  if (r->lo >= 0) { /* then |x_i| = x_i */
    r->sum_max = fmin(r->sum_max, r->l1);
    r->l1 = INFINITY;
    if (r->sum_max <= r->l2) r->l2 = INFINITY;
  }
  if (r->l1 <= r->l2) r->l2 = INFINITY;           /* |x|_2 <= |x|_1 */
  if (r->l1 <= r->sum_max) r->sum_max = INFINITY; /* sum x <= |x|_1 */
}
