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

/* g, and room for the adjoints of slices, as the last outputs of an adjoint program. */
static void bind_results(reverse *r, char **out, int n) {
  const hyla_problem *p = r->method.driver.problem;
  n = hy_layout_bind(&p->hyper_layout, out, n, r->method.g);
  hy_layout_bind(&p->slice_layout, out, n, r->method.driver.slices);
}

/* f = E(s_T, lambda), alpha = alpha_T, g = the direct term. */
static int outer_adjoint(reverse *r, hy_run *run) {
  hy_driver *d = &r->method.driver;
  const hyla_problem *p = d->problem;
  hy_scalar e;
  int status = hy_driver_bind_at(d, p->outer_vjp, d->t, d->in, 0, d->state);
  if (status < 0) return status;
  d->out[0] = (char *)&e;
  bind_results(r, d->out, hy_layout_bind(&p->state_layout, d->out, 1, r->alpha));
  status = run(p->outer_vjp, d->in, d->out);
  if (status) return status;
  hy_slice_add(p, d->t, d->slices, r->method.g);
  r->method.f = hy_scalar_value(p, &e);
  r->t = d->t;
  r->backward = true;
  return 0;
}

/* From alpha_t to alpha_{t-1}; g grows by alpha_t B_t. What the trajectory holds of the step has been reached. */
static int adjoint_step(reverse *r, hy_run *run) {
  hy_driver *d = &r->method.driver, at = *d;
  const hyla_problem *p = d->problem;
  hy_driver_seek(&at, r->t - 1);
  const hy_segment *s = &p->segment[at.segment];
  hyla_program *vjp = hy_trajectory_adjoint(&r->trajectory, s)->vjp;
  int n = hy_driver_bind(&at, vjp, d->in, 0, d->state);
  if (n < 0) return n;
  n = hy_layout_bind(&p->hyper_layout, d->in, hy_layout_bind(&p->state_layout, d->in, n, r->alpha), r->method.g);
  hy_trajectory_bind(&r->trajectory, p, s, r->t - 1, d->in, d->in + n);
  bind_results(r, d->out, hy_layout_bind(&p->state_layout, d->out, 0, r->alpha));
  int status = run(vjp, d->in, d->out);
  if (status) return status;
  hy_slice_add(p, r->t, d->slices, r->method.g);
  r->t -= 1;
  return 0;
}

/* g grows by alpha_0 ds_0/dlambda. */
static int initial_adjoint(reverse *r, hy_run *run) {
  hy_driver *d = &r->method.driver;
  const hyla_problem *p = d->problem;
  if (d->warm || r->first > d->origin) return 0; /* the states training started from, or s_first, count as constant */
  int n = hy_driver_bind_at(d, p->init_vjp, 0, d->in, 0, NULL);
  if (n < 0) return n;
  hy_layout_bind(&p->hyper_layout, d->in, hy_layout_bind(&p->state_layout, d->in, n, r->alpha), r->method.g);
  bind_results(r, d->out, 0);
  int status = run(p->init_vjp, d->in, d->out);
  if (!status) hy_slice_add(p, 0, d->slices, r->method.g);
  return status;
}

static bool is_finite(const reverse *r) {
  const hyla_problem *p = r->method.driver.problem;
  return isfinite(r->method.f) && hy_layout_first_nonfinite(&p->state_layout, r->alpha) < 0 &&
         hy_layout_first_nonfinite(&p->hyper_layout, r->method.g) < 0;
}

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
  double ends = first(r), T = hyla_method_steps(m), back = T - ends;
  int status = d->started ? 0 : hy_trajectory_choose(d->problem, ends, r->memory, plan.bytes, &plan);
  if (status) return status;
  double states = plan.checkpoints + (ends == d->origin); /* the first state can be made again */
  double extra = plan.checkpoints ? hy_checkpoint_steps(back, states) + 1 - back : 0;
  *out = (hyla_cost){.steps = T - d->origin + extra,
                     .extra = extra,
                     .taken = d->t - d->origin + r->trajectory.checkpoints.replayed,
                     .checkpoints = plan.checkpoints,
                     .bytes = plan.bytes,
                     .residuals = plan.rich};
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
  if (!status && !(r->alpha = hy_calloc(p->state_layout.bytes + 1, 1))) status = HYLA_ENOMEM;
  if (status) hyla_method_drop(&r->method);
  else *out = &r->method;
  return status;
}
