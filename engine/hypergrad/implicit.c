/* The implicit hypergradient. Training goes on until it stands still; there dJ/dw (w, lambda) = 0, or s = Phi (s, lambda)
 * makes w or s a function of lambda, whose derivative takes a linear system and no trajectory:
 *
 *   (H + damping) q = dE/dw,  g = dE/dlambda - (d2J/dw dlambda)' q      (Pedregosa 2016, Algorithm 1)
 *   q = A' q + dE/ds,         g = dE/dlambda + B' q                     (Grazzi et al. 2020, section 3)
 *
 * How far training stands still is a norm: |dJ/dw|, or |Phi(s) - s| where there is no J; tolerances are relative to its
 * value at s_0, so that they have no unit. */
#include "hypergrad/hypergrad.h"
#include "hypergrad/solve.h"
#include <math.h>
#include <string.h>

typedef struct implicit {
  hyla_method method;
  hyla_implicit o;
  double tolerance; /* of the next start */
  hy_stationary at;
  hy_solver solver;
  char *alpha;        /* dE/ds */
  char *last;         /* the state that the last hypergradient ended at */
  char *solution;     /* and its q, by the state layout */
  bool has_last;      /* and it is to be started from */
  char *scratch;      /* a state: the next one, or dJ/dw */
  char *value;        /* what products read */
  char **in, **out;   /* room for the pointers of a call */
  double first, norm; /* the norm at s_0, and at the present state */
  bool measured;      /* norm is that of the present state */
  bool solving;
  hyla_solve report;
  bool reported;
} implicit;

static const hy_layout *state_layout(const implicit *r) { return &r->method.driver.problem->state_layout; }

/* ---- programs at the present state ---- */

/* Runs a program of states, hyperparameters and streams, then in[n..n+more) as bound by the caller; out is bound. */
static int run_here(implicit *r, hyla_program *program, const char *more[], const hy_layout *layout[], int n_more) {
  hy_driver *d = &r->method.driver;
  int n = hy_driver_bind_at(d, program, d->t, r->in, 0, d->state);
  if (n < 0) return n;
  for (int i = 0; i < n_more; i++) n = hy_layout_bind(layout[i], r->in, n, more[i]);
  return hy_program_run(program, r->in, r->out);
}

/* After run_here: the same again, looking at every value. */
static int explain(implicit *r, hyla_program *program, const char *what) {
  int status = hy_program_find_nonfinite(program, r->in, r->out);
  if (!status) status = hy_fail(HYLA_ENONFINITE, NULL, "not finite");
  return hy_fail_within(status, "implicit: %s after step %.0f: ", what, r->method.driver.t);
}

static int product(void *context, const char *v, char *out) {
  implicit *r = context;
  hy_layout_bind(&r->at.unknown, r->out, 0, out);
  int status = run_here(r, r->at.product, (const char *[]){v, r->value},
                        (const hy_layout *[]){&r->at.unknown, &r->at.value}, 2);
  if (status || hy_layout_first_nonfinite(&r->at.unknown, out) < 0) return status;
  return explain(r, r->at.product,
                 r->at.fixed_point ? "product with the last step's derivative" : "product with the Hessian");
}

static double norm_of(const hy_layout *l, const char *x) {
  double sum = 0;
  for (int i = 0; i < l->n; i++)
    sum += hy_dot(hy_shape_size(&l->shape[i]), l->shape[i].dtype, x + l->offset[i], x + l->offset[i]);
  return sqrt(sum);
}

static double distance(const hy_layout *l, const char *x, const char *y) {
  double sum = 0;
  for (int i = 0; i < l->n; i++) {
    double d = hy_distance(hy_shape_size(&l->shape[i]), l->shape[i].dtype, x + l->offset[i], y + l->offset[i]);
    sum += d * d;
  }
  return sqrt(sum);
}

/* dJ/dw by the layout of weights, which lies at the beginning of the scratch state. */
static int measure_gradient(implicit *r) {
  const hyla_problem *p = r->method.driver.problem;
  size_t at = 0;
  double sum = 0;
  for (int i = 0; i < p->n_weight; i++) {
    r->out[i] = r->scratch + at;
    at += hy_aligned(hy_layout_size(&p->state_layout, p->weight[i]));
  }
  int status = run_here(r, r->at.gradient, NULL, NULL, 0);
  for (int i = 0; i < p->n_weight && !status; i++) {
    const hyla_shape *shape = &p->state_layout.shape[p->weight[i]];
    sum += hy_dot(hy_shape_size(shape), shape->dtype, r->out[i], r->out[i]);
  }
  r->norm = sqrt(sum);
  return status || isfinite(r->norm) ? status : explain(r, r->at.gradient, "gradient of the inner objective");
}

static int measure_displacement(implicit *r) {
  hy_driver *d = &r->method.driver, at = *d;
  const hyla_problem *p = d->problem;
  hyla_program *step = p->segment[p->n_segment - 1].step;
  if (at.t >= hy_problem_steps(p)) at.t -= 1; /* streams as the last step has them */
  int n = hy_driver_bind(&at, step, r->in, 0, d->state);
  if (n < 0) return n;
  hy_layout_bind(&p->state_layout, r->out, 0, r->scratch);
  int status = hy_program_run(step, r->in, r->out);
  r->norm = distance(&p->state_layout, d->state, r->scratch);
  return status || isfinite(r->norm) ? status : explain(r, step, "a further step");
}

static int measure(implicit *r) {
  int status = r->at.gradient ? measure_gradient(r) : measure_displacement(r);
  r->measured = !status;
  return status;
}

/* ---- training ---- */

static bool stands_still(const implicit *r) { return r->tolerance > 0 && r->norm <= r->tolerance * r->first; }

/* The driver begins anew from the state of the last hypergradient. */
static int start_from_last(implicit *r) {
  hy_driver *d = &r->method.driver;
  if (!(d->warm = hy_alloc(state_layout(r)->bytes + 1))) return HYLA_ENOMEM;
  memcpy(d->warm, r->last, state_layout(r)->bytes);
  return hy_driver_restart(d);
}

static int start(hyla_method *m) {
  implicit *r = (implicit *)m;
  int status = 0;
  bool warm = r->o.warm && r->has_last && !m->driver.warm;
  r->solving = r->measured = r->solver.running = r->reported = false;
  r->solver.tolerance = r->tolerance;
  if (r->tolerance > 0) status = measure(r);
  r->first = r->norm;
  if (!status && warm) status = start_from_last(r);
  if (!status && warm && r->tolerance > 0) status = measure(r);
  m->settled = !status && stands_still(r);
  return status;
}

/* One step, and the norm of the state before it where the step tells it. */
static int take_step(implicit *r, double *before) {
  hy_driver *d = &r->method.driver;
  const hyla_problem *p = d->problem;
  hyla_program *program = r->at.step[d->segment];
  hy_scalar square = {0};
  int status = hy_poll_interrupt(), n = status ? status : hy_driver_bind(d, program, r->in, 0, d->state);
  if (n < 0) return n;
  r->out[hy_layout_bind(&p->state_layout, r->out, 0, d->state)] = (char *)&square;
  status = hy_program_run(program, r->in, r->out);
  d->started = !status;
  if (status) return status;
  hy_driver_seek(d, d->t + 1);
  bool single = p->state_layout.shape[p->weight[0]].dtype == HYLA_FLOAT32;
  *before = sqrt(single ? (double)square.f : square.d);
  if (hy_layout_first_nonfinite(&p->state_layout, d->state) < 0) return 0;
  double t = d->t; /* the driver's own steps say what went wrong, and where */
  status = hy_driver_restart(d);
  while (!status && d->t < t) status = hy_driver_step(d, NULL);
  return status ? status : hy_fail(HYLA_ENONFINITE, NULL, "training diverged at step %.0f", t);
}

static int take_plain_step(implicit *r, double *before) {
  hy_driver *d = &r->method.driver;
  memcpy(r->scratch, d->state, state_layout(r)->bytes);
  int status = hy_driver_step(d, NULL);
  if (!status) *before = distance(state_layout(r), d->state, r->scratch);
  return status;
}

static int step(hyla_method *m) {
  implicit *r = (implicit *)m;
  double before = 0;
  r->measured = false;
  if (r->tolerance <= 0) return hy_driver_step(&m->driver, NULL);
  int status = r->at.gradient ? take_step(r, &before) : take_plain_step(r, &before);
  if (status || before > r->tolerance * r->first) return status;
  status = measure(r);
  m->settled = !status && stands_still(r);
  return status;
}

static int not_still(const implicit *r) {
  const hyla_problem *p = r->method.driver.problem;
  return hy_fail(
      HYLA_ECONVERGE, p->inner >= 0 ? p->graph->node[p->inner].site : NULL,
      "implicit: training did not reach its tolerance: after %.0f steps %s is %.3g, %.3g times what it is at "
      "the start, and the tolerance is %.3g (%s)",
      r->method.driver.t, r->at.gradient ? "the norm of the inner gradient" : "the way of a step", r->norm,
      r->norm / r->first, r->tolerance,
      r->norm < r->first ? "more steps, a larger learning rate or tolerance" : "a smaller learning rate");
}

/* ---- the hypergradient ---- */

/* f, alpha = dE/ds, g = dE/dlambda. */
static int outer_adjoint(implicit *r) {
  int status = hy_outer_adjoint(&r->method, r->alpha, hy_program_run);
  if (status || hy_adjoint_finite(&r->method, r->alpha)) return status;
  status = hy_outer_adjoint(&r->method, r->alpha, hy_program_find_nonfinite);
  if (!status) status = hy_fail(HYLA_ENONFINITE, NULL, "not finite");
  return hy_fail_within(status, "implicit: adjoint of the outer objective after step %.0f: ", r->method.driver.t);
}

/* The parts of a state that are unknowns of the linear system. */
static void take_unknowns(const implicit *r, char *to, const char *state) {
  for (int i = 0; i < r->at.n; i++)
    memcpy(to + r->at.unknown.offset[i], state + state_layout(r)->offset[r->at.state[i]],
           hy_layout_size(&r->at.unknown, i));
}

/* Where the next hypergradient begins, when it is warm. */
static void keep_end(implicit *r) {
  memcpy(r->last, r->method.driver.state, state_layout(r)->bytes);
  for (int i = 0; i < r->at.n; i++)
    memcpy(r->solution + state_layout(r)->offset[r->at.state[i]], r->solver.x + r->at.unknown.offset[i],
           hy_layout_size(&r->at.unknown, i));
}

/* Everything that the solver reads. */
static int prepare(implicit *r) {
  const hy_stationary *at = &r->at;
  int status = r->measured ? 0 : measure(r);
  if (!status && r->tolerance > 0 && !stands_still(r)) return not_still(r);
  if (!status) status = outer_adjoint(r);
  if (status) return status;
  take_unknowns(r, r->solver.b, r->alpha);
  if (r->o.warm && r->has_last) take_unknowns(r, r->solver.x, r->solution);
  else memset(r->solver.x, 0, at->unknown.bytes);
  hy_layout_bind(&at->value, r->out, 0, r->value);
  return at->prepare ? run_here(r, at->prepare, NULL, NULL, 0) : 0;
}

/* g -= (d2J/dw dlambda)' q, or g += B' q. */
static int cross(implicit *r) {
  const hy_layout *hyper = &r->method.driver.problem->hyper_layout;
  hy_layout_bind(hyper, r->out, 0, r->method.g);
  int status = run_here(r, r->at.cross, (const char *[]){r->solver.x, r->method.g},
                        (const hy_layout *[]){&r->at.unknown, hyper}, 2);
  if (status || hy_layout_first_nonfinite(hyper, r->method.g) < 0) return status;
  return hy_fail(HYLA_ENONFINITE, NULL, "implicit: the hypergradient is not finite (|q| is %.3g)",
                 norm_of(&r->at.unknown, r->solver.x));
}

static int hypergradient(hyla_method *m) {
  implicit *r = (implicit *)m;
  int status = r->solving ? 0 : prepare(r);
  if (!status) {
    r->solving = true;
    status = hy_solver_run(&r->solver);
  }
  if (status == HYLA_EINTR) return status;
  if (!status) status = cross(r);
  r->solving = false;
  r->has_last = !status; /* what a failure leaves is no place to begin at */
  if (status) return status;
  keep_end(r);
  r->report = (hyla_solve){m->driver.t, r->norm, r->solver.iterations, r->solver.residual, r->tolerance};
  r->reported = true;
  return 0;
}

/* ---- the method ---- */

static int pieces(const hyla_method *m) { return ((const implicit *)m)->o.warm ? 2 : 0; }
static char *piece(hyla_method *m, int i) { return i ? ((implicit *)m)->solution : ((implicit *)m)->last; }

/* At most; training may end before, and the solve has no bound but its iterations. */
static int cost(const hyla_method *m, hyla_cost *out) {
  const implicit *r = (const implicit *)m;
  *out = (hyla_cost){.steps = hyla_method_steps(m) - m->driver.origin,
                     .taken = m->driver.t - m->driver.origin,
                     .bytes = (double)(r->at.value.bytes + hy_solver_bytes(&r->solver))};
  return 0;
}

static double bytes(const hyla_method *m) {
  const implicit *r = (const implicit *)m;
  return (double)(4 * state_layout(r)->bytes + r->at.value.bytes + hy_solver_bytes(&r->solver));
}

static void drop(hyla_method *m) {
  implicit *r = (implicit *)m;
  hy_solver_close(&r->solver);
  hy_stationary_close(&r->at);
  hy_free(r->alpha);
  hy_free(r->last);
  hy_free(r->solution);
  hy_free(r->scratch);
  hy_free(r->value);
  hy_free(r->in);
  hy_free(r->out);
}

static const hy_method_kind kind = {.name = "implicit",
                                    .start = start,
                                    .step = step,
                                    .hypergradient = hypergradient,
                                    .pieces = pieces,
                                    .piece = piece,
                                    .bytes = bytes,
                                    .cost = cost,
                                    .drop = drop};

static int check_tolerance(double tolerance) {
  if (tolerance >= 0 && tolerance < INFINITY) return 0;
  return hy_fail(HYLA_EVALUE, NULL, "implicit: expected a tolerance of at least 0, got %.9g", tolerance);
}

int hyla_implicit_tolerance(hyla_method *m, double tolerance) {
  if (m->kind != &kind) return hy_fail(HYLA_ESTATE, NULL, "method '%s' has no tolerance", m->kind->name);
  int status = check_tolerance(tolerance);
  if (!status) ((implicit *)m)->tolerance = tolerance;
  return status;
}

int hyla_implicit_warm(hyla_method *m, int on) {
  if (m->kind != &kind || !((implicit *)m)->o.warm)
    return hy_fail(HYLA_ESTATE, NULL, "method '%s' has no warm start", m->kind->name);
  ((implicit *)m)->has_last = on;
  return 0;
}

int hyla_implicit_solve(const hyla_method *m, hyla_solve *out) {
  const implicit *r = (const implicit *)m;
  if (m->kind != &kind) return hy_fail(HYLA_ESTATE, NULL, "method '%s' solves no linear system", m->kind->name);
  if (!r->reported) return hy_fail(HYLA_ESTATE, NULL, "implicit: there is no hypergradient yet");
  *out = r->report;
  return 0;
}

static int allocate(implicit *r, const hyla_problem *p) {
  size_t room = (size_t)(2 * p->n_state + 2 * p->n_hyper + p->n_stream + p->n_slice + r->at.value.n + 2);
  r->alpha = hy_calloc(p->state_layout.bytes + 1, 1);
  r->last = hy_calloc(p->state_layout.bytes + 1, 1);
  r->solution = hy_calloc(p->state_layout.bytes + 1, 1);
  r->scratch = hy_calloc(p->state_layout.bytes + 1, 1);
  r->value = hy_calloc(r->at.value.bytes + 1, 1);
  r->in = hy_calloc(room, sizeof *r->in);
  r->out = hy_calloc(room, sizeof *r->out);
  return r->alpha && r->last && r->solution && r->scratch && r->value && r->in && r->out ? 0 : HYLA_ENOMEM;
}

int hyla_implicit_new(hyla_problem *p, const hyla_implicit *settings, hyla_method **out) {
  int status = check_tolerance(settings->tolerance);
  if (status) return status;
  implicit *r = hy_calloc(1, sizeof *r);
  if (!r) return HYLA_ENOMEM;
  r->o = *settings;
  r->tolerance = settings->tolerance;
  status = hy_method_open(&r->method, &kind, p, 1);
  if (!status) status = hy_program_reserve(p->outer_vjp);
  if (!status) status = hy_stationary_open(&r->at, p, settings->solver == HYLA_SOLVE_FIXED_POINT);
  if (!status)
    status = hy_solver_open(&r->solver, settings, &r->at.unknown, p->inner >= 0 ? p->graph->node[p->inner].site : NULL,
                            product, r);
  if (!status) status = allocate(r, p);
  if (status) hyla_method_drop(&r->method);
  else *out = &r->method;
  return status;
}
