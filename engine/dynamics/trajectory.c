/* The trajectory: what the adjoint steps read of s_first .. s_{T-1} and of the steps between them. States that no adjoint
 * reads are not kept. Where not all of it fits, it is made again from checkpoints. */
#include "dynamics/dynamics.h"
#include <math.h>
#include <string.h>

static const double residual_budget = 0x1p29; /* where nobody set one */

size_t hy_residual_bytes(const hy_adjoint *a, int i) {
  return (size_t)hy_shape_size(&a->residual[i]) * hy_dtype_size(a->residual[i].dtype);
}

const hy_adjoint *hy_trajectory_adjoint(const hy_trajectory *r, const hy_segment *s) {
  return r->plan.rich && s->rich.vjp ? &s->rich : &s->lean;
}

/* ---- how much of it ---- */

/* As many checkpoints as `there` holds beside the work state, and no more than can be of use. */
static int choose_checkpoints(const hyla_problem *p, double first, double there, double need, hy_trajectory_plan *out) {
  double T = hy_problem_steps(p), state = (double)p->state_layout.bytes;
  if (there < 2 * state)
    return hy_fail(
        HYLA_ENOMEM, NULL,
        "reverse: the trajectory needs %.0f bytes (%.0f steps of %zu bytes), checkpoints at least %.0f (two "
        "states of %.0f bytes), and %.0f are allowed; more memory, or Forward-HG, which keeps none, may help",
        need, T - first, hy_problem_slot_bytes(p, false), 2 * state, state, there);
  double room = floor((there - state) / (state + (double)sizeof(double)));
  room = fmin(fmax(room, 1), T - first);
  *out = (hy_trajectory_plan){.checkpoints = room, .bytes = (double)hy_checkpoints_bytes(p, room)};
  return 0;
}

int hy_trajectory_choose(const hyla_problem *p, double first, double budget, double own, hy_trajectory_plan *out) {
  double steps = hy_problem_steps(p) - first, there = hy_memory_allowed(budget, own);
  double lean = steps * (double)hy_problem_slot_bytes(p, false), rich = steps * (double)hy_problem_slot_bytes(p, true);
  bool worth = rich <= there && (budget > 0 || rich <= residual_budget || rich <= lean);
  if (!worth && lean > there) return choose_checkpoints(p, first, there, lean, out);
  *out = (hy_trajectory_plan){.rich = worth, .bytes = worth ? rich : lean};
  return 0;
}

static int open_slots(hy_trajectory *r, const hyla_problem *p, const hy_trajectory_plan *to) {
  r->slot_bytes = hy_problem_slot_bytes(p, to->rich);
  if (r->slot && r->plan.bytes == to->bytes) return 0;
  hy_trajectory_close(r);
  r->slot_bytes = hy_problem_slot_bytes(p, to->rich);
  r->slot = hy_alloc((size_t)fmin(to->bytes, 0x1p60) + 64); /* which refuses more than there can be */
  return r->slot ? 0 : HYLA_ENOMEM;
}

int hy_trajectory_open(hy_trajectory *r, const hy_driver *d, double first, double budget) {
  const hyla_problem *p = d->problem;
  hy_trajectory_plan to;
  int status = hy_trajectory_choose(p, first, budget, r->plan.bytes, &to);
  if (status) return status;
  if (!to.checkpoints != !r->plan.checkpoints) hy_trajectory_close(r);
  status = to.checkpoints ? hy_checkpoints_open(&r->checkpoints, d, first, to.checkpoints) : open_slots(r, p, &to);
  r->plan = status ? (hy_trajectory_plan){0} : to;
  r->first = first;
  return status;
}

void hy_trajectory_close(hy_trajectory *r) {
  hy_checkpoints_close(&r->checkpoints);
  hy_free(r->slot);
  *r = (hy_trajectory){0};
}

/* ---- reading and writing it ---- */

static void bind_residuals(const hy_adjoint *a, char *at, char **residual) {
  for (int i = 0; i < a->n_residual; i++) {
    residual[i] = at;
    at += hy_aligned(hy_residual_bytes(a, i));
  }
}

void hy_trajectory_keep(hy_trajectory *r, const hyla_problem *p, const hy_segment *s, double t, const char *state,
                        char **residual) {
  if (r->plan.checkpoints) {
    hy_checkpoints_pass(&r->checkpoints, t, state);
    return;
  }
  const hy_adjoint *a = hy_trajectory_adjoint(r, s);
  char *to = r->slot + (size_t)(t - r->first) * r->slot_bytes;
  for (int i = 0; i < p->n_state; i++) {
    if (!a->stored[i]) continue;
    memcpy(to, state + p->state_layout.offset[i], hy_layout_size(&p->state_layout, i));
    to += hy_aligned(hy_layout_size(&p->state_layout, i));
  }
  bind_residuals(a, to, residual);
}

void hy_trajectory_bind(const hy_trajectory *r, const hyla_problem *p, const hy_segment *s, double t, char **in,
                        char **residual) {
  if (r->plan.checkpoints) {
    hy_layout_bind(&p->state_layout, in, 0, r->checkpoints.reached);
    return;
  }
  const hy_adjoint *a = hy_trajectory_adjoint(r, s);
  char *from = r->slot + (size_t)(t - r->first) * r->slot_bytes;
  for (int i = 0; i < p->n_state; i++) {
    if (!a->stored[i]) continue;
    in[i] = from;
    from += hy_aligned(hy_layout_size(&p->state_layout, i));
  }
  bind_residuals(a, from, residual);
}

int hy_trajectory_reach(hy_trajectory *r, const hy_driver *d, double t) {
  return r->plan.checkpoints ? hy_checkpoints_reach(&r->checkpoints, d, t) : 0;
}
