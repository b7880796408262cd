/* Forward-HG (Franceschi et al. 2017, eq. 12-16; real-time recurrent learning): tangents Z_i of the state, one for each
 * component of the hyperparameters, go along with training,
 *
 *   Z_0 = ds_0/dlambda, Z_t = A_t Z_{t-1} + B_t,   grad f = dE/dlambda + dE/ds_T Z_T
 *
 * Memory does not grow with T, and the partial hypergradient exists at every step. Tangents run in groups that fit the
 * memory budget, all of a group on one primal; a further group trains anew, to the same bits. */
#include "hypergrad/hypergrad.h"
#include <math.h>
#include <string.h>

enum { MOST_TOGETHER = 16 }; /* tangents of one program: beyond, its graph grows and nothing more is shared */

typedef struct forward {
  hyla_method method;
  double memory;
  int64_t m;     /* components of the hyperparameters */
  int64_t group; /* of the run in progress: directions group*k .. */
  hy_tangent tangent;
  char *z;       /* [k] states */
  char *dot;     /* [k] hyperparameters: unit vectors */
  double *slope; /* [m] */
} forward;

static int64_t groups(const forward *r) { return (r->m + r->tangent.k - 1) / r->tangent.k; }
static size_t state_bytes(const forward *r) { return r->method.driver.problem->state_layout.bytes; }
static size_t hyper_bytes(const forward *r) { return r->method.driver.problem->hyper_layout.bytes; }

/* lambda_dot of direction i: 1 at component group*k + i of all hyperparameters in their order, 0 elsewhere (a direction
 * past the last is zero). */
static void set_directions(forward *r) {
  const hy_layout *l = &r->method.driver.problem->hyper_layout;
  memset(r->dot, 0, (size_t)r->tangent.k * l->bytes);
  for (int i = 0; i < r->tangent.k; i++) {
    int64_t at = r->group * r->tangent.k + i;
    for (int h = 0; h < l->n; h++) {
      int64_t size = hy_shape_size(&l->shape[h]);
      char *unit = r->dot + (size_t)i * l->bytes + l->offset[h];
      if (at >= 0 && at < size)
        hy_kernel_fill(1, unit + (size_t)at * hy_dtype_size(l->shape[h].dtype), l->shape[h].dtype, 1);
      at -= size;
    }
  }
}

/* Appends Z, lambda_dot and its slices at step t, of all directions. */
static int bind_directions(const forward *r, bool z, double t, char **in, int n) {
  const hyla_problem *p = r->method.driver.problem;
  for (int i = 0; z && i < r->tangent.k; i++)
    n = hy_layout_bind(&p->state_layout, in, n, r->z + (size_t)i * state_bytes(r));
  for (int i = 0; i < r->tangent.k; i++)
    n = hy_layout_bind(&p->hyper_layout, in, n, r->dot + (size_t)i * hyper_bytes(r));
  for (int i = 0; i < r->tangent.k; i++) n = hy_slice_bind(p, t, r->dot + (size_t)i * hyper_bytes(r), in, n);
  return n;
}

/* Z_0 of the group; the driver has just computed s_0. */
static int start_group(forward *r) {
  hy_driver *d = &r->method.driver;
  hy_tangent *f = &r->tangent;
  set_directions(r);
  if (d->warm) { /* the states training started from depend on nothing */
    memset(r->z, 0, (size_t)f->k * state_bytes(r));
    return 0;
  }
  int n = hy_driver_bind_at(d, f->init, 0, f->in, 0, NULL);
  if (n < 0) return n;
  bind_directions(r, false, 0, f->in, n);
  n = 0;
  for (int i = 0; i < f->k; i++)
    n = hy_layout_bind(&d->problem->state_layout, f->out, n, r->z + (size_t)i * state_bytes(r));
  return hy_program_run(f->init, f->in, f->out);
}

static int start(hyla_method *m) {
  forward *r = (forward *)m;
  r->group = 0;
  return start_group(r);
}

static bool tangents_finite(const forward *r) {
  for (int i = 0; i < r->tangent.k; i++)
    if (hy_layout_first_nonfinite(&r->method.driver.problem->state_layout, r->z + (size_t)i * state_bytes(r)) >= 0)
      return false;
  return true;
}

static int take_step(forward *r, hy_run *run) {
  hy_driver *d = &r->method.driver;
  hy_tangent *f = &r->tangent;
  int n = hy_driver_bind(d, f->step[d->segment], f->in, 0, d->state);
  if (n < 0) return n;
  bind_directions(r, true, d->t + 1, f->in, n);
  n = hy_layout_bind(&d->problem->state_layout, f->out, 0, d->state);
  for (int i = 0; i < f->k; i++)
    n = hy_layout_bind(&d->problem->state_layout, f->out, n, r->z + (size_t)i * state_bytes(r));
  int status = run(f->step[d->segment], f->in, f->out);
  if (!status) hy_driver_seek(d, d->t + 1);
  return status;
}

/* State and tangents were overwritten: go there again and take the step looking at every value. */
static int explain_nonfinite(forward *r) {
  hy_driver *d = &r->method.driver;
  double t = d->t;
  int status = hy_driver_restart(d);
  if (!status) status = start_group(r);
  while (!status && d->t < t - 1)
    if (!(status = hy_poll_interrupt())) status = take_step(r, hy_program_run);
  if (!status) status = take_step(r, hy_program_find_nonfinite);
  if (!status) status = hy_fail(HYLA_ENONFINITE, NULL, "a tangent is not finite");
  d->started = false;
  return hy_fail_within(
      status, "training or its tangents diverged at step %.0f of %.0f (a smaller learning rate may help): ", t,
      hy_problem_steps(d->problem));
}

static int step(hyla_method *m) {
  forward *r = (forward *)m;
  int status = hy_poll_interrupt();
  if (status) return status;
  status = take_step(r, hy_program_run);
  m->driver.started = !status; /* a step that fails halfway has overwritten part of the state */
  if (status) return status;
  bool finite = hy_layout_first_nonfinite(&m->driver.problem->state_layout, m->driver.state) < 0 && tangents_finite(r);
  return finite ? 0 : explain_nonfinite(r);
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

static int hypergradient(hyla_method *m) {
  forward *r = (forward *)m;
  int status = read_slopes(r);
  while (!status && r->group + 1 < groups(r)) {
    r->group++;
    status = hy_driver_restart(&m->driver);
    if (!status) status = start_group(r);
    while (!status && m->driver.t < hyla_method_steps(m)) status = step(m);
    if (!status) status = read_slopes(r);
  }
  if (!status) give_slopes(r);
  return status;
}

static double bytes(const hyla_method *m) {
  const forward *r = (const forward *)m;
  return (double)r->tangent.k * (double)(state_bytes(r) + hyper_bytes(r)) + (double)hy_tangent_bytes(&r->tangent);
}

static int cost(const hyla_method *m, hyla_cost *out) {
  const forward *r = (const forward *)m;
  double each = hyla_method_steps(m) - m->driver.origin;
  *out = (hyla_cost){.steps = each * (double)groups(r),
                     .extra = each * (double)(groups(r) - 1),
                     .taken = m->driver.t - m->driver.origin + each * (double)r->group,
                     .bytes = (double)r->tangent.k * (double)state_bytes(r)};
  return 0;
}

static void drop(hyla_method *m) {
  forward *r = (forward *)m;
  hy_tangent_close(&r->tangent);
  hy_free(r->z);
  hy_free(r->dot);
  hy_free(r->slope);
}

static const hy_method_kind kind = {"forward", start, step, hypergradient, bytes, cost, drop};

/* As many tangents together as the budget holds. */
static int choose_group(const forward *r, int *k) {
  double each = 2.0 * (double)(state_bytes(r) + hyper_bytes(r)), there = hy_memory_allowed(r->memory, 0);
  double most = floor(there / each);
  if (most < 1)
    return hy_fail(HYLA_ENOMEM, NULL, "forward: a tangent needs %.0f bytes, and %.0f are allowed", each, there);
  *k = most < MOST_TOGETHER ? (int)most : MOST_TOGETHER;
  if (r->m < *k) *k = (int)r->m;
  return 0;
}

int hyla_forward_new(hyla_problem *p, double memory, hyla_method **out) {
  int k = 0, status = hy_method_check_memory(kind.name, memory);
  if (status) return status;
  forward *r = hy_calloc(1, sizeof *r);
  if (!r) return HYLA_ENOMEM;
  status = hy_method_open(&r->method, &kind, p, 1);
  r->memory = memory;
  for (int h = 0; h < p->n_hyper && !status; h++) r->m += hy_shape_size(&p->hyper_layout.shape[h]);
  if (!status) status = choose_group(r, &k);
  if (!status) status = hy_tangent_open(&r->tangent, p, k);
  if (!status) {
    r->z = hy_calloc((size_t)k, state_bytes(r) + 1);
    r->dot = hy_calloc((size_t)k, hyper_bytes(r) + 1);
    r->slope = hy_calloc((size_t)r->m, sizeof *r->slope);
    if (!r->z || !r->dot || !r->slope) status = HYLA_ENOMEM;
  }
  if (status) hyla_method_drop(&r->method);
  else *out = &r->method;
  return status;
}
