/* The rules that ops.def names. */
#ifndef HY_SHAPE_H
#define HY_SHAPE_H
#include "graph/graph.h"

int hy_shape_check(const char *what, const hyla_shape *s, const char *site);
hy_shape_rule hy_shape_leaf, hy_shape_fill, hy_shape_same, hy_shape_real, hy_shape_cast, hy_shape_reduce,
    hy_shape_normalise, hy_shape_argmax, hy_shape_matmul, hy_shape_reshape, hy_shape_transpose, hy_shape_expand,
    hy_shape_slice, hy_shape_pad, hy_shape_concat, hy_shape_gather, hy_shape_scatter, hy_shape_take, hy_shape_put,
    hy_shape_one_hot, hy_shape_custom;
#endif
