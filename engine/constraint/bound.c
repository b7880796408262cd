/* A box with one bound: the root of f(t) = target, where f, the total of the clipped images, never grows with t and
 * is linear (for HY_SCALE, of the form A / (1 + t)^2 + C) between the points where a component meets the box.
 *
 * The step solves for t on the present piece, in closed form from its active set, so that the piece that holds the
 * root ends the search. A bracket guards it: a step that leaves the bracket, or did not halve the distance to the
 * target, is followed by a bisection. On smooth data that takes about six passes. */
#include <float.h>
#include <math.h>
#include "constraint/constraint.h"

/* Every second pass may be a bisection: 106 to the last place, as many for the second part, and the exponents. */
enum { MOST_PASSES = 400 };

/* The slack of float64 has to cover the rounding of two sums, this one of one. */
static const double tolerance = 0x1p-48;

double hy_slack(int dtype) { return dtype == HYLA_FLOAT32 ? 0x1p-24 + 0x1p-46 : 0x1p-46; }

/* t on the piece where `at` was summed; NaN or infinite where f is flat. */
static double piece_root(const hy_map *map, const hy_sums *at, double target) {
  if (map->move != HY_SCALE) return map->t + (at->total - target) / at->inside;
  return (1 + map->t) * sqrt(at->inside / (target - (at->total - at->inside))) - 1;
}

/* Moves a bracket without a number inside it to a base, from which its inside can be told apart: with components of
 * 1e16 and a bound of 1 the differences are exact and t is not. False when that was done before. */
static bool rebase(hy_map *map, double *a, double *b) {
  if (map->move == HY_SCALE || map->base != 0 || *a == 0) return false;
  map->base = *a;
  *b -= *a;
  *a = 0;
  return true;
}

static int find_root(const hy_span *s, hy_bound *q) {
  hy_sums at = q->at;
  double last = INFINITY, a = q->a, b = q->b;
  for (int pass = 0; pass < MOST_PASSES; pass++) {
    double miss = at.total - q->target, next = piece_root(&q->map, &at, q->target);
    if (at.size < INFINITY && fabs(miss) <= tolerance * at.size) return HYLA_OK;
    if (miss > 0) a = q->map.t;
    else b = q->map.t;
    if (!(next >= a && next <= b && next != q->map.t && fabs(miss) <= last / 2)) {
      next = a + (b - a) / 2;
      if (!(next > a && next < b)) {
        if (!rebase(&q->map, &a, &b)) break;
        next = 0;
      }
    }
    last = fabs(miss);
    q->map.t = next;
    hy_span_sum(s, &q->map, &at);
  }
  return hy_fail(HYLA_EINTERNAL, NULL, "projection: expected a total of %.17g, got %.17g and no way to come nearer",
                 q->target, at.total);
}

/* A sum of huge components may overflow, and then tells nothing. Squares may too: what they sum to is far beyond the
 * bound, whose unit they have, and shrinks with t. */
static bool overflows(const hy_bound *q) { return q->map.move != HY_SCALE && !(q->at.size < INFINITY); }

int hy_bound_project(hy_span *s, const hy_region *r, hy_measure *measure) {
  hy_bound q;
  measure(s, r, &q);
  if (overflows(&q))
    return hy_fail(HYLA_ENONFINITE, NULL, "projection: components from %.9g to %.9g overflow in their sum",
                   s->range.low, s->range.high);
  if (q.met) {
    hy_box_project(s, r);
    return HYLA_OK;
  }
  int status = HYLA_OK;
  if (q.a == q.b) q.map.t = q.a;
  else status = find_root(s, &q);
  if (!status) hy_span_write(s, &q.map);
  return status;
}
