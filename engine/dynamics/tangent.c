/* Forward programs: k tangents pushed along with one primal. Direction i is a change of the hyperparameters, lambda_dot_i;
 * its tangent Z_i of the state obeys Z_0 = ds_0/dlambda lambda_dot, Z_t = A_t Z_{t-1} + B_t lambda_dot, and the response
 * changes by dE/ds Z + dE/dlambda lambda_dot. */
#include "autodiff/autodiff.h"
#include "dynamics/dynamics.h"
#include <stdio.h>

typedef struct inputs {
  hy_ref *z;     /* [k * n_state] */
  hy_ref *dot;   /* [k * n_hyper] */
  hy_ref *slice; /* [k * n_slice] rows of dot */
  double carry;  /* of z, in a step */
} inputs;

static int declare(hyla_graph *g, const hy_variable *v, int n, int k, const char *what, hy_ref *out) {
  char name[96];
  for (int i = 0; i < k * n; i++) {
    hyla_shape shape = g->node[v[i % n].input].shape;
    snprintf(name, sizeof name, "%.60s.%s%d", v[i % n].name, what, i / n + 1);
    if ((out[i] = hyla_graph_input(g, name, &shape, v[i % n].site)) < 0) return out[i];
  }
  return 0;
}

/* Variable j of a forward program, and its tangent along direction i: states first (where there are any), then
 * hyperparameters, then slices. */
static hy_ref variable(const hyla_problem *p, const inputs *l, int n_s, int i, int j, hy_ref *dot) {
  if (j < n_s) {
    *dot = l->carry == 1 ? l->z[i * p->n_state + j] : hy_scale(p->graph, l->z[i * p->n_state + j], l->carry);
    return p->state[j].input;
  }
  j -= n_s;
  if (j < p->n_hyper) {
    *dot = l->dot[i * p->n_hyper + j];
    return p->hyper[j].input;
  }
  j -= p->n_hyper;
  *dot = l->slice[i * p->n_slice + j];
  return p->stream[p->slice[j]].input;
}

/* Tangents of y, zero where nothing flows, for each of the k directions, at out[i * n_y]. */
static int push(hyla_problem *p, int k, const inputs *l, bool states, int n_y, const hy_ref *y, hy_ref *out) {
  int n_s = states ? p->n_state : 0, n = n_s + p->n_hyper + p->n_slice, status = 0;
  hy_ref *x = hy_alloc(((size_t)n + 1) * sizeof *x), *dot = hy_alloc(((size_t)n + 1) * sizeof *dot);
  if (!x || !dot) status = HYLA_ENOMEM;
  for (int i = 0; i < k && !status; i++) {
    for (int j = 0; j < n && !status; j++) {
      x[j] = variable(p, l, n_s, i, j, &dot[j]);
      if (dot[j] < 0) status = dot[j];
    }
    if (!status) status = hy_jvp(p->graph, n, x, dot, n_y, y, out + i * n_y);
    for (int j = 0; j < n_y && !status; j++) {
      if (out[i * n_y + j] < 0) out[i * n_y + j] = hy_fill_like(p->graph, y[j], 0);
      if (out[i * n_y + j] < 0) status = out[i * n_y + j];
    }
  }
  hy_free(x);
  hy_free(dot);
  return status;
}

/* Inputs in the order of every forward program: states (when `states`), hyperparameters, streams, Z, lambda_dot, slices. */
static int list_inputs(const hyla_problem *p, int k, const inputs *l, bool states, hy_ref *in) {
  int n = 0;
  for (int i = 0; states && i < p->n_state; i++) in[n++] = p->state[i].input;
  for (int i = 0; i < p->n_hyper; i++) in[n++] = p->hyper[i].input;
  for (int i = 0; i < p->n_stream; i++) in[n++] = p->stream[i].input;
  for (int i = 0; states && i < k * p->n_state; i++) in[n++] = l->z[i];
  for (int i = 0; i < k * p->n_hyper; i++) in[n++] = l->dot[i];
  for (int i = 0; i < k * p->n_slice; i++) in[n++] = l->slice[i];
  return n;
}

/* The step with its tangents, and (push given) its tangents alone. */
static int plan_step(hyla_problem *p, hy_segment *s, int k, const inputs *l, hy_ref *in, hy_ref *out, int *donor,
                     hyla_program **program, hyla_program **tangents) {
  int n_s = p->n_state, before_z = n_s + p->n_hyper + p->n_stream, n = list_inputs(p, k, l, true, in);
  for (int i = 0; i < n_s; i++) out[i] = s->next[i];
  int status = push(p, k, l, l->carry != 0, n_s, s->next, out + n_s);
  for (int i = 0; i < n_s * (k + 1); i++) donor[i] = i < n_s ? i : before_z + i - n_s;
  if (!status) status = hy_program_new(p->graph, n, in, n_s * (k + 1), out, donor, program);
  if (!status && tangents) status = hy_program_new(p->graph, n, in, n_s * k, out + n_s, donor + n_s, tangents);
  return status;
}

static int plan_outer(hyla_problem *p, int k, const inputs *l, hy_ref *in, hy_ref *out, hyla_program **program) {
  int n = list_inputs(p, k, l, true, in), status = push(p, k, l, true, 1, &p->outer, out + 1);
  out[0] = p->outer;
  return status ? status : hy_program_new(p->graph, n, in, 1 + k, out, NULL, program);
}

static int plan_init(hyla_problem *p, int k, const inputs *l, hy_ref *in, hy_ref *out, hyla_program **program) {
  hy_ref *init = hy_alloc(((size_t)p->n_state + 1) * sizeof *init);
  if (!init) return HYLA_ENOMEM;
  for (int i = 0; i < p->n_state; i++) init[i] = p->state[i].init;
  int n = list_inputs(p, k, l, false, in), status = push(p, k, l, false, p->n_state, init, out);
  hy_free(init);
  return status ? status : hy_program_new(p->graph, n, in, k * p->n_state, out, NULL, program);
}

static int most_inputs(const hyla_problem *p, int k) {
  return (k + 1) * (p->n_state + p->n_hyper + p->n_slice) + p->n_stream + 1;
}

static int declare_slices(const hyla_problem *p, int k, hy_ref *out) {
  for (int i = 0; i < k * p->n_slice; i++) {
    const hy_node *n = &p->graph->node[p->stream[p->slice[i % p->n_slice]].input];
    hyla_shape shape = n->shape;
    if ((out[i] = hyla_graph_input(p->graph, "slice.dot", &shape, n->site)) < 0) return out[i];
  }
  return 0;
}

int hy_tangent_open(hy_tangent *f, hyla_problem *p, int k, double carry, bool push) {
  *f = (hy_tangent){.k = k, .n_segment = p->n_segment, .carry = carry};
  size_t room = (size_t)most_inputs(p, k);
  inputs l = {hy_alloc(room * sizeof(hy_ref)), hy_alloc(room * sizeof(hy_ref)), hy_alloc(room * sizeof(hy_ref)), carry};
  hy_ref *in = hy_alloc(room * sizeof *in), *out = hy_alloc(room * sizeof *out);
  int *donor = hy_alloc(room * sizeof *donor);
  f->step = hy_calloc((size_t)p->n_segment + 1, sizeof(hyla_program *));
  if (push) f->push = hy_calloc((size_t)p->n_segment + 1, sizeof(hyla_program *));
  f->in = hy_calloc(room, sizeof(char *));
  f->out = hy_calloc(room, sizeof(char *));
  int status = l.z && l.dot && l.slice && in && out && donor && f->step && (f->push || !push) && f->in && f->out
                   ? 0
                   : HYLA_ENOMEM;
  if (!status) status = declare(p->graph, p->state, p->n_state, k, "Z", l.z);
  if (!status) status = declare(p->graph, p->hyper, p->n_hyper, k, "dot", l.dot);
  if (!status) status = declare_slices(p, k, l.slice);
  for (int i = 0; i < p->n_segment && !status; i++)
    status = plan_step(p, &p->segment[i], k, &l, in, out, donor, &f->step[i], push ? &f->push[i] : NULL);
  l.carry = 1; /* the response sees all of Z */
  if (!status) status = plan_outer(p, k, &l, in, out, &f->outer);
  if (!status) status = plan_init(p, k, &l, in, out, &f->init);
  if (!status) status = hy_program_reserve(f->outer);
  if (!status) status = hy_program_reserve(f->init);
  for (int i = 0; i < p->n_segment && !status; i++) {
    status = hy_program_reserve(f->step[i]);
    if (push && !status) status = hy_program_reserve(f->push[i]);
    hy_program_call(f->step[i], "step.jvp");
    if (push) hy_program_call(f->push[i], "step.jvp alone");
  }
  hy_program_call(f->outer, "outer.jvp");
  hy_program_call(f->init, "init.jvp");
  hy_free(l.z);
  hy_free(l.dot);
  hy_free(l.slice);
  hy_free(in);
  hy_free(out);
  hy_free(donor);
  return status;
}

void hy_tangent_close(hy_tangent *f) {
  for (int i = 0; f->step && i < f->n_segment; i++) hyla_program_drop(f->step[i]);
  for (int i = 0; f->push && i < f->n_segment; i++) hyla_program_drop(f->push[i]);
  hyla_program_drop(f->outer);
  hyla_program_drop(f->init);
  hy_free(f->step);
  hy_free(f->push);
  hy_free(f->in);
  hy_free(f->out);
  *f = (hy_tangent){0};
}
