/* Rebuilds what the outputs need, once: equal nodes become one, and rewrites that do not change a bit are applied. No
 * rule here may reassociate a sum or change how an element is computed: the primal's values are the same in every
 * program that has them (one exception, common to all programs: x + 0 keeps the sign of a zero x). */
#include "plan/plan.h"
#include <string.h>

typedef struct simplifier {
  hyla_graph *to;
  hy_ref *table; /* open addressing over nodes of `to` */
  int slots;     /* a power of two */
} simplifier;

static uint64_t mix(uint64_t h, uint64_t v) {
  h ^= v + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
  return h * 0xbf58476d1ce4e5b9u;
}

static uint64_t hash_node(const hy_node *n) {
  uint64_t h = mix(17, (uint64_t)n->op);
  for (int i = 0; i < n->n_in; i++) h = mix(h, (uint64_t)n->in[i]);
  for (int i = 0; i < n->attr.n; i++) h = mix(h, (uint64_t)(uint32_t)n->attr.v[i]);
  uint64_t bits;
  memcpy(&bits, &n->attr.f[0], sizeof bits);
  h = mix(h, bits);
  return mix(h, (uint64_t)(uintptr_t)n->tensor);
}

static bool same_node(const hy_node *a, const hy_node *b) {
  return a->op == b->op && a->n_in == b->n_in && a->attr.n == b->attr.n && a->tensor == b->tensor &&
         hy_shape_equal(&a->shape, &b->shape) && !memcmp(a->in, b->in, (size_t)a->n_in * sizeof *a->in) &&
         !memcmp(a->attr.v, b->attr.v, (size_t)a->attr.n * sizeof *a->attr.v) &&
         !memcmp(a->attr.f, b->attr.f, sizeof a->attr.f);
}

static int rehash(simplifier *s) {
  int slots = s->slots ? 2 * s->slots : 256;
  hy_ref *table = hy_alloc((size_t)slots * sizeof *table);
  if (!table) return HYLA_ENOMEM;
  for (int i = 0; i < slots; i++) table[i] = -1;
  for (hy_ref r = 0; r < s->to->count; r++) {
    uint64_t h = hash_node(&s->to->node[r]);
    while (table[h & (uint64_t)(slots - 1)] >= 0) h++;
    table[h & (uint64_t)(slots - 1)] = r;
  }
  hy_free(s->table);
  s->table = table;
  s->slots = slots;
  return 0;
}

/* The node as it stands in `to`, made if it is new. Inputs are never merged. */
static hy_ref intern(simplifier *s, const hy_node *node) {
  if (2 * (s->to->count + 1) > s->slots) {
    int status = rehash(s);
    if (status) return status;
  }
  uint64_t h = hash_node(node);
  hy_ref r;
  for (; (r = s->table[h & (uint64_t)(s->slots - 1)]) >= 0; h++)
    if (node->op != HY_OP_input && same_node(&s->to->node[r], node)) return r;
  r = hy_graph_copy_node(s->to, node, node->in);
  if (r >= 0) s->table[h & (uint64_t)(s->slots - 1)] = r;
  return r;
}

/* ---- rewrites: each looks at a node whose inputs are already simplified, and returns a node that has its value,
 * -1 when it does not apply, or a status below that. ---- */
enum { NOT_HERE = -1 };
typedef hy_ref rewrite(simplifier *s, const hy_node *n);
static hy_ref simplified(simplifier *s, hy_node n);

#define NODE(r) (&s->to->node[r])
static bool fill_of(simplifier *s, hy_ref r, double *v) { return hy_graph_is_fill(s->to, r, v); }
static bool fill_is(simplifier *s, hy_ref r, double v) {
  double c;
  return fill_of(s, r, &c) && c == v;
}

static hy_ref make_fill(simplifier *s, const hy_node *like, double value) {
  hy_node f = {.op = HY_OP_fill, .shape = like->shape, .site = like->site};
  f.attr = (hyla_attr){.n = like->shape.rank + 1, .v = {like->shape.dtype}, .f = {value}};
  for (int i = 0; i < like->shape.rank; i++) f.attr.v[i + 1] = like->shape.dim[i];
  return intern(s, &f);
}

/* x + 0, x - 0, x + x = 2 x (a product may be one of a pair, a sum of one value may not), 1 x, x / 1, x^1, x^2 = x x,
 * -(-x), x + (-y), x - (-y), -1 x, (-x) c = x (-c) */
static hy_ref arithmetic(simplifier *s, const hy_node *n) {
  hy_ref a = n->in[0], b = n->n_in > 1 ? n->in[1] : -1;
  hy_node made = *n;
  double c;
  switch (n->op) {
    case HY_OP_neg: return NODE(a)->op == HY_OP_neg ? NODE(a)->in[0] : NOT_HERE;
    case HY_OP_add:
      if (fill_is(s, b, 0)) return a;
      if (fill_is(s, a, 0)) return b;
      if (a == b) {
        made.op = HY_OP_mul;
        made.in[1] = make_fill(s, n, 2);
        return made.in[1] < 0 ? made.in[1] : simplified(s, made);
      }
      if (NODE(b)->op != HY_OP_neg) return NOT_HERE;
      made.op = HY_OP_sub;
      made.in[1] = NODE(b)->in[0];
      return simplified(s, made);
    case HY_OP_sub:
      if (fill_is(s, b, 0)) return a;
      if (NODE(b)->op != HY_OP_neg) return NOT_HERE;
      made.op = HY_OP_add;
      made.in[1] = NODE(b)->in[0];
      return simplified(s, made);
    case HY_OP_mul:
      if (fill_is(s, b, 1)) return a;
      if (fill_is(s, a, 1)) return b;
      for (int i = 0; i < 2 && n->shape.dtype != HYLA_INT32; i++) /* whose least number has no opposite */
        if (fill_of(s, n->in[i], &c) && NODE(n->in[1 - i])->op == HY_OP_neg) {
          made.in[i] = make_fill(s, n, -c);
          made.in[1 - i] = NODE(n->in[1 - i])->in[0];
          return made.in[i] < 0 ? made.in[i] : simplified(s, made);
        }
      if (!fill_is(s, b, -1) && !fill_is(s, a, -1)) return NOT_HERE;
      made.op = HY_OP_neg;
      made.n_in = 1;
      made.in[0] = fill_is(s, b, -1) ? a : b;
      return simplified(s, made);
    case HY_OP_div: return fill_is(s, b, 1) ? a : NOT_HERE;
    case HY_OP_pow:
      if (fill_is(s, b, 1)) return a;
      if (!fill_is(s, b, 2)) return NOT_HERE;
      made.op = HY_OP_mul;
      made.in[1] = a;
      return simplified(s, made);
    default: return NOT_HERE;
  }
}

/* An element-wise operation on numbers is a number, computed by its own kernel. */
static hy_ref map_of_fills(simplifier *s, const hy_node *n) {
  union {
    float f;
    double d;
    int32_t i;
  } v[3] = {{0}}, out = {0};
  hy_map_kernel *kernel = hy_op_table[n->op].class == HY_CLASS_map ? hy_kernel_map(n->op, n->shape.dtype) : NULL;
  double c;
  if (!kernel || n->op == HY_OP_cast) return NOT_HERE;
  for (int i = 0; i < n->n_in; i++) {
    if (!fill_of(s, n->in[i], &c) || NODE(n->in[i])->shape.dtype != n->shape.dtype) return NOT_HERE;
    hy_kernel_fill(1, &v[i], n->shape.dtype, c);
  }
  kernel(1, &out, &v[0], 1, n->n_in > 1 ? &v[1] : NULL, 1, n->n_in > 2 ? &v[2] : NULL, 1);
  return make_fill(s, n, n->shape.dtype == HYLA_FLOAT32 ? out.f : n->shape.dtype == HYLA_FLOAT64 ? out.d : out.i);
}

static hy_ref choice(simplifier *s, const hy_node *n) {
  double c;
  if (n->op != HY_OP_where || !fill_of(s, n->in[0], &c)) return NOT_HERE;
  return n->in[c != 0 ? 1 : 2];
}

/* Movement that moves nothing, movement of a number, and two movements of a kind in a row. */
static hy_ref movement(simplifier *s, const hy_node *n) {
  if (n->op == HY_OP_stop_gradient || n->op == HY_OP_custom) return n->in[0];
  if (n->op == HY_OP_cast) return n->shape.dtype == NODE(n->in[0])->shape.dtype ? n->in[0] : NOT_HERE;
  if (hy_op_table[n->op].class != HY_CLASS_move || n->op == HY_OP_concat || n->op == HY_OP_pad) return NOT_HERE;
  const hy_node *x = NODE(n->in[0]);
  bool identity = hy_shape_equal(&n->shape, &x->shape);
  for (int i = 0; n->op == HY_OP_transpose && i < n->attr.n; i++) identity &= n->attr.v[i] == i;
  if (identity) return n->in[0];
  if (x->op == HY_OP_fill) return make_fill(s, n, x->attr.f[0]);
  if (n->op == HY_OP_slice || x->op != n->op) return NOT_HERE;
  hy_node made = *n;
  made.in[0] = x->in[0];
  for (int i = 0; n->op == HY_OP_transpose && i < n->attr.n; i++) made.attr.v[i] = x->attr.v[n->attr.v[i]];
  return simplified(s, made);
}

/* f(expand a, expand b, numbers) = expand f(a, b, numbers), when all come from one smaller shape: fewer elements, the
 * same bits. */
static hy_ref sink_expand(simplifier *s, const hy_node *n) {
  hyla_shape small = {0};
  int found = 0;
  double c;
  if (hy_op_table[n->op].class != HY_CLASS_map) return NOT_HERE;
  for (int i = 0; i < n->n_in; i++) {
    const hy_node *x = NODE(n->in[i]);
    if (fill_of(s, n->in[i], &c)) continue;
    if (x->op != HY_OP_expand) return NOT_HERE;
    const hyla_shape *from = &NODE(x->in[0])->shape;
    if (found++ && !hy_dims_equal(&small, from)) return NOT_HERE;
    small = *from;
  }
  if (!found) return NOT_HERE;
  hy_node inner = *n, outer = {.op = HY_OP_expand, .n_in = 1, .shape = n->shape, .site = n->site};
  inner.shape = small;
  inner.shape.dtype = n->shape.dtype;
  for (int i = 0; i < n->n_in; i++) {
    hy_node like = {.shape = small, .site = n->site};
    like.shape.dtype = NODE(n->in[i])->shape.dtype;
    inner.in[i] = fill_of(s, n->in[i], &c) ? make_fill(s, &like, c) : NODE(n->in[i])->in[0];
    if (inner.in[i] < 0) return inner.in[i];
  }
  outer.in[0] = simplified(s, inner);
  outer.attr.n = n->shape.rank;
  for (int i = 0; i < n->shape.rank; i++) outer.attr.v[i] = n->shape.dim[i];
  return outer.in[0] < 0 ? outer.in[0] : simplified(s, outer);
}

/* matmul reads a transposed factor in place: the flag of its attributes does what the node did. */
static hy_ref matmul_of_transpose(simplifier *s, const hy_node *n) {
  if (n->op != HY_OP_matmul) return NOT_HERE;
  hy_node made = *n;
  bool changed = false;
  for (int i = 0; i < 2; i++) {
    const hy_node *x = NODE(n->in[i]);
    int r = x->shape.rank;
    bool swaps = x->op == HY_OP_transpose && x->attr.v[r - 1] == r - 2 && x->attr.v[r - 2] == r - 1;
    for (int k = 0; swaps && k < r - 2; k++) swaps = x->attr.v[k] == k;
    if (!swaps) continue;
    made.in[i] = x->in[0];
    made.attr.v[i] = !made.attr.v[i];
    changed = true;
  }
  return changed ? simplified(s, made) : NOT_HERE;
}

static hy_ref simplified(simplifier *s, hy_node n) {
  static rewrite *const rules[] = {map_of_fills, arithmetic, choice, movement, sink_expand, matmul_of_transpose};
  for (size_t i = 0; n.n_in && i < sizeof rules / sizeof *rules; i++) {
    hy_ref r = rules[i](s, &n);
    if (r != NOT_HERE) return r;
  }
  return intern(s, &n);
}

int hy_simplify(hyla_graph *g, const uint8_t *mark, hyla_graph **simple, hy_ref *map) {
  simplifier s = {0};
  int status = hyla_graph_new(&s.to);
  for (hy_ref r = 0; r < g->count && !status; r++) {
    map[r] = -1;
    if (!(mark[r] & HY_REACHED)) continue;
    hy_node n = g->node[r];
    if (mark[r] & HY_CUT)
      n = (hy_node){.op = HY_OP_input, .shape = n.shape, .site = n.site, .name = n.name ? n.name : "given"};
    else if (n.folded) n = (hy_node){.op = HY_OP_constant, .shape = n.shape, .site = n.site, .tensor = n.folded};
    n.folded = NULL;
    for (int i = 0; i < n.n_in; i++) n.in[i] = map[n.in[i]];
    map[r] = simplified(&s, n);
    if (map[r] < 0) status = map[r];
  }
#ifdef HY_VERIFY
  if (!status) status = hy_graph_verify(s.to, "simplify");
#endif
  hy_free(s.table);
  if (status) hyla_graph_drop(s.to);
  else *simple = s.to;
  return status;
}
