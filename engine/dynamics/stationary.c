/* Programs of the implicit hypergradient. Where training stands still, dJ/dw (w, lambda) = 0 or s = Phi(s, lambda)
 * defines w or s as a function of lambda; its derivative needs products with H = d2J/dw2, or with A' of the last step.
 * What these products read of the state alone is computed once, in `prepare`. */
#include "autodiff/autodiff.h"
#include "dynamics/dynamics.h"
#include <stdio.h>

int hyla_problem_inner(hyla_problem *p, int objective, int n, const int *weight) {
  if (p->ready) return hy_fail(HYLA_ESTATE, NULL, "the problem is ready: nothing can be added to it");
  if (objective < 0 || objective >= p->graph->count)
    return hy_fail(HYLA_EVALUE, NULL, "inner objective: %d is no node of the graph", objective);
  const hy_node *node = &p->graph->node[objective];
  if (hy_shape_size(&node->shape) != 1 || node->shape.dtype == HYLA_INT32)
    return hy_fail(HYLA_ESHAPE, node->site, "inner objective: expected one real number (a mean or a sum), got %s",
                   hy_shape_show(&node->shape).s);
  if (n < 1) return hy_fail(HYLA_EVALUE, node->site, "inner objective: expected a weight at least");
  for (int i = 0; i < n; i++)
    if (weight[i] < 0 || weight[i] >= p->n_state || (i && weight[i] <= weight[i - 1]))
      return hy_fail(HYLA_EVALUE, node->site, "inner objective: expected ascending states from 0 to %d, got %d",
                     p->n_state - 1, weight[i]);
  int *list = hy_alloc((size_t)n * sizeof *list);
  if (!list) return HYLA_ENOMEM;
  for (int i = 0; i < n; i++) list[i] = weight[i];
  hy_free(p->weight);
  p->weight = list;
  p->n_weight = n;
  p->inner = objective;
  return 0;
}

/* ---- what can be asked of a problem ---- */

/* Whether what a stream gives is the same at every step, or a number that is taken as the last step has it. */
static bool stands_still(const hyla_problem *p, const hyla_stream *s, bool numbers) {
  if (s->kind != HYLA_STREAM_ROWS) return false;
  return (s->cycle && s->table->shape.dim[0] == 1) || (numbers && p->graph->node[s->input].shape.rank == 0);
}

static const char *describe(const hyla_stream *s) {
  if (s->kind == HYLA_STREAM_EPOCHS || s->kind == HYLA_STREAM_DRAWS) return "mini-batches";
  return s->kind == HYLA_STREAM_UNIFORM || s->kind == HYLA_STREAM_NORMAL ? "random numbers" : "values";
}

static int check_streams(const hyla_problem *p, const char *what, bool numbers, int n, const hy_ref *out) {
  uint8_t *mark = hy_calloc((size_t)p->graph->count + 1, 1);
  if (!mark) return HYLA_ENOMEM;
  int status = 0;
  hy_graph_reach(p->graph, n, out, mark);
  for (int i = 0; i < p->n_stream && !status; i++) {
    const hyla_stream *s = &p->stream[i];
    const hy_node *node = &p->graph->node[s->input];
    if (!mark[s->input] || stands_still(p, s, numbers)) continue;
    status = hy_fail(HYLA_EVALUE, node->site,
                     "implicit: %s reads %s ('%s') that differ from step to step, so training has no point to stand "
                     "still at; it needs full batches",
                     what, describe(s), node->name);
  }
  hy_free(mark);
  return status;
}

/* HYLA_EVALUE where node y, called `what`, depends on a state that is none of the unknowns. */
static int check_states(const hy_stationary *at, const hyla_problem *p, const char *what, hy_ref y) {
  for (int i = 0, k = 0; i < p->n_state; i++) {
    if (k < at->n && at->state[k] == i) {
      k++;
      continue;
    }
    int depends = hyla_graph_depends(p->graph, y, p->state[i].input);
    if (depends < 0) return depends;
    if (depends)
      return hy_fail(HYLA_EVALUE, p->graph->node[y].site,
                     "implicit: the %s objective depends on '%s', which the inner objective is not minimised in; "
                     "solver \"fixed_point\" takes all of the state",
                     what, p->state[i].name);
  }
  return 0;
}

/* Every hyperparameter moves what defines the solution, or the outer objective itself. */
static int check_hypers(const hy_stationary *at, const hyla_problem *p, const hy_ref *y) {
  for (int h = 0; h < p->n_hyper; h++) {
    int depends = hyla_graph_depends(p->graph, p->outer, p->hyper[h].input);
    for (int i = 0; i < at->n && !depends; i++) depends = hyla_graph_depends(p->graph, y[i], p->hyper[h].input);
    if (depends < 0) return depends;
    if (!depends)
      return hy_fail(HYLA_EDERIV, p->hyper[h].site,
                     "implicit: hyperparameter '%s' changes neither the %s nor the outer objective; how training gets "
                     "to its end is what reverse and forward differentiate",
                     p->hyper[h].name, at->fixed_point ? "last step" : "inner objective");
  }
  return 0;
}

/* ---- values that products share ---- */

typedef struct frontier {
  const hyla_graph *g;
  bool *varies; /* depends on q */
  bool *given;  /* depends on an input */
  bool *taken;
  hy_ref *list;
  int n;
} frontier;

/* Node r is read by a product and made without q: to be computed once, unless it is there already. */
static void take(frontier *f, hy_ref r) {
  const hy_node *n = &f->g->node[r];
  if (f->taken[r] || !f->given[r] || n->op == HY_OP_input) return;
  f->taken[r] = true;
  if (hy_op_table[n->op].view)
    for (int j = 0; j < hy_n_read(n); j++) take(f, n->in[j]);
  else f->list[f->n++] = r;
}

static int find_values(const hyla_graph *g, int n_q, const hy_ref *q, int n_out, const hy_ref *out, hy_ref *list) {
  size_t count = (size_t)g->count + 1;
  uint8_t *needed = hy_calloc(count, 1);
  frontier f = {g, hy_calloc(count, 1), hy_calloc(count, 1), hy_calloc(count, 1), list, 0};
  int status = needed && f.varies && f.given && f.taken ? 0 : HYLA_ENOMEM;
  if (!status) hy_graph_reach(g, n_out, out, needed);
  for (int i = 0; i < n_q && !status; i++) f.varies[q[i]] = true;
  for (hy_ref r = 0; r < g->count && !status; r++) {
    const hy_node *n = &g->node[r];
    f.given[r] = n->op == HY_OP_input;
    for (int j = 0; j < hy_n_read(n); j++) {
      f.varies[r] |= f.varies[n->in[j]];
      f.given[r] |= f.given[n->in[j]];
    }
    for (int j = 0; j < hy_n_read(n) && needed[r] && f.varies[r]; j++)
      if (!f.varies[n->in[j]]) take(&f, n->in[j]);
  }
  hy_free(needed);
  hy_free(f.varies);
  hy_free(f.given);
  hy_free(f.taken);
  return status ? status : f.n;
}

/* ---- the programs ---- */

typedef struct refs {
  hy_ref *in, *out, *y, *q, *g, *x, *value; /* y: dJ/dw, or the last step's results */
  int *donor;
} refs;

static int common_inputs(const hyla_problem *p, hy_ref *in) {
  int n = 0;
  for (int i = 0; i < p->n_state; i++) in[n++] = p->state[i].input;
  for (int i = 0; i < p->n_hyper; i++) in[n++] = p->hyper[i].input;
  for (int i = 0; i < p->n_stream; i++) in[n++] = p->stream[i].input;
  return n;
}

static int declare(hyla_graph *g, const hy_variable *v, const char *suffix, hy_ref *out) {
  char name[96];
  hyla_shape shape = g->node[v->input].shape;
  snprintf(name, sizeof name, "%.80s.%s", v->name, suffix);
  *out = hyla_graph_input(g, name, &shape, v->site);
  return *out < 0 ? *out : 0;
}

static int zero_where_none(hyla_graph *g, int n, const hy_ref *like, hy_ref *out) {
  for (int i = 0; i < n; i++) {
    if (out[i] < 0) out[i] = hy_fill_like(g, like[i], 0);
    if (out[i] < 0) return out[i];
  }
  return 0;
}

/* y = dJ/dw. */
static int gradient_of(hyla_problem *p, int n, const hy_ref *w, hy_ref *y) {
  hy_ref one = hy_fill_like(p->graph, p->inner, 1);
  int status = one < 0 ? one : hy_vjp(p->graph, 1, &p->inner, &one, n, w, y);
  return status ? status : zero_where_none(p->graph, n, w, y);
}

static hy_ref sum_of_squares(hyla_graph *g, int n, const hy_ref *y) {
  hy_ref total = -1;
  static const int32_t axes[HYLA_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  for (int i = 0; i < n; i++) {
    hyla_shape scalar = {.dtype = g->node[y[i]].shape.dtype, .rank = 0};
    hy_ref square = hy_mul(g, y[i], y[i]);
    if (g->node[y[i]].shape.rank)
      square = hy_reshape(g, hy_reduce(g, HY_OP_sum, square, g->node[y[i]].shape.rank, axes), &scalar);
    total = total < 0 ? square : hy_add(g, total, square);
    if (total < 0) return total;
  }
  return total;
}

/* dJ/dw, and the steps that tell how large it is on their way. */
static int plan_gradient(hy_stationary *at, hyla_problem *p, refs *l) {
  int n = common_inputs(p, l->in), status = 0;
  hy_ref *w = l->x, *y = l->value;
  for (int i = 0; i < p->n_weight; i++) w[i] = p->state[p->weight[i]].input;
  status = gradient_of(p, p->n_weight, w, y);
  if (!status) status = hy_program_new(p->graph, n, l->in, p->n_weight, y, NULL, &at->gradient);
  hy_program_call(at->gradient, "inner.vjp");
  hy_ref square = status ? status : sum_of_squares(p->graph, p->n_weight, y);
  for (int s = 0; s < p->n_segment && square >= 0 && !status; s++) {
    for (int i = 0; i < p->n_state; i++) {
      l->out[i] = p->segment[s].next[i];
      l->donor[i] = i;
    }
    l->out[p->n_state] = square;
    l->donor[p->n_state] = -1;
    status = hy_program_new(p->graph, n, l->in, p->n_state + 1, l->out, l->donor, &at->step[s]);
    hy_program_call(at->step[s], "step");
  }
  for (int i = 0; i < at->n && !at->fixed_point; i++) l->y[i] = y[i];
  return square < 0 ? square : status;
}

/* out = H q or A' q, as values of the state and q. */
static int plan_product(hy_stationary *at, hyla_problem *p, refs *l) {
  hyla_graph *g = p->graph;
  int status = at->fixed_point ? hy_vjp(g, at->n, l->y, l->q, at->n, l->x, l->out)
                               : hy_jvp(g, at->n, l->x, l->q, at->n, l->y, l->out);
  if (!status) status = zero_where_none(g, at->n, l->x, l->out);
  hy_ref *value = status ? NULL : hy_alloc(((size_t)g->count + 1) * sizeof *value);
  if (!value) return status ? status : HYLA_ENOMEM;
  int n_value = find_values(g, at->n, l->q, at->n, l->out, value), n = common_inputs(p, l->in);
  hy_ref *in = n_value < 0 ? NULL : hy_alloc((size_t)(n + at->n + n_value + 1) * sizeof *in);
  if (!in) status = n_value < 0 ? n_value : HYLA_ENOMEM;
  for (int i = 0; i < n && !status; i++) in[i] = l->in[i];
  for (int i = 0; i < at->n && !status; i++) in[n + i] = l->q[i];
  for (int i = 0; i < n_value && !status; i++) {
    in[n + at->n + i] = value[i];
    status = hy_layout_add(&at->value, &g->node[value[i]].shape);
  }
  if (!status && n_value) status = hy_program_new(g, n, in, n_value, value, NULL, &at->prepare);
  if (!status) status = hy_program_new(g, n + at->n + n_value, in, at->n, l->out, NULL, &at->product);
  hy_program_call(at->prepare, "product.prepare");
  hy_program_call(at->product, "product");
  hy_free(value);
  hy_free(in);
  return status;
}

static int plan_cross(hy_stationary *at, hyla_problem *p, refs *l) {
  hyla_graph *g = p->graph;
  int n = common_inputs(p, l->in), status = 0;
  for (int i = 0; i < p->n_hyper; i++) l->x[i] = p->hyper[i].input;
  status = hy_vjp(g, at->n, l->y, l->q, p->n_hyper, l->x, l->out);
  for (int i = 0; i < at->n; i++) l->in[n++] = l->q[i];
  for (int i = 0; i < p->n_hyper && !status; i++) {
    if (l->out[i] < 0) l->out[i] = l->g[i];
    else l->out[i] = at->fixed_point ? hy_add(g, l->g[i], l->out[i]) : hy_sub(g, l->g[i], l->out[i]);
    if (l->out[i] < 0) status = l->out[i];
    l->donor[i] = n;
    l->in[n++] = l->g[i];
  }
  if (!status) status = hy_program_new(g, n, l->in, p->n_hyper, l->out, l->donor, &at->cross);
  hy_program_call(at->cross, "cross");
  return status;
}

/* ---- opening ---- */

static int choose_unknowns(hy_stationary *at, const hyla_problem *p) {
  at->n = at->fixed_point ? p->n_state : p->n_weight;
  at->state = hy_alloc(((size_t)at->n + 1) * sizeof *at->state);
  int status = at->state ? 0 : HYLA_ENOMEM;
  for (int i = 0; i < at->n && !status; i++) {
    at->state[i] = at->fixed_point ? i : p->weight[i];
    const hyla_shape *shape = &p->state_layout.shape[at->state[i]];
    if (shape->dtype != p->state_layout.shape[at->state[0]].dtype)
      return hy_fail(HYLA_ETYPE, p->state[at->state[i]].site, "implicit: expected states of one dtype, got %s and %s",
                     hy_dtype_name(p->state_layout.shape[at->state[0]].dtype), hy_dtype_name(shape->dtype));
    status = hy_layout_add(&at->unknown, shape);
  }
  return status;
}

static int derive(hy_stationary *at, hyla_problem *p, refs *l) {
  int status = p->inner < 0 ? 0 : plan_gradient(at, p, l);
  const hy_segment *last = &p->segment[p->n_segment - 1];
  for (int i = 0; i < at->n && at->fixed_point; i++) l->y[i] = last->next[i];
  for (int i = 0; i < at->n && !status; i++) {
    const hy_variable *v = &p->state[at->state[i]];
    l->x[i] = v->input;
    status = declare(p->graph, v, "q", &l->q[i]);
  }
  for (int i = 0; i < p->n_hyper && !status; i++) status = declare(p->graph, &p->hyper[i], "g", &l->g[i]);
  if (!status) status = check_hypers(at, p, l->y);
  if (!status) status = plan_product(at, p, l);
  return status ? status : plan_cross(at, p, l);
}

static int check(const hy_stationary *at, const hyla_problem *p) {
  int status = 0;
  if (p->inner >= 0) status = check_streams(p, "the inner objective", false, 1, &p->inner);
  if (at->fixed_point) {
    const hy_segment *last = &p->segment[p->n_segment - 1];
    return status ? status : check_streams(p, "the last step", true, p->n_state, last->next);
  }
  if (!status) status = check_states(at, p, "inner", p->inner);
  return status ? status : check_states(at, p, "outer", p->outer);
}

static int reserve(const hy_stationary *at) {
  hyla_program *all[] = {at->gradient, at->prepare, at->product, at->cross};
  int status = 0;
  for (int i = 0; i < 4 && !status; i++) status = hy_program_reserve(all[i]);
  for (int i = 0; i < at->n_segment && !status; i++) status = hy_program_reserve(at->step[i]);
  return status;
}

int hy_stationary_open(hy_stationary *at, hyla_problem *p, bool fixed_point) {
  *at = (hy_stationary){.fixed_point = fixed_point, .n_segment = p->n_segment};
  if (!fixed_point && p->inner < 0)
    return hy_fail(HYLA_ESTATE, NULL,
                   "implicit: the problem has no inner objective, so only solver \"fixed_point\" is possible, which "
                   "takes the last step of training as it is");
  size_t room = (size_t)(2 * (p->n_state + p->n_hyper) + p->n_stream + 2), bytes = room * sizeof(hy_ref);
  refs l = {hy_alloc(bytes), hy_alloc(bytes), hy_alloc(bytes), hy_alloc(bytes),
            hy_alloc(bytes), hy_alloc(bytes), hy_alloc(bytes), hy_alloc(bytes)};
  at->step = hy_calloc((size_t)p->n_segment + 1, sizeof(hyla_program *));
  int status = l.in && l.out && l.y && l.q && l.g && l.x && l.value && l.donor && at->step ? 0 : HYLA_ENOMEM;
  if (!status) status = choose_unknowns(at, p);
  if (!status) status = check(at, p);
  if (!status) status = derive(at, p, &l);
  if (!status) status = reserve(at);
  hy_free(l.in);
  hy_free(l.out);
  hy_free(l.y);
  hy_free(l.q);
  hy_free(l.g);
  hy_free(l.x);
  hy_free(l.value);
  hy_free(l.donor);
  return status;
}

void hy_stationary_close(hy_stationary *at) {
  for (int i = 0; at->step && i < at->n_segment; i++) hyla_program_drop(at->step[i]);
  hyla_program_drop(at->gradient);
  hyla_program_drop(at->prepare);
  hyla_program_drop(at->product);
  hyla_program_drop(at->cross);
  hy_layout_close(&at->unknown);
  hy_layout_close(&at->value);
  hy_free(at->step);
  hy_free(at->state);
  *at = (hy_stationary){0};
}
