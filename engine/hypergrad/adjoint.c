/* The pieces of a backward sweep. */
#include <math.h>
#include "hypergrad/hypergrad.h"

/* g, and room for the adjoints of slices, as the last outputs of an adjoint program. */
static void bind_results(hyla_method *m, char **out, int n) {
  const hyla_problem *p = m->driver.problem;
  n = hy_layout_bind(&p->hyper_layout, out, n, m->g);
  hy_layout_bind(&p->slice_layout, out, n, m->driver.slices);
}

int hy_outer_adjoint(hyla_method *m, char *alpha, hy_run *run) {
  hy_driver *d = &m->driver;
  const hyla_problem *p = d->problem;
  hy_scalar e;
  int status = hy_driver_bind_at(d, p->outer_vjp, d->t, d->in, 0, d->state);
  if (status < 0) return status;
  d->out[0] = (char *)&e;
  bind_results(m, d->out, hy_layout_bind(&p->state_layout, d->out, 1, alpha));
  status = run(p->outer_vjp, d->in, d->out);
  if (status) return status;
  hy_slice_add(p, d->t, d->slices, m->g);
  m->f = hy_scalar_value(p, &e);
  return 0;
}

int hy_step_adjoint(hyla_method *m, double t, const char *state, const hy_trajectory *stored, char *alpha,
                    hy_run *run) {
  hy_driver *d = &m->driver, at = *d;
  const hyla_problem *p = d->problem;
  hy_driver_seek(&at, t - 1);
  const hy_segment *s = &p->segment[at.segment];
  hyla_program *vjp = stored ? hy_trajectory_adjoint(stored, s, t - 1)->vjp : s->lean.vjp;
  int n = hy_driver_bind(&at, vjp, d->in, 0, state);
  if (n < 0) return n;
  n = hy_layout_bind(&p->hyper_layout, d->in, hy_layout_bind(&p->state_layout, d->in, n, alpha), m->g);
  if (stored) hy_trajectory_bind(stored, p, s, t - 1, d->in, d->in + n);
  bind_results(m, d->out, hy_layout_bind(&p->state_layout, d->out, 0, alpha));
  int status = run(vjp, d->in, d->out);
  if (!status) hy_slice_add(p, t, d->slices, m->g);
  return status;
}

int hy_initial_adjoint(hyla_method *m, char *alpha, hy_run *run) {
  hy_driver *d = &m->driver;
  const hyla_problem *p = d->problem;
  if (d->warm) return 0; /* the states training started from depend on nothing */
  int n = hy_driver_bind_at(d, p->init_vjp, 0, d->in, 0, NULL);
  if (n < 0) return n;
  hy_layout_bind(&p->hyper_layout, d->in, hy_layout_bind(&p->state_layout, d->in, n, alpha), m->g);
  bind_results(m, d->out, 0);
  int status = run(p->init_vjp, d->in, d->out);
  if (!status) hy_slice_add(p, 0, d->slices, m->g);
  return status;
}

bool hy_adjoint_finite(const hyla_method *m, const char *alpha) {
  const hyla_problem *p = m->driver.problem;
  return isfinite(m->f) && hy_layout_first_nonfinite(&p->state_layout, alpha) < 0 &&
         hy_layout_first_nonfinite(&p->hyper_layout, m->g) < 0;
}
