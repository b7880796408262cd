/* The trajectory: what the adjoint steps read of s_first .. s_{T-1} and of the steps between them. States that no adjoint
 * reads are not kept. Where not all of it fits, it is made again from checkpoints. */
#include "dynamics/dynamics.h"
#include <math.h>

/* Where nobody set a budget residuals are stored if all is no larger than this, or than this much of the states alone. */
static const double residual_budget = 0x1p29, residual_share = 1.5;

size_t hy_residual_bytes(const hy_adjoint *a, int i) {
  return (size_t)hy_shape_size(&a->residual[i]) * hy_dtype_size(a->residual[i].dtype);
}

/* ---- how much of it ---- */

/* Records beside checkpoints, lean or with residuals, in the bytes that the work state leaves. */
static int choose_checkpoints(const hyla_problem *p, double first, bool from_origin, double there,
                              hy_trajectory_plan *out) {
  double back = hy_problem_steps(p) - first, state = (double)p->state_layout.bytes;
  double lean = (double)hy_problem_slot_bytes(p, false), rich = (double)hy_problem_slot_bytes(p, true);
  if (there < 2 * state)
    return hy_fail(
        HYLA_ENOMEM, NULL,
        "reverse: the trajectory needs %.0f bytes (%.0f steps of %.0f bytes), checkpoints at least %.0f (two "
        "states of %.0f bytes), and %.0f are allowed; more memory, or Forward-HG, which keeps none, may help",
        back * lean, back, lean, 2 * state, state, there);
  hy_schedule_room room = {.steps = back, .free = from_origin, .state = state + (double)sizeof(double)};
  room.bytes = fmax(there - state, room.state); /* of the least there can be, a checkpoint's note is left out */
  room.record = lean < state ? lean : 0;        /* a record as large as a state serves one step, a state many */
  hy_allotment chosen = hy_schedule_choose(&room);
  bool with = false; /* residuals */
  room.gain = hy_problem_residual_gain(p);
  if (room.gain > 0 || rich < state) {
    room.record = rich;
    hy_allotment other = hy_schedule_choose(&room);
    with = other.cost < chosen.cost;
    if (with) chosen = other;
  }
  *out = (hy_trajectory_plan){
      .work = true, .checkpoints = chosen.states, .records = chosen.records, .cost = chosen.cost};
  out->rich = with ? chosen.records : 0;
  out->extra = hy_schedule_steps(back, chosen.states + from_origin, chosen.records) + 1 - back;
  out->bytes = (double)hy_checkpoints_bytes(p, chosen.states) + hy_records_bytes(p, out->records, out->rich);
  return 0;
}

/* Every step, the last `rich` with residuals. */
static hy_trajectory_plan whole(const hyla_problem *p, double back, double rich) {
  return (hy_trajectory_plan){.records = back, .rich = rich, .bytes = hy_records_bytes(p, back, rich)};
}

int hy_trajectory_choose(const hyla_problem *p, double first, double origin, double budget, double own,
                         hy_trajectory_plan *out) {
  double back = hy_problem_steps(p) - first, there = hy_memory_allowed(budget, own);
  double lean = hy_records_bytes(p, back, 0), rich = hy_records_bytes(p, back, back);
  bool has = hy_problem_has_residuals(p);
  if (has && rich <= there && (budget > 0 || rich <= residual_budget || rich <= residual_share * lean)) {
    *out = whole(p, back, back);
    return 0;
  }
  if (lean > there) return choose_checkpoints(p, first, first == origin, there, out);
  double some = has && budget > 0 ? floor((there - lean) / ((rich - lean) / back)) : 0;
  *out = whole(p, back, some);
  hy_trajectory_plan mix; /* with residuals at more steps, and some steps taken again for them */
  double kept = hy_problem_residual_gain(p) * some;
  if (!some || there < 2 * (double)p->state_layout.bytes) return 0;
  int status = choose_checkpoints(p, first, first == origin, there, &mix);
  if (!status && mix.cost + 1 - back + 1 < -kept) *out = mix; /* by more than a step */
  return status;
}

int hy_trajectory_open(hy_trajectory *r, const hy_driver *d, double first, double budget) {
  const hyla_problem *p = d->problem;
  hy_trajectory_plan to;
  int status = hy_trajectory_choose(p, first, d->origin, budget, r->plan.bytes, &to);
  if (status) return status;
  if (to.work != r->plan.work || to.bytes != r->plan.bytes) hy_trajectory_close(r); /* before more is taken */
  if (to.work) status = hy_checkpoints_open(&r->checkpoints, d, first, to.checkpoints, to.records);
  if (!status) status = hy_records_open(&r->records, p, to.records, to.rich);
  if (status) {
    hy_trajectory_close(r);
    return status;
  }
  hy_records_begin(&r->records, hy_problem_steps(p) - to.work);
  r->plan = to;
  return 0;
}

void hy_trajectory_close(hy_trajectory *r) {
  hy_checkpoints_close(&r->checkpoints);
  hy_records_close(&r->records);
  *r = (hy_trajectory){0};
}

/* ---- reading and writing it ---- */

const hy_adjoint *hy_trajectory_keep(hy_trajectory *r, const hyla_problem *p, const hy_segment *s, double t,
                                     const char *state, char **residual) {
  if (r->plan.work && !hy_checkpoints_pass(&r->checkpoints, t, state)) return NULL;
  return hy_records_put(&r->records, p, s, t, state, residual);
}

const hy_adjoint *hy_trajectory_adjoint(const hy_trajectory *r, const hy_segment *s, double t) {
  return hy_records_hold(&r->records, t) ? hy_records_adjoint(&r->records, s, t) : &s->lean;
}

void hy_trajectory_bind(const hy_trajectory *r, const hyla_problem *p, const hy_segment *s, double t, char **in,
                        char **residual) {
  if (hy_records_hold(&r->records, t)) hy_records_bind(&r->records, p, s, t, in, residual);
  else hy_layout_bind(&p->state_layout, in, 0, r->checkpoints.reached);
}

int hy_trajectory_reach(hy_trajectory *r, const hy_driver *d, double t) {
  return r->plan.work ? hy_checkpoints_reach(r, d, t) : 0;
}
