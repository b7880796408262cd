/* Rules of the operations that are not element-wise. In each, y is the node, j the input asked about. */
#include "autodiff/partial.h"
#include <string.h>

#define IN(j) g->node[y].in[j]

static hyla_shape shape_of(const hyla_graph *g, hy_ref r) { return g->node[r].shape; }
static hy_ref zeros(hyla_graph *g, hy_ref like) { return hy_fill_like(g, like, 0); }

/* ---- choosing among operands: the adjoint goes where the value came from ---- */

hy_ref hy_vjp_where(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  return j == 1 ? hy_where(g, IN(0), bar, zeros(g, bar)) : hy_where(g, IN(0), zeros(g, bar), bar);
}
hy_ref hy_jvp_where(hyla_graph *g, hy_ref y, hy_ref dot, int j) { return hy_vjp_where(g, y, dot, j); }

static hy_ref choose(hyla_graph *g, hy_ref first_wins, hy_ref bar, int j) {
  return j == 0 ? hy_where(g, first_wins, bar, zeros(g, bar)) : hy_where(g, first_wins, zeros(g, bar), bar);
}
hy_ref hy_vjp_maximum(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  return choose(g, hy_binary(g, HY_OP_le, IN(1), IN(0)), bar, j);
}
hy_ref hy_vjp_minimum(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  return choose(g, hy_binary(g, HY_OP_le, IN(0), IN(1)), bar, j);
}
hy_ref hy_jvp_maximum(hyla_graph *g, hy_ref y, hy_ref dot, int j) { return hy_vjp_maximum(g, y, dot, j); }
hy_ref hy_jvp_minimum(hyla_graph *g, hy_ref y, hy_ref dot, int j) { return hy_vjp_minimum(g, y, dot, j); }

hy_ref hy_vjp_cast(hyla_graph *g, hy_ref y, hy_ref bar, int j) { return hy_cast(g, bar, g->node[IN(j)].shape.dtype); }

/* ---- reductions ---- */

hy_ref hy_vjp_sum(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  hyla_shape shape = shape_of(g, IN(j));
  return hy_expand(g, bar, &shape);
}

/* 1/(number of maxima) at each maximum: the mask is a choice, so no derivative flows through it. */
static hy_ref max_share(hyla_graph *g, hy_ref y) {
  hy_ref x = IN(0);
  hyla_shape shape = shape_of(g, x);
  hy_ref at = hy_binary(g, HY_OP_eq, x, hy_expand(g, y, &shape));
  hy_ref mask = hy_where(g, at, hy_fill(g, &shape, 1), hy_fill(g, &shape, 0));
  return hy_div(g, mask, hy_expand(g, hy_reduce_as(g, HY_OP_sum, mask, y), &shape));
}
hy_ref hy_vjp_max(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  hyla_shape shape = shape_of(g, IN(j));
  return hy_mul(g, hy_expand(g, bar, &shape), max_share(g, y));
}
hy_ref hy_jvp_max(hyla_graph *g, hy_ref y, hy_ref dot, int j) {
  (void)j;
  return hy_reduce_as(g, HY_OP_sum, hy_mul(g, dot, max_share(g, y)), y);
}

hy_ref hy_vjp_logsumexp(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  hyla_shape shape = shape_of(g, IN(j));
  return hy_mul(g, hy_expand(g, bar, &shape), hy_reduce_as(g, HY_OP_softmax, IN(j), y));
}
hy_ref hy_jvp_logsumexp(hyla_graph *g, hy_ref y, hy_ref dot, int j) {
  return hy_reduce_as(g, HY_OP_sum, hy_mul(g, dot, hy_reduce_as(g, HY_OP_softmax, IN(j), y)), y);
}

/* The Jacobian of softmax, diag(p) - p p', is symmetric: both directions are p (u - p'u). */
hy_ref hy_vjp_softmax(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  (void)j;
  hyla_shape shape = shape_of(g, y);
  hy_ref mean = hy_reduce_as(g, HY_OP_sum, hy_mul(g, y, bar), y);
  return hy_mul(g, y, hy_sub(g, bar, hy_expand(g, mean, &shape)));
}
hy_ref hy_jvp_softmax(hyla_graph *g, hy_ref y, hy_ref dot, int j) { return hy_vjp_softmax(g, y, dot, j); }

/* ---- products: y = op(a) op(b); da = y_bar op(b)', db = op(a)' y_bar, read through the transpositions ---- */

hy_ref hy_vjp_matmul(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  bool ta = g->node[y].attr.v[0] != 0, tb = g->node[y].attr.v[1] != 0;
  if (j == 0) return ta ? hy_matmul(g, IN(1), bar, tb, true) : hy_matmul(g, bar, IN(1), false, !tb);
  return tb ? hy_matmul(g, bar, IN(0), true, ta) : hy_matmul(g, IN(0), bar, !ta, false);
}

/* ---- movement: each is undone by another ---- */

hy_ref hy_vjp_reshape(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  hyla_shape shape = shape_of(g, IN(j));
  return hy_reshape(g, bar, &shape);
}

hy_ref hy_vjp_transpose(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  int32_t back[HYLA_MAX_RANK];
  (void)j;
  for (int i = 0; i < g->node[y].shape.rank; i++) back[g->node[y].attr.v[i]] = i;
  return hy_transpose(g, bar, back);
}

hy_ref hy_vjp_expand(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  hyla_shape from = shape_of(g, IN(j)), to = shape_of(g, y);
  int32_t axis[HYLA_MAX_RANK];
  int n = 0;
  for (int i = 0; i < to.rank; i++)
    if (from.dim[i] != to.dim[i]) axis[n++] = i;
  return n ? hy_reduce(g, HY_OP_sum, bar, n, axis) : bar;
}

hy_ref hy_vjp_slice(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  hyla_shape from = shape_of(g, IN(j)), to = shape_of(g, y);
  hyla_attr cut = g->node[y].attr, pad = {.n = cut.n};
  int r = from.rank;
  for (int i = 0; i < r; i++) {
    int start = cut.v[i], step = cut.v[2 * r + i];
    pad.v[i] = start;
    pad.v[r + i] = from.dim[i] - (start + (to.dim[i] - 1) * step + 1);
    pad.v[2 * r + i] = step - 1;
  }
  return hy_apply(g, HY_OP_pad, &pad, 1, &bar);
}

hy_ref hy_vjp_pad(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  hyla_shape from = shape_of(g, IN(j));
  hyla_attr pad = g->node[y].attr, cut = {.n = pad.n};
  int r = from.rank;
  for (int i = 0; i < r; i++) {
    int step = pad.v[2 * r + i] + 1;
    cut.v[i] = pad.v[i];
    cut.v[r + i] = pad.v[i] + (from.dim[i] - 1) * step + 1;
    cut.v[2 * r + i] = step;
  }
  return hy_apply(g, HY_OP_slice, &cut, 1, &bar);
}

/* Where input j begins along the joined axis. */
static int part_start(const hyla_graph *g, hy_ref y, int j) {
  int start = 0, axis = g->node[y].attr.v[0];
  for (int i = 0; i < j; i++) start += g->node[g->node[y].in[i]].shape.dim[axis];
  return start;
}

hy_ref hy_vjp_concat(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  hyla_shape part = shape_of(g, IN(j));
  int axis = g->node[y].attr.v[0], start = part_start(g, y, j), r = part.rank;
  hyla_attr cut = {.n = 3 * r};
  for (int i = 0; i < r; i++) {
    cut.v[i] = i == axis ? start : 0;
    cut.v[r + i] = cut.v[i] + part.dim[i];
    cut.v[2 * r + i] = 1;
  }
  return hy_apply(g, HY_OP_slice, &cut, 1, &bar);
}

hy_ref hy_jvp_concat(hyla_graph *g, hy_ref y, hy_ref dot, int j) {
  hyla_shape part = shape_of(g, IN(j)), whole = shape_of(g, y);
  int axis = g->node[y].attr.v[0], start = part_start(g, y, j), r = part.rank;
  hyla_attr pad = {.n = 3 * r};
  pad.v[axis] = start;
  pad.v[r + axis] = whole.dim[axis] - start - part.dim[axis];
  return hy_apply(g, HY_OP_pad, &pad, 1, &dot);
}

/* ---- index: gather and scatter_add are each other's adjoint, and so are take_along and put_along ---- */

hy_ref hy_vjp_gather(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  hyla_attr rows = {.n = 1, .v = {g->node[IN(j)].shape.dim[0]}};
  return hy_apply(g, HY_OP_scatter_add, &rows, 2, (hy_ref[]){IN(1), bar});
}
hy_ref hy_vjp_scatter_add(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  (void)j;
  return hy_apply(g, HY_OP_gather, NULL, 2, (hy_ref[]){bar, IN(0)});
}
hy_ref hy_vjp_take_along(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  hyla_shape x = shape_of(g, IN(j));
  hyla_attr size = {.n = 1, .v = {x.dim[x.rank - 1]}};
  return hy_apply(g, HY_OP_put_along, &size, 2, (hy_ref[]){bar, IN(1)});
}
hy_ref hy_vjp_put_along(hyla_graph *g, hy_ref y, hy_ref bar, int j) {
  (void)j;
  return hy_apply(g, HY_OP_take_along, NULL, 2, (hy_ref[]){bar, IN(1)});
}
