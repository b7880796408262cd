/* Derivatives as graphs: vjp and jvp append nodes to the graph they read, so their results can be differentiated,
 * simplified and planned like any other, to any order. */
#ifndef HY_AUTODIFF_H
#define HY_AUTODIFF_H
#include "graph/graph.h"

/* The contribution of input j of node y: of the adjoint `bar` of y to the adjoint of its input (vjp), or of the tangent
 * of the input to the tangent of y (jvp). */
typedef hy_ref hy_rule(hyla_graph *g, hy_ref y, hy_ref bar, int j);

typedef struct hy_rules {
  hy_rule *vjp, *jvp; /* NULL: none exists, and asking is an error */
} hy_rules;
extern const hy_rules hy_rule_table[HY_OP_COUNT];

/* ---- linear.c ---- */
/* *part = what of y is linear in input `in`, where y is linear in all of the inputs u[0..n): y with the others at zero;
 * -1 where it does not depend on `in`. HYLA_EDERIV, with `what` in its words, where y is not linear. */
int hy_linear_part(hyla_graph *g, const char *what, hy_ref y, int n, const hy_ref *u, hy_ref in, hy_ref *part);

/* ---- factor.c ---- */
/* sum + part. Where part is a product that shares a factor with a term of sum, the two become one product. A sum is
 * taken apart where its nodes are of this derivative, from `first` on; one that something else reads stays, too. */
hy_ref hy_add_factored(hyla_graph *g, hy_ref first, hy_ref sum, hy_ref part);

/* ---- custom.c ---- */
bool hy_custom_flows(const hyla_graph *g, hy_ref y, int j);

/* ---- autodiff.c ---- */
/* Whether a derivative flows from node y to its input j. */
bool hy_flows(const hyla_graph *g, hy_ref y, int j);

/* Many outputs at once: x_bar[i] = sum_k y_bar[k] dy[k]/dx[i], or -1 where no path leads. An x stands for itself: a path
 * from one x through another counts at both. */
int hy_vjp(hyla_graph *g, int n_y, const hy_ref *y, const hy_ref *y_bar, int n_x, const hy_ref *x, hy_ref *x_bar);
int hy_jvp(hyla_graph *g, int n_x, const hy_ref *x, const hy_ref *x_dot, int n_y, const hy_ref *y, hy_ref *y_dot);
/* Marks (1) the nodes that depend on one of x through derivatives; mark has g->count bytes. */
void hy_varied(const hyla_graph *g, int n_x, const hy_ref *x, uint8_t *mark);
#endif
