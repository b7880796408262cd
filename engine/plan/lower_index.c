/* Operations through indices. The kernels report an index that is out of range; nothing is read or written there. */
#include "plan/plan.h"

static int bad_index(const hy_item *it, const hy_block *b, int operand, int64_t at, int64_t size) {
  const hy_node *n = &b->program->plan.graph->node[it->node];
  const int32_t *index = (const int32_t *)(void *)hy_operand(it, b, operand, b->lo);
  return hy_fail(HYLA_EVALUE, n->site, "%s: expected indices from 0 to %lld, got %d", hy_op_table[n->op].name,
                 (long long)size - 1, (int)index[at]);
}

/* p: rows of the table, length of one, indices in a row of the operand */
static int run_gather(const hy_item *it, const hy_block *b) {
  int64_t at = hy_kernel_gather((b->hi - b->lo) * it->p[2], it->p[0], it->p[1], hy_result(it, b, b->lo),
                                hy_operand(it, b, 0, 0), (const int32_t *)(void *)hy_operand(it, b, 1, b->lo),
                                it->element);
  return at < 0 ? 0 : bad_index(it, b, 1, at, it->p[0]);
}

static int run_scatter_add(const hy_item *it, const hy_block *b) {
  hy_kernel_fill(hy_shape_size(&it->shape), hy_result(it, b, 0), it->shape.dtype, 0);
  int64_t at = hy_kernel_scatter_add(it->p[2], it->p[0], it->p[1], hy_result(it, b, 0),
                                     (const int32_t *)(void *)hy_operand(it, b, 0, 0), hy_operand(it, b, 1, 0),
                                     it->shape.dtype);
  return at < 0 ? 0 : bad_index(it, b, 0, at, it->p[0]);
}

/* p: size of the last axis, indices in a row */
static int run_take_along(const hy_item *it, const hy_block *b) {
  int64_t at = hy_kernel_take_along((b->hi - b->lo) * it->p[1], it->p[0], hy_result(it, b, b->lo),
                                    hy_operand(it, b, 0, b->lo), (const int32_t *)(void *)hy_operand(it, b, 1, b->lo),
                                    it->element);
  return at < 0 ? 0 : bad_index(it, b, 1, at, it->p[0]);
}

static int run_put_along(const hy_item *it, const hy_block *b) {
  int64_t at = hy_kernel_put_along((b->hi - b->lo) * it->p[1], it->p[0], hy_result(it, b, b->lo),
                                   hy_operand(it, b, 0, b->lo), (const int32_t *)(void *)hy_operand(it, b, 1, b->lo),
                                   it->element);
  return at < 0 ? 0 : bad_index(it, b, 1, at, it->p[0]);
}

static int run_one_hot(const hy_item *it, const hy_block *b) {
  int64_t at = hy_kernel_one_hot((b->hi - b->lo) * it->p[1], it->p[0], hy_result(it, b, b->lo),
                                 (const int32_t *)(void *)hy_operand(it, b, 0, b->lo), it->shape.dtype);
  return at < 0 ? 0 : bad_index(it, b, 0, at, it->p[0]);
}

/* The item with its operands made contiguous; NULL with *status set on failure. */
static hy_item *indexed(hy_plan *p, hy_ref r, hy_item_run *run, hy_split split, int *status) {
  const hy_node *n = &p->graph->node[r];
  hy_view x[2];
  *status = 0;
  for (int j = 0; j < n->n_in && !*status; j++) {
    x[j] = p->view[n->in[j]];
    *status = hy_view_make_contiguous(p, r, &x[j]);
  }
  hy_item *it = *status ? NULL : hy_item_new(p, run, hy_op_table[n->op].name, &n->shape, split);
  if (!it) {
    if (!*status) *status = HYLA_ENOMEM;
    return NULL;
  }
  it->node = r;
  it->flops = (double)hy_shape_size(&n->shape);
  for (int j = 0; j < n->n_in && !*status; j++) *status = hy_item_reads(it, &x[j]);
  p->view[r] = hy_view_of(p, p->n_item - 1);
  return it;
}

int hy_lower_gather(hy_plan *p, hy_ref r) {
  const hy_node *n = &p->graph->node[r];
  hyla_shape table = p->graph->node[n->in[0]].shape;
  int status;
  hy_item *it = indexed(p, r, run_gather, n->shape.rank > table.rank - 1 ? HY_ROWS : HY_WHOLE, &status);
  if (!it) return status;
  it->whole = 1;
  it->p[0] = table.dim[0];
  it->p[1] = hy_shape_size(&table) / table.dim[0];
  it->p[2] = it->row / it->p[1];
  if (it->split == HY_WHOLE) { /* a single index without an axis: one row */
    it->extent = 1;
    it->p[2] = 1;
  }
  return status;
}

int hy_lower_scatter_add(hy_plan *p, hy_ref r) {
  int status;
  hy_item *it = indexed(p, r, run_scatter_add, HY_WHOLE, &status);
  if (!it) return status;
  it->extent = 1;
  it->p[0] = it->rows;
  it->p[1] = it->row;
  it->p[2] = hy_view_size(&it->in[0]);
  it->flops = (double)hy_view_size(&it->in[1]);
  return status;
}

int hy_lower_take_along(hy_plan *p, hy_ref r) {
  int status;
  hy_item *it = indexed(p, r, run_take_along, HY_ROWS, &status);
  if (!it) return status;
  it->p[0] = it->in[0].dim[it->in[0].rank - 1];
  it->p[1] = it->row;
  return status;
}

static int new_last_axis(hy_plan *p, hy_ref r, hy_item_run *run) {
  const hy_node *n = &p->graph->node[r];
  int status, K = n->shape.dim[n->shape.rank - 1];
  bool single = n->shape.rank == 1; /* one index without an axis */
  hy_item *it = indexed(p, r, run, single ? HY_WHOLE : HY_ROWS, &status);
  if (!it) return status;
  it->p[0] = K;
  it->p[1] = single ? 1 : it->row / K;
  if (single) it->extent = 1;
  return status;
}
int hy_lower_put_along(hy_plan *p, hy_ref r) { return new_last_axis(p, r, run_put_along); }
int hy_lower_one_hot(hy_plan *p, hy_ref r) { return new_last_axis(p, r, run_one_hot); }
