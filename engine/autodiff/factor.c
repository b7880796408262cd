/* Sums of products that share a factor: P A + P B = P (A + B), one product in the place of two. The adjoint of W in
 * sum((W L) * W) is such a sum, W L + W L'. It is done where a derivative is put together, not by the planner, so that
 * every program sees the same nodes, hence the same bits. */
#include "autodiff/autodiff.h"
#include <math.h>

/* number * scalar * op(in[0]) op(in[1]); scalar is a node of one element, or -1. */
typedef struct product {
  double number;
  hy_ref scalar, in[2];
  bool turned[2];
} product;

enum { NOT_HERE = -1 };   /* a status is below that */
enum { FEWEST_ROWS = 8 }; /* that meet a sum of matrices: making it takes as long as one or two of them */
enum { MOST_TERMS = 8 };  /* looked at, the last ones first */
enum { DEPTH = 8 };       /* of a scalar's expression, looked at */

static bool take_scalar(const hyla_graph *g, hy_ref u, product *p, int depth);

static bool take_scalars(const hyla_graph *g, const hy_node *n, product *p, int depth) {
  for (int j = 0; j < n->n_in; j++)
    if (!take_scalar(g, n->in[j], p, depth - 1)) return false;
  if (n->op == HY_OP_neg) p->number = -p->number;
  return true;
}

/* Whether node u is numbers and at most one scalar multiplied, the same in every element; then p has them, too. */
static bool take_scalar(const hyla_graph *g, hy_ref u, product *p, int depth) {
  const hy_node *n = &g->node[u];
  double number;
  product q = *p;
  if (hy_graph_is_fill(g, u, &number)) {
    p->number *= number;
    return true;
  }
  if (depth > 0 && (n->op == HY_OP_expand || n->op == HY_OP_reshape || n->op == HY_OP_neg || n->op == HY_OP_mul) &&
      take_scalars(g, n, &q, depth)) {
    *p = q;
    return true;
  }
  if (p->scalar >= 0 || hy_shape_size(&n->shape) != 1) return false;
  p->scalar = u;
  return true;
}

/* What is left of node r without the numbers, and the scalar, that multiply it. */
static hy_ref strip(const hyla_graph *g, hy_ref r, product *p) {
  for (;;) {
    const hy_node *n = &g->node[r];
    if (n->op == HY_OP_neg) {
      p->number = -p->number;
      r = n->in[0];
    } else if (n->op == HY_OP_mul && take_scalar(g, n->in[0], p, DEPTH)) r = n->in[1];
    else if (n->op == HY_OP_mul && take_scalar(g, n->in[1], p, DEPTH)) r = n->in[0];
    else return r;
  }
}

static bool as_product(const hyla_graph *g, hy_ref r, product *p) {
  *p = (product){.number = 1, .scalar = -1};
  const hy_node *n = &g->node[strip(g, r, p)];
  if (n->op != HY_OP_matmul || n->shape.rank != 2) return false;
  for (int j = 0; j < 2; j++) {
    p->in[j] = strip(g, n->in[j], p);
    p->turned[j] = n->attr.v[j] != 0;
  }
  return fabs(p->number) > 1e-30 && fabs(p->number) < 1e30; /* as one number it is one in float32, too */
}

/* The factor that both have on the same side, where it has enough rows (on the left; columns on the right) to be worth
 * the sum of the others. Constants are left alone: they are packed once, as sparse rows where they are. */
static int shared_factor(const hyla_graph *g, const product *a, const product *b) {
  if (a->scalar != b->scalar) return NOT_HERE;
  for (int j = 0; j < 2; j++) {
    const hyla_shape *shape = &g->node[a->in[j]].shape;
    const int64_t rows = shape->dim[a->turned[j] != (j == 1)];
    const bool constant = g->node[a->in[1 - j]].op == HY_OP_constant || g->node[b->in[1 - j]].op == HY_OP_constant;
    if (a->in[j] == b->in[j] && a->turned[j] == b->turned[j] && rows >= FEWEST_ROWS && !constant) return j;
  }
  return NOT_HERE;
}

static hy_ref scaled(hyla_graph *g, hy_ref x, double number) { return number == 1 ? x : hy_scale(g, x, number); }

static hy_ref times_scalar(hyla_graph *g, hy_ref x, hy_ref scalar) {
  if (x < 0 || scalar < 0) return x;
  const hyla_shape shape = g->node[x].shape, one = {.dtype = shape.dtype, .rank = 2, .dim = {1, 1}};
  return hy_mul(g, x, hy_expand(g, hy_reshape(g, scalar, &one), &shape));
}

/* Both, whose factor on side j is the same. */
static hy_ref joined(hyla_graph *g, const product *a, const product *b, int j) {
  const int other = 1 - j;
  hy_ref x = a->in[other], y = b->in[other], in[2];
  double common = a->number;
  if (a->turned[other] != b->turned[other]) y = hy_transpose(g, y, (const int32_t[]){1, 0});
  if (a->number == b->number) x = hy_add(g, x, y);
  else if (a->number == -b->number) x = hy_sub(g, x, y);
  else {
    x = hy_add(g, scaled(g, x, a->number), scaled(g, y, b->number));
    common = 1;
  }
  in[j] = a->in[j];
  in[other] = times_scalar(g, x < 0 ? x : scaled(g, x, common), a->scalar);
  return hy_matmul(g, in[0], in[1], a->turned[0], a->turned[1]);
}

/* The sum with b in one of its terms, of which those from node `first` on are this sum's alone; NOT_HERE: in none. */
static hy_ref into(hyla_graph *g, hy_ref first, hy_ref sum, const product *b, int terms) {
  product a;
  if (terms == 0) return NOT_HERE;
  if (as_product(g, sum, &a)) {
    const int j = shared_factor(g, &a, b);
    return j < 0 ? NOT_HERE : joined(g, &a, b, j);
  }
  if (sum < first || g->node[sum].op != HY_OP_add) return NOT_HERE;
  const hy_ref before = g->node[sum].in[0], last = g->node[sum].in[1];
  hy_ref made = into(g, first, last, b, 1);
  if (made != NOT_HERE) return hy_add(g, before, made);
  made = into(g, first, before, b, terms - 1);
  return made == NOT_HERE ? NOT_HERE : hy_add(g, made, last);
}

hy_ref hy_add_factored(hyla_graph *g, hy_ref first, hy_ref sum, hy_ref part) {
  product b;
  if (!as_product(g, part, &b)) return hy_add(g, sum, part);
  const hy_ref made = into(g, first, sum, &b, MOST_TERMS);
  return made == NOT_HERE ? hy_add(g, sum, part) : made;
}
