/* Reverse-HG (Franceschi et al. 2017, Algorithm 1; back-propagation through time). Forward, states are stored; backward,
 *
 *   alpha_T = dE/ds_T, g = dE/dlambda;   for t = T..1: g += alpha_t B_t, alpha_{t-1} = alpha_t A_t;   g += alpha_0 ds_0/dlambda
 *
 * The backward sweep keeps its place, so an interrupt loses nothing. */
#include "hypergrad/hypergrad.h"
#include <math.h>

typedef struct reverse {
  hyla_method method;
  double memory;
  hy_trajectory trajectory;
  char *alpha;   /* by the state layout */
  bool backward; /* the sweep has begun */
  double t;      /* the next adjoint step is that of step t */
} reverse;

static int start(hyla_method *m) {
  reverse *r = (reverse *)m;
  r->backward = false;
  return hy_trajectory_open(&r->trajectory, m->driver.problem, r->memory);
}

static int step(hyla_method *m) { return hy_driver_step(&m->driver, &((reverse *)m)->trajectory); }

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

/* From alpha_t to alpha_{t-1}; g grows by alpha_t B_t. */
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

static int initial_adjoint(reverse *r, hy_run *run) {
  hy_driver *d = &r->method.driver;
  const hyla_problem *p = d->problem;
  if (d->warm) return 0; /* the states training started from depend on nothing */
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
  while (!status && r->t > r->method.driver.origin)
    if (!(status = hy_poll_interrupt())) status = adjoint_step(r, hy_program_find_nonfinite);
  if (status) return hy_fail_within(status, "hypergradient: adjoint of step %.0f: ", r->t);
  status = initial_adjoint(r, hy_program_find_nonfinite);
  if (!status) status = hy_fail(HYLA_ENONFINITE, NULL, "not finite");
  return hy_fail_within(status, "hypergradient: adjoint of the initial state: ");
}

/* Backwards to s_0. The sweep works in place: one that fails halfway begins anew, an interrupted one goes on. */
static int sweep(reverse *r) {
  int status = 0;
  while (!status && r->t > r->method.driver.origin) {
    if ((status = hy_poll_interrupt())) return status;
    status = adjoint_step(r, hy_program_run);
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
  return (double)m->driver.problem->state_layout.bytes + (double)r->trajectory.bytes;
}

static void drop(hyla_method *m) {
  reverse *r = (reverse *)m;
  hy_trajectory_close(&r->trajectory);
  hy_free(r->alpha);
}

static const hy_method_kind kind = {"reverse", start, step, hypergradient, bytes, drop};

int hyla_reverse_new(hyla_problem *p, double memory, hyla_method **out) {
  if (!(memory >= 0))
    return hy_fail(HYLA_EVALUE, NULL, "reverse: expected a memory budget of at least 0 bytes, got %.9g", memory);
  reverse *r = hy_calloc(1, sizeof *r);
  if (!r) return HYLA_ENOMEM;
  r->memory = memory;
  int status = hy_method_open(&r->method, &kind, p, 1);
  if (!status && !(r->alpha = hy_calloc(p->state_layout.bytes + 1, 1))) status = HYLA_ENOMEM;
  if (status) hyla_method_drop(&r->method);
  else *out = &r->method;
  return status;
}
