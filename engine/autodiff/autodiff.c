/* The rule table, and what flows where. */
#include "autodiff/autodiff.h"
#include "autodiff/partial.h"
#include <string.h>

/* Element-wise: contribution = bar times the local derivative, in both directions. */
static hy_ref by_partial(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  hy_ref d = hy_partial_of(g->node[y].op)(g, y, j);
  return d == HY_ONE ? bar : d == HY_MINUS_ONE ? hy_neg(g, bar) : hy_mul(g, bar, d);
}

/* Linear in input j: the tangent takes the input's place. */
static hy_ref by_linearity(hyla_graph *g, hy_ref y, hy_ref dot, int j) {
  hy_node n = g->node[y];
  n.in[j] = dot;
  return hy_apply(g, n.op, &n.attr, n.n_in, n.in);
}

/* How a word of ops.def's vjp and jvp columns becomes a rule. */
static hy_ref nothing(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  (void)g, (void)y, (void)bar, (void)j;
  return hy_fail(HYLA_EINTERNAL, NULL, "asked for a derivative that is zero almost everywhere");
}
#define hy_vjp_partial by_partial
#define hy_vjp_none NULL
#define hy_vjp_flat nothing
#define hy_jvp_partial by_partial
#define hy_jvp_linear by_linearity
#define hy_jvp_none NULL
#define hy_jvp_flat nothing

const hy_rules hy_rule_table[HY_OP_COUNT] = {
#define OP(name, arity, class, shape, linear, form, vjp, jvp, ...) [HY_OP_##name] = {hy_vjp_##vjp, hy_jvp_##jvp},
#include "graph/ops.def"
#undef OP
};

/* Indices carry no derivative, nor does the choice of `where`: of an operation that is linear in some inputs and has
 * others, only the linear ones count. */
static bool takes(int op, int j) {
  const hy_op_info *info = &hy_op_table[op];
  if (!hy_rule_table[op].vjp || hy_rule_table[op].vjp == nothing) return false;
  if (op == HY_OP_custom) return j > 0; /* the value is what the rules are there instead of */
  if (info->class == HY_CLASS_index || op == HY_OP_where) return info->linear >> j & 1;
  return true;
}

int hyla_op_differentiable(int op, int input) {
  return op >= 0 && op < HY_OP_COUNT && input >= 0 && input < HYLA_MAX_INPUTS && takes(op, input);
}

bool hy_flows(const hyla_graph *g, hy_ref y, int j) {
  if (g->node[y].op == HY_OP_custom) return hy_custom_flows(g, y, j);
  /* An operation without a rule lets the question through, so that asking becomes an error and not a zero. */
  return takes(g->node[y].op, j) || !hy_rule_table[g->node[y].op].vjp;
}

/* Integers have no derivative: an adjoint that arrives at one came through a cast. Movement hands it on, so that the
 * error names what made the integer. */
static bool has_rule(const hyla_graph *g, hy_ref y, hy_rule *rule) {
  const hy_node *n = &g->node[y];
  return rule && (n->shape.dtype != HYLA_INT32 || hy_op_table[n->op].class == HY_CLASS_move);
}

/* What y needs through derivatives alone: an index is not differentiated, however it was computed. */
static void reach_by_flow(const hyla_graph *g, int n, const hy_ref *y, uint8_t *mark) {
  for (int i = 0; i < n; i++) mark[y[i]] = 1;
  for (hy_ref r = g->count - 1; r >= 0; r--)
    for (int j = 0; mark[r] && j < g->node[r].n_in; j++)
      if (hy_flows(g, r, j)) mark[g->node[r].in[j]] = 1;
}

void hy_varied(const hyla_graph *g, int n_x, const hy_ref *x, uint8_t *mark) {
  memset(mark, 0, (size_t)g->count);
  for (int i = 0; i < n_x; i++) mark[x[i]] = 1;
  for (hy_ref r = 0; r < g->count; r++)
    for (int j = 0; j < g->node[r].n_in && !mark[r]; j++) mark[r] = mark[g->node[r].in[j]] && hy_flows(g, r, j);
}

int hyla_graph_depends(hyla_graph *g, int y, int x) {
  if (y < 0 || y >= g->count || x < 0 || x >= g->count) return hy_fail(HYLA_EVALUE, NULL, "no such node of this graph");
  uint8_t *mark = hy_alloc((size_t)g->count);
  if (!mark) return HYLA_ENOMEM;
  hy_varied(g, 1, &x, mark);
  int depends = mark[y];
  hy_free(mark);
  return depends;
}

static int no_rule(const hyla_graph *g, hy_ref r) {
  const hy_node *n = &g->node[r];
  return hy_fail(
      HYLA_EDERIV, n->site,
      "%s has no derivative, and the objective is differentiated through it (stop_gradient marks a value as constant)",
      hy_op_table[n->op].name);
}

/* sum += part, where sum may not exist yet. first: the first node of this derivative. */
static int accumulate(hyla_graph *g, hy_ref first, hy_ref *sum, hy_ref part) {
  hy_ref total = *sum < 0 ? part : hy_add_factored(g, first, *sum, part);
  if (total < 0) return total;
  *sum = total;
  return 0;
}

/* sum += what node y hands on through input j, by one of its rules. */
static int contribute(hyla_graph *g, hy_ref first, hy_ref y, hy_ref bar, int j, hy_rule *rule, hy_ref *sum) {
  if (!has_rule(g, y, rule)) return no_rule(g, y);
  g->site = g->node[y].site;
  hy_ref part = rule(g, y, bar, j);
  return part < 0 ? part : accumulate(g, first, sum, part);
}

static int pull_back(hyla_graph *g, hy_ref first, hy_ref y, hy_ref bar, const uint8_t *varied, hy_ref *adjoint) {
  int status = 0;
  for (int j = 0; j < g->node[y].n_in && !status; j++) {
    hy_ref x = g->node[y].in[j];
    if (varied[x] && hy_flows(g, y, j))
      status = contribute(g, first, y, bar, j, hy_rule_table[g->node[y].op].vjp, &adjoint[x]);
  }
  return status;
}

int hy_vjp(hyla_graph *g, int n_y, const hy_ref *y, const hy_ref *y_bar, int n_x, const hy_ref *x, hy_ref *x_bar) {
  hy_ref count = g->count;
  uint8_t *varied = hy_alloc((size_t)count);
  hy_ref *adjoint = hy_alloc((size_t)count * sizeof *adjoint);
  const char *site = g->site;
  int status = varied && adjoint ? 0 : HYLA_ENOMEM;
  if (!status) hy_varied(g, n_x, x, varied);
  for (hy_ref r = 0; r < count && !status; r++) adjoint[r] = -1;
  for (int i = 0; i < n_y && !status; i++)
    if (varied[y[i]]) status = accumulate(g, count, &adjoint[y[i]], y_bar[i]);
  for (hy_ref r = count - 1; r >= 0 && !status; r--)
    if (adjoint[r] >= 0) status = pull_back(g, count, r, adjoint[r], varied, adjoint);
  for (int i = 0; i < n_x && !status; i++) x_bar[i] = adjoint[x[i]];
  g->site = site;
  hy_free(varied);
  hy_free(adjoint);
  return status;
}

static int push_forward(hyla_graph *g, hy_ref first, hy_ref y, hy_ref *tangent) {
  int status = 0;
  for (int j = 0; j < g->node[y].n_in && !status; j++) {
    hy_ref dot = tangent[g->node[y].in[j]];
    if (dot >= 0 && hy_flows(g, y, j))
      status = contribute(g, first, y, dot, j, hy_rule_table[g->node[y].op].jvp, &tangent[y]);
  }
  return status;
}

int hy_jvp(hyla_graph *g, int n_x, const hy_ref *x, const hy_ref *x_dot, int n_y, const hy_ref *y, hy_ref *y_dot) {
  hy_ref count = g->count;
  uint8_t *needed = hy_calloc((size_t)count + 1, 1);
  hy_ref *tangent = hy_alloc((size_t)count * sizeof *tangent);
  const char *site = g->site;
  int status = needed && tangent ? 0 : HYLA_ENOMEM;
  for (hy_ref r = 0; r < count && !status; r++) tangent[r] = -1;
  if (!status) reach_by_flow(g, n_y, y, needed);
  for (int i = 0; i < n_x && !status; i++) status = accumulate(g, count, &tangent[x[i]], x_dot[i]);
  for (hy_ref r = 0; r < count && !status; r++)
    if (needed[r]) status = push_forward(g, count, r, tangent);
  for (int i = 0; i < n_y && !status; i++) y_dot[i] = tangent[y[i]];
  g->site = site;
  hy_free(needed);
  hy_free(tangent);
  return status;
}

static int check_refs(const hyla_graph *g, const char *what, int n, const int *ref) {
  for (int i = 0; i < n; i++)
    if (ref[i] < 0 || ref[i] >= g->count)
      return hy_fail(HYLA_EVALUE, NULL, "%s: %d is no node of this graph", what, ref[i]);
  return 0;
}

static int check_like(const hyla_graph *g, const char *what, int n, const int *x, const int *x_dot) {
  int status = check_refs(g, what, n, x);
  if (!status) status = check_refs(g, what, n, x_dot);
  for (int i = 0; i < n && !status; i++)
    if (!hy_shape_equal(&g->node[x[i]].shape, &g->node[x_dot[i]].shape))
      status = hy_fail(HYLA_ESHAPE, g->node[x[i]].site, "%s: expected the shape of its node, %s, got %s", what,
                       hy_shape_show(&g->node[x[i]].shape).s, hy_shape_show(&g->node[x_dot[i]].shape).s);
  return status;
}

int hyla_graph_vjp(hyla_graph *g, int y, int y_bar, int n, const int *x, int *x_bar) {
  int status = check_refs(g, "vjp", 1, &y);
  if (!status) status = check_refs(g, "vjp", n, x);
  if (!status && y_bar >= 0) status = check_like(g, "vjp: adjoint", 1, &y, &y_bar);
  if (status) return status;
  if (y_bar < 0) {
    if (hy_shape_size(&g->node[y].shape) != 1)
      return hy_fail(HYLA_ESHAPE, g->node[y].site,
                     "gradient: expected an objective of one element (its mean or sum), got %s",
                     hy_shape_show(&g->node[y].shape).s);
    y_bar = hy_fill_like(g, y, 1);
    if (y_bar < 0) return y_bar;
  }
  return hy_vjp(g, 1, &y, &y_bar, n, x, x_bar);
}

int hyla_graph_jvp(hyla_graph *g, int n, const int *x, const int *x_dot, int n_y, const int *y, int *y_dot) {
  int status = check_like(g, "jvp: tangent", n, x, x_dot);
  if (!status) status = check_refs(g, "jvp", n_y, y);
  return status ? status : hy_jvp(g, n, x, x_dot, n_y, y, y_dot);
}
