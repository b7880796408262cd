/* Reductions. Along trailing axes they are inner loops over contiguous rows; along the first axis they leave a partial
 * result for each chunk of rows, joined in order; any other set of axes is first moved to the end. */
#include "plan/plan.h"

typedef void inner_kernel(int64_t n, int64_t L, void *out, const void *x, int dtype);
typedef void rows_kernel(int64_t n, int64_t L, void *acc, const void *x, int64_t row, bool first, int dtype);
typedef void join_kernel(int64_t parts, int64_t apart, int64_t L, void *out, const void *acc, int dtype);
typedef struct reduction {
  const char *name;
  inner_kernel *inner;
  rows_kernel *rows;
  join_kernel *join;
} reduction;
static const reduction reductions[] = {{"sum", hy_kernel_sum, hy_kernel_sum_rows, hy_kernel_sum_join},
                                       {"max", hy_kernel_max, hy_kernel_max_rows, hy_kernel_max_join},
                                       {"logsumexp", hy_kernel_logsumexp, NULL, NULL},
                                       {"softmax", hy_kernel_softmax, NULL, NULL}};
enum { SUM, MAX, LOGSUMEXP, SOFTMAX, ARGMAX = -1 };

/* p: elements reduced together, which reduction */
static int run_inner(const hy_item *it, const hy_block *b) {
  int64_t L = it->p[0], n = (b->hi - b->lo) * it->p[2];
  const void *x = hy_operand(it, b, 0, b->lo);
  void *out = hy_result(it, b, b->lo);
  if (it->p[1] == ARGMAX) hy_kernel_argmax(n, L, out, x, b->program->plan.item[it->in[0].item].shape.dtype);
  else reductions[it->p[1]].inner(n, L, out, x, it->shape.dtype);
  return 0;
}

static int run_parts(const hy_item *it, const hy_block *b) {
  int64_t L = it->p[0];
  char *acc = hy_result(it, b, b->chunk);
  reductions[it->p[1]].rows(b->hi - b->lo, L, acc, hy_operand(it, b, 0, b->lo), b->lo, b->lo == b->chunk_lo,
                            it->shape.dtype);
  return 0;
}

static int run_join(const hy_item *it, const hy_block *b) {
  int64_t L = it->p[0];
  reductions[it->p[1]].join(it->p[2], HY_LANES(L) * L, L, hy_result(it, b, 0), hy_operand(it, b, 0, 0),
                            it->shape.dtype);
  return 0;
}

/* Moves the axes in `axes` to the end, keeping the order of the others; back[] undoes it. Returns how many stay. */
static int axes_last(hy_view *v, unsigned axes, int32_t *back) {
  int32_t perm[HYLA_MAX_RANK];
  int n = 0, keep;
  for (int i = 0; i < v->rank; i++)
    if (!(axes >> i & 1)) perm[n++] = i;
  keep = n;
  for (int i = 0; i < v->rank; i++)
    if (axes >> i & 1) perm[n++] = i;
  for (int i = 0; i < v->rank; i++) back[perm[i]] = i;
  hy_view_permute(v, perm);
  return keep;
}

/* v becomes the reduction of v along `axes`, which stay with size 1 (softmax: keep their size). */
static int reduce_inner(hy_plan *p, hy_ref r, hy_view *v, unsigned axes, int which) {
  const hy_node *n = &p->graph->node[r];
  int32_t back[HYLA_MAX_RANK];
  int keep = axes_last(v, axes, back), status = hy_view_make_contiguous(p, r, v);
  if (status) return status;
  hyla_shape shape = {.dtype = which == ARGMAX ? HYLA_INT32 : n->shape.dtype, .rank = v->rank};
  int64_t L = 1;
  for (int i = 0; i < v->rank; i++) {
    if (i >= keep) L *= v->dim[i];
    shape.dim[i] = i < keep || which == SOFTMAX ? v->dim[i] : 1;
  }
  hy_item *it = hy_item_new(p, run_inner, which == ARGMAX ? "argmax" : reductions[which].name, &shape, HY_ROWS);
  if (!it) return HYLA_ENOMEM;
  it->node = r;
  it->p[0] = L;
  it->p[1] = which;
  it->in_place = which == SOFTMAX;
  it->p[2] = it->row / (which == SOFTMAX ? L : 1); /* reductions in one row of the result */
  if (!keep && which == SOFTMAX) {                 /* the whole value is one reduction: one row */
    it->rows = it->extent = 1;
    it->row = L;
    it->p[2] = 1;
  }
  it->flops = hy_op_table[n->op].flops * (double)hy_view_size(v);
  status = hy_item_reads(it, v);
  if (!status && it->rows != (v->rank ? v->dim[0] : 1)) { /* operand rows are counted like the result's */
    it->in[0].rank = 1;
    it->in[0].dim[0] = 1;
    it->in[0].stride[0] = L;
  }
  *v = hy_view_of(p, p->n_item - 1);
  hy_view_permute(v, back);
  return status;
}

/* v [N, ...] becomes its reduction along axis 0. */
static int reduce_rows(hy_plan *p, hy_ref r, hy_view *v, int which) {
  int dtype = p->graph->node[r].shape.dtype;
  int64_t rows = v->dim[0], L = hy_view_size(v) / rows;
  hy_chunks chunks = hy_chunks_of(rows);
  int status = hy_view_make_contiguous(p, r, v);
  if (status) return status;
  hyla_shape whole = {.dtype = dtype, .rank = v->rank};
  for (int i = 0; i < v->rank; i++) whole.dim[i] = i ? v->dim[i] : 1;
  hyla_shape parts = {.dtype = dtype, .rank = 2, .dim = {chunks.n, (int32_t)(HY_LANES(L) * L)}};
  hy_item *it = hy_item_new(p, run_parts, reductions[which].name, &parts, HY_PARTS);
  if (!it) return HYLA_ENOMEM;
  it->node = r;
  it->extent = rows;
  it->chunk = chunks.size;
  it->p[0] = L;
  it->p[1] = which;
  it->flops = (double)hy_view_size(v);
  status = hy_item_reads(it, v);
  hy_view from = hy_view_of(p, p->n_item - 1);
  if (status || !(it = hy_item_new(p, run_join, "join", &whole, HY_ROWS))) return status ? status : HYLA_ENOMEM;
  it->node = r;
  it->p[0] = L;
  it->p[1] = which;
  it->p[2] = chunks.n;
  it->whole = 1;
  it->flops = (double)hy_shape_size(&parts);
  status = hy_item_reads(it, &from);
  *v = hy_view_of(p, p->n_item - 1);
  return status;
}

static unsigned axes_of(const hy_plan *p, hy_ref r, const hy_view *v) {
  const hy_node *n = &p->graph->node[r];
  unsigned axes = 0;
  for (int i = 0; i < n->attr.n; i++)
    if (v->dim[n->attr.v[i]] != 1) axes |= 1u << n->attr.v[i];
  return axes;
}

/* sum and max: the first axis comes last, so that rows stay rows for as long as they can */
static int lower_foldable(hy_plan *p, hy_ref r, int which) {
  hy_view v = p->view[p->graph->node[r].in[0]];
  unsigned axes = axes_of(p, r, &v);
  int status = axes & ~1u ? reduce_inner(p, r, &v, axes & ~1u, which) : 0;
  if (!status && (axes & 1)) status = reduce_rows(p, r, &v, which);
  p->view[r] = v;
  return status;
}
int hy_lower_sum(hy_plan *p, hy_ref r) { return lower_foldable(p, r, SUM); }
int hy_lower_max(hy_plan *p, hy_ref r) { return lower_foldable(p, r, MAX); }

static int lower_joint(hy_plan *p, hy_ref r, int which) {
  hy_view v = p->view[p->graph->node[r].in[0]];
  int status = reduce_inner(p, r, &v, axes_of(p, r, &v), which);
  p->view[r] = v;
  return status;
}
int hy_lower_logsumexp(hy_plan *p, hy_ref r) { return lower_joint(p, r, LOGSUMEXP); }
int hy_lower_softmax(hy_plan *p, hy_ref r) { return lower_joint(p, r, SOFTMAX); }
int hy_lower_argmax(hy_plan *p, hy_ref r) { return lower_joint(p, r, ARGMAX); }
