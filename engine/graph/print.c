/* The graph as text: "%7 = matmul(%2, %5) {0, 1} float32[5000, 10]  recipes/x.lua:34". */
#include "graph/graph.h"

int hy_graph_show_node(const hyla_graph *g, hy_ref r, hy_text *t) {
  const hy_node *n = &g->node[r];
  int status = hy_text_add(t, "%%%d = %s", r, hy_op_table[n->op].name);
  if (!status && n->name) status = hy_text_add(t, " '%s'", n->name);
  if (!status && n->op == HY_OP_fill) status = hy_text_add(t, " %.9g", n->attr.f[0]);
  for (int i = 0; i < n->n_in && !status; i++) status = hy_text_add(t, "%s%%%d", i ? ", " : "(", n->in[i]);
  if (!status && n->n_in) status = hy_text_add(t, ")");
  for (int i = 0; i < n->attr.n && n->op != HY_OP_fill && !status; i++)
    status = hy_text_add(t, "%s%d", i ? ", " : " {", n->attr.v[i]);
  if (!status && n->attr.n && n->op != HY_OP_fill) status = hy_text_add(t, "}");
  if (!status) status = hy_text_add(t, " %s", hy_shape_show(&n->shape).s);
  return status ? status : hy_text_add(t, "%s%s\n", n->site ? "  " : "", n->site ? n->site : "");
}

const char *hyla_graph_print(hyla_graph *g, int n, const int *outputs) {
  uint8_t *mark = hy_calloc((size_t)g->count + 1, 1);
  int status = mark ? 0 : HYLA_ENOMEM;
  g->text.n = 0;
  for (int i = 0; i < n && !status; i++)
    if (outputs[i] < 0 || outputs[i] >= g->count)
      status = hy_fail(HYLA_EVALUE, NULL, "%d is no node of this graph", outputs[i]);
  if (!status) hy_graph_reach(g, n, outputs, mark);
  for (hy_ref r = 0; r < g->count && !status; r++)
    if (mark[r]) status = hy_graph_show_node(g, r, &g->text);
  for (int i = 0; i < n && !status; i++) status = hy_text_add(&g->text, "%s%%%d", i ? ", " : "-> ", outputs[i]);
  hy_free(mark);
  return status || !g->text.s ? "" : g->text.s;
}
