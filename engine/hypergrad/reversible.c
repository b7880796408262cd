/* Reverse-HG without a stored trajectory (Maclaurin, Duvenaud and Adams 2015): training is momentum in fixed point, and
 * runs backwards beside the adjoint (dynamics/rewind.c). alpha_{t-1} = alpha_t A_t and g += alpha_t B_t are those of
 * Reverse-HG at the re-created state, by the same program: rounding is differentiated as the identity. */
#include "dynamics/rewind.h"
#include <string.h>
#include "hypergrad/hypergrad.h"

typedef struct reversible {
  hyla_method method;
  double memory;
  hy_rewind rewind; /* at the driver's step, but in the sweep and after it */
  char *past;       /* the state there as reals, in the sweep */
  char *alpha;      /* by the state layout */
  bool backward;    /* the sweep has begun */
} reversible;

static int start(hyla_method *m) {
  reversible *r = (reversible *)m;
  r->backward = false;
  return hy_rewind_start(&r->rewind, r->memory);
}

static int check_here(const reversible *r) {
  return r->rewind.t == r->method.driver.t
             ? 0
             : hy_fail(HYLA_ESTATE, NULL, "reversible: the hypergradient has gone back already; start anew");
}

static int step(hyla_method *m) {
  reversible *r = (reversible *)m;
  int status = hy_poll_interrupt();
  if (!status) status = check_here(r);
  if (status) return status;
  status = hy_rewind_forward(&r->rewind);
  m->driver.started = !status; /* a step that fails halfway has changed part of the state */
  return status;
}

/* ---- backwards ---- */

/* f, alpha_T and the direct term; the state goes along to `past`. */
static int begin_sweep(reversible *r, hy_run *run) {
  int status = hy_outer_adjoint(&r->method, r->alpha, run);
  if (status) return status;
  memcpy(r->past, r->method.driver.state, r->method.driver.problem->state_layout.bytes);
  r->backward = true;
  return 0;
}

static int sweep_step(reversible *r, hy_run *run) {
  double t = r->rewind.t;
  int status = hy_rewind_back(&r->rewind, r->past);
  return status ? status : hy_step_adjoint(&r->method, t, r->past, NULL, r->alpha, run);
}

/* The way back used up the state: train again, and sweep looking at every value. */
static int explain_nonfinite(reversible *r) {
  hyla_method *m = &r->method;
  hy_driver *d = &m->driver;
  int status = hy_driver_restart(d);
  if (!status) status = start(m);
  while (!status && d->t < hy_problem_steps(d->problem))
    if (!(status = hy_poll_interrupt())) status = hy_rewind_forward(&r->rewind);
  if (!status) status = begin_sweep(r, hy_program_find_nonfinite);
  if (status) return hy_fail_within(status, "hypergradient: adjoint of the outer objective: ");
  while (!status && r->rewind.t > r->rewind.origin)
    if (!(status = hy_poll_interrupt())) status = sweep_step(r, hy_program_find_nonfinite);
  if (status) return hy_fail_within(status, "hypergradient: adjoint of step %.0f: ", r->rewind.t + 1);
  status = hy_initial_adjoint(m, r->alpha, hy_program_find_nonfinite);
  if (!status) status = hy_fail(HYLA_ENONFINITE, NULL, "not finite");
  return hy_fail_within(status, "hypergradient: adjoint of the initial state: ");
}

/* HYLA_EINTR: nothing is lost, the sweep goes on from there. */
static int sweep(reversible *r) {
  hyla_method *m = &r->method;
  int status = r->backward ? 0 : begin_sweep(r, hy_program_run);
  while (!status && r->rewind.t > r->rewind.origin) {
    if (!hy_adjoint_finite(m, r->alpha)) return explain_nonfinite(r);
    if (!(status = hy_poll_interrupt())) status = sweep_step(r, hy_program_run);
  }
  if (!status && !hy_rewind_is_origin(&r->rewind))
    status = hy_fail(HYLA_EINTERNAL, NULL, "reversible: the way back ended in another state than training began with");
  if (!status) status = hy_initial_adjoint(m, r->alpha, hy_program_run);
  return status || hy_adjoint_finite(m, r->alpha) ? status : explain_nonfinite(r);
}

static int hypergradient(hyla_method *m) {
  reversible *r = (reversible *)m;
  int status = sweep(r);
  if (status == HYLA_EINTR) return status;
  r->backward = false;
  if (status) m->driver.started = false; /* the state is lost */
  return status;
}

/* ---- the method ---- */

static double bytes(const hyla_method *m) {
  return hy_rewind_bytes(&((const reversible *)m)->rewind) + 2 * (double)m->driver.problem->state_layout.bytes;
}

static int cost(const hyla_method *m, hyla_cost *out) {
  const hy_driver *d = &m->driver;
  if (!d->started)
    return hy_fail(HYLA_ESTATE, NULL,
                   "reversible: the momenta decide what is stored; start the method before its cost");
  *out = (hyla_cost){.steps = hyla_method_steps(m) - d->origin,
                     .taken = d->t - d->origin,
                     .bytes = hy_rewind_buffer_bytes(&((const reversible *)m)->rewind)};
  return 0;
}

static void drop(hyla_method *m) {
  reversible *r = (reversible *)m;
  hy_rewind_close(&r->rewind);
  hy_free(r->past);
  hy_free(r->alpha);
}

static const hy_method_kind kind = {.name = "reversible",
                                    .start = start,
                                    .step = step,
                                    .hypergradient = hypergradient,
                                    .bytes = bytes,
                                    .cost = cost,
                                    .drop = drop};

int hyla_reversible_back(hyla_method *m, double steps) {
  if (m->kind != &kind) return hy_fail(HYLA_ESTATE, NULL, "method '%s' cannot go back", m->kind->name);
  if (!m->driver.started) return hy_fail(HYLA_ESTATE, NULL, "the method has not been started");
  reversible *r = (reversible *)m;
  double done = r->rewind.t - r->rewind.origin;
  int status = check_here(r);
  if (!status && r->rewind.n_other)
    status = hy_fail(HYLA_ESTATE, NULL, "back: the state '%s' is a sum of what was, and is not taken back",
                     m->driver.problem->state[r->rewind.other[0]].name);
  if (!status && !(steps >= 0 && steps <= done))
    status = hy_fail(HYLA_EVALUE, NULL, "back: expected a number of steps from 0 to %.0f, got %.9g", done, steps);
  if (status) return status;
  for (double stop = r->rewind.t - steps; r->rewind.t > stop;) {
    if ((status = hy_poll_interrupt())) return status;
    status = hy_rewind_back(&r->rewind, m->driver.state);
    m->driver.started = !status;
    if (status) return status;
    hy_driver_seek(&m->driver, r->rewind.t);
  }
  return 0;
}

int hyla_reversible_new(hyla_problem *p, double memory, int bits, hyla_method **out) {
  int status = hy_method_check_memory(kind.name, memory);
  if (status) return status;
  if (bits < 8 || bits > 56)
    return hy_fail(HYLA_EVALUE, NULL, "reversible: expected 8 to 56 bits of fraction, got %d", bits);
  status = hy_rewind_check(p);
  if (status) return status;
  reversible *r = hy_calloc(1, sizeof *r);
  if (!r) return HYLA_ENOMEM;
  r->memory = memory;
  status = hy_method_open(&r->method, &kind, p, 1);
  if (!status) status = hy_problem_reserve_adjoints(p);
  if (!status) status = hy_rewind_open(&r->rewind, &r->method.driver, bits);
  if (!status) r->past = hy_calloc(p->state_layout.bytes + 1, 1);
  if (!status) r->alpha = hy_calloc(p->state_layout.bytes + 1, 1);
  if (!status && (!r->past || !r->alpha)) status = HYLA_ENOMEM;
  if (status) hyla_method_drop(&r->method);
  else *out = &r->method;
  return status;
}
