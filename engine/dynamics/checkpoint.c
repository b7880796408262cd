/* Checkpoints: whole states at some steps, from which those between are made again while the adjoint goes back. Where
 * they stand is the binomial schedule of Griewank and Walther (2000, "Algorithm 799: revolve"), which takes the fewest
 * steps that s states can do with. With beta(s, r) = C(s + r, s), and r the least with beta(s, r) >= l, l steps are taken
 * back with
 *
 *   t(l, s) = r l - beta(s + 1, r - 1)
 *
 * steps forward, the last of each stretch not counted: an adjoint step needs only the state before it, and does that
 * step anew by itself. s counts the state that the stretch begins with. The initial state takes no slot, for the
 * driver makes it again: c slots are s = c + 1. A sweep that ends at a later state holds that one in a slot: s = c.
 * Training itself goes one step further than the schedule, to s_T, which the outer objective reads. */
#include "dynamics/dynamics.h"
#include <math.h>
#include <string.h>

/* ---- the schedule: pure functions of whole numbers below 2^53 ---- */

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

/* The least r with beta(s, r) >= l, and beta(s, r - 1), which is 0 at r = 0. */
static double repetitions(double l, double s, double *below) {
  double r = 0, beta = 1;
  for (*below = 0; beta < l;) {
    *below = beta;
    r++;
    beta = scaled(beta, s + r, r);
  }
  return r;
}

double hy_checkpoint_steps(double l, double s) {
  double below, r = repetitions(l, s, &below);
  return r * l - scaled(below, s + r, s + 1);
}

/* From a state that is held to the next that is to be: l >= 2 steps go back to it, s >= 2 states are to be had, it
 * included. Any m with beta(s, r - 2) <= m <= beta(s, r - 1) and beta(s - 1, r - 1) <= l - m <= beta(s - 1, r) attains
 * t(l, s) = m + t(m, s) + t(l - m, s - 1), by Pascal's rule; this is the largest. */
static double distance(double l, double s) {
  double below, r = repetitions(l, s, &below);
  return fmin(below, l - scaled(below, s, s + r - 1));
}

/* ---- the states ---- */

static double top(const hy_checkpoints *c) { return c->n ? c->at[c->n - 1] : c->origin; }

/* Where the next checkpoint belongs, when the steps up to `end` are to go back. */
static double next(const hy_checkpoints *c, double end) {
  if (!c->n && c->first > c->origin) return c->first;
  double l = end - top(c), s = (double)(c->room - c->n) + 1;
  return l >= 2 && s >= 2 ? top(c) + distance(l, s) : INFINITY;
}

int hy_checkpoints_open(hy_checkpoints *c, const hy_driver *d, double first, double room) {
  const hyla_problem *p = d->problem;
  size_t each = p->state_layout.bytes, slots = (size_t)room, bytes = hy_checkpoints_bytes(p, room);
  if (!c->work || c->bytes != bytes) {
    hy_checkpoints_close(c);
    c->work = hy_alloc(bytes);
    if (!c->work) return HYLA_ENOMEM;
  }
  char *work = c->work;
  *c = (hy_checkpoints){.origin = d->origin,
                        .first = first,
                        .last = hy_problem_steps(p),
                        .room = slots,
                        .each = each,
                        .bytes = bytes,
                        .work = work,
                        .slot = work + each,
                        .at = (double *)(work + each * (slots + 1)),
                        .work_t = -1};
  c->goal = next(c, c->last);
  return 0;
}

void hy_checkpoints_close(hy_checkpoints *c) {
  hy_free(c->work);
  *c = (hy_checkpoints){0};
}

size_t hy_checkpoints_bytes(const hyla_problem *p, double room) {
  return p->state_layout.bytes + (size_t)room * (p->state_layout.bytes + sizeof(double));
}

static void put(hy_checkpoints *c, double t, const char *state) {
  memcpy(c->slot + c->n * c->each, state, c->each);
  c->at[c->n++] = t;
}

void hy_checkpoints_pass(hy_checkpoints *c, double t, const char *state) {
  if (t == c->last - 1) { /* the adjoint sweep begins with it, and soon */
    memcpy(c->work, state, c->each);
    c->work_t = t;
  } else if (t == c->goal) {
    put(c, t, state);
    c->goal = next(c, c->last);
  }
}

/* The work state becomes the last one held. */
static int restore(hy_checkpoints *c, hy_driver *at) {
  if (!c->n) return hy_driver_restart(at);
  memcpy(c->work, c->slot + (c->n - 1) * c->each, c->each);
  hy_driver_seek(at, top(c));
  return 0;
}

/* From the work state to s_t, leaving checkpoints on the way. Where it stands is right after an interrupt, too. */
static int replay(hy_checkpoints *c, const hy_driver *d, double t) {
  hy_driver at = *d;
  at.state = c->work;
  double goal = next(c, t + 1);
  int status = 0;
  hy_profile_again(true);
  if (c->work_t < top(c) || c->work_t > fmin(t, goal)) status = restore(c, &at);
  else hy_driver_seek(&at, c->work_t);
  at.started = !status;
  while (!status && at.t < t) {
    if (at.t == goal) {
      put(c, at.t, c->work);
      goal = next(c, t + 1);
    }
    status = hy_driver_step(&at, NULL);
    if (!status) c->replayed++;
  }
  hy_profile_again(false);
  c->work_t = at.started ? at.t : -1;
  return status;
}

int hy_checkpoints_reach(hy_checkpoints *c, const hy_driver *d, double t) {
  while (c->n && top(c) > t) c->n--;
  c->reached = c->work;
  if (c->n && top(c) == t) {
    c->reached = c->slot + (c->n - 1) * c->each;
    return 0;
  }
  return c->work_t == t ? 0 : replay(c, d, t);
}
