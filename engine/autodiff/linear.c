/* Is an expression linear in some of the graph's inputs? Read off its operations, so that a mistake has a line. */
#include "autodiff/autodiff.h"
#include <string.h>

typedef struct walk {
  hyla_graph *g;
  const char *what;
  hy_ref first, y; /* the nodes looked at */
  bool *depends;   /* of each, from first: on one of the inputs */
  hy_ref *part;    /* and the part of it that is linear in the one of interest; -1: none */
} walk;

static bool depends(const walk *w, hy_ref r) { return r >= w->first && w->depends[r - w->first]; }

static bool is_zero(const hyla_graph *g, hy_ref r) {
  double v;
  return hy_graph_is_fill(g, r, &v) && v == 0;
}

/* Linear in several inputs together, so that one that is constant is an offset. */
static bool adds_up(int op) { return op == HY_OP_add || op == HY_OP_sub || op == HY_OP_where || op == HY_OP_concat; }

static int not_linear(const walk *w, const hy_node *n) {
  return hy_fail(HYLA_EDERIV, n->site, "%s: %s is not linear in what the rule is given, as a derivative must be",
                 w->what, n->name ? n->name : hy_op_table[n->op].name);
}

static int check_sum(const walk *w, const hy_node *n) {
  int first = n->op == HY_OP_where; /* its condition chooses */
  if (first && depends(w, n->in[0])) return not_linear(w, n);
  for (int i = first; i < n->n_in; i++)
    if (!depends(w, n->in[i]) && !is_zero(w->g, n->in[i]))
      return hy_fail(HYLA_EDERIV, n->site,
                     "%s: %s adds something that does not depend on what the rule is given, so the rule is not linear",
                     w->what, hy_op_table[n->op].name);
  return 0;
}

/* A custom function of one operand that depends: its value is linear, and its rules are believed. */
static int check_linear(const walk *w, const hy_node *n) {
  uint32_t linear = hy_op_table[n->op].linear;
  int count = 0;
  if (n->shape.dtype == HYLA_INT32) return not_linear(w, n);
  if (adds_up(n->op)) return check_sum(w, n);
  if (n->op == HY_OP_custom) linear = depends(w, n->in[0]) ? ~1u : 0;
  for (int i = n->op == HY_OP_custom; i < n->n_in; i++) {
    if (!depends(w, n->in[i])) continue;
    if (count++ || !(linear >> i & 1)) return not_linear(w, n);
  }
  return count ? 0 : not_linear(w, n);
}

/* Node r with the parts of its inputs in their place. */
static int make_part(walk *w, hy_ref r, hy_ref *made) {
  hy_node n = w->g->node[r];
  bool changed = false, any = false;
  for (int i = 0; i < n.n_in; i++) {
    hy_ref x = n.in[i];
    if (!depends(w, x)) continue;
    hy_ref part = w->part[x - w->first];
    any |= part >= 0;
    changed |= part != x;
    n.in[i] = part;
  }
  *made = any ? r : -1;
  if (!any || !changed) return 0;
  for (int i = 0; i < n.n_in; i++) /* of a sum, what is left out is zero */
    if (n.in[i] < 0 && (n.in[i] = hy_fill_like(w->g, w->g->node[r].in[i], 0)) < 0) return n.in[i];
  *made = hy_graph_copy_node(w->g, &n, n.in);
  return *made < 0 ? *made : 0;
}

static int visit(walk *w, hy_ref r) {
  const hy_node *n = &w->g->node[r];
  hy_ref at = r - w->first;
  for (int i = 0; i < n->n_in; i++) w->depends[at] |= depends(w, n->in[i]);
  if (!n->n_in || !w->depends[at]) return 0;
  int status = check_linear(w, n);
  return status ? status : make_part(w, r, &w->part[at]);
}

/* Only what y needs is looked at. */
static int walk_down(walk *w) {
  bool *needed = hy_calloc((size_t)(w->y - w->first) + 1, sizeof *needed);
  int status = needed ? 0 : HYLA_ENOMEM;
  if (!status) needed[w->y - w->first] = true;
  for (hy_ref r = w->y; r >= w->first && !status; r--)
    for (int i = 0; needed[r - w->first] && i < w->g->node[r].n_in; i++)
      if (w->g->node[r].in[i] >= w->first) needed[w->g->node[r].in[i] - w->first] = true;
  for (hy_ref r = w->first; r <= w->y && !status; r++)
    if (needed[r - w->first]) status = visit(w, r);
  hy_free(needed);
  return status;
}

int hy_linear_part(hyla_graph *g, const char *what, hy_ref y, int n, const hy_ref *u, hy_ref in, hy_ref *part) {
  walk w = {.g = g, .what = what, .first = y + 1, .y = y};
  for (int i = 0; i < n; i++)
    if (u[i] >= 0 && u[i] < w.first) w.first = u[i];
  *part = -1;
  if (w.first > y) return 0;
  size_t count = (size_t)(y - w.first) + 1;
  w.depends = hy_calloc(count, sizeof *w.depends);
  w.part = hy_alloc(count * sizeof *w.part);
  int status = w.depends && w.part ? 0 : HYLA_ENOMEM;
  for (size_t i = 0; i < count && !status; i++) w.part[i] = -1;
  for (int i = 0; i < n && !status; i++)
    if (u[i] >= w.first && u[i] <= y) w.depends[u[i] - w.first] = true;
  if (!status && in >= w.first && in <= y) w.part[in - w.first] = in;
  if (!status) status = walk_down(&w);
  if (!status) *part = w.part[y - w.first];
  hy_free(w.depends);
  hy_free(w.part);
  return status;
}
