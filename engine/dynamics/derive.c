/* The programs of a problem. Each is a set of outputs of one graph, so that the primal nodes of step and adjoint step are
 * the same nodes. Adjoint programs take alpha and g and give them back: alpha_{t-1} = alpha_t A_t, g += alpha_t B_t. */
#include "autodiff/autodiff.h"
#include "dynamics/dynamics.h"
#include <string.h>

/* Room for the inputs or outputs of the largest program. */
static int most_refs(const hyla_problem *p) { return 2 * p->n_state + 2 * p->n_hyper + p->n_stream + p->n_slice + 1; }

static int add_inputs(const hy_variable *v, int n, hy_ref *list, int at) {
  for (int i = 0; i < n; i++) list[at++] = v[i].input;
  return at;
}

/* The inputs that every program begins with: states (where it has any), hyperparameters, streams. */
static int common_inputs(const hyla_problem *p, bool states, hy_ref *in) {
  int n = add_inputs(p->hyper, p->n_hyper, in, states ? add_inputs(p->state, p->n_state, in, 0) : 0);
  for (int j = 0; j < p->n_stream; j++) in[n++] = p->stream[j].input;
  return n;
}

static int plan_step(hyla_problem *p, hy_segment *s, hy_ref *in, int *donor) {
  int n = common_inputs(p, true, in);
  for (int i = 0; i < p->n_state; i++) donor[i] = i;
  return hy_program_new(p->graph, n, in, p->n_state, s->next, donor, &s->step);
}

int hy_problem_plan(hyla_problem *p) {
  int room = most_refs(p), status = 0;
  hy_ref *in = hy_alloc((size_t)room * sizeof *in), *out = hy_alloc((size_t)room * sizeof *out);
  int *donor = hy_alloc((size_t)room * sizeof *donor);
  if (!in || !out || !donor) status = HYLA_ENOMEM;
  for (int i = 0; i < p->n_segment && !status; i++)
    if (!p->segment[i].step) status = plan_step(p, &p->segment[i], in, donor);
  if (!status && !p->init_program) {
    for (int i = 0; i < p->n_state; i++) out[i] = p->state[i].init;
    status = hy_program_new(p->graph, common_inputs(p, false, in), in, p->n_state, out, NULL, &p->init_program);
  }
  if (!status && p->outer >= 0 && !p->outer_program)
    status = hy_program_new(p->graph, common_inputs(p, true, in), in, 1, &p->outer, NULL, &p->outer_program);
  hy_free(in);
  hy_free(out);
  hy_free(donor);
  return status;
}

/* ---- is every hyperparameter connected? By reachability, never by a value. ---- */

/* used[i]: the outer objective depends on state i at some step */
static int useful_states(const hyla_problem *p, bool *used) {
  hyla_graph *g = p->graph;
  int depends;
  for (int i = 0; i < p->n_state; i++) {
    if ((depends = hyla_graph_depends(g, p->outer, p->state[i].input)) < 0) return depends;
    used[i] = depends;
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (int s = 0; s < p->n_segment; s++)
      for (int j = 0; j < p->n_state; j++)
        for (int i = 0; i < p->n_state && used[j]; i++) {
          if (used[i]) continue;
          if ((depends = hyla_graph_depends(g, p->segment[s].next[j], p->state[i].input)) < 0) return depends;
          if (depends) used[i] = changed = true;
        }
  }
  return 0;
}

static int connected(const hyla_problem *p, const bool *used, hy_ref hyper) {
  int depends = hyla_graph_depends(p->graph, p->outer, hyper);
  for (int j = 0; j < p->n_state && !depends; j++) {
    if (!used[j]) continue;
    depends = hyla_graph_depends(p->graph, p->state[j].init, hyper);
    for (int s = 0; s < p->n_segment && !depends; s++)
      depends = hyla_graph_depends(p->graph, p->segment[s].next[j], hyper);
  }
  return depends;
}

/* Itself, or one of its rows. */
static int any_connected(const hyla_problem *p, const bool *used, int hyper) {
  int found = connected(p, used, p->hyper[hyper].input);
  for (int i = 0; i < p->n_slice && !found; i++) {
    const hyla_stream *s = &p->stream[p->slice[i]];
    if (s->hyper == hyper) found = connected(p, used, s->input);
  }
  return found;
}

int hy_problem_check_paths(const hyla_problem *p) {
  bool *used = hy_calloc((size_t)p->n_state + 1, sizeof *used);
  int status = used ? useful_states(p, used) : HYLA_ENOMEM;
  for (int i = 0; i < p->n_hyper && !status; i++) {
    int found = any_connected(p, used, i);
    if (found < 0) status = found;
    else if (!found)
      status = hy_fail(HYLA_EDERIV, p->hyper[i].site,
                       "hyperparameter '%s': no path leads from it to the outer objective, so it has no hypergradient",
                       p->hyper[i].name);
  }
  hy_free(used);
  return status;
}

/* ---- adjoint programs ---- */

static hy_ref sibling(hyla_graph *g, const hy_variable *v, const char *what) {
  char name[96];
  hyla_shape shape = g->node[v->input].shape;
  size_t n = strlen(v->name) < 60 ? strlen(v->name) : 60;
  memcpy(name, v->name, n);
  strcpy(name + n, what);
  return hyla_graph_input(g, name, &shape, v->site);
}

/* Inputs alpha of the states and g of the hyperparameters. */
static int declare(const hy_variable *v, int n, hyla_graph *g, const char *what, hy_ref *out) {
  for (int i = 0; i < n; i++)
    if ((out[i] = sibling(g, &v[i], what)) < 0) return out[i];
  return 0;
}

/* x_bar of all variables for adjoints y_bar of y: those of states first, a zero where no path leads; then g + those of
 * the hyperparameters; then those of slices. `g` NULL: no sum is carried. */
static int adjoints(hyla_problem *p, int n_y, const hy_ref *y, const hy_ref *y_bar, bool states, const hy_ref *g,
                    hy_ref *out) {
  hyla_graph *graph = p->graph;
  int n_s = states ? p->n_state : 0, n_sh = n_s + p->n_hyper, n = n_sh + p->n_slice;
  hy_ref *x = hy_alloc((size_t)n * sizeof *x);
  if (!x) return HYLA_ENOMEM;
  add_inputs(p->hyper, p->n_hyper, x, add_inputs(p->state, n_s, x, 0));
  for (int i = 0; i < p->n_slice; i++) x[n_sh + i] = p->stream[p->slice[i]].input;
  int status = hy_vjp(graph, n_y, y, y_bar, n, x, out);
  for (int i = 0; i < n && !status; i++) {
    if (i >= n_s && i < n_sh && g) out[i] = out[i] < 0 ? g[i - n_s] : hy_add(graph, g[i - n_s], out[i]);
    else if (out[i] < 0) out[i] = hy_fill_like(graph, x[i], 0);
    if (out[i] < 0) status = out[i];
  }
  hy_free(x);
  return status;
}

/* Which states the adjoint program reads, and what a slot of the trajectory takes. */
static int measure_slot(const hyla_problem *p, hy_adjoint *a) {
  a->stored = hy_calloc((size_t)p->n_state + 1, sizeof *a->stored);
  if (!a->stored) return HYLA_ENOMEM;
  for (int i = 0; i < p->n_state; i++) {
    a->stored[i] = hy_program_reads(a->vjp, i);
    if (a->stored[i]) a->slot_bytes += hy_aligned(hy_layout_size(&p->state_layout, i));
  }
  for (int i = 0; i < a->n_residual; i++) a->slot_bytes += hy_aligned(hy_residual_bytes(a, i));
  return 0;
}

typedef struct refs {
  hy_ref *in, *out, *alpha, *g;
  int *donor;
} refs;

/* The adjoint program whose results are l->out, over l->in[0..n) and these residuals. */
static int plan_adjoint(hyla_problem *p, hy_segment *s, hy_adjoint *a, const refs *l, int n, int n_residual,
                        const hy_ref *residual) {
  size_t room = (size_t)(n + n_residual + p->n_state + 1);
  hy_ref *in = hy_alloc(room * sizeof *in), *out = hy_alloc(room * sizeof *out);
  int *donor = hy_alloc(room * sizeof *donor);
  a->residual = hy_alloc(((size_t)n_residual + 1) * sizeof *a->residual);
  int status = in && out && donor && a->residual ? 0 : HYLA_ENOMEM;
  if (!status) {
    for (int i = 0; i < n; i++) in[i] = l->in[i];
    for (int i = 0; i < n_residual; i++) {
      in[n + i] = residual[i];
      a->residual[i] = p->graph->node[residual[i]].shape;
    }
    a->n_residual = n_residual;
    status = hy_program_new(p->graph, n + n_residual, in, p->n_state + p->n_hyper + p->n_slice, l->out, l->donor,
                            &a->vjp);
  }
  if (!status && n_residual) { /* the step that leaves them behind */
    for (int i = 0; i < p->n_state + n_residual; i++) {
      out[i] = i < p->n_state ? s->next[i] : residual[i - p->n_state];
      donor[i] = i < p->n_state ? i : -1;
    }
    status = hy_program_new(p->graph, p->n_state + p->n_hyper + p->n_stream, in, p->n_state + n_residual, out, donor,
                            &a->step);
  }
  if (!status) status = measure_slot(p, a);
  hy_free(in);
  hy_free(out);
  hy_free(donor);
  return status;
}

static int derive_step(hyla_problem *p, hy_segment *s, const refs *l) {
  int n = common_inputs(p, true, l->in), n_out = p->n_state + p->n_hyper + p->n_slice;
  int status = adjoints(p, p->n_state, s->next, l->alpha, true, l->g, l->out);
  for (int i = 0; i < n_out; i++) l->donor[i] = -1;
  for (int i = 0; i < p->n_state + p->n_hyper; i++) {
    l->donor[i] = n;
    l->in[n++] = i < p->n_state ? l->alpha[i] : l->g[i - p->n_state];
  }
  hy_ref *residual = NULL;
  hy_adjoint lean = {0}, rich = {0};
  if (!status) status = plan_adjoint(p, s, &lean, l, n, 0, NULL);
  int found = status ? status : hy_choose_residuals(p, s, n_out, l->out, &residual, &s->gain);
  if (found < 0) status = found;
  if (found > 0) status = plan_adjoint(p, s, &rich, l, n, found, residual);
  hy_free(residual);
  if (status) { /* both or none, so that a later try begins anew */
    hy_adjoint_drop(&lean);
    hy_adjoint_drop(&rich);
    return status;
  }
  s->lean = lean;
  s->rich = rich;
  return 0;
}

static int derive_init(hyla_problem *p, const hy_ref *alpha, const hy_ref *g, hy_ref *in, hy_ref *out, int *donor) {
  hy_ref *init = hy_alloc((size_t)p->n_state * sizeof *init);
  if (!init) return HYLA_ENOMEM;
  for (int i = 0; i < p->n_state; i++) init[i] = p->state[i].init;
  int status = adjoints(p, p->n_state, init, alpha, false, g, out), n = common_inputs(p, false, in);
  for (int i = 0; i < p->n_state; i++) in[n++] = alpha[i];
  for (int i = 0; i < p->n_hyper + p->n_slice; i++) donor[i] = -1;
  for (int i = 0; i < p->n_hyper; i++) {
    donor[i] = n;
    in[n++] = g[i];
  }
  hy_free(init);
  return status ? status : hy_program_new(p->graph, n, in, p->n_hyper + p->n_slice, out, donor, &p->init_vjp);
}

/* E, alpha_T = dE/ds_T and dE/dlambda: the direct term begins the hypergradient. */
static int derive_outer(hyla_problem *p, hy_ref *in, hy_ref *out) {
  int n = common_inputs(p, true, in);
  hy_ref one = hy_fill_like(p->graph, p->outer, 1);
  out[0] = p->outer;
  int status = one < 0 ? one : adjoints(p, 1, &p->outer, &one, true, NULL, out + 1);
  return status ? status
                : hy_program_new(p->graph, n, in, 1 + p->n_state + p->n_hyper + p->n_slice, out, NULL, &p->outer_vjp);
}

size_t hy_problem_slot_bytes(const hyla_problem *p, bool rich) {
  size_t most = 0;
  for (int i = 0; i < p->n_segment; i++) {
    const hy_adjoint *a = rich && p->segment[i].rich.vjp ? &p->segment[i].rich : &p->segment[i].lean;
    if (a->slot_bytes > most) most = a->slot_bytes;
  }
  return most;
}

bool hy_problem_has_residuals(const hyla_problem *p) {
  for (int i = 0; i < p->n_segment; i++)
    if (p->segment[i].rich.vjp) return true;
  return false;
}

double hy_problem_residual_gain(const hyla_problem *p) {
  double gain = 0, T = hy_problem_steps(p);
  for (int i = 0; i < p->n_segment; i++)
    if (p->segment[i].rich.vjp) gain += p->segment[i].gain * p->segment[i].steps / T;
  return gain;
}

int hy_problem_differentiate(hyla_problem *p) {
  size_t room = (size_t)most_refs(p), ints = sizeof(hy_ref);
  refs l = {hy_alloc(room * ints), hy_alloc(room * ints), hy_alloc(room * ints), hy_alloc(room * ints),
            hy_alloc(room * ints)};
  int status = l.in && l.out && l.alpha && l.g && l.donor ? 0 : HYLA_ENOMEM;
  if (!status) status = declare(p->state, p->n_state, p->graph, ".alpha", l.alpha);
  if (!status) status = declare(p->hyper, p->n_hyper, p->graph, ".g", l.g);
  if (!status && !p->outer_vjp) status = derive_outer(p, l.in, l.out);
  for (int i = 0; i < p->n_segment && !status; i++)
    if (!p->segment[i].lean.vjp) status = derive_step(p, &p->segment[i], &l);
  if (!status && !p->init_vjp) status = derive_init(p, l.alpha, l.g, l.in, l.out, l.donor);
  hy_free(l.in);
  hy_free(l.out);
  hy_free(l.alpha);
  hy_free(l.g);
  hy_free(l.donor);
  return status;
}
