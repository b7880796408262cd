/* Where the states and the records of a trajectory that does not fit go: pure functions of whole numbers.
 *
 * A stretch of l steps is taken back from the state it begins with, which is held. At hand are s states, that one
 * included, and k records: what the adjoint of one step reads, which is often less than a state (of momentum the weights
 * alone). Going over a stretch leaves states on the way, and records of the k steps before its last one; the state that
 * went serves the last one itself. Then those k + 1 steps are taken back, and the rest of the stretch is one of its own.
 * When no step is gone over more than r times, the longest stretch is
 *
 *   N(s, r) = N(s, r - 1) + N(s - 1, r) = beta(s, r) + k beta(s, r - 1),   beta(s, r) = C(s + r, s)
 *
 * from N(1, r) = (k + 1) r + 1 and N(s, 0) = 1. With r the least for which N(s, r) >= l, the fewest steps forward are
 *
 *   t(l, s, k) = r l - N(s, 0) - ... - N(s, r - 1) = r l - beta(s + 1, r - 1) - k beta(s + 1, r - 2),
 *
 * the last of each stretch not counted: an adjoint step needs only what it reads of the state before. Without records
 * this is the binomial schedule of Griewank and Walther (2000, "Algorithm 799: revolve"). The states that are let go on
 * the way back are not turned into records, which would save a few steps in a hundred where memory is least. */
#include "dynamics/dynamics.h"
#include <math.h>

static double common_divisor(double a, double b) {
  while (b > 0) {
    double rest = fmod(a, b);
    a = b;
    b = rest;
  }
  return a;
}

/* a up / down, which is a whole number: exact below 2^53. */
static double scaled(double a, double up, double down) {
  double g = common_divisor(a, down);
  return a / g * (up / (down / g));
}

typedef struct depth {
  double r;                     /* the least with N(s, r) >= l */
  double beta, below, below_it; /* beta(s, r), beta(s, r - 1), beta(s, r - 2); beta(s, -1) = 0 */
} depth;

static depth depth_of(double l, double s, double k) {
  if (l <= 1) return (depth){0};
  if (s == 1) { /* at once, for r may be large */
    double r = ceil((l - 1) / (k + 1));
    return (depth){r, r + 1, r, r - 1};
  }
  depth d = {.beta = 1};
  while (d.beta + k * d.below < l) {
    d.below_it = d.below;
    d.below = d.beta;
    d.r++;
    d.beta = scaled(d.beta, s + d.r, d.r);
  }
  return d;
}

double hy_schedule_steps(double l, double s, double k) {
  depth d = depth_of(l, s, k);
  if (d.r == 0) return 0;
  return d.r * l - scaled(d.below, s + d.r, s + 1) - k * scaled(d.below_it, s + d.r - 1, s + 1);
}

/* Any m with N(s, r - 2) <= m <= N(s, r - 1) and N(s - 1, r - 1) <= l - m <= N(s - 1, r) attains
 * t(l, s) = m + t(m, s) + t(l - m, s - 1); this is the largest. */
double hy_schedule_distance(double l, double s, double k) {
  if (s < 2 || l <= k + 2) return INFINITY;
  depth d = depth_of(l, s, k);
  double right = scaled(d.below, s, s + d.r - 1) + (d.r > 1 ? k * scaled(d.below_it, s, s + d.r - 2) : 0);
  return fmin(d.below + k * d.below_it, l - right);
}

/* ---- how much of each ---- */

static double records_in(const hy_schedule_room *m, double states) {
  double k = m->record > 0 ? floor((m->bytes - states * m->state) / m->record) : 0;
  return fmax(fmin(k, m->steps), 0);
}

/* Steps that are taken back from records. A stretch of N(s, r) steps has k beta(s, r - 1) of them, for beta(s, r - 1) of
 * its pieces are gone over without a further state; between such lengths it grows about evenly. */
static double recorded(double l, double s, double k) {
  depth d = depth_of(l, s, k);
  if (d.r == 0) return 0;
  double shortest = d.below + k * d.below_it, longest = d.beta + k * d.below;
  return k * (d.below_it + (d.below - d.below_it) * (l - shortest) / (longest - shortest));
}

static double cost_of(const hy_schedule_room *m, double states) {
  double k = records_in(m, states), s = states + m->free;
  return hy_schedule_steps(m->steps, s, k) - (m->gain > 0 ? m->gain * recorded(m->steps, s, k) : 0);
}

/* Down to where it pays to look at each: the cost falls and then rises, as every r l - N(s, 0) - ... does. */
static void narrow(const hy_schedule_room *m, double *lo, double *hi) {
  while (*hi - *lo > 64) {
    double third = floor((*hi - *lo) / 3), a = *lo + third, b = *hi - third;
    if (cost_of(m, a) <= cost_of(m, b)) *hi = b;
    else *lo = a;
  }
}

hy_allotment hy_schedule_choose(const hy_schedule_room *m) {
  double most = fmin(floor(m->bytes / m->state), m->steps), least = 1 - m->free;
  double lo = m->record > 0 ? fmin(least, most) : most, hi = most;
  narrow(m, &lo, &hi);
  hy_allotment best = {.states = lo, .cost = INFINITY};
  for (double c = lo; c <= hi; c++) {
    double cost = cost_of(m, c);
    if (cost < best.cost) best = (hy_allotment){c, records_in(m, c), cost};
  }
  return best;
}
