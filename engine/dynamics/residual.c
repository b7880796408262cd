/* What to store beside, or instead of, states: values of the step that the adjoint step reads and that cost more to make
 * again than to keep. Storing the softmax of a linear model in place of its weights saves the adjoint step a product. */
#include "dynamics/dynamics.h"

/* A value is worth its memory traffic when making it again takes this many operations a byte: a store and a load run at
 * some 10 GB/s a core, arithmetic at some 50 GFLOP/s, and a margin for the memory it takes. */
static const double worth = 32;

static double bytes_of(const hyla_graph *g, hy_ref r) {
  const hyla_shape *s = &g->node[r].shape;
  return (double)hy_shape_size(s) * (double)hy_dtype_size(s->dtype);
}

/* Operations it takes to make node r from its inputs. */
static double cost_of(const hyla_graph *g, hy_ref r) {
  const hy_node *n = &g->node[r];
  const hy_op_info *op = &hy_op_table[n->op];
  double met = (double)hy_shape_size(&n->shape);
  if (op->class == HY_CLASS_reduce) met = (double)hy_shape_size(&g->node[n->in[0]].shape);
  if (op->class == HY_CLASS_contract) {
    const hyla_shape *x = &g->node[n->in[0]].shape;
    met *= x->dim[n->attr.v[0] ? x->rank - 2 : x->rank - 1];
  }
  return op->flops * met;
}

typedef struct chooser {
  const hyla_graph *g;
  double *below; /* bytes to store so that a node can be had: itself, or what it is made from */
  bool *keep;    /* stored itself, when needed */
} chooser;

static bool is_state(const hyla_problem *p, hy_ref r) {
  for (int i = 0; i < p->n_state; i++)
    if (p->state[i].input == r) return true;
  return false;
}

static void weigh(chooser *c, const hyla_problem *p, hy_ref r) {
  const hy_node *n = &c->g->node[r];
  c->below[r] = 0;
  c->keep[r] = false;
  if (!n->n_in || n->folded) {
    if (is_state(p, r)) c->below[r] = bytes_of(c->g, r);
    return;
  }
  for (int j = 0; j < hy_n_read(n); j++) {
    bool again = false;
    for (int k = 0; k < j; k++) again |= n->in[k] == n->in[j];
    if (!again) c->below[r] += c->below[n->in[j]];
  }
  double bytes = bytes_of(c->g, r);
  if (c->below[r] == 0 || hy_op_table[n->op].view) return;
  if (cost_of(c->g, r) >= worth * bytes || c->below[r] >= bytes) {
    c->keep[r] = true;
    c->below[r] = bytes;
  }
}

/* Walks down from what the adjoint reads to what is kept. wanted: by the adjoint program, or by a recomputation. */
static int collect(const chooser *c, uint8_t *wanted, hy_ref *residual) {
  int n = 0;
  for (hy_ref r = c->g->count - 1; r >= 0; r--) {
    if (!wanted[r]) continue;
    if (c->keep[r]) residual[n++] = r;
    else
      for (int j = 0; j < hy_n_read(&c->g->node[r]); j++) wanted[c->g->node[r].in[j]] = 1;
  }
  return n;
}

/* What the adjoint program reads of the step's own values: the step's nodes that others of its nodes, or its results, use. */
static void mark_frontier(const hyla_graph *g, const uint8_t *primal, const uint8_t *needed, int n_out,
                          const hy_ref *out, uint8_t *wanted) {
  for (hy_ref r = 0; r < g->count; r++)
    for (int j = 0; j < hy_n_read(&g->node[r]) && needed[r] && !primal[r]; j++)
      if (primal[g->node[r].in[j]]) wanted[g->node[r].in[j]] = 1;
  for (int i = 0; i < n_out; i++)
    if (primal[out[i]]) wanted[out[i]] = 1;
}

int hy_choose_residuals(const hyla_problem *p, const hy_segment *s, int n_out, const hy_ref *out, hy_ref **residual) {
  const hyla_graph *g = p->graph;
  size_t count = (size_t)g->count + 1;
  uint8_t *primal = hy_calloc(count, 1), *needed = hy_calloc(count, 1), *wanted = hy_calloc(count, 1);
  chooser c = {.g = g, .below = hy_alloc(count * sizeof *c.below), .keep = hy_alloc(count * sizeof *c.keep)};
  hy_ref *list = hy_alloc(count * sizeof *list);
  int n = primal && needed && wanted && c.below && c.keep && list ? 0 : HYLA_ENOMEM;
  if (!n) {
    hy_graph_reach(g, p->n_state, s->next, primal);
    hy_graph_reach(g, n_out, out, needed);
    for (hy_ref r = 0; r < g->count; r++)
      if (primal[r]) weigh(&c, p, r);
      else c.keep[r] = false;
    mark_frontier(g, primal, needed, n_out, out, wanted);
    n = collect(&c, wanted, list);
  }
  hy_free(primal);
  hy_free(needed);
  hy_free(wanted);
  hy_free(c.below);
  hy_free(c.keep);
  if (n > 0) *residual = list;
  else hy_free(list);
  return n;
}
