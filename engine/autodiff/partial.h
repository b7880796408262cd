/* Local derivatives of element-wise operations, and the rules of all others. */
#ifndef HY_PARTIAL_H
#define HY_PARTIAL_H
#include "autodiff/autodiff.h"

/* dy/dx_j as a node, or one of these where it is 1 or -1 and no product is needed. */
enum { HY_ONE = -1000, HY_MINUS_ONE = -1001 };
typedef hy_ref hy_partial(hyla_graph *g, hy_ref y, int j);
hy_partial *hy_partial_of(int op); /* NULL for operations whose rule is not `partial` */

hy_rule hy_vjp_cast, hy_vjp_where, hy_vjp_maximum, hy_vjp_minimum, hy_vjp_sum, hy_vjp_max, hy_vjp_logsumexp,
    hy_vjp_softmax, hy_vjp_matmul, hy_vjp_reshape, hy_vjp_transpose, hy_vjp_expand, hy_vjp_slice, hy_vjp_pad,
    hy_vjp_concat, hy_vjp_gather, hy_vjp_scatter_add, hy_vjp_take_along, hy_vjp_put_along, hy_vjp_custom;
hy_rule hy_jvp_where, hy_jvp_maximum, hy_jvp_minimum, hy_jvp_max, hy_jvp_logsumexp, hy_jvp_softmax, hy_jvp_concat,
    hy_jvp_custom;
#endif
