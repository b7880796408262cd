/* What must hold of every graph between passes. */
#include "graph/graph.h"

static int check_node(const hyla_graph *g, hy_ref r, const char *pass) {
  const hy_node *n = &g->node[r];
  hyla_shape in[HYLA_MAX_INPUTS], shape;
  for (int i = 0; i < n->n_in; i++) {
    if (n->in[i] < 0 || n->in[i] >= r)
      return hy_fail(HYLA_EINTERNAL, n->site, "after %s: %%%d reads %%%d, which does not come before it", pass, r,
                     n->in[i]);
    in[i] = g->node[n->in[i]].shape;
  }
  if ((n->op == HY_OP_constant) != (n->tensor != NULL))
    return hy_fail(HYLA_EINTERNAL, n->site, "after %s: %%%d: a constant and only a constant has a tensor", pass, r);
  if (n->op == HY_OP_input || n->op == HY_OP_constant) return 0;
  int status = hyla_infer(n->op, &n->attr, n->n_in, in, n->site, &shape);
  if (status) return hy_fail_within(HYLA_EINTERNAL, "after %s: %%%d: ", pass, r);
  const char *name;
  if (n->op == HY_OP_custom && hy_custom_check(g, n->attr.v[0], n->n_in, n->in, n->site, &name))
    return hy_fail_within(HYLA_EINTERNAL, "after %s: %%%d: ", pass, r);
  if (!hy_shape_equal(&shape, &n->shape))
    return hy_fail(HYLA_EINTERNAL, n->site, "after %s: %%%d is %s, its inputs make %s", pass, r,
                   hy_shape_show(&n->shape).s, hy_shape_show(&shape).s);
  return 0;
}

int hy_graph_verify(const hyla_graph *g, const char *pass) {
  int status = 0;
  for (hy_ref r = 0; r < g->count && !status; r++) status = check_node(g, r, pass);
  return status;
}
