/* A box with one bound: the root of f(t) = target, where f, the total of the clipped images, never grows with t and
 * is linear (for HY_SCALE, of the form A / (1 + t)^2 + C) between the points where a component meets the box.
 *
 * The step solves for t on the present piece, in closed form from its active set, so that the piece that holds the
 * root ends the search. A bracket guards it: a step that leaves the bracket, or did not halve the distance to the
 * target, is followed by a bisection. On smooth data that takes about six passes. */
#include <math.h>
#include "constraint/constraint.h"

/* Every second pass may be a bisection: 106 to the last place, as many for the second part, and the exponents. */
enum { MOST_PASSES = 400 };

/* What a sum can be known to: the components of one chunk come to 1024 a lane, and when they share their low bits the
 * roundings of their running sum go the same way, 1024 * 2^-53 in all. The slack of float64 has to cover the rounding of
 * two sums, this one of one. */
static const double tolerance = 0x1p-43;

double hy_slack(int dtype) { return dtype == HYLA_FLOAT32 ? 0x1p-24 + 0x1p-42 : 0x1p-42; }

/* t on the piece where `at` was summed; NaN or infinite where f is flat. */
static double piece_root(const hy_map *map, const hy_sums *at, double target) {
  if (map->move != HY_SCALE) return map->t + (at->total - target) / at->inside;
  return (1 + map->t) * sqrt(at->inside / (target - (at->total - at->inside))) - 1;
}

/* The bracket a <= t <= b, and how far f(a) and f(b) are from the target. */
typedef struct bracket {
  double a, b, miss_a, miss_b;
  int moves;    /* of the base */
  double spare; /* the end that was not taken for it */
} bracket;

static void narrow(bracket *k, double t, double miss) {
  if (miss > 0) {
    k->a = t;
    k->miss_a = miss;
  } else {
    k->b = t;
    k->miss_b = -miss;
  }
}

/* Moves a bracket that holds no further number to a base, from which its inside can be told apart: with components of
 * 1e16 and a bound of 1 the differences are exact and t alone is not. The base is the end nearer to the target, for
 * what is then left of t is likely to be small and have all its digits; if not, the other end. Both moves are exact,
 * since the ends are neighbours. False when none is left. */
static bool rebase(hy_map *map, bracket *k) {
  if (map->move == HY_SCALE || k->moves == 2) return false;
  double base = k->spare;
  if (k->moves++ == 0) {
    bool low = k->miss_a < k->miss_b;
    base = low ? k->a : k->b;
    k->spare = low ? k->b : k->a;
  }
  const double shift = base - map->base;
  map->base = base;
  k->a -= shift;
  k->b -= shift;
  return true;
}

static int find_root(const hy_span *s, hy_bound *q) {
  bracket k = {.a = q->a, .b = q->b, .miss_a = INFINITY, .miss_b = INFINITY};
  hy_sums at = q->at;
  double last = INFINITY;
  for (int pass = 0; pass < MOST_PASSES; pass++) {
    double miss = at.total - q->target, next = piece_root(&q->map, &at, q->target);
    if (at.size < INFINITY && fabs(miss) <= tolerance * at.size) return HYLA_OK;
    narrow(&k, q->map.t, miss);
    if (!(next >= k.a && next <= k.b && next != q->map.t && fabs(miss) <= last / 2)) {
      next = k.a + (k.b - k.a) / 2;
      if (!(next > k.a && next < k.b)) {
        if (!rebase(&q->map, &k)) break;
        next = k.a + (k.b - k.a) / 2;
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
