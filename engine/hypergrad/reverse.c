/* Reverse-HG (Franceschi et al. 2017, Algorithm 1; back-propagation through time). Forward, states are stored; backward,
 *
 *   alpha_T = dE/ds_T, g = dE/dlambda;   for t = T..1: g += alpha_t B_t, alpha_{t-1} = alpha_t A_t;   g += alpha_0 ds_0/dlambda
 *
 * Truncated after the last K steps, the sweep ends at alpha_{T-K}, and what came before counts as constant. The backward
 * sweep keeps its place, so an interrupt loses nothing. */
#include "hypergrad/hypergrad.h"
#include <math.h>

typedef struct reverse {
  hyla_method method;
  double memory; /* bytes */
  double last;   /* K, or 0 for all steps */
  double first;  /* the sweep ends at s_first */
  hy_trajectory trajectory;
  char *alpha;   /* by the state layout */
  bool backward; /* the sweep has begun */
  double t;      /* the next adjoint step is that of step t */
} reverse;

static double first(const reverse *r) {
  double origin = r->method.driver.origin, T = hyla_method_steps(&r->method);
  return r->last > 0 && T - r->last > origin ? T - r->last : origin;
}

static int start(hyla_method *m) {
  reverse *r = (reverse *)m;
  r->backward = false;
  r->first = first(r);
  return hy_trajectory_open(&r->trajectory, &m->driver, r->first, r->memory);
}

static int step(hyla_method *m) {
  reverse *r = (reverse *)m;
  return hy_driver_step(&m->driver, m->driver.t < r->first ? NULL : &r->trajectory);
}

static int outer_adjoint(reverse *r, hy_run *run) {
  int status = hy_outer_adjoint(&r->method, r->alpha, run);
  if (status) return status;
  r->t = r->method.driver.t;
  r->backward = true;
  return 0;
}

/* What the trajectory holds of the step has been reached. */
static int adjoint_step(reverse *r, hy_run *run) {
  int status = hy_step_adjoint(&r->method, r->t, r->method.driver.state, &r->trajectory, r->alpha, run);
  if (!status) r->t -= 1;
  return status;
}

static int initial_adjoint(reverse *r, hy_run *run) {
  if (r->first > r->method.driver.origin) return 0; /* s_first counts as constant */
  return hy_initial_adjoint(&r->method, r->alpha, run);
}

static bool is_finite(const reverse *r) { return hy_adjoint_finite(&r->method, r->alpha); }

/* alpha was overwritten on the way: sweep again from T, looking at every value. */
static int explain_nonfinite(reverse *r) {
  int status = outer_adjoint(r, hy_program_find_nonfinite);
  r->backward = false;
  if (status) return hy_fail_within(status, "hypergradient: adjoint of the outer objective: ");
  while (!status && r->t > r->first) {
    status = hy_poll_interrupt();
    if (!status) status = hy_trajectory_reach(&r->trajectory, &r->method.driver, r->t - 1);
    if (!status) status = adjoint_step(r, hy_program_find_nonfinite);
  }
  if (status) return hy_fail_within(status, "hypergradient: adjoint of step %.0f: ", r->t);
  status = initial_adjoint(r, hy_program_find_nonfinite);
  if (!status) status = hy_fail(HYLA_ENONFINITE, NULL, "not finite");
  return hy_fail_within(status, "hypergradient: adjoint of the initial state: ");
}

/* Backwards to s_first. The sweep works in place: one that fails halfway begins anew, an interrupted one goes on. */
static int sweep(reverse *r) {
  int status = 0;
  while (!status && r->t > r->first) {
    status = hy_poll_interrupt();
    if (!status) status = hy_trajectory_reach(&r->trajectory, &r->method.driver, r->t - 1);
    if (status == HYLA_EINTR) return status;
    if (!status) status = adjoint_step(r, hy_program_run);
    if (!status && !is_finite(r)) return explain_nonfinite(r);
  }
  if (!status) status = initial_adjoint(r, hy_program_run);
  if (!status && !is_finite(r)) return explain_nonfinite(r);
  r->backward = false;
  return status;
}

static int hypergradient(hyla_method *m) {
  reverse *r = (reverse *)m;
  int status = r->backward ? 0 : outer_adjoint(r, hy_program_run);
  if (!status && !is_finite(r)) return explain_nonfinite(r);
  return status ? status : sweep(r);
}

static double bytes(const hyla_method *m) {
  const reverse *r = (const reverse *)m;
  return (double)m->driver.problem->state_layout.bytes + r->trajectory.plan.bytes;
}

static int cost(const hyla_method *m, hyla_cost *out) {
  const reverse *r = (const reverse *)m;
  const hy_driver *d = &m->driver;
  hy_trajectory_plan plan = r->trajectory.plan;
  double ends = first(r), T = hyla_method_steps(m);
  int status = d->started ? 0 : hy_trajectory_choose(d->problem, ends, d->origin, r->memory, plan.bytes, &plan);
  if (status) return status;
  *out = (hyla_cost){.steps = T - d->origin + plan.extra,
                     .extra = plan.extra,
                     .taken = d->t - d->origin + r->trajectory.checkpoints.replayed,
                     .checkpoints = plan.checkpoints,
                     .bytes = plan.bytes,
                     .residuals = plan.rich > 0};
  return 0;
}

static void drop(hyla_method *m) {
  reverse *r = (reverse *)m;
  hy_trajectory_close(&r->trajectory);
  hy_free(r->alpha);
}

static const hy_method_kind kind = {.name = "reverse",
                                    .start = start,
                                    .step = step,
                                    .hypergradient = hypergradient,
                                    .bytes = bytes,
                                    .cost = cost,
                                    .drop = drop};

int hyla_reverse_new(hyla_problem *p, double memory, double last, hyla_method **out) {
  int status = hy_method_check_memory(kind.name, memory);
  if (!status && !(last >= 0 && isfinite(last) && last == floor(last)))
    status = hy_fail(HYLA_EVALUE, NULL, "reverse: expected a whole number of last steps of at least 0, got %.9g", last);
  if (status) return status;
  reverse *r = hy_calloc(1, sizeof *r);
  if (!r) return HYLA_ENOMEM;
  r->memory = memory;
  r->last = last;
  status = hy_method_open(&r->method, &kind, p, 1);
  if (!status) status = hy_problem_reserve_adjoints(p);
  if (!status && !(r->alpha = hy_calloc(p->state_layout.bytes + 1, 1))) status = HYLA_ENOMEM;
  if (status) hyla_method_drop(&r->method);
  else *out = &r->method;
  return status;
}
