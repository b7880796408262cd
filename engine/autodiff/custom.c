/* Derivatives of functions that bring their own rules. A rule is a piece of the graph over stand-ins; a derivative is a
 * copy of it with the application's operands and result, and the adjoint or tangent, in their place. Its nodes are
 * ordinary ones, so it is differentiated again like any other. */
#include "autodiff/autodiff.h"
#include "autodiff/partial.h"
#include <stdio.h>

static const hy_custom *function_of(const hyla_graph *g, hy_ref y) { return &g->custom[g->node[y].attr.v[0]]; }

bool hy_custom_flows(const hyla_graph *g, hy_ref y, int j) {
  const hy_custom *c = function_of(g, y);
  if (j == 0) return false;
  /* Without a rule yet the question is let through, so that asking becomes an error. */
  return c->has_vjp ? c->x_bar[j - 1] >= 0 : !c->has_jvp || c->z_dot[j - 1] >= 0;
}

/* ---- a rule, applied ---- */

enum { MOST = HYLA_MAX_INPUTS + 1 };
typedef struct substitution {
  hy_ref from[MOST], to[MOST];
  int n;
} substitution;

static void put(substitution *s, hy_ref from, hy_ref to) {
  s->from[s->n] = from;
  s->to[s->n++] = to;
}

/* map[r - first]: what stands for node r; -1: itself. Nodes that see nothing replaced are used as they are. */
static int copy_replaced(hyla_graph *g, hy_ref root, hy_ref first, const bool *needed, hy_ref *map) {
  for (hy_ref r = first; r <= root; r++) {
    if (!needed[r - first] || map[r - first] >= 0) continue;
    hy_node n = g->node[r];
    bool changed = false;
    for (int i = 0; i < n.n_in; i++) {
      hy_ref x = n.in[i];
      if (x < first || map[x - first] < 0) continue;
      n.in[i] = map[x - first];
      changed = true;
    }
    if (!changed) continue;
    if ((map[r - first] = hy_graph_copy_node(g, &n, n.in)) < 0) return map[r - first];
  }
  return 0;
}

static hy_ref substitute(hyla_graph *g, hy_ref root, const substitution *s) {
  hy_ref first = root;
  for (int i = 0; i < s->n; i++)
    if (s->from[i] < first) first = s->from[i];
  size_t count = (size_t)(root - first) + 1;
  hy_ref *map = hy_alloc(count * sizeof *map);
  bool *needed = hy_calloc(count, sizeof *needed);
  int status = map && needed ? 0 : HYLA_ENOMEM;
  for (size_t i = 0; i < count && !status; i++) map[i] = -1;
  for (int i = 0; i < s->n && !status; i++)
    if (s->from[i] <= root) map[s->from[i] - first] = s->to[i];
  if (!status) needed[root - first] = true;
  for (hy_ref r = root; r >= first && !status; r--)
    for (int i = 0; needed[r - first] && map[r - first] < 0 && i < g->node[r].n_in; i++)
      if (g->node[r].in[i] >= first) needed[g->node[r].in[i] - first] = true;
  if (!status) status = copy_replaced(g, root, first, needed, map);
  hy_ref made = status ? status : map[root - first] >= 0 ? map[root - first] : root;
  hy_free(map);
  hy_free(needed);
  return made;
}

static hy_ref apply_rule(hyla_graph *g, hy_ref y, hy_ref rule, hy_ref seed_stand_in, hy_ref seed) {
  const hy_custom *c = function_of(g, y);
  substitution s = {.n = 0};
  for (int i = 0; i < c->n; i++) put(&s, c->x[i], g->node[y].in[i + 1]);
  put(&s, c->z, y);
  put(&s, seed_stand_in, seed);
  return substitute(g, rule, &s);
}

static int unknown(const hyla_graph *g, hy_ref y, const char *rule) {
  return hy_fail(HYLA_EDERIV, g->node[y].site,
                 "custom '%s': its %s is asked for before it is known (rules that apply it to their own adjoint or "
                 "tangent: give both)",
                 function_of(g, y)->name, rule);
}

hy_ref hy_vjp_custom(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  const hy_custom *c = function_of(g, y);
  return c->has_vjp ? apply_rule(g, y, c->x_bar[j - 1], c->z_bar, bar) : unknown(g, y, "vjp");
}

hy_ref hy_jvp_custom(hyla_graph *g, hy_ref y, hy_ref dot, int j) {
  const hy_custom *c = function_of(g, y);
  return c->has_jvp ? apply_rule(g, y, c->z_dot[j - 1], c->x_dot[j - 1], dot) : unknown(g, y, "jvp");
}

/* ---- a rule, given ---- */

typedef struct words {
  char s[96];
} words;

static words rule_of(const hy_custom *c, const char *rule) {
  words w;
  snprintf(w.s, sizeof w.s, "%s of '%.60s'", rule, c->name);
  return w;
}

static int want_node(const hyla_graph *g, const hy_custom *c, const char *what, int operand, hy_ref got, hy_ref like,
                     bool input) {
  char where[32] = "";
  if (operand) snprintf(where, sizeof where, " of operand %d", operand);
  if (got < 0 || got >= g->count || (input && g->node[got].op != HY_OP_input))
    return hy_fail(HYLA_EVALUE, c->site, "custom '%s': the %s%s: %d is no %s of this graph", c->name, what, where, got,
                   input ? "input" : "node");
  if (hy_shape_equal(&g->node[got].shape, &g->node[like].shape)) return 0;
  return hy_fail(HYLA_ESHAPE, c->site, "custom '%s': expected the %s%s to be %s, got %s", c->name, what, where,
                 hy_shape_show(&g->node[like].shape).s, hy_shape_show(&g->node[got].shape).s);
}

static bool is_real(const hyla_graph *g, hy_ref r) { return g->node[r].shape.dtype != HYLA_INT32; }

static int take_vjp(hyla_graph *g, hy_custom *c, hy_ref z_bar, const hy_ref *x_bar) {
  int status = want_node(g, c, "adjoint of the result", 0, z_bar, c->z, true);
  for (int i = 0; i < c->n && !status; i++) {
    c->x_bar[i] = -1;
    if (x_bar[i] < 0) continue;
    status = want_node(g, c, "adjoint", i + 1, x_bar[i], c->x[i], false);
    if (!status && !is_real(g, c->x[i]))
      status = hy_fail(HYLA_ETYPE, c->site, "custom '%s': operand %d is int32 and has no adjoint", c->name, i + 1);
    if (!status) status = hy_linear_part(g, rule_of(c, "vjp").s, x_bar[i], 1, &z_bar, z_bar, &c->x_bar[i]);
    if (!status && c->x_bar[i] < 0)
      status = hy_fail(HYLA_EDERIV, g->node[x_bar[i]].site,
                       "vjp of '%s': what it returns for operand %d does not depend on the adjoint of the result "
                       "(nothing, nil, says that no derivative flows there)",
                       c->name, i + 1);
  }
  c->z_bar = z_bar;
  c->has_vjp = !status;
  return status;
}

static int take_jvp(hyla_graph *g, hy_custom *c, const hy_ref *x_dot, hy_ref z_dot) {
  int status = want_node(g, c, "tangent of the result", 0, z_dot, c->z, false);
  bool any = false;
  for (int i = 0; i < c->n && !status; i++)
    if (is_real(g, c->x[i])) status = want_node(g, c, "tangent", i + 1, c->x_dot[i] = x_dot[i], c->x[i], true);
  for (int i = 0; i < c->n && !status; i++) {
    c->z_dot[i] = -1;
    if (c->x_dot[i] >= 0)
      status = hy_linear_part(g, rule_of(c, "jvp").s, z_dot, c->n, c->x_dot, c->x_dot[i], &c->z_dot[i]);
    any |= c->z_dot[i] >= 0;
  }
  if (!status && !any)
    status = hy_fail(HYLA_EDERIV, g->node[z_dot].site, "jvp of '%s': what it returns depends on no tangent", c->name);
  c->has_jvp = !status;
  return status;
}

static int want_same_paths(const hyla_graph *g, const hy_custom *c) {
  for (int i = 0; i < c->n; i++)
    if (is_real(g, c->x[i]) && (c->x_bar[i] >= 0) != (c->z_dot[i] >= 0))
      return hy_fail(HYLA_EDERIV, c->site, "custom '%s': a derivative flows to operand %d by its %s, none by its %s",
                     c->name, i + 1, c->x_bar[i] >= 0 ? "vjp" : "jvp", c->x_bar[i] >= 0 ? "jvp" : "vjp");
  return 0;
}

/* An input like another node. */
static hy_ref stand_in(hyla_graph *g, const char *name, hy_ref like, const char *site) {
  hyla_shape shape = g->node[like].shape;
  return hyla_graph_input(g, name, &shape, site);
}

/* jvp = vjp transposed: x_bar = J' z_bar is linear in z_bar, and its own vjp takes the tangent back, J x_dot. */
static int transpose_vjp(hyla_graph *g, hy_custom *c) {
  int status = 0;
  for (int i = 0; i < c->n && !status; i++) {
    c->z_dot[i] = c->x_dot[i] = -1;
    if (c->x_bar[i] < 0) continue;
    c->x_dot[i] = stand_in(g, "tangent", c->x[i], c->site);
    status = c->x_dot[i] < 0 ? c->x_dot[i] : hy_vjp(g, 1, &c->x_bar[i], &c->x_dot[i], 1, &c->z_bar, &c->z_dot[i]);
  }
  c->has_jvp = !status;
  return status;
}

static int transpose_jvp(hyla_graph *g, hy_custom *c) {
  int status = 0;
  c->z_bar = stand_in(g, "adjoint", c->z, c->site);
  if (c->z_bar < 0) status = c->z_bar;
  for (int i = 0; i < c->n && !status; i++) {
    c->x_bar[i] = -1;
    if (c->z_dot[i] >= 0) status = hy_vjp(g, 1, &c->z_dot[i], &c->z_bar, 1, &c->x_dot[i], &c->x_bar[i]);
  }
  c->has_vjp = !status;
  return status;
}

int hyla_graph_custom_rules(hyla_graph *g, int f, int z_bar, const int *x_bar, const int *x_dot, int z_dot) {
  if (f < 0 || f >= g->n_custom) return hy_fail(HYLA_EVALUE, NULL, "%d is no custom function of this graph", f);
  hy_custom before = g->custom[f], *c = &g->custom[f];
  if (c->has_vjp || c->has_jvp) return hy_fail(HYLA_ESTATE, c->site, "custom '%s': it has its rules", c->name);
  bool vjp = z_bar >= 0 && x_bar, jvp = z_dot >= 0 && x_dot;
  if (!vjp && !jvp) return hy_fail(HYLA_EVALUE, c->site, "custom '%s': expected a vjp or a jvp", c->name);
  /* In place, for a rule may apply the function itself. */
  int status = vjp ? take_vjp(g, c, z_bar, x_bar) : 0;
  if (!status && jvp) status = take_jvp(g, c, x_dot, z_dot);
  if (!status && vjp && jvp) status = want_same_paths(g, c);
  if (!status && !jvp) status = transpose_vjp(g, c);
  if (!status && !vjp) status = transpose_jvp(g, c);
  if (status) g->custom[f] = before;
  return status;
}
