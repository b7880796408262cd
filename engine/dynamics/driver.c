/* The driver: takes steps, one program call each, in place. */
#include "dynamics/dynamics.h"
#include <string.h>

int hy_driver_open(hy_driver *d, hyla_problem *p) {
  int most = 1;
  for (int i = 0; i < p->n_segment; i++)
    if (p->segment[i].rich.n_residual > most) most = p->segment[i].rich.n_residual;
  size_t room = (size_t)(2 * p->n_state + 2 * p->n_hyper + p->n_stream + p->n_slice + most + 1);
  *d = (hy_driver){.problem = hy_problem_keep(p)};
  d->hyper = hy_calloc(p->hyper_layout.bytes + 1, 1);
  d->state = hy_calloc(p->state_layout.bytes + 1, 1);
  d->slices = hy_calloc(p->slice_layout.bytes + 1, 1);
  d->in = hy_calloc(room, sizeof *d->in);
  d->out = hy_calloc(room, sizeof *d->out);
  int status = d->hyper && d->state && d->slices && d->in && d->out ? 0 : HYLA_ENOMEM;
  return status ? status : hy_feed_open(&d->feed, p);
}

void hy_driver_close(hy_driver *d) {
  hy_feed_close(&d->feed, d->problem);
  hyla_problem_drop(d->problem);
  hy_free(d->hyper);
  hy_free(d->state);
  hy_free(d->slices);
  hy_free(d->in);
  hy_free(d->out);
  hy_free(d->warm);
  *d = (hy_driver){0};
}

/* ---- binding ---- */

int hy_driver_bind_at(hy_driver *d, hyla_program *program, double t, char **in, int n, const char *state) {
  const hyla_problem *p = d->problem;
  hy_program_stays(program, d->hypers);
  if (state) n = hy_layout_bind(&p->state_layout, in, n, state);
  n = hy_layout_bind(&p->hyper_layout, in, n, d->hyper);
  int status = hy_feed_bind(&d->feed, p, program, n, t, d->hyper, in + n);
  return status ? status : n + p->n_stream;
}

int hy_driver_bind(hy_driver *d, hyla_program *program, char **in, int n, const char *state) {
  return hy_driver_bind_at(d, program, d->t + 1, in, n, state);
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
  hyla_problem *p = d->problem;
  d->hypers = ++p->taken;
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

static int initial_state(hy_driver *d) {
  hyla_problem *p = d->problem;
  int n = hy_driver_bind_at(d, p->init_program, 0, d->in, 0, NULL);
  if (n < 0) return n;
  hy_layout_bind(&p->state_layout, d->out, 0, d->state);
  return hy_program_run(p->init_program, d->in, d->out);
}

int hy_driver_restart(hy_driver *d) {
  int status = 0;
  if (d->warm) memcpy(d->state, d->warm, d->problem->state_layout.bytes);
  else status = initial_state(d);
  hy_driver_seek(d, d->origin);
  return status;
}

/* Copies of the states to start from. */
static int take_states(hy_driver *d, hyla_tensor *const *state) {
  const hyla_problem *p = d->problem;
  if (!d->warm && !(d->warm = hy_calloc(p->state_layout.bytes + 1, 1))) return HYLA_ENOMEM;
  for (int i = 0; i < p->n_state; i++) {
    const hy_variable *v = &p->state[i];
    const hyla_shape *want = &p->state_layout.shape[i];
    if (!state[i] || !hy_shape_equal(&state[i]->shape, want))
      return hy_fail(HYLA_ESHAPE, v->site, "state '%s': expected %s to start from, got %s", v->name,
                     hy_shape_show(want).s, state[i] ? hy_shape_show(&state[i]->shape).s : "nothing");
    hyla_tensor *to;
    int status = hy_tensor_wrap(want, d->warm + p->state_layout.offset[i], &to);
    if (status) return status;
    status = hyla_tensor_copy(to, state[i]);
    hyla_tensor_drop(to);
    if (status) return status;
  }
  return 0;
}

int hy_driver_start_from(hy_driver *d, hyla_tensor *const *lambda, double t, hyla_tensor *const *state) {
  const hyla_problem *p = d->problem;
  d->started = false;
  if (!(t >= 0 && t <= hy_problem_steps(p) && t == (double)(int64_t)t))
    return hy_fail(HYLA_EVALUE, NULL, "start: expected a step from 0 to %.0f, got %.9g", hy_problem_steps(p), t);
  int status = take_hypers(d, lambda);
  if (!status && state) status = take_states(d, state);
  if (!state) {
    hy_free(d->warm);
    d->warm = NULL;
  }
  d->origin = t;
  d->updated = false;
  if (!status) status = hy_driver_restart(d);
  if (status) return status;
  int bad = hy_layout_first_nonfinite(&p->state_layout, d->state);
  if (bad >= 0)
    return hy_fail(HYLA_ENONFINITE, p->state[bad].site, "the initial value of '%s' is not finite", p->state[bad].name);
  d->started = true;
  return 0;
}

int hy_driver_want_started(const hy_driver *d) {
  if (d->started) return 0;
  return hy_fail(HYLA_ESTATE, NULL, "there is no state of training: it was not started, or a step of it failed");
}

int hy_driver_update(hy_driver *d, hyla_tensor *const *lambda) {
  int status = hy_driver_want_started(d);
  if (!status) status = take_hypers(d, lambda);
  if (status) return status;
  d->updated = true;
  hy_free(d->warm); /* there is no way back */
  d->warm = NULL;
  return 0;
}

/* ---- stepping ---- */

static int take_step(hy_driver *d, hy_trajectory *r, hy_run *run) {
  const hyla_problem *p = d->problem;
  const hy_segment *s = &p->segment[d->segment];
  int n = hy_layout_bind(&p->state_layout, d->out, 0, d->state);
  const hy_adjoint *a = r ? hy_trajectory_keep(r, p, s, d->t, d->state, d->out + n) : NULL;
  hyla_program *program = a && a->step ? a->step : s->step;
  int status = hy_driver_bind(d, program, d->in, 0, d->state);
  if (status < 0) return status;
  status = run(program, d->in, d->out);
  if (!status) hy_driver_seek(d, d->t + 1);
  return status;
}

int hy_driver_explain(hy_driver *d, const hy_replay *r, const char *otherwise) {
  double t = d->t;
  const hyla_problem *p = d->problem;
  int bad = hy_layout_first_nonfinite(&p->state_layout, d->state), status = d->updated ? 0 : r->restart(r->context);
  while (!status && !d->updated && d->t < t - 1)
    if (!(status = hy_poll_interrupt())) status = r->step(r->context, hy_program_run);
  if (!status && !d->updated) status = r->step(r->context, hy_program_find_nonfinite);
  if (status == HYLA_EINTR) { /* calling again goes there again, from the start */
    int again = r->restart(r->context);
    d->started = !again;
    return again ? again : status;
  }
  d->started = false;
  if (!status && bad >= 0)
    status = hy_fail(HYLA_ENONFINITE, p->state[bad].site, "'%s' is not finite", p->state[bad].name);
  if (!status) status = hy_fail(HYLA_ENONFINITE, NULL, "%s", otherwise);
  return hy_fail_within(status, "%s diverged at step %.0f of %.0f (a smaller learning rate may help): ", r->what, t,
                        hy_problem_steps(p));
}

static int restart_again(void *context) { return hy_driver_restart(context); }
static int step_again(void *context, hy_run *run) { return take_step(context, NULL, run); }

int hy_driver_step(hy_driver *d, hy_trajectory *r) {
  int status = hy_driver_want_started(d);
  if (!status) status = hy_poll_interrupt();
  if (status) return status;
  double t = d->t;
  status = take_step(d, r, hy_program_run_watched);
  d->started = !status; /* a step that fails halfway has overwritten part of the state */
  if (status != HYLA_ENONFINITE) return status;
  hy_driver_seek(d, t + 1);
  return hy_driver_explain(d, &(hy_replay){d, restart_again, step_again, "training"}, "a state is not finite");
}

int hy_driver_outer(hy_driver *d, double *f) {
  const hyla_problem *p = d->problem;
  hy_scalar e;
  if (!p->outer_program) return hy_fail(HYLA_ESTATE, NULL, "the problem has no outer objective");
  int status = hy_driver_want_started(d);
  if (!status) status = hy_driver_bind_at(d, p->outer_program, d->t, d->in, 0, d->state);
  if (status < 0) return status;
  char *out[1] = {(char *)&e};
  status = hy_program_run(p->outer_program, d->in, out);
  double value = status ? 0 : hy_scalar_value(p, &e);
  if (!status && !(value - value == 0)) {
    status = hy_program_find_nonfinite(p->outer_program, d->in, out);
    if (!status) status = hy_fail(HYLA_ENONFINITE, p->graph->node[p->outer].site, "the outer objective is not finite");
    status = hy_fail_within(status, "outer objective after step %.0f: ", d->t);
  }
  if (!status) *f = value;
  return status;
}
