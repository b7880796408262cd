/* The driver: takes steps, one program call each, in place. */
#include "dynamics/dynamics.h"
#include <string.h>

int hy_driver_open(hy_driver *d, hyla_problem *p) {
  int most = 1;
  for (int i = 0; i < p->n_segment; i++) {
    int extra = p->segment[i].n_stream + p->segment[i].rich.n_residual;
    if (extra > most) most = extra;
  }
  size_t room = (size_t)(2 * p->n_state + 2 * p->n_hyper + most + 1);
  *d = (hy_driver){.problem = hy_problem_keep(p)};
  d->hyper = hy_calloc(p->hyper_layout.bytes + 1, 1);
  d->state = hy_calloc(p->state_layout.bytes + 1, 1);
  d->in = hy_calloc(room, sizeof *d->in);
  d->out = hy_calloc(room, sizeof *d->out);
  return d->hyper && d->state && d->in && d->out ? 0 : HYLA_ENOMEM;
}

void hy_driver_close(hy_driver *d) {
  hyla_problem_drop(d->problem);
  hy_free(d->hyper);
  hy_free(d->state);
  hy_free(d->in);
  hy_free(d->out);
  *d = (hy_driver){0};
}

/* ---- binding ---- */

static char *stream_row(const hy_segment *s, int i, double t) {
  const hyla_tensor *table = s->table[i];
  int64_t rows = table->shape.dim[0], row = hy_shape_size(&table->shape) / rows, k = (int64_t)t % rows;
  return (char *)table->storage->data + (size_t)(table->offset + k * row) * hy_dtype_size(table->shape.dtype);
}

int hy_driver_bind(const hy_driver *d, char **in, int n, const char *state) {
  const hyla_problem *p = d->problem;
  const hy_segment *s = &p->segment[d->segment];
  n = hy_layout_bind(&p->state_layout, in, n, state);
  n = hy_layout_bind(&p->hyper_layout, in, n, d->hyper);
  for (int i = 0; i < s->n_stream; i++) in[n++] = stream_row(s, i, d->segment_t);
  return n;
}

void hy_driver_seek(hy_driver *d, double t) {
  const hyla_problem *p = d->problem;
  d->t = t;
  for (d->segment = 0; d->segment + 1 < p->n_segment && t >= p->segment[d->segment].steps; d->segment++)
    t -= p->segment[d->segment].steps;
  d->segment_t = t;
}

/* ---- starting ---- */

static int take_hypers(hy_driver *d, hyla_tensor *const *lambda) {
  const hyla_problem *p = d->problem;
  for (int i = 0; i < p->n_hyper; i++) {
    const hy_variable *h = &p->hyper[i];
    const hyla_shape *want = &p->hyper_layout.shape[i];
    if (!lambda[i] || !hy_shape_equal(&lambda[i]->shape, want))
      return hy_fail(HYLA_ESHAPE, h->site, "hyperparameter '%s': expected %s, got %s", h->name, hy_shape_show(want).s,
                     lambda[i] ? hy_shape_show(&lambda[i]->shape).s : "nothing");
    hyla_tensor *to;
    int status = hy_tensor_wrap(want, d->hyper + p->hyper_layout.offset[i], &to);
    if (status) return status;
    status = hyla_tensor_copy(to, lambda[i]);
    hyla_tensor_drop(to);
    if (status) return status;
  }
  int bad = hy_layout_first_nonfinite(&p->hyper_layout, d->hyper);
  return bad < 0
             ? 0
             : hy_fail(HYLA_ENONFINITE, p->hyper[bad].site, "hyperparameter '%s' is not finite", p->hyper[bad].name);
}

int hy_driver_restart(hy_driver *d) {
  hyla_problem *p = d->problem;
  hy_layout_bind(&p->hyper_layout, d->in, 0, d->hyper);
  hy_layout_bind(&p->state_layout, d->out, 0, d->state);
  int status = hy_program_run(p->init_program, d->in, d->out);
  hy_driver_seek(d, 0);
  return status;
}

int hy_driver_start(hy_driver *d, hyla_tensor *const *lambda) {
  const hyla_problem *p = d->problem;
  d->started = false;
  int status = take_hypers(d, lambda);
  if (!status) status = hy_driver_restart(d);
  if (status) return status;
  int bad = hy_layout_first_nonfinite(&p->state_layout, d->state);
  if (bad >= 0)
    return hy_fail(HYLA_ENONFINITE, p->state[bad].site, "the initial value of '%s' is not finite", p->state[bad].name);
  d->started = true;
  return 0;
}

/* ---- stepping ---- */

static int take_step(hy_driver *d, hy_trajectory *r, hy_run *run) {
  const hyla_problem *p = d->problem;
  const hy_segment *s = &p->segment[d->segment];
  const hy_adjoint *a = r ? hy_trajectory_adjoint(r, s) : NULL;
  hy_driver_bind(d, d->in, 0, d->state);
  int n = hy_layout_bind(&p->state_layout, d->out, 0, d->state);
  if (a) hy_trajectory_keep(r, p, s, d->t, d->state, d->out + n);
  int status = run(a && a->step ? a->step : s->step, d->in, d->out);
  if (!status) hy_driver_seek(d, d->t + 1);
  return status;
}

/* The step's input is gone, it was overwritten: go there again from s_0, and take the step looking at every value. */
static int explain_nonfinite(hy_driver *d) {
  double t = d->t;
  int bad = hy_layout_first_nonfinite(&d->problem->state_layout, d->state), status = hy_driver_restart(d);
  while (!status && d->t < t - 1)
    if (!(status = hy_poll_interrupt())) status = take_step(d, NULL, hy_program_run);
  if (!status) status = take_step(d, NULL, hy_program_find_nonfinite);
  d->started = false;
  const hy_variable *v = &d->problem->state[bad];
  if (!status) status = hy_fail(HYLA_ENONFINITE, v->site, "'%s' is not finite", v->name);
  return hy_fail_within(status, "training diverged at step %.0f of %.0f (a smaller learning rate may help): ", t,
                        hy_problem_steps(d->problem));
}

int hy_driver_step(hy_driver *d, hy_trajectory *r) {
  if (!d->started) return hy_fail(HYLA_ESTATE, NULL, "the method has not been started");
  int status = hy_poll_interrupt();
  if (status) return status;
  status = take_step(d, r, hy_program_run);
  d->started = !status; /* a step that fails halfway has overwritten part of the state */
  if (status) return status;
  return hy_layout_first_nonfinite(&d->problem->state_layout, d->state) < 0 ? 0 : explain_nonfinite(d);
}

int hy_driver_outer(hy_driver *d, double *f) {
  const hyla_problem *p = d->problem;
  hy_scalar e;
  if (!p->outer_program) return hy_fail(HYLA_ESTATE, NULL, "the problem has no outer objective");
  if (!d->started) return hy_fail(HYLA_ESTATE, NULL, "the method has not been started");
  hy_layout_bind(&p->hyper_layout, d->in, hy_layout_bind(&p->state_layout, d->in, 0, d->state), d->hyper);
  char *out[1] = {(char *)&e};
  int status = hy_program_run(p->outer_program, d->in, out);
  double value = status ? 0 : hy_scalar_value(p, &e);
  if (!status && !(value - value == 0)) {
    status = hy_program_find_nonfinite(p->outer_program, d->in, out);
    if (!status) status = hy_fail(HYLA_ENONFINITE, p->graph->node[p->outer].site, "the outer objective is not finite");
    status = hy_fail_within(status, "outer objective after step %.0f: ", d->t);
  }
  if (!status) *f = value;
  return status;
}
