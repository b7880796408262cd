/* A program for people: its items, phase by phase, as text ("%7 = softmax  float32[500, 10] in scratch <- %6, input W")
 * and as a graph in the language of Graphviz. An item's number is its place in the plan. */
#include "plan/plan.h"

static const hy_node *node_of(const hyla_program *p, int i) { return &p->plan.graph->node[p->plan.item[i].node]; }

/* Inputs may be values in the middle of the graph, which have no name but their operation's. */
static const char *input_name(const hyla_program *p, int i) {
  const hy_node *n = node_of(p, i);
  return n->name ? n->name : hy_op_table[n->op].name;
}

static int show_operand(const hyla_program *p, int i, hy_text *t) {
  const hy_item *it = &p->plan.item[i];
  switch (it->place) {
    case HY_IN_FILL: return hy_text_add(t, "%.9g", it->fill);
    case HY_IN_INPUT: return hy_text_add(t, "input %s", input_name(p, i));
    case HY_IN_CONSTANT: return hy_text_add(t, "constant %s", hy_shape_show(&it->shape).s);
    default: return hy_text_add(t, "%%%d", i);
  }
}

static int show_item(const hyla_program *p, int i, hy_text *t) {
  static const char *const place[] = {"", "input", "constant", "number", "arena", "kept", "scratch", "chain", "output"};
  const hy_item *it = &p->plan.item[i];
  const char *site = node_of(p, i)->site;
  int status = hy_text_add(t, "  %%%-3d = %-20s %s in %s", i, it->label, hy_shape_show(&it->shape).s, place[it->place]);
  if (!status && it->place == HY_IN_OUTPUT) status = hy_text_add(t, " %d", it->index + 1);
  for (int j = 0; j < it->n_in && !status; j++) {
    status = hy_text_add(t, "%s", j ? ", " : " <- ");
    if (!status) status = show_operand(p, it->in[j].item, t);
  }
  return status ? status : hy_text_add(t, "%s%s\n", site ? "  " : "", site ? site : "");
}

static int show_phase(const hyla_program *p, int k, hy_text *t) {
  const hy_phase *ph = &p->plan.phase[k];
  return hy_text_add(t, "phase %d: %lld rows, %d units of %lld in blocks of %lld%s", k + 1, (long long)ph->extent,
                     ph->units, (long long)ph->unit, (long long)ph->block, ph->parallel ? ", shared out" : "");
}

const char *hyla_program_print(hyla_program *p) {
  const hy_plan *plan = &p->plan;
  p->text.n = 0;
  int status = hy_text_add(&p->text, "%d phases, %.3g MFLOP, arena %zu bytes, scratch %zu bytes a thread, kept %zu\n",
                           plan->n_phase, plan->flops / 1e6, plan->arena_bytes, plan->scratch_bytes, plan->kept_bytes);
  for (int k = 0; k < plan->n_phase && !status; k++) {
    status = show_phase(p, k, &p->text);
    if (!status) status = hy_text_add(&p->text, "\n");
    for (int i = plan->phase[k].first; i < plan->phase[k].first + plan->phase[k].n && !status; i++)
      status = show_item(p, plan->order[i], &p->text);
  }
  return status || !p->text.s ? "" : p->text.s;
}

/* ---- for Graphviz ---- */

/* Within double quotes. */
static int quote(const char *s, hy_text *t) {
  int status = 0;
  for (; *s && !status; s++) status = hy_text_add(t, "%s%c", *s == '"' || *s == '\\' ? "\\" : "", *s);
  return status;
}

static int draw_node(const hyla_program *p, int i, const char *what, const char *style, hy_text *t) {
  const char *site = node_of(p, i)->site;
  int status = hy_text_add(t, "  n%d [label=\"", i);
  if (!status) status = quote(what, t);
  if (!status) status = hy_text_add(t, "\\n%s", hy_shape_show(&p->plan.item[i].shape).s);
  if (!status && site) status = hy_text_add(t, "\\n");
  if (!status && site) status = quote(site, t);
  return status ? status : hy_text_add(t, "\"%s];\n", style);
}

/* What the program is given: inputs, constants and numbers that an item reads. */
static int draw_leaf(const hyla_program *p, int i, hy_text *t) {
  const hy_item *it = &p->plan.item[i];
  if (it->place == HY_IN_INPUT) return draw_node(p, i, input_name(p, i), ", shape=ellipse, style=filled", t);
  if (it->place == HY_IN_CONSTANT) return draw_node(p, i, "constant", ", shape=ellipse", t);
  return it->place == HY_IN_FILL ? hy_text_add(t, "  n%d [label=\"%.9g\", shape=plaintext];\n", i, it->fill) : 0;
}

static int draw_phase(const hyla_program *p, int k, hy_text *t) {
  const hy_phase *ph = &p->plan.phase[k];
  int status = hy_text_add(t, "  subgraph cluster_%d {\n  label=\"", k + 1);
  if (!status) status = show_phase(p, k, t);
  if (!status) status = hy_text_add(t, "\";\n");
  for (int i = ph->first; i < ph->first + ph->n && !status; i++)
    status = draw_node(p, p->plan.order[i], p->plan.item[p->plan.order[i]].label, "", t);
  return status ? status : hy_text_add(t, "  }\n");
}

static int draw_edges(const hyla_program *p, int i, hy_text *t) {
  const hy_item *it = &p->plan.item[i];
  int status = 0;
  for (int j = 0; j < it->n_in && !status; j++) status = hy_text_add(t, "  n%d -> n%d;\n", it->in[j].item, i);
  if (!status && it->place == HY_IN_OUTPUT)
    status = hy_text_add(t, "  out%d [label=\"output %d\", shape=ellipse, style=filled];\n  n%d -> out%d;\n",
                         it->index + 1, it->index + 1, i, it->index + 1);
  return status;
}

const char *hyla_program_dot(hyla_program *p) {
  const hy_plan *plan = &p->plan;
  p->text.n = 0;
  uint8_t *drawn = hy_calloc((size_t)plan->n_item + 1, 1);
  int status = drawn ? hy_text_add(&p->text, "digraph program {\n  node [shape=box];\n") : HYLA_ENOMEM;
  for (int k = 0; k < plan->n_phase && !status; k++) {
    const hy_phase *ph = &plan->phase[k];
    status = draw_phase(p, k, &p->text);
    for (int i = ph->first; i < ph->first + ph->n && !status; i++) {
      const hy_item *it = &plan->item[plan->order[i]];
      for (int j = 0; j < it->n_in && !status; j++) {
        int from = it->in[j].item;
        if (!drawn[from]) status = draw_leaf(p, from, &p->text);
        drawn[from] = 1;
      }
      if (!status) status = draw_edges(p, plan->order[i], &p->text);
    }
  }
  if (!status) status = hy_text_add(&p->text, "}\n");
  hy_free(drawn);
  return status || !p->text.s ? "" : p->text.s;
}
