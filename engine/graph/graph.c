/* The graph's nodes, its public face, and the op table's first columns. */
#include "graph/graph.h"
#include <string.h>
#include "graph/shape.h"

enum { FORM_work, FORM_view };

const hy_op_info hy_op_table[HY_OP_COUNT] = {
#define OP(name, arity, class, shape, linear, form, vjp, jvp, kernel, flops, about) \
  [HY_OP_##name] = {#name, arity, HY_CLASS_##class, hy_shape_##shape, (uint32_t)(linear), FORM_##form, flops, about},
#include "graph/ops.def"
#undef OP
};

int hyla_op_count(void) { return HY_OP_COUNT; }

static const hy_op_info *op_info(int op) { return op >= 0 && op < HY_OP_COUNT ? &hy_op_table[op] : NULL; }

const char *hyla_op_name(int op) { return op_info(op) ? op_info(op)->name : "?"; }
int hyla_op_arity(int op) { return op_info(op) ? op_info(op)->arity : 0; }
const char *hyla_op_about(int op) { return op_info(op) ? op_info(op)->about : "?"; }

const char *hyla_op_class(int op) {
  static const char *const name[] = {"leaf", "map", "reduce", "contract", "move", "index"};
  return op_info(op) ? name[op_info(op)->class] : "?";
}

int hyla_op_find(const char *name) {
  for (int i = 0; i < HY_OP_COUNT; i++)
    if (!strcmp(hy_op_table[i].name, name)) return i;
  hy_text known = {0};
  int status = 0;
  for (int i = 0; i < HY_OP_COUNT && !status; i++)
    if (hy_op_table[i].class != HY_CLASS_leaf || i == HY_OP_fill)
      status = hy_text_add(&known, " %s", hy_op_table[i].name);
  if (!status) status = hy_fail(HYLA_EVALUE, NULL, "unknown operation '%s'; known are:%s", name, known.s);
  hy_free(known.s);
  return status;
}

int hyla_graph_new(hyla_graph **out) {
  hyla_graph *g = hy_calloc(1, sizeof *g);
  if (!g) return HYLA_ENOMEM;
  g->references = 1;
  *out = g;
  return 0;
}

hyla_graph *hy_graph_keep(hyla_graph *g) {
  g->references++;
  return g;
}

/* What is in a block that is too small need not be kept: it goes before the larger one comes. */
static int reserve(char **block, size_t *held, size_t bytes) {
  if (bytes <= *held) return 0;
  hy_free(*block);
  *block = hy_alloc(bytes);
  *held = *block ? bytes : 0;
  return *block ? 0 : HYLA_ENOMEM;
}

int hy_workspace_reserve(hy_workspace *w, size_t arena_bytes, size_t scratch_bytes) {
  int status = reserve(&w->arena, &w->arena_bytes, arena_bytes);
  return status ? status : reserve(&w->scratch, &w->scratch_bytes, scratch_bytes);
}

void hy_workspace_close(hy_workspace *w) {
  hy_free(w->arena);
  hy_free(w->scratch);
  *w = (hy_workspace){.kept_bytes = w->kept_bytes};
}

void hyla_graph_drop(hyla_graph *g) {
  if (!g || --g->references) return;
  for (int i = 0; i < g->count; i++) {
    hyla_tensor_drop(g->node[i].tensor);
    hyla_tensor_drop(g->node[i].folded);
  }
  for (int i = 0; i < g->n_string; i++) hy_free(g->string[i]);
  hy_workspace_close(&g->workspace);
  hy_free(g->string);
  hy_free(g->node);
  hy_free(g->custom);
  hy_free(g->text.s);
  hy_free(g);
}

const char *hy_graph_intern(hyla_graph *g, const char *text) {
  if (!text) return NULL;
  for (int i = g->n_string - 1; i >= 0; i--) /* neighbours share their site: the last is the likeliest */
    if (!strcmp(g->string[i], text)) return g->string[i];
  if (HY_GROW(g->string, g->string_capacity, g->n_string)) return NULL;
  char *copy = hy_strdup(text);
  if (copy) g->string[g->n_string++] = copy;
  return copy;
}

static hy_ref append(hyla_graph *g, const hy_node *node, const char *site) {
  if (HY_GROW(g->node, g->capacity, g->count)) return HYLA_ENOMEM;
  const char *place = hy_graph_intern(g, site);
  if (site && !place) return HYLA_ENOMEM;
  hy_node *n = &g->node[g->count];
  *n = *node;
  n->site = place;
  n->folded = NULL;
  if (n->tensor) hyla_tensor_keep(n->tensor);
  return g->count++;
}

hy_ref hy_graph_copy_node(hyla_graph *to, const hy_node *node, const hy_ref *in) {
  hy_node copy = *node;
  for (int i = 0; i < copy.n_in; i++) {
    if (in[i] < 0) return in[i];
    copy.in[i] = in[i];
  }
  if (copy.name) copy.name = hy_graph_intern(to, copy.name);
  if (node->name && !copy.name) return HYLA_ENOMEM;
  return append(to, &copy, node->site);
}

int hyla_graph_input(hyla_graph *g, const char *name, const hyla_shape *shape, const char *site) {
  hy_node node = {.op = HY_OP_input, .shape = *shape};
  if (!name) name = "input";
  int status = hy_shape_check(name, shape, site);
  if (status) return status;
  node.name = hy_graph_intern(g, name);
  return node.name ? append(g, &node, site) : HYLA_ENOMEM;
}

int hyla_graph_constant(hyla_graph *g, hyla_tensor *t, const char *site) {
  hy_node node = {.op = HY_OP_constant, .shape = t->shape, .tensor = t};
  return append(g, &node, site);
}

int hyla_graph_apply(hyla_graph *g, int op, const hyla_attr *attr, int n, const int *in, const char *site) {
  hyla_shape shape[HYLA_MAX_INPUTS];
  hy_node node = {.op = op, .n_in = n};
  if (n < 0 || n > HYLA_MAX_INPUTS)
    return hy_fail(HYLA_EVALUE, site, "expected at most %d operands, got %d", HYLA_MAX_INPUTS, n);
  for (int i = 0; i < n; i++) {
    if (in[i] < 0 || in[i] >= g->count)
      return hy_fail(HYLA_EVALUE, site, "operand %d: %d is no node of this graph", i + 1, in[i]);
    shape[i] = g->node[in[i]].shape;
    node.in[i] = in[i];
  }
  int status = hyla_infer(op, attr, n, shape, site, &node.shape);
  if (status) return status;
  if (attr) node.attr = *attr;
  if (op == HY_OP_custom && (status = hy_custom_check(g, node.attr.v[0], n, in, site, &node.name))) return status;
  if (op == HY_OP_fill) { /* as it will be stored, so that every pass sees the same number */
    double value = node.attr.f[0];
    if (node.shape.dtype == HYLA_INT32 && !(value > -0x1p31 - 1 && value < 0x1p31))
      return hy_fail(HYLA_EVALUE, site, "fill: %.9g is no int32", value);
    node.attr.f[0] = node.shape.dtype == HYLA_FLOAT32 ? (float)value
                     : node.shape.dtype == HYLA_INT32 ? (int32_t)value
                                                      : value;
  }
  return append(g, &node, site);
}

int hyla_graph_shape(const hyla_graph *g, int ref, hyla_shape *out) {
  if (ref < 0 || ref >= g->count) return hy_fail(HYLA_EVALUE, NULL, "%d is no node of this graph", ref);
  *out = g->node[ref].shape;
  return 0;
}

void hy_graph_reach(const hyla_graph *g, int n, const hy_ref *out, uint8_t *mark) {
  hy_ref last = -1;
  for (int i = 0; i < n; i++) {
    mark[out[i]] |= HY_REACHED;
    if (out[i] > last) last = out[i];
  }
  for (hy_ref r = last; r >= 0; r--)
    for (int i = 0; mark[r] == HY_REACHED && i < hy_n_read(&g->node[r]); i++) mark[g->node[r].in[i]] |= HY_REACHED;
}

bool hy_graph_is_fill(const hyla_graph *g, hy_ref r, double *value) {
  while (g->node[r].op == HY_OP_expand || g->node[r].op == HY_OP_reshape) r = g->node[r].in[0];
  if (g->node[r].op != HY_OP_fill) return false;
  *value = g->node[r].attr.f[0];
  return true;
}
