/* Constructors: an expression of the paper reads as nested calls. */
#include "graph/graph.h"

hy_ref hy_apply(hyla_graph *g, int op, const hyla_attr *attr, int n, const hy_ref *in) {
  for (int i = 0; i < n; i++)
    if (in[i] < 0) return in[i];
  return hyla_graph_apply(g, op, attr, n, in, g->site);
}

hy_ref hy_unary(hyla_graph *g, int op, hy_ref x) { return hy_apply(g, op, NULL, 1, &x); }

hy_ref hy_binary(hyla_graph *g, int op, hy_ref x, hy_ref y) { return hy_apply(g, op, NULL, 2, (hy_ref[]){x, y}); }

hy_ref hy_where(hyla_graph *g, hy_ref c, hy_ref x, hy_ref y) {
  return hy_apply(g, HY_OP_where, NULL, 3, (hy_ref[]){c, x, y});
}

hy_ref hy_fill(hyla_graph *g, const hyla_shape *shape, double value) {
  hyla_attr attr = {.n = shape->rank + 1, .v = {shape->dtype}, .f = {value}};
  for (int i = 0; i < shape->rank; i++) attr.v[i + 1] = shape->dim[i];
  return hy_apply(g, HY_OP_fill, &attr, 0, NULL);
}

hy_ref hy_fill_like(hyla_graph *g, hy_ref like, double value) {
  if (like < 0) return like;
  hyla_shape shape = g->node[like].shape;
  return hy_fill(g, &shape, value);
}

hy_ref hy_reduce(hyla_graph *g, int op, hy_ref x, int n_axes, const int32_t *axis) {
  hyla_attr attr = {.n = n_axes};
  for (int i = 0; i < n_axes; i++) attr.v[i] = axis[i];
  return hy_apply(g, op, &attr, 1, &x);
}

hy_ref hy_reduce_as(hyla_graph *g, int op, hy_ref x, hy_ref as) {
  if (x < 0) return x;
  hyla_attr attr = g->node[as].attr;
  return hy_apply(g, op, &attr, 1, &x);
}

static hyla_attr dims_of(const hyla_shape *shape) {
  hyla_attr attr = {.n = shape->rank};
  for (int i = 0; i < shape->rank; i++) attr.v[i] = shape->dim[i];
  return attr;
}

hy_ref hy_expand(hyla_graph *g, hy_ref x, const hyla_shape *shape) {
  hyla_attr attr = dims_of(shape);
  return hy_apply(g, HY_OP_expand, &attr, 1, &x);
}

hy_ref hy_reshape(hyla_graph *g, hy_ref x, const hyla_shape *shape) {
  hyla_attr attr = dims_of(shape);
  return hy_apply(g, HY_OP_reshape, &attr, 1, &x);
}

hy_ref hy_transpose(hyla_graph *g, hy_ref x, const int32_t *perm) {
  if (x < 0) return x;
  hyla_attr attr = {.n = g->node[x].shape.rank};
  for (int i = 0; i < attr.n; i++) attr.v[i] = perm[i];
  return hy_apply(g, HY_OP_transpose, &attr, 1, &x);
}

hy_ref hy_cast(hyla_graph *g, hy_ref x, int dtype) {
  return hy_apply(g, HY_OP_cast, &(hyla_attr){.n = 1, .v = {dtype}}, 1, &x);
}

hy_ref hy_matmul(hyla_graph *g, hy_ref x, hy_ref y, bool transpose_x, bool transpose_y) {
  return hy_apply(g, HY_OP_matmul, &(hyla_attr){.n = 2, .v = {transpose_x, transpose_y}}, 2, (hy_ref[]){x, y});
}
