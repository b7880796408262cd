/* The planner's own forms. A graph is simplified, lowered to items (one kernel call on a range of rows each), cut into
 * phases (items whose rows can go through the cache together), placed in memory, and executed.
 *
 * Rows. Every item's value is a contiguous array [rows, row], rows = its first axis, but for constants that lie otherwise
 * and packed factors, whose rows are spread over panels. An item is split by rows, or leaves one partial sum for each
 * chunk of its operand's rows (a following item joins them in order), or runs whole, or in tiles of its own. Chunks
 * depend on the number of rows alone, never on threads, so sums have one order. */
#ifndef HY_PLAN_H
#define HY_PLAN_H
#include "graph/graph.h"
#include "kernels/kernels.h"

typedef struct hy_item hy_item;
typedef struct hy_plan hy_plan;

/* A strided reading of an item's value. */
typedef struct hy_view {
  int item;
  int64_t offset; /* elements */
  int rank;
  int32_t dim[HYLA_MAX_RANK];
  int64_t stride[HYLA_MAX_RANK];
} hy_view;

typedef enum { HY_LEAF, HY_ROWS, HY_PARTS, HY_WHOLE, HY_TILES } hy_split;
typedef enum {
  HY_IN_NOWHERE,
  HY_IN_INPUT,
  HY_IN_CONSTANT,
  HY_IN_FILL,
  HY_IN_ARENA,
  HY_IN_KEPT,    /* from run to run */
  HY_IN_SCRATCH, /* the rows of a block */
  HY_IN_CHAIN,   /* the rows that pass through a chain together */
  HY_IN_OUTPUT
} hy_place;

/* Where memory of some place begins for a thread in a run, and with which row: 0, but where values live a block or a
 * chain at a time. */
typedef struct hy_base {
  char *at;
  int64_t row;
} hy_base;
enum {
  HY_SCRATCH,
  HY_CHAIN,
  HY_NOTHING,
  HY_SHARED = 4,
  HY_ARENA = HY_SHARED,
  HY_KEPT,
  HY_INPUTS
}; /* and outputs after them */

/* Where the rows of a value lie, as far as the plan can tell. Constants' own addresses count from nothing. */
typedef struct hy_access {
  int32_t base;
  int64_t offset, apart; /* bytes */
} hy_access;

/* One thread's part of a run: the rows of the block it works on. */
typedef struct hy_block {
  struct hyla_program *program;
  const struct hy_phase *phase;
  hy_base *base;
  char *scratch;
  int64_t lo, hi;   /* rows to work on; tiles and whole items: units */
  int64_t chunk_lo; /* partial sums: first row of the chunk that the rows are part of */
  int chunk;
} hy_block;

/* Works on rows [lo, hi) of the block. Status; HYLA_EVALUE for an index out of range. */
typedef int hy_item_run(const hy_item *it, const hy_block *b);

/* What a run reads of an item comes first: in a small problem an item's lines are in no near cache. */
struct hy_item {
  hy_item_run *run;
  hy_map_kernel *map;
  int64_t rows, row; /* the value as [rows, row] elements */
  size_t element;
  hy_split split;
  hy_place place;
  int chain; /* items from this one on, all maps where more than one, that take a few rows at a time together */
  int n_in;
  /* operands of maps: read in place, or copied to a tile of scratch first */
  struct {
    int stride;
    int64_t scratch;
  } operand[3];                        /* stride 1, 0, or -1: tile at `scratch` */
  hy_access at, from[HYLA_MAX_INPUTS]; /* of the value, of the operands */
  int64_t p[4];                        /* the kernel's sizes; meaning beside each run function */
  bool flag[3];
  int64_t extent; /* what is split: rows of the value, rows contracted (parts), tiles */
  hyla_shape shape;
  hy_ref node;  /* of the simplified graph, for messages and printing */
  hy_ref first; /* of a pair of maps: the first's, whose kernel is first_map; else -1 */
  hy_map_kernel *first_map;
  const char *label; /* what it does, for printing */
  hy_view in[HYLA_MAX_INPUTS];
  bool packed;       /* a factor in panels: a row of it does not lie in one place; what reads it reads it whole */
  bool in_place;     /* the kernel may write where it reads, element by element */
  uint32_t whole;    /* bits of the operands that every row needs in full: tables, right factors */
  hy_sparse *sparse; /* owned by the constant's storage */
  double fill;       /* leaves: the value, in the dtype of shape, stored in `bits` */
  union {
    float f;
    double d;
    int32_t i;
  } bits;
  int index;           /* inputs and outputs: which; constants: unused */
  hyla_tensor *tensor; /* constants: kept */
  double flops;
  int64_t chunk;    /* partial sums: rows that have one of their own, some of hy_chunks_of */
  bool whole_chunk; /* wants its rows a whole chunk at a time */
  int64_t worth;    /* rows that a block should have, so that what every row needs in full is met seldom enough */
  size_t room;      /* bytes of scratch the kernel works in, at room_at of a thread's */
  size_t room_at;
  bool shares_room; /* what it wants there was left by an item before it in its phase */
  bool steady;      /* made from steady inputs alone */
  /* schedule and placement */
  int level, phase;
  int64_t chain_rows; /* of a chain: how many at a time */
  size_t offset;      /* in arena or scratch, bytes */
  size_t bytes;       /* of the whole value or parts buffer */
};

/* All that the walk over the items of a small problem reads of a map whose operands are read in place. */
typedef struct hy_call {
  hy_map_kernel *map; /* NULL: the item has what it takes */
  int64_t row;
  hy_access at, from[3];
  int8_t stride[3];
  bool is_output;
  int16_t chain, simple; /* as the item's; how many from this one on, in its phase, are such maps and no outputs */
  int32_t chain_rows;
} hy_call;

typedef struct hy_phase {
  struct hyla_program *program; /* that it is part of */
  int first, n;                 /* items, in plan->order */
  int level;
  hy_split split; /* HY_ROWS for phases of rows and parts */
  int64_t extent;
  int64_t unit, block; /* rows a unit (what threads take) and rows a block (what stays in cache) */
  int units, grain;    /* and how many of them a thread takes at a time */
  bool parallel;
  double ns; /* that one thread takes, roughly */
  double flops;
  size_t scratch;
} hy_phase;

struct hy_plan {
  hyla_graph *graph; /* simplified */
  hy_item *item;
  int n_item, item_capacity;
  hy_view *view; /* of each node of graph */
  int n_in, n_out;
  const int *donor; /* donor[out] = the input whose memory output `out` may take, or -1 */
  int *order;
  hy_call *call; /* by order */
  hy_phase *phase;
  int n_phase, phase_capacity;
  int n_steady;                      /* phases, the first ones, whose items are steady */
  size_t arena_bytes, scratch_bytes; /* of a thread; what a run keeps for it comes first */
  size_t kept_bytes;                 /* of steady values that others read */
  bool *reads;                       /* [n_in] inputs that something reads */
  bool *steady;                      /* [n_in] */
  hy_ref *origin;                    /* of each node of graph: the first of the source that became it, or -1 */
  double flops;
};

/* ---- chunks of rows: a function of their number ---- */
typedef struct hy_chunks {
  int n;
  int64_t size;
} hy_chunks;
hy_chunks hy_chunks_of(int64_t rows);

/* Of a short phase that two threads share: the caller begins with it at once, the other when word has reached it, and
 * then what it works on, each a trip from cache to cache. */
#define HY_CALLERS_SHARE 0.625

/* ---- simplify.c, fold.c: graph to graph. mark: what is needed (hy_graph_reach), with HY_CUT at nodes that are given;
 * map[r] is the new reference of each needed old node, else -1 ---- */
int hy_simplify(hyla_graph *g, const uint8_t *mark, hyla_graph **simple, hy_ref *map);
int hy_fold_constants(hyla_graph *g, int n_out, const hy_ref *out, const uint8_t *mark);

/* ---- view.c ---- */
hy_view hy_view_of(const hy_plan *p, int item);
bool hy_view_contiguous(const hy_view *v); /* elements one after another in row-major order */
/* Row i of the item needs of operand j the row i alone: geometry, and (by_rows) that it is made row by row, too. */
bool hy_view_by_rows(const hy_view *v, int64_t extent, int64_t row);
bool hy_reads_by_rows(const hy_plan *p, const hy_item *it, int j);
bool hy_view_scalar(const hy_view *v); /* one element for all */
int64_t hy_view_size(const hy_view *v);
bool hy_view_reshape(hy_view *v, const hyla_shape *shape); /* false: not without copying */
void hy_view_permute(hy_view *v, const int32_t *perm);
int64_t hy_view_leading(const hy_view *v); /* elements from a matrix's row to the next */

/* ---- lower.c and lower_*.c: nodes to items ---- */
int hy_lower(hy_plan *p, const hy_ref *in, const hy_ref *out);
hy_item *hy_item_new(hy_plan *p, hy_item_run *run, const char *label, const hyla_shape *shape, hy_split split);
int hy_item_reads(hy_item *it, const hy_view *v);             /* appends an operand */
int hy_view_materialise(hy_plan *p, hy_ref node, hy_view *v); /* a contiguous copy takes the view's place */
int hy_view_make_contiguous(hy_plan *p, hy_ref node, hy_view *v);
int hy_run_map(const hy_item *it, const hy_block *b);
typedef int hy_lowering(hy_plan *p, hy_ref r);
hy_lowering hy_lower_leaf, hy_lower_alias, hy_lower_map, hy_lower_cast, hy_lower_reshape, hy_lower_transpose,
    hy_lower_expand, hy_lower_slice, hy_lower_pad, hy_lower_concat, hy_lower_sum, hy_lower_max, hy_lower_logsumexp,
    hy_lower_softmax, hy_lower_argmax, hy_lower_matmul, hy_lower_gather, hy_lower_scatter_add, hy_lower_take_along,
    hy_lower_put_along, hy_lower_one_hot;

/* The partial sums that the last item leaves become their sum, a matrix, joined in order (lower_matmul.c). */
int hy_lower_join(hy_plan *p, hy_ref r, int64_t rows, int64_t row, hy_view *out);

/* ---- packs.c ---- */
int hy_pack_sparse(hy_plan *p, const hy_view *v,
                   hy_sparse **out);                  /* of a matrix; NULL where it is no sparse constant */
int hy_pack_turned(hy_plan *p, hy_ref r, hy_view *v); /* a constant matrix becomes its transpose */

/* ---- lower_panels.c ---- */
int hy_lower_panels(hy_plan *p, hy_ref r, const hy_view *x, bool tx, const hy_view *y, bool ty); /* rows contiguous */
bool hy_same_strips(const hy_item *a, const hy_item *b); /* both pack the same strips in their rooms */

/* ---- order.c: what comes before what ---- */
typedef struct hy_edge {
  int from, to;
  int next_from, next_to; /* the next edge that begins at `from`, that ends at `to`; -1: none */
  bool barrier;           /* `to` waits for all of `from`; else the two may share a phase, row by row */
} hy_edge;
typedef struct hy_order {
  int n_item, n_edge, capacity;
  hy_edge *edge;
  int *first, *last; /* of each item: an edge that begins, that ends there */
  int *rank;         /* by hy_order_sort: position in an order that keeps all edges */
  uint8_t *mark;
} hy_order;
int hy_order_extend(hy_order *o, const hy_plan *p);
/* 1: item `writer` may write over the input, and from now on comes after all who read it; 0: it may not, since one that
 * reads the input comes after it. */
int hy_order_overwrite(hy_order *o, const hy_plan *p, int writer, int input);
int hy_order_sort(hy_order *o);
void hy_order_close(hy_order *o);
bool hy_by_rows(const hy_item *it); /* HY_ROWS or HY_PARTS */

/* ---- schedule.c: levels and phases; fuse.c: pairs of maps; place.c: memory ---- */
int hy_schedule(hy_plan *p, const hy_ref *out);
int hy_fuse_maps(hy_plan *p);
bool hy_first_finite(const hy_item *it, const hy_block *b); /* of a pair of maps, before it runs (lower.c) */
int hy_place_values(hy_plan *p);

size_t hy_keep_bytes(const hy_plan *p); /* execute.c: of scratch that comes first */

/* ---- program.c ---- */
struct hyla_program {
  hy_plan plan;
  hyla_graph *source; /* kept: owns folded constants and the workspace */
  hyla_shape *in_shape, *out_shape;
  hy_text text;
  char *kept;                                        /* steady values; NULL: none, or no run yet */
  uint64_t stays, kept_for;                          /* what the inputs are, and were when those values were made */
  bool check;                                        /* every block is looked at for values that are not finite */
  const char *name;                                  /* for profiles; a literal, or NULL */
  struct hy_profile_record *profiled[2], *recording; /* profile.c: of runs and of runs again; of the run that is on */
  int profile;                                       /* the profile whose they are */
};

/* An input may be any node of the graph: its value is then given and what it is made from is not looked at.
 * Donation: donor[i] is the input whose buffer output i is given, or -1; then both pointers of a run are the same. */
int hy_program_new(hyla_graph *g, int n_in, const hy_ref *in, int n_out, const hy_ref *out, const int *donor,
                   hyla_program **p);
int hy_program_run(hyla_program *p, char *const *in, char *const *out);
/* Says that the steady inputs of the next run are those of all runs that were told this number: what is made from them
 * alone is not made again. 0, as at first: they may be any. Writes nothing where that is known: threads read the line. */
static inline void hy_program_stays(hyla_program *p, uint64_t inputs) {
  if (p->stays != inputs) p->stays = inputs;
}
/* Whether the next run leaves the steady items out. */
static inline bool hy_program_is_fresh(const hyla_program *p) {
  return p->stays && p->stays == p->kept_for && !p->check;
}
bool hy_program_reads(const hyla_program *p, int input);
typedef int hy_run(hyla_program *p, char *const *in, char *const *out); /* hy_program_run, or one of the two below */
/* As hy_program_run; HYLA_ENONFINITE, without words, when a value that it wrote to an output is not finite. */
int hy_program_run_watched(hyla_program *p, char *const *in, char *const *out);
/* Runs again, looking at every value: HYLA_ENONFINITE names the operation and its line, or 0 when all are finite. */
int hy_program_find_nonfinite(hyla_program *p, char *const *in, char *const *out);
/* Makes room for a run in the graph's workspace, so that what is allowed afterwards leaves it out. NULL: nothing. */
int hy_program_reserve(hyla_program *p);

/* ---- profile.c: where the time goes. While it is off, a run of a program asks that, once, and nothing else. ---- */
bool hy_profiling(void);
int hy_profile_enter(hyla_program *p); /* around a run: from here its items are timed */
void hy_profile_leave(hyla_program *p);
void hy_profile_again(bool on);           /* until it is off: steps that were taken before are taken again */
void hy_profile_method(const char *name); /* a slice, as hyla_profile_begin's, of what a method does; NULL ends it */
static inline void hy_program_call(hyla_program *p, const char *name) {
  if (p) p->name = name;
}

/* Pointers are no place to count from nothing, hence numbers. */
static inline char *hy_reach(const hy_block *b, const hy_access *a, int64_t row) {
  const hy_base *o = &b->base[a->base];
  return (char *)((uintptr_t)o->at + (uintptr_t)(a->offset + (row - o->row) * a->apart));
}
/* Where operand j's row `row` begins. */
static inline char *hy_operand(const hy_item *it, const hy_block *b, int j, int64_t row) {
  return hy_reach(b, &it->from[j], row);
}
/* Where the item's own row `row` begins; of partial sums a row is a chunk's. */
static inline char *hy_result(const hy_item *it, const hy_block *b, int64_t row) { return hy_reach(b, &it->at, row); }
#endif
