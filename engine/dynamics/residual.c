/* What to store beside, or instead of, states: values of the step that the adjoint step reads and that cost more to make
 * again than to keep. Storing the softmax of a linear model in place of its weights saves the adjoint step a product. */
#include "dynamics/dynamics.h"
#include <string.h>

/* A value is worth its memory traffic when making it again takes this many operations a byte: a store and a load run at
 * some 10 GB/s a core, arithmetic at some 50 GFLOP/s, and a margin for the memory it takes. */
static const double worth = 64;

static double bytes_of(const hyla_graph *g, hy_ref r) {
  const hyla_shape *s = &g->node[r].shape;
  return (double)hy_shape_size(s) * (double)hy_dtype_size(s->dtype);
}

/* Operations in the time that moving a byte takes, to one's own cache or memory: what makes the cost of a step that is
 * not arithmetic. */
static const double carry = 8;

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
  const hyla_problem *p;
  const uint8_t *primal; /* the step's own nodes */
  const uint8_t *stored; /* states that are stored in any case; NULL: none */
  double *below;         /* bytes to store so that a node can be had: itself, or what it is made from */
  bool *moves, *keep;    /* depends on a state; stored itself, when needed */
} chooser;

static bool is_state(const hyla_problem *p, hy_ref r) {
  for (int i = 0; i < p->n_state; i++)
    if (p->state[i].input == r) return true;
  return false;
}

static void weigh(chooser *c, hy_ref r) {
  const hy_node *n = &c->g->node[r];
  double bytes = bytes_of(c->g, r);
  c->below[r] = 0;
  c->moves[r] = c->keep[r] = false;
  if (!n->n_in || n->folded) {
    c->moves[r] = is_state(c->p, r);
    if (c->moves[r] && !(c->stored && c->stored[r])) c->below[r] = bytes;
    return;
  }
  for (int j = 0; j < hy_n_read(n); j++) {
    bool again = false;
    for (int k = 0; k < j; k++) again |= n->in[k] == n->in[j];
    if (!again) c->below[r] += c->below[n->in[j]];
    c->moves[r] |= c->moves[n->in[j]];
  }
  if (!c->moves[r] || hy_op_table[n->op].view) return;
  if (cost_of(c->g, r) >= worth * bytes || (c->below[r] > 0 && c->below[r] >= bytes)) {
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

/* The residuals to what is `wanted`, which then also tells the states that are; what a slot would take. */
static int choose(chooser *c, const uint8_t *stored, uint8_t *wanted, hy_ref *residual, double *bytes) {
  c->stored = stored;
  for (hy_ref r = 0; r < c->g->count; r++) {
    if (c->primal[r]) weigh(c, r);
    else c->keep[r] = false;
  }
  int n = collect(c, wanted, residual);
  *bytes = 0;
  for (int i = 0; i < n; i++) *bytes += bytes_of(c->g, residual[i]);
  for (int i = 0; i < c->p->n_state; i++)
    if (wanted[c->p->state[i].input]) *bytes += bytes_of(c->g, c->p->state[i].input);
  return n;
}

/* Of a state and a value made from it, either may be stored; where several values are made from one state, it is the
 * smaller. So: once with every state to be had from it alone if need be, and once with all stored that any value is
 * cheaply made from; the smaller of the two. */
static int choose_smaller(chooser *c, const uint8_t *frontier, uint8_t *stored, uint8_t *wanted, hy_ref *residual) {
  size_t count = (size_t)c->g->count;
  double apart, together;
  memset(stored, 1, count);
  memcpy(wanted, frontier, count);
  choose(c, stored, wanted, residual, &together);
  for (size_t r = 0; r < count; r++) stored[r] = wanted[r];
  memcpy(wanted, frontier, count);
  choose(c, NULL, wanted, residual, &apart);
  memcpy(wanted, frontier, count);
  return choose(c, together < apart ? stored : NULL, wanted, residual, &apart);
}

/* Operations' worth of time that the step's nodes take of those that are reached and not given. */
static double effort(const chooser *c, const uint8_t *reached) {
  double sum = 0;
  for (hy_ref r = 0; r < c->g->count; r++) {
    const hy_node *n = &c->g->node[r];
    if (!c->primal[r] || reached[r] != HY_REACHED || !n->n_in || n->folded || hy_op_table[n->op].view) continue;
    double work = cost_of(c->g, r), move = carry * bytes_of(c->g, r);
    sum += work > move ? work : move;
  }
  return sum;
}

/* Steps forward that an adjoint step is spared by the residuals: what it need not make again, less storing and loading. */
static double saved(const chooser *c, int n_out, const hy_ref *out, int n, const hy_ref *residual,
                    const uint8_t *needed, uint8_t *mark) {
  double moved = 0, all = effort(c, c->primal);
  memset(mark, 0, (size_t)c->g->count);
  for (int i = 0; i < n; i++) {
    mark[residual[i]] = HY_CUT;
    moved += 2 * carry * (double)hy_aligned((size_t)bytes_of(c->g, residual[i]));
  }
  hy_graph_reach(c->g, n_out, out, mark);
  double gain = effort(c, needed) - effort(c, mark) - moved;
  return gain > 0 && all > 0 ? gain / all : 0;
}

int hy_choose_residuals(const hyla_problem *p, const hy_segment *s, int n_out, const hy_ref *out, hy_ref **residual,
                        double *gain) {
  const hyla_graph *g = p->graph;
  size_t count = (size_t)g->count + 1;
  uint8_t *mark = hy_calloc(5 * count, 1), *primal = mark, *needed = mark + count, *frontier = mark + 2 * count;
  chooser c = {.g = g, .p = p, .primal = primal, .below = hy_alloc(count * sizeof *c.below)};
  bool *flag = hy_calloc(2 * count, sizeof *flag);
  hy_ref *list = hy_alloc(count * sizeof *list);
  int n = mark && flag && c.below && list ? 0 : HYLA_ENOMEM;
  if (!n) {
    c.moves = flag;
    c.keep = flag + count;
    hy_graph_reach(g, p->n_state, s->next, primal);
    hy_graph_reach(g, n_out, out, needed);
    mark_frontier(g, primal, needed, n_out, out, frontier);
    n = choose_smaller(&c, frontier, mark + 3 * count, mark + 4 * count, list);
    *gain = saved(&c, n_out, out, n, list, needed, mark + 3 * count);
  }
  hy_free(mark);
  hy_free(flag);
  hy_free(c.below);
  if (n > 0) *residual = list;
  else hy_free(list);
  return n;
}
