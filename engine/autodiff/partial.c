/* Local derivatives dy/dx_j of element-wise operations. From them both directions follow: adjoint and tangent are
 * multiplied by the same thing. Each is made of nodes, so it can be differentiated again. */
#include "autodiff/partial.h"

#define IN(j) g->node[y].in[j]
#define RULE(name) static hy_ref partial_##name(hyla_graph *g, hy_ref y, int j)
#define UNUSED (void)g, (void)y, (void)j

static hy_ref like(hyla_graph *g, hy_ref y, double value) { return hy_fill_like(g, y, value); }

/* A rule a line. */
/* clang-format off */
RULE(neg) { UNUSED; return HY_MINUS_ONE; }
RULE(exp) { UNUSED; return y; }
RULE(log) { (void)j; return hy_div(g, like(g, y, 1), IN(0)); }
RULE(log1p) { (void)j; return hy_div(g, like(g, y, 1), hy_add(g, IN(0), like(g, y, 1))); }
RULE(expm1) { (void)j; return hy_add(g, y, like(g, y, 1)); }
RULE(sqrt) { (void)j; return hy_div(g, like(g, y, 0.5), y); }
RULE(sqrt0) { (void)j; return hy_scale(g, hy_unary(g, HY_OP_recip0, y), 0.5); }
RULE(recip0) { (void)j; return hy_neg(g, hy_mul(g, y, y)); }
RULE(abs) { (void)j; return hy_unary(g, HY_OP_sign, IN(0)); }
RULE(relu) { (void)j; return hy_unary(g, HY_OP_positive, IN(0)); }
RULE(tanh) { (void)j; return hy_sub(g, like(g, y, 1), hy_mul(g, y, y)); }
RULE(sigmoid) { (void)j; return hy_mul(g, y, hy_sub(g, like(g, y, 1), y)); }
RULE(softplus) { (void)j; return hy_unary(g, HY_OP_sigmoid, IN(0)); }
RULE(sin) { (void)j; return hy_unary(g, HY_OP_cos, IN(0)); }
RULE(cos) { (void)j; return hy_neg(g, hy_unary(g, HY_OP_sin, IN(0))); }
RULE(add) { UNUSED; return HY_ONE; }
RULE(sub) { (void)g; (void)y; return j ? HY_MINUS_ONE : HY_ONE; }
RULE(mul) { return IN(1 - j); }
/* clang-format on */

RULE(div) { /* d(a/b)/da = 1/b, d(a/b)/db = -(a/b)/b */
  return j ? hy_neg(g, hy_div(g, y, IN(1))) : hy_div(g, like(g, y, 1), IN(1));
}

RULE(pow) {
  double c;
  hy_ref a = IN(0), b = IN(1);
  if (j == 1) { /* a^b log a, and 0 at a = 0, where a^b is flat in b > 0; NaN for a < 0, where it has no derivative */
    hy_ref at_zero = hy_binary(g, HY_OP_eq, a, like(g, y, 0));
    return hy_mul(g, y, hy_unary(g, HY_OP_log, hy_where(g, at_zero, like(g, y, 1), a)));
  }
  if (hy_graph_is_fill(g, b, &c)) { /* the common powers without a singularity at 0 */
    if (c == 0) return like(g, y, 0);
    if (c == 1) return HY_ONE;
    if (c == 2) return hy_scale(g, a, 2);
  }
  return hy_mul(g, b, hy_binary(g, HY_OP_pow, a, hy_sub(g, b, like(g, b, 1))));
}

/* From the vjp column: `partial` names partial_<op>; other words of element-wise operations are rules of their own. */
#define RULE_partial(name) partial_##name
#define RULE_flat(name) NULL
#define RULE_none(name) NULL
#define RULE_cast(name) NULL
#define RULE_where(name) NULL
#define RULE_maximum(name) NULL
#define RULE_minimum(name) NULL
#define CLASS_map(name, vjp) RULE_##vjp(name)
#define CLASS_leaf(name, vjp) NULL
#define CLASS_reduce(name, vjp) NULL
#define CLASS_contract(name, vjp) NULL
#define CLASS_move(name, vjp) NULL
#define CLASS_index(name, vjp) NULL
static hy_partial *const table[HY_OP_COUNT] = {
#define OP(name, arity, class, shape, linear, form, vjp, ...) [HY_OP_##name] = CLASS_##class(name, vjp),
#include "graph/ops.def"
#undef OP
};

hy_partial *hy_partial_of(int op) { return table[op]; }
