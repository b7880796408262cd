/* Constant folding: what depends on constants alone is computed once, kept on its node, and shared by every program of
 * the graph (so step and adjoint step read one copy, packed once). Views of constants cost nothing and stay views. */
#include "plan/plan.h"

enum { VARIABLE, NUMBER, CONSTANT }; /* numbers alone (fills) are the simplifier's business */

static int kind_of(const hyla_graph *g, hy_ref r, const uint8_t *mark, const uint8_t *kind) {
  const hy_node *n = &g->node[r];
  if (mark[r] & HY_CUT) return VARIABLE;
  if (n->op == HY_OP_constant || n->folded) return CONSTANT;
  if (n->op == HY_OP_fill) return NUMBER;
  if (!n->n_in) return VARIABLE;
  int k = NUMBER;
  for (int i = 0; i < hy_n_read(n); i++) {
    if (kind[n->in[i]] == VARIABLE) return VARIABLE;
    if (kind[n->in[i]] == CONSTANT) k = CONSTANT;
  }
  return k;
}

/* A constant is worth computing where its value leaves the constant part: used by something variable, by a view, or
 * as an output. */
static int collect(const hyla_graph *g, int n_out, const hy_ref *out, const uint8_t *mark, uint8_t *kind,
                   hy_ref *list) {
  int n = 0;
  uint8_t *wanted = hy_calloc((size_t)g->count + 1, 1);
  if (!wanted) return HYLA_ENOMEM;
  for (hy_ref r = 0; r < g->count; r++) {
    if (!(mark[r] & HY_REACHED)) continue;
    kind[r] = (uint8_t)kind_of(g, r, mark, kind);
    for (int i = 0; i < hy_n_read(&g->node[r]); i++)
      if (kind[r] != CONSTANT || hy_op_table[g->node[r].op].view) wanted[g->node[r].in[i]] = 1;
  }
  for (int i = 0; i < n_out; i++) wanted[out[i]] = 1;
  for (hy_ref r = 0; r < g->count; r++) {
    const hy_node *x = &g->node[r];
    if (wanted[r] && (mark[r] & HY_REACHED) && kind[r] == CONSTANT && x->op != HY_OP_constant &&
        !hy_op_table[x->op].view && !x->folded)
      list[n++] = r;
  }
  hy_free(wanted);
  return n;
}

static int compute(hyla_graph *g, int n, const hy_ref *list) {
  hyla_program *program = NULL;
  hyla_tensor **value = hy_calloc((size_t)n, sizeof(hyla_tensor *));
  int status = value ? hy_program_new(g, 0, NULL, n, list, NULL, &program) : HYLA_ENOMEM;
  if (!status) status = hyla_program_run(program, NULL, value);
  for (int i = 0; i < n && !status; i++) {
    g->node[list[i]].folded = value[i];
    value[i] = NULL;
  }
  for (int i = 0; value && i < n; i++) hyla_tensor_drop(value[i]);
  hy_free(value);
  hyla_program_drop(program);
  return status;
}

int hy_fold_constants(hyla_graph *g, int n_out, const hy_ref *out, const uint8_t *mark) {
  size_t count = (size_t)g->count + 1;
  uint8_t *kind = hy_calloc(count, 1);
  hy_ref *list = hy_alloc(count * sizeof *list);
  int n = kind && list ? collect(g, n_out, out, mark, kind, list) : HYLA_ENOMEM;
  /* A program made of constants alone (an eager expression) is itself the computation. */
  bool all = true;
  for (int i = 0; i < n_out && n > 0; i++) all &= kind[out[i]] != VARIABLE;
  int status = n < 0 ? n : n > 0 && !all ? compute(g, n, list) : 0;
  hy_free(kind);
  hy_free(list);
  return status;
}
