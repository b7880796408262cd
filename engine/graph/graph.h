/* The graph: a program in static single assignment form. Nodes stand in an array, inputs before their users, so a
 * pass is a loop. Passes append or copy; a node never changes once made. */
#ifndef HY_GRAPH_H
#define HY_GRAPH_H
#include "tensor/tensor.h"

typedef int32_t hy_ref; /* a node's index; negative: a status on its way up */

enum {
#define OP(name, ...) HY_OP_##name,
#include "graph/ops.def"
#undef OP
  HY_OP_COUNT
};

typedef enum {
  HY_CLASS_leaf,
  HY_CLASS_map,
  HY_CLASS_reduce,
  HY_CLASS_contract,
  HY_CLASS_move,
  HY_CLASS_index
} hy_class;

typedef struct hy_infer {
  int op, n;
  const hyla_attr *attr;
  const hyla_shape *in;
  const char *site;
} hy_infer;
typedef int hy_shape_rule(const hy_infer *q, hyla_shape *out);

typedef struct hy_op_info {
  const char *name;
  int arity;
  hy_class class;
  hy_shape_rule *shape;
  uint32_t linear;
  bool view;
  double flops;
  const char *about;
} hy_op_info;
extern const hy_op_info hy_op_table[HY_OP_COUNT];

/* A function with derivative rules of its own, which nodes `custom` apply. The rules are nodes over stand-ins: inputs
 * that no program binds, in whose place a derivative puts the nodes of the application (autodiff/custom.c). */
typedef struct hy_custom {
  const char *name, *site;
  int n;                                                 /* operands */
  hy_ref x[HYLA_MAX_INPUTS], z;                          /* stand for operands and result */
  hy_ref z_bar, x_bar[HYLA_MAX_INPUTS];                  /* vjp; x_bar[i] < 0: no derivative flows to operand i */
  hy_ref x_dot[HYLA_MAX_INPUTS], z_dot[HYLA_MAX_INPUTS]; /* jvp: z_dot[i] is the part that is linear in x_dot[i] */
  bool has_vjp, has_jvp;
} hy_custom;

typedef struct hy_node {
  int op, n_in;
  hy_ref in[HYLA_MAX_INPUTS];
  hyla_shape shape;
  hyla_attr attr;
  const char *site;    /* interned in the graph; NULL where no recipe line made it */
  const char *name;    /* inputs; custom functions */
  bool steady;         /* inputs: stays for many runs of a program; hy_program_stays */
  hyla_tensor *tensor; /* constants: kept */
  hyla_tensor *folded; /* value of a node that depends on constants alone, once the planner has computed it */
} hy_node;

/* What programs of a graph work in, one at a time: nothing in it outlives a run. */
typedef struct hy_workspace {
  char *arena, *scratch;
  size_t arena_bytes, scratch_bytes;
  size_t kept_bytes; /* that the programs themselves keep from run to run */
} hy_workspace;

struct hyla_graph {
  int references;
  hy_node *node;
  int count, capacity;
  hy_custom *custom;
  int n_custom, custom_capacity;
  char **string; /* interned sites and names */
  int n_string, string_capacity;
  const char *site; /* of nodes that derivative rules make */
  hy_workspace workspace;
  hy_text text; /* what hyla_graph_print returned last */
};

/* ---- graph.c ---- */
hyla_graph *hy_graph_keep(hyla_graph *g);
int hy_workspace_reserve(hy_workspace *w, size_t arena_bytes, size_t scratch_bytes); /* at least */
void hy_workspace_close(hy_workspace *w);                                            /* until the next reserve */
const char *hy_graph_intern(hyla_graph *g, const char *text);                        /* NULL: no memory (or NULL in) */
hy_ref hy_graph_copy_node(hyla_graph *to, const hy_node *node, const hy_ref *in);    /* the node with other inputs */
/* Marks what the outputs need: mark[count] bytes, set to HY_REACHED. Nodes marked HY_CUT before count as given: what
 * they need is not looked at; those that are needed become HY_REACHED | HY_CUT. */
enum { HY_REACHED = 1, HY_CUT = 2 };
void hy_graph_reach(const hyla_graph *g, int n, const hy_ref *out, uint8_t *mark);
/* How many of its inputs a node's value is made from: a view reads its first alone. */
static inline int hy_n_read(const hy_node *n) { return hy_op_table[n->op].view ? 1 : n->n_in; }
bool hy_graph_is_fill(const hyla_graph *g, hy_ref r, double *value);

/* ---- custom.c ---- */
/* Whether these operands, the value first, fit custom function v[0]; then *name is its name. */
int hy_custom_check(const hyla_graph *g, int32_t f, int n, const hy_ref *in, const char *site, const char **name);

/* ---- verify.c: HYLA_EINTERNAL when an invariant does not hold; every pass is followed by it where HY_VERIFY is set ---- */
int hy_graph_verify(const hyla_graph *g, const char *pass);

/* ---- print.c ---- */
int hy_graph_show_node(const hyla_graph *g, hy_ref r, hy_text *t);

/* ---- build.c: one call a node. A negative input is handed through, so that expressions nest. ---- */
hy_ref hy_apply(hyla_graph *g, int op, const hyla_attr *attr, int n, const hy_ref *in);
hy_ref hy_unary(hyla_graph *g, int op, hy_ref x);
hy_ref hy_binary(hyla_graph *g, int op, hy_ref x, hy_ref y);
hy_ref hy_where(hyla_graph *g, hy_ref c, hy_ref x, hy_ref y);
hy_ref hy_fill(hyla_graph *g, const hyla_shape *shape, double value);
hy_ref hy_fill_like(hyla_graph *g, hy_ref like, double value);
hy_ref hy_reduce(hyla_graph *g, int op, hy_ref x, int n_axes, const int32_t *axis);
hy_ref hy_reduce_as(hyla_graph *g, int op, hy_ref x, hy_ref as); /* the axes that node `as` reduces */
hy_ref hy_expand(hyla_graph *g, hy_ref x, const hyla_shape *shape);
hy_ref hy_reshape(hyla_graph *g, hy_ref x, const hyla_shape *shape);
hy_ref hy_transpose(hyla_graph *g, hy_ref x, const int32_t *perm);
hy_ref hy_cast(hyla_graph *g, hy_ref x, int dtype);
hy_ref hy_matmul(hyla_graph *g, hy_ref x, hy_ref y, bool transpose_x, bool transpose_y);
static inline hy_ref hy_add(hyla_graph *g, hy_ref x, hy_ref y) { return hy_binary(g, HY_OP_add, x, y); }
static inline hy_ref hy_sub(hyla_graph *g, hy_ref x, hy_ref y) { return hy_binary(g, HY_OP_sub, x, y); }
static inline hy_ref hy_mul(hyla_graph *g, hy_ref x, hy_ref y) { return hy_binary(g, HY_OP_mul, x, y); }
static inline hy_ref hy_div(hyla_graph *g, hy_ref x, hy_ref y) { return hy_binary(g, HY_OP_div, x, y); }
static inline hy_ref hy_neg(hyla_graph *g, hy_ref x) { return hy_unary(g, HY_OP_neg, x); }
static inline hy_ref hy_scale(hyla_graph *g, hy_ref x, double a) { return hy_mul(g, x, hy_fill_like(g, x, a)); }
#endif
