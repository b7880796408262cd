/* Forward-HG (Franceschi et al. 2017, eq. 12-16; real-time recurrent learning): tangents Z_i of the state, one for each
 * component of the hyperparameters, go along with training,
 *
 *   Z_0 = ds_0/dlambda, Z_t = A_t Z_{t-1} + B_t,   grad f = dE/dlambda + dE/ds_T Z_T
 *
 * Memory does not grow with T. Tangents run in groups, each with a primal of its own. Where all of them fit in memory
 * they go along in one training, and the partial hypergradient dE/dlambda + dE/ds_t Z_t exists at every step: RTHO (eq.
 * 17) changes lambda by it and goes on. Otherwise each group trains anew, to the same bits.
 *
 * `carry` = mu makes it Z_t = mu A_t Z_{t-1} + B_t (MARTHE, Donini et al. 2020): 0 is hypergradient descent on the one
 * step that was taken (Baydin et al. 2018). */
#include "hypergrad/hypergrad.h"
#include <math.h>
#include <string.h>

enum { MOST_TOGETHER = 16 }; /* tangents of one program: beyond, its graph grows and nothing more is shared */

static const double most_unasked = 0x1p30; /* bytes of tangents that go along at once where nobody set a budget */

typedef struct forward {
  hyla_method method;
  double memory;
  int64_t m;     /* components of the hyperparameters */
  int64_t group; /* whose directions are set: group*k .. */
  bool along;    /* all groups go along in one training */
  hy_tangent tangent;
  char *z;       /* [k] states, or (along) [groups * k] */
  char *dot;     /* [k] hyperparameters: unit vectors */
  double *slope; /* [m] */
} forward;

static int64_t groups(const forward *r) { return (r->m + r->tangent.k - 1) / r->tangent.k; }
static size_t state_bytes(const forward *r) { return r->method.driver.problem->state_layout.bytes; }
static size_t hyper_bytes(const forward *r) { return r->method.driver.problem->hyper_layout.bytes; }
static int64_t held(const forward *r) { return r->along ? groups(r) * r->tangent.k : r->tangent.k; }

/* Z of direction i of the present group. */
static char *tangent_of(const forward *r, int i) {
  return r->z + (size_t)((r->along ? r->group * r->tangent.k : 0) + i) * state_bytes(r);
}

/* lambda_dot of direction i: `value` at component group*k + i of all hyperparameters in their order (a direction past the
 * last is zero). */
static void write_directions(forward *r, double value) {
  const hy_layout *l = &r->method.driver.problem->hyper_layout;
  for (int i = 0; i < r->tangent.k; i++) {
    int64_t at = r->group * r->tangent.k + i;
    for (int h = 0; h < l->n && at >= 0; h++) {
      int64_t size = hy_shape_size(&l->shape[h]);
      char *unit = r->dot + (size_t)i * l->bytes + l->offset[h];
      if (at < size) hy_kernel_fill(1, unit + (size_t)at * hy_dtype_size(l->shape[h].dtype), l->shape[h].dtype, value);
      at -= size;
    }
  }
}

static void turn_to(forward *r, int64_t group) {
  if (r->group == group) return;
  if (r->group >= 0) write_directions(r, 0);
  r->group = group;
  write_directions(r, 1);
}

/* Appends Z, lambda_dot and its slices at step t, of all directions of the group. */
static int bind_directions(const forward *r, bool z, double t, char **in, int n) {
  const hyla_problem *p = r->method.driver.problem;
  for (int i = 0; z && i < r->tangent.k; i++) n = hy_layout_bind(&p->state_layout, in, n, tangent_of(r, i));
  for (int i = 0; i < r->tangent.k; i++)
    n = hy_layout_bind(&p->hyper_layout, in, n, r->dot + (size_t)i * hyper_bytes(r));
  for (int i = 0; i < r->tangent.k; i++) n = hy_slice_bind(p, t, r->dot + (size_t)i * hyper_bytes(r), in, n);
  return n;
}

static int bind_tangents(const forward *r, char **out, int n) {
  for (int i = 0; i < r->tangent.k; i++)
    n = hy_layout_bind(&r->method.driver.problem->state_layout, out, n, tangent_of(r, i));
  return n;
}

/* Z_0 of the group; the driver has just computed s_0. */
static int start_group(forward *r, int64_t group) {
  hy_driver *d = &r->method.driver;
  hy_tangent *f = &r->tangent;
  turn_to(r, group);
  if (d->warm) { /* the states training started from depend on nothing */
    memset(tangent_of(r, 0), 0, (size_t)f->k * state_bytes(r));
    return 0;
  }
  int n = hy_driver_bind_at(d, f->init, 0, f->in, 0, NULL);
  if (n < 0) return n;
  bind_directions(r, false, 0, f->in, n);
  bind_tangents(r, f->out, 0);
  return hy_program_run(f->init, f->in, f->out);
}

/* All that go along with the training that begins. */
static int start_tangents(forward *r, int64_t first) {
  int status = start_group(r, first);
  for (int64_t g = first + 1; r->along && g < groups(r) && !status; g++) status = start_group(r, g);
  return status;
}

static int start(hyla_method *m) { return start_tangents((forward *)m, 0); }

/* The present group's tangents take a step, with or without the state, which has not moved yet. */
static int step_group(forward *r, bool state, hy_run *run) {
  hy_driver *d = &r->method.driver;
  hy_tangent *f = &r->tangent;
  hyla_program *program = state ? f->step[d->segment] : f->push[d->segment];
  int n = hy_driver_bind(d, program, f->in, 0, d->state);
  if (n < 0) return n;
  bind_directions(r, true, d->t + 1, f->in, n);
  bind_tangents(r, f->out, state ? hy_layout_bind(&d->problem->state_layout, f->out, 0, d->state) : 0);
  return run(program, f->in, f->out);
}

static int take_step(forward *r, hy_run *run) {
  int status = 0;
  for (int64_t g = 0; r->along && g + 1 < groups(r) && !status; g++) {
    turn_to(r, g);
    status = step_group(r, false, run);
  }
  if (r->along) turn_to(r, groups(r) - 1);
  if (!status) status = step_group(r, true, run);
  if (!status) hy_driver_seek(&r->method.driver, r->method.driver.t + 1);
  return status;
}

static int restart_again(void *context) {
  forward *r = context;
  int status = hy_driver_restart(&r->method.driver);
  return status ? status : start_tangents(r, r->along ? 0 : r->group);
}
static int step_again(void *context, hy_run *run) { return take_step(context, run); }

static int step(hyla_method *m) {
  forward *r = (forward *)m;
  int status = hy_driver_want_started(&m->driver);
  if (!status) status = hy_poll_interrupt();
  if (status) return status;
  double t = m->driver.t;
  status = take_step(r, hy_program_run_watched);
  m->driver.started = !status; /* a step that fails halfway has overwritten part of the state */
  if (status != HYLA_ENONFINITE) return status;
  hy_driver_seek(&m->driver, t + 1);
  hy_replay again = {r, restart_again, step_again, "training, or its tangents,"};
  return hy_driver_explain(&m->driver, &again, "a tangent is not finite");
}

/* The slopes of E along the group's directions, at the present step. */
static int read_slopes(forward *r) {
  hy_driver *d = &r->method.driver;
  hy_tangent *f = &r->tangent;
  hy_scalar e[1 + MOST_TOGETHER];
  int n = hy_driver_bind_at(d, f->outer, d->t, f->in, 0, d->state);
  if (n < 0) return n;
  bind_directions(r, true, d->t, f->in, n);
  for (int i = 0; i <= f->k; i++) f->out[i] = (char *)&e[i];
  int status = hy_program_run(f->outer, f->in, f->out);
  if (status) return status;
  bool finite = true;
  for (int i = 0; i <= f->k; i++) {
    double value = hy_scalar_value(d->problem, &e[i]);
    int64_t at = r->group * f->k + i - 1;
    finite = finite && isfinite(value);
    if (!i) r->method.f = value;
    else if (at < r->m) r->slope[at] = value;
  }
  if (finite) return 0;
  status = hy_program_find_nonfinite(f->outer, f->in, f->out);
  if (!status) status = hy_fail(HYLA_ENONFINITE, NULL, "the hypergradient is not finite");
  return hy_fail_within(status, "hypergradient after step %.0f: ", d->t);
}

static void give_slopes(forward *r) {
  const hy_layout *l = &r->method.driver.problem->hyper_layout;
  const double *from = r->slope;
  for (int h = 0; h < l->n; h++)
    for (int64_t i = 0; i < hy_shape_size(&l->shape[h]); i++)
      hy_kernel_fill(1, r->method.g + l->offset[h] + (size_t)i * hy_dtype_size(l->shape[h].dtype), l->shape[h].dtype,
                     *from++);
}

/* Groups train one after another, so there is neither a hypergradient on the way nor another lambda from there on. */
static int want_along(const forward *r, const char *what) {
  if (r->along) return 0;
  return hy_fail(HYLA_ESTATE, NULL, "%s needs all %lld tangents at once, and %d go along here; more memory may help",
                 what, (long long)r->m, r->tangent.k);
}

static int update(const hyla_method *m) {
  return want_along((const forward *)m, "an update of the hyperparameters on the way");
}

static int partial(hyla_method *m) {
  forward *r = (forward *)m;
  int status = want_along(r, "a partial hypergradient");
  for (int64_t g = 0; g < groups(r) && !status; g++) {
    turn_to(r, g);
    status = read_slopes(r);
  }
  if (!status) give_slopes(r);
  return status;
}

static int hypergradient(hyla_method *m) {
  forward *r = (forward *)m;
  if (r->along) return partial(m);
  int status = read_slopes(r);
  while (!status && r->group + 1 < groups(r)) {
    status = hy_driver_restart(&m->driver);
    if (!status) status = start_group(r, r->group + 1);
    while (!status && m->driver.t < hyla_method_steps(m)) status = step(m);
    if (!status) status = read_slopes(r);
  }
  if (!status) give_slopes(r);
  return status;
}

/* Tangents that are nobody's (a direction past the last) are zero, and no piece: what is carried does not depend on how
 * many go in a group. */
static int pieces(const hyla_method *m) {
  const forward *r = (const forward *)m;
  return (int)(r->along ? r->m : r->tangent.k);
}
static char *piece(hyla_method *m, int i) { return ((forward *)m)->z + (size_t)i * state_bytes((forward *)m); }

static double bytes(const hyla_method *m) {
  const forward *r = (const forward *)m;
  double tangents = (double)held(r) * (double)state_bytes(r),
         directions = (double)r->tangent.k * (double)hyper_bytes(r);
  return tangents + directions;
}

static int cost(const hyla_method *m, hyla_cost *out) {
  const forward *r = (const forward *)m;
  double each = hyla_method_steps(m) - m->driver.origin;
  double before = r->along || r->group < 0 ? 0 : (double)r->group, passes = r->along ? 1 : (double)groups(r);
  *out = (hyla_cost){.steps = each * passes,
                     .extra = each * (passes - 1),
                     .taken = m->driver.t - m->driver.origin + each * before,
                     .bytes = (double)held(r) * (double)state_bytes(r)};
  return 0;
}

static void drop(hyla_method *m) {
  forward *r = (forward *)m;
  hy_tangent_close(&r->tangent);
  hy_free(r->z);
  hy_free(r->dot);
  hy_free(r->slope);
}

static const hy_method_kind forward_kind = {.name = "forward",
                                            .start = start,
                                            .step = step,
                                            .hypergradient = hypergradient,
                                            .partial = partial,
                                            .update = update,
                                            .pieces = pieces,
                                            .piece = piece,
                                            .bytes = bytes,
                                            .cost = cost,
                                            .drop = drop};

/* As many tangents in a program as the budget holds; all of them in one training where that fits too (must: or none). */
static int choose_groups(forward *r, bool must, int *k) {
  double each = (double)(state_bytes(r) + hyper_bytes(r)), there = hy_memory_allowed(r->memory, 0);
  double most = floor(there / each), all = (double)r->m * (double)state_bytes(r);
  if (most < 1)
    return hy_fail(HYLA_ENOMEM, NULL, "forward: a tangent needs %.0f bytes, and %.0f are allowed", each, there);
  *k = most < MOST_TOGETHER ? (int)most : MOST_TOGETHER;
  if (r->m < *k) *k = (int)r->m;
  int64_t n = (r->m + *k - 1) / *k;
  *k = (int)((r->m + n - 1) / n); /* groups of much the same size: few directions that are nobody's */
  double rounded = (double)n * *k * (double)state_bytes(r) + *k * (double)hyper_bytes(r);
  r->along = r->m <= *k || (rounded <= there && (must || r->memory > 0 || all <= most_unasked));
  if (must && !r->along)
    return hy_fail(HYLA_ENOMEM, NULL,
                   "real-time: the tangents of %lld components need %.0f bytes, and %.0f are allowed", (long long)r->m,
                   rounded, there);
  return 0;
}

static int open_forward(hyla_problem *p, double memory, double carry, bool must, hyla_method **out) {
  int k = 0, status = hy_method_check_memory(forward_kind.name, memory);
  if (status) return status;
  if (!(carry >= 0 && carry <= 1))
    return hy_fail(HYLA_EVALUE, NULL, "real-time: expected a share of the tangents to carry from 0 to 1, got %.9g",
                   carry);
  forward *r = hy_calloc(1, sizeof *r);
  if (!r) return HYLA_ENOMEM;
  status = hy_method_open(&r->method, &forward_kind, p, 1);
  r->memory = memory;
  r->group = -1;
  for (int h = 0; h < p->n_hyper && !status; h++) r->m += hy_shape_size(&p->hyper_layout.shape[h]);
  if (!status) status = choose_groups(r, must, &k);
  if (!status) status = hy_tangent_open(&r->tangent, p, k, carry, r->along && r->m > k);
  if (!status) {
    r->z = hy_calloc((size_t)held(r), state_bytes(r) + 1);
    r->dot = hy_calloc((size_t)k, hyper_bytes(r) + 1);
    r->slope = hy_calloc((size_t)r->m, sizeof *r->slope);
    if (!r->z || !r->dot || !r->slope) status = HYLA_ENOMEM;
  }
  if (status) hyla_method_drop(&r->method);
  else *out = &r->method;
  return status;
}

int hyla_forward_new(hyla_problem *p, double memory, hyla_method **out) {
  return open_forward(p, memory, 1, false, out);
}

int hyla_realtime_new(hyla_problem *p, double memory, double carry, hyla_method **out) {
  return open_forward(p, memory, carry, true, out);
}
