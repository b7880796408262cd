/* The parts of momentum: declared beside the step they make up, since its reversal needs each of them alone. */
#include "dynamics/momentum.h"

void hy_momentum_drop(hy_momentum *q) {
  if (!q) return;
  hy_free(q->w);
  hy_free(q->v);
  hy_free(q->gradient);
  hy_free(q->rate);
  hy_free(q->mu);
  hyla_program_drop(q->mus);
  hyla_program_drop(q->rates);
  hyla_program_drop(q->gradients);
  hyla_program_drop(q->others);
  hy_layout_close(&q->mu_layout);
  hy_layout_close(&q->rate_layout);
  hy_layout_close(&q->gradient_layout);
  hy_layout_close(&q->other_layout);
  hy_free(q);
}

/* ---- declaring ---- */

static int check_states(const hyla_problem *p, int n, const int *w, const int *v) {
  bool *taken = hy_calloc((size_t)p->n_state + 1, sizeof *taken);
  int status = taken ? 0 : HYLA_ENOMEM;
  for (int i = 0; i < 2 * n && !status; i++) {
    int s = i < n ? w[i] : v[i - n];
    if (s < 0 || s >= p->n_state)
      status = hy_fail(HYLA_EVALUE, NULL, "momentum: expected a state from 0 to %d, got %d", p->n_state - 1, s);
    else if (taken[s])
      status = hy_fail(HYLA_EVALUE, p->state[s].site, "momentum: state '%s' is named twice", p->state[s].name);
    else taken[s] = true;
  }
  for (int i = 0; i < n && !status; i++)
    if (!hy_shape_equal(&p->state_layout.shape[w[i]], &p->state_layout.shape[v[i]]))
      status = hy_fail(HYLA_ESHAPE, p->state[w[i]].site, "momentum: weight '%s' is %s, its velocity %s",
                       p->state[w[i]].name, hy_shape_show(&p->state_layout.shape[w[i]]).s,
                       hy_shape_show(&p->state_layout.shape[v[i]]).s);
  hy_free(taken);
  return status;
}

/* A node of the weight's shape, or where `one` says so, of one element. */
static int check_part(const hyla_problem *p, const char *what, int w, hy_ref r, bool whole, bool one) {
  const hyla_shape *shape = &p->state_layout.shape[w];
  if (r < 0 || r >= p->graph->count)
    return hy_fail(HYLA_EVALUE, p->state[w].site, "momentum: %s of '%s': %d is no node of the graph", what,
                   p->state[w].name, r);
  const hyla_shape *got = &p->graph->node[r].shape;
  if (got->dtype == shape->dtype && ((whole && hy_shape_equal(got, shape)) || (one && hy_shape_size(got) == 1)))
    return 0;
  return hy_fail(HYLA_ESHAPE, p->graph->node[r].site, "momentum: %s of '%s': expected %s%s, got %s", what,
                 p->state[w].name, one ? "one number" : "", whole ? (one ? " or its shape" : "its shape") : "",
                 hy_shape_show(got).s);
}

/* Going backwards, w comes before g and both before v: no part may need what is not there yet. */
static int check_order(const hyla_problem *p, int n, const int *v, const int *gradient, const int *rate,
                       const int *mu) {
  uint8_t *of_gradient = hy_calloc((size_t)p->graph->count + 1, 1);
  uint8_t *of_settings = hy_calloc((size_t)p->graph->count + 1, 1);
  int status = of_gradient && of_settings ? 0 : HYLA_ENOMEM;
  if (!status) {
    hy_graph_reach(p->graph, n, gradient, of_gradient);
    hy_graph_reach(p->graph, n, rate, of_settings);
    hy_graph_reach(p->graph, n, mu, of_settings);
  }
  for (int i = 0; i < n && !status; i++)
    if (of_gradient[p->state[v[i]].input])
      status = hy_fail(HYLA_EVALUE, p->state[v[i]].site, "momentum: a gradient depends on the velocity '%s'",
                       p->state[v[i]].name);
  for (int i = 0; i < p->n_state && !status; i++)
    if (of_settings[p->state[i].input])
      status = hy_fail(HYLA_EVALUE, p->state[i].site, "momentum: a rate or momentum depends on the state '%s'",
                       p->state[i].name);
  hy_free(of_gradient);
  hy_free(of_settings);
  return status;
}

static int *copy_of(int n, const int *x) {
  int *to = hy_alloc((size_t)n * sizeof *to + 1);
  for (int i = 0; to && i < n; i++) to[i] = x[i];
  return to;
}

int hyla_problem_momentum(hyla_problem *p, int segment, int n, const int *w, const int *v, const int *gradient,
                          const int *rate, const int *mu) {
  if (segment < 0 || segment >= p->n_segment)
    return hy_fail(HYLA_EVALUE, NULL, "momentum: expected a segment from 0 to %d, got %d", p->n_segment - 1, segment);
  if (p->segment[segment].momentum)
    return hy_fail(HYLA_ESTATE, NULL, "momentum: segment %d has been declared before", segment);
  if (n < 1) return hy_fail(HYLA_EVALUE, NULL, "momentum: expected at least one weight, got %d", n);
  int status = check_states(p, n, w, v);
  for (int i = 0; i < n && !status; i++) {
    status = check_part(p, "gradient", w[i], gradient[i], true, false);
    if (!status) status = check_part(p, "rate", w[i], rate[i], true, true);
    if (!status) status = check_part(p, "momentum", w[i], mu[i], false, true);
  }
  if (!status) status = check_order(p, n, v, gradient, rate, mu);
  if (status) return status;
  hy_momentum *q = hy_calloc(1, sizeof *q);
  if (!q) return HYLA_ENOMEM;
  *q = (hy_momentum){.n = n,
                     .w = copy_of(n, w),
                     .v = copy_of(n, v),
                     .gradient = copy_of(n, gradient),
                     .rate = copy_of(n, rate),
                     .mu = copy_of(n, mu)};
  if (!q->w || !q->v || !q->gradient || !q->rate || !q->mu) {
    hy_momentum_drop(q);
    return HYLA_ENOMEM;
  }
  p->segment[segment].momentum = q;
  return 0;
}

/* ---- planning ---- */

/* A program of these nodes over what the step sees, and the layout of its results; both or none. */
static int plan_part(hyla_problem *p, int n, const hy_ref *node, hyla_program **program, hy_layout *layout) {
  int n_in = 0, status = 0;
  if (*program) return 0;
  hy_ref *in = hy_alloc((size_t)(p->n_state + p->n_hyper + p->n_stream + 1) * sizeof *in);
  if (!in) return HYLA_ENOMEM;
  for (int i = 0; i < p->n_state; i++) in[n_in++] = p->state[i].input;
  for (int i = 0; i < p->n_hyper; i++) in[n_in++] = p->hyper[i].input;
  for (int i = 0; i < p->n_stream; i++) in[n_in++] = p->stream[i].input;
  for (int i = 0; i < n && !status; i++) status = hy_layout_add(layout, &p->graph->node[node[i]].shape);
  if (!status) status = hy_program_new(p->graph, n_in, in, n, node, NULL, program);
  if (status) hy_layout_close(layout);
  hy_free(in);
  return status;
}

int hy_momentum_plan(hyla_problem *p, int segment, int n_other, const int *other) {
  hy_momentum *q = p->segment[segment].momentum;
  hy_ref *next = hy_alloc((size_t)n_other * sizeof *next + 1);
  if (!next) return HYLA_ENOMEM;
  for (int i = 0; i < n_other; i++) next[i] = p->segment[segment].next[other[i]];
  int status = plan_part(p, q->n, q->mu, &q->mus, &q->mu_layout);
  if (!status) status = plan_part(p, q->n, q->rate, &q->rates, &q->rate_layout);
  if (!status) status = plan_part(p, q->n, q->gradient, &q->gradients, &q->gradient_layout);
  if (!status && n_other) status = plan_part(p, n_other, next, &q->others, &q->other_layout);
  hyla_program *all[] = {q->mus, q->rates, q->gradients, q->others};
  for (int i = 0; i < 4 && !status; i++) status = hy_program_reserve(all[i]);
  hy_program_call(q->mus, "step.momentum");
  hy_program_call(q->rates, "step.rate");
  hy_program_call(q->gradients, "step.gradient");
  hy_program_call(q->others, "step.others");
  hy_free(next);
  return status;
}

bool hy_momentum_reads(const hy_momentum *q, int state) {
  return hy_program_reads(q->mus, state) || hy_program_reads(q->rates, state) || hy_program_reads(q->gradients, state);
}
