/* Functions with derivative rules of their own: what they are declared with, and whether an application fits. */
#include "graph/graph.h"

static int want_stand_in(const hyla_graph *g, const char *name, const char *what, int ref, const char *site) {
  if (ref >= 0 && ref < g->count && g->node[ref].op == HY_OP_input) return 0;
  return hy_fail(HYLA_EVALUE, site, "custom '%s': expected an input of the graph to stand for %s, got %d", name, what,
                 ref);
}

int hyla_graph_custom(hyla_graph *g, const char *name, int n, const int *x, int z, const char *site) {
  hy_custom c = {.n = n, .z = z, .z_bar = -1};
  if (!name) name = "function";
  if (n < 1 || n >= HYLA_MAX_INPUTS)
    return hy_fail(HYLA_EVALUE, site, "custom '%s': expected 1 to %d operands, got %d", name, HYLA_MAX_INPUTS - 1, n);
  int status = want_stand_in(g, name, "the result", z, site);
  if (!status && g->node[z].shape.dtype == HYLA_INT32)
    status = hy_fail(HYLA_ETYPE, site, "custom '%s': expected a real result, got %s", name,
                     hy_shape_show(&g->node[z].shape).s);
  for (int i = 0; i < n && !status; i++) {
    status = want_stand_in(g, name, "an operand", x[i], site);
    c.x[i] = x[i];
    c.x_bar[i] = c.x_dot[i] = c.z_dot[i] = -1;
  }
  if (status) return status;
  c.name = hy_graph_intern(g, name);
  c.site = hy_graph_intern(g, site);
  if (!c.name || (site && !c.site) || HY_GROW(g->custom, g->custom_capacity, g->n_custom)) return HYLA_ENOMEM;
  g->custom[g->n_custom] = c;
  return g->n_custom++;
}

static int want_like(const hyla_graph *g, const hy_custom *c, const char *what, hy_ref like, hy_ref got,
                     const char *site) {
  const hyla_shape *expected = &g->node[like].shape, *shape = &g->node[got].shape;
  if (hy_shape_equal(expected, shape)) return 0;
  return hy_fail(HYLA_ESHAPE, site, "custom '%s': expected %s of %s, got %s", c->name, what, hy_shape_show(expected).s,
                 hy_shape_show(shape).s);
}

int hy_custom_check(const hyla_graph *g, int32_t f, int n, const hy_ref *in, const char *site, const char **name) {
  if (f < 0 || f >= g->n_custom) return hy_fail(HYLA_EVALUE, site, "custom: %d is no custom function of this graph", f);
  const hy_custom *c = &g->custom[f];
  if (n != c->n + 1)
    return hy_fail(HYLA_EVALUE, site, "custom '%s': expected a value and %d operands, got %d inputs", c->name, c->n, n);
  int status = want_like(g, c, "a value", c->z, in[0], site);
  for (int i = 0; i < c->n && !status; i++) status = want_like(g, c, "an operand", c->x[i], in[i + 1], site);
  if (!status) *name = c->name;
  return status;
}
