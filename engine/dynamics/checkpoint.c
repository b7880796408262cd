/* Checkpoints: whole states at some steps, from which those between are made again while the adjoint goes back. Where
 * they stand, and which steps are recorded on the way, is the schedule of schedule.c. The initial state takes no slot,
 * for the driver makes it again: c slots are s = c + 1 states. A sweep that ends at a later state holds that one in a
 * slot: s = c. Training itself goes one step further than the schedule, to s_T, which the outer objective reads. */
#include "dynamics/dynamics.h"
#include <math.h>
#include <string.h>

static double top(const hy_checkpoints *c) { return c->n ? c->at[c->n - 1] : c->origin; }

/* Where the next checkpoint of the stretch belongs. */
static double next(const hy_checkpoints *c) {
  if (!c->n && c->first > c->origin) return c->first;
  return top(c) + hy_schedule_distance(c->end - top(c), (double)(c->room - c->n) + 1, c->records);
}

int hy_checkpoints_open(hy_checkpoints *c, const hy_driver *d, double first, double room, double records) {
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
                        .end = hy_problem_steps(p),
                        .room = slots,
                        .records = records,
                        .each = each,
                        .bytes = bytes,
                        .work = work,
                        .slot = work + each,
                        .at = (double *)(work + each * (slots + 1)),
                        .work_t = -1};
  c->goal = next(c);
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

bool hy_checkpoints_pass(hy_checkpoints *c, double t, const char *state) {
  if (t == c->end - 1) { /* the adjoint sweep begins with it, and soon */
    memcpy(c->work, state, c->each);
    c->work_t = t;
  } else if (t == c->goal) {
    put(c, t, state);
    c->goal = next(c);
  } else {
    return c->goal == INFINITY && t > top(c) && t >= c->end - 1 - c->records;
  }
  return false;
}

/* The work state becomes the last one held. */
static int restore(hy_checkpoints *c, hy_driver *at) {
  if (!c->n) return hy_driver_restart(at);
  memcpy(c->work, c->slot + (c->n - 1) * c->each, c->each);
  hy_driver_seek(at, top(c));
  return 0;
}

/* From the work state to s_t, leaving checkpoints and records on the way. After an interrupt it goes on from where it
 * stands. */
static int replay(hy_trajectory *r, const hy_driver *d, double t) {
  hy_checkpoints *c = &r->checkpoints;
  hy_driver at = *d;
  at.state = c->work;
  bool same = c->end == t + 1;
  int status = 0;
  hy_profile_again(true);
  c->end = t + 1;
  c->goal = next(c);
  if (same && c->work_t >= top(c) && c->work_t <= fmin(t, c->goal)) hy_driver_seek(&at, c->work_t);
  else {
    hy_records_begin(&r->records, t);
    status = restore(c, &at);
  }
  at.started = !status;
  while (!status && at.t < t) {
    status = hy_driver_step(&at, r);
    if (!status) c->replayed++;
  }
  hy_profile_again(false);
  c->work_t = at.started ? at.t : -1;
  return status;
}

int hy_checkpoints_reach(hy_trajectory *r, const hy_driver *d, double t) {
  hy_checkpoints *c = &r->checkpoints;
  while (c->n && top(c) > t) c->n--;
  c->reached = c->work;
  if (c->n && top(c) == t) {
    c->reached = c->slot + (c->n - 1) * c->each;
    return 0;
  }
  return c->work_t == t || hy_records_hold(&r->records, t) ? 0 : replay(r, d, t);
}
