/* From nodes to items. Each operation's lowering (ops.def, column kernel) decides which kernel it is, what it needs of
 * its operands' layout, and how it splits. Views need no item; a value that must be contiguous and is not gets a copy. */
#include "plan/plan.h"

hy_item *hy_item_new(hy_plan *p, hy_item_run *run, const char *label, const hyla_shape *shape, hy_split split) {
  if (HY_GROW(p->item, p->item_capacity, p->n_item)) return NULL;
  hy_item *it = &p->item[p->n_item++];
  *it = (hy_item){
      .run = run, .label = label, .shape = *shape, .split = split, .place = HY_IN_NOWHERE, .chain = 1, .first = -1};
  it->element = hy_dtype_size(shape->dtype);
  it->rows = shape->rank ? shape->dim[0] : 1;
  it->row = hy_shape_size(shape) / it->rows;
  it->extent = it->rows;
  it->bytes = (size_t)hy_shape_size(shape) * it->element;
  return it;
}

int hy_item_reads(hy_item *it, const hy_view *v) {
  if (it->n_in == HYLA_MAX_INPUTS) return hy_fail(HYLA_EINTERNAL, NULL, "%s: too many operands", it->label);
  it->in[it->n_in++] = *v;
  return 0;
}

static hyla_shape shape_of_view(const hy_plan *p, const hy_view *v) {
  hyla_shape s = {.dtype = p->item[v->item].shape.dtype, .rank = v->rank};
  for (int i = 0; i < v->rank; i++) s.dim[i] = v->dim[i];
  return s;
}

static int run_copy(const hy_item *it, const hy_block *b) {
  int32_t dim[HYLA_MAX_RANK] = {1};
  int rank = it->in[0].rank ? it->in[0].rank : 1;
  for (int i = 0; i < it->in[0].rank; i++) dim[i] = it->in[0].dim[i];
  dim[0] = (int32_t)(b->hi - b->lo);
  static const int64_t one = 1;
  hy_kernel_copy(rank, dim, hy_result(it, b, b->lo), hy_operand(it, b, 0, b->lo),
                 it->in[0].rank ? it->in[0].stride : &one, it->element);
  return 0;
}

int hy_view_materialise(hy_plan *p, hy_ref node, hy_view *v) {
  hyla_shape shape = shape_of_view(p, v);
  hy_view from = *v;
  hy_item *it = hy_item_new(p, run_copy, "copy", &shape, HY_ROWS);
  if (!it) return HYLA_ENOMEM;
  it->node = node;
  it->flops = (double)hy_view_size(v);
  int status = hy_item_reads(it, &from);
  if (!status) *v = hy_view_of(p, p->n_item - 1);
  return status;
}

int hy_view_make_contiguous(hy_plan *p, hy_ref node, hy_view *v) {
  return hy_view_contiguous(v) && p->item[v->item].place != HY_IN_FILL ? 0 : hy_view_materialise(p, node, v);
}

/* ---- leaves ---- */

int hy_lower_leaf(hy_plan *p, hy_ref r) {
  const hy_node *n = &p->graph->node[r];
  hy_item *it = hy_item_new(p, NULL, hy_op_table[n->op].name, &n->shape, HY_LEAF);
  if (!it) return HYLA_ENOMEM;
  it->node = r;
  if (n->op == HY_OP_fill) {
    it->place = HY_IN_FILL;
    it->fill = n->attr.f[0];
    hy_kernel_fill(1, &it->bits, n->shape.dtype, it->fill);
  } else if (n->op == HY_OP_constant) {
    it->place = HY_IN_CONSTANT;
    it->tensor = hyla_tensor_keep(n->tensor);
  } else {
    it->place = HY_IN_INPUT;
    it->index = -1; /* the caller of hy_lower says which */
  }
  p->view[r] = hy_view_of(p, p->n_item - 1);
  if (it->place == HY_IN_CONSTANT)
    for (int i = 0; i < n->shape.rank; i++) p->view[r].stride[i] = n->tensor->stride[i];
  return 0;
}

/* ---- element-wise ---- */

static const void *map_operand(const hy_item *it, const hy_block *b, int j) {
  if (j >= it->n_in) return NULL;
  if (it->operand[j].stride >= 0) return hy_operand(it, b, j, it->operand[j].stride ? b->lo : 0);
  const hy_view *v = &it->in[j];
  int32_t dim[HYLA_MAX_RANK];
  for (int i = 0; i < v->rank; i++) dim[i] = v->dim[i];
  dim[0] = (int32_t)(b->hi - b->lo);
  char *tile = b->scratch + it->operand[j].scratch;
  hy_kernel_copy(v->rank, dim, tile, hy_operand(it, b, j, b->lo), v->stride, b->program->plan.item[v->item].element);
  return tile;
}

static int map_stride(const hy_item *it, int j) { return j < it->n_in && it->operand[j].stride == 0 ? 0 : 1; }

int hy_run_map(const hy_item *it, const hy_block *b) {
  const void *x = map_operand(it, b, 0), *y = map_operand(it, b, 1), *z = map_operand(it, b, 2);
  it->map((b->hi - b->lo) * it->row, hy_result(it, b, b->lo), x, map_stride(it, 0), y, map_stride(it, 1), z,
          map_stride(it, 2));
  return 0;
}

bool hy_first_finite(const hy_item *it, const hy_block *b) {
  enum { TILE = 256 };
  char tile[TILE * sizeof(double)];
  const char *x = map_operand(it, b, 0), *y = map_operand(it, b, 1);
  const int64_t n = (b->hi - b->lo) * it->row, e = (int64_t)it->element;
  const int dx = map_stride(it, 0), dy = map_stride(it, 1);
  for (int64_t i = 0; i < n; i += TILE) {
    const int64_t count = n - i < TILE ? n - i : TILE;
    it->first_map(count, tile, x + i * dx * e, dx, y + i * dy * e, dy, NULL, 0);
    if (!hy_kernel_finite(count, tile, it->shape.dtype)) return false;
  }
  return true;
}

static int run_cast(const hy_item *it, const hy_block *b) {
  hy_kernel_cast((b->hi - b->lo) * it->row, hy_result(it, b, b->lo), it->shape.dtype, hy_operand(it, b, 0, b->lo),
                 (int)it->p[0]);
  return 0;
}

int hy_lower_map(hy_plan *p, hy_ref r) {
  const hy_node *n = &p->graph->node[r];
  hy_item *it = hy_item_new(p, hy_run_map, hy_op_table[n->op].name, &n->shape, HY_ROWS);
  if (!it) return HYLA_ENOMEM;
  it->node = r;
  it->in_place = true;
  it->map = hy_kernel_map(n->op, n->shape.dtype);
  if (!it->map)
    return hy_fail(HYLA_ETYPE, n->site, "%s: no such operation on %s", hy_op_table[n->op].name,
                   hy_shape_show(&n->shape).s);
  it->flops = hy_op_table[n->op].flops * (double)hy_shape_size(&n->shape);
  for (int j = 0; j < n->n_in; j++) {
    const hy_view *v = &p->view[n->in[j]];
    int status = hy_item_reads(it, v);
    if (status) return status;
    /* What is neither whole and in order nor one element is first brought in order, a tile at a time. */
    it->operand[j].stride = hy_view_scalar(v) ? 0 : hy_view_contiguous(v) ? 1 : -1;
  }
  p->view[r] = hy_view_of(p, p->n_item - 1);
  return 0;
}

int hy_lower_cast(hy_plan *p, hy_ref r) {
  const hy_node *n = &p->graph->node[r];
  hy_view x = p->view[n->in[0]];
  int status = hy_view_make_contiguous(p, r, &x);
  if (status) return status;
  hy_item *it = hy_item_new(p, run_cast, "cast", &n->shape, HY_ROWS);
  if (!it) return HYLA_ENOMEM;
  it->node = r;
  it->p[0] = p->item[x.item].shape.dtype;
  it->flops = (double)hy_shape_size(&n->shape);
  status = hy_item_reads(it, &x);
  p->view[r] = hy_view_of(p, p->n_item - 1);
  return status;
}

/* ---- movement without work ---- */

int hy_lower_alias(hy_plan *p, hy_ref r) {
  p->view[r] = p->view[p->graph->node[r].in[0]];
  return 0;
}

int hy_lower_reshape(hy_plan *p, hy_ref r) {
  const hy_node *n = &p->graph->node[r];
  hy_view v = p->view[n->in[0]];
  if (!hy_view_reshape(&v, &n->shape)) {
    int status = hy_view_materialise(p, r, &v);
    if (status) return status;
    if (!hy_view_reshape(&v, &n->shape))
      return hy_fail(HYLA_EINTERNAL, n->site, "reshape of a contiguous value failed");
  }
  p->view[r] = v;
  return 0;
}

int hy_lower_transpose(hy_plan *p, hy_ref r) {
  const hy_node *n = &p->graph->node[r];
  p->view[r] = p->view[n->in[0]];
  hy_view_permute(&p->view[r], n->attr.v);
  return 0;
}

int hy_lower_expand(hy_plan *p, hy_ref r) {
  const hy_node *n = &p->graph->node[r];
  hy_view v = p->view[n->in[0]];
  for (int i = 0; i < v.rank; i++)
    if (v.dim[i] != n->shape.dim[i]) {
      v.dim[i] = n->shape.dim[i];
      v.stride[i] = 0;
    }
  p->view[r] = v;
  return 0;
}

int hy_lower_slice(hy_plan *p, hy_ref r) {
  const hy_node *n = &p->graph->node[r];
  hy_view v = p->view[n->in[0]];
  for (int i = 0; i < v.rank; i++) {
    v.offset += n->attr.v[i] * v.stride[i];
    v.stride[i] *= n->attr.v[2 * v.rank + i];
    v.dim[i] = n->shape.dim[i];
  }
  p->view[r] = v;
  return 0;
}

/* ---- movement that writes ---- */

/* The operand goes to every (between + 1)-th place after `before`, zeros to the others. */
static int run_pad(const hy_item *it, const hy_block *b) {
  const hyla_shape *s = &it->shape;
  const hyla_attr *a = &b->program->plan.graph->node[it->node].attr;
  int64_t stride[HYLA_MAX_RANK], step = 1, at = 0;
  int r = s->rank;
  for (int i = r - 1; i >= 0; i--) {
    at += a->v[i] * step;
    stride[i] = step * (a->v[2 * r + i] + 1);
    step *= s->dim[i];
  }
  hy_kernel_fill(hy_shape_size(s), hy_result(it, b, 0), s->dtype, 0);
  hy_kernel_spread(r, it->in[0].dim, hy_result(it, b, 0) + at * (int64_t)it->element, stride, hy_operand(it, b, 0, 0),
                   it->element);
  return 0;
}

static int run_concat(const hy_item *it, const hy_block *b) {
  const hyla_shape *s = &it->shape;
  int64_t stride[HYLA_MAX_RANK], step = 1, at = 0, axis = it->p[0];
  for (int i = s->rank - 1; i >= 0; i--) {
    stride[i] = step;
    step *= s->dim[i];
  }
  for (int j = 0; j < it->n_in; j++) {
    hy_kernel_spread(s->rank, it->in[j].dim, hy_result(it, b, 0) + at * (int64_t)it->element, stride,
                     hy_operand(it, b, j, 0), it->element);
    at += it->in[j].dim[axis] * stride[axis];
  }
  return 0;
}

static int lower_writer(hy_plan *p, hy_ref r, hy_item_run *run) {
  const hy_node *n = &p->graph->node[r];
  hy_view part[HYLA_MAX_INPUTS];
  for (int j = 0; j < n->n_in; j++) {
    part[j] = p->view[n->in[j]];
    int status = hy_view_make_contiguous(p, r, &part[j]);
    if (status) return status;
  }
  hy_item *it = hy_item_new(p, run, hy_op_table[n->op].name, &n->shape, HY_WHOLE);
  if (!it) return HYLA_ENOMEM;
  it->node = r;
  it->extent = 1;
  it->p[0] = n->attr.v[0];
  it->flops = (double)hy_shape_size(&n->shape);
  int status = 0;
  for (int j = 0; j < n->n_in && !status; j++) status = hy_item_reads(it, &part[j]);
  p->view[r] = hy_view_of(p, p->n_item - 1);
  return status;
}
int hy_lower_pad(hy_plan *p, hy_ref r) { return lower_writer(p, r, run_pad); }
int hy_lower_concat(hy_plan *p, hy_ref r) { return lower_writer(p, r, run_concat); }

/* ---- the walk ---- */

static hy_lowering *const lowering[HY_OP_COUNT] = {
#define OP(name, arity, class, shape, linear, form, vjp, jvp, kernel, ...) [HY_OP_##name] = hy_lower_##kernel,
#include "graph/ops.def"
#undef OP
};

int hy_lower(hy_plan *p, const hy_ref *in, const hy_ref *out) {
  hyla_graph *g = p->graph;
  uint8_t *mark = hy_calloc((size_t)g->count + 1, 1);
  int status = mark ? 0 : HYLA_ENOMEM;
  p->view = hy_calloc((size_t)g->count + 1, sizeof *p->view);
  if (!p->view) status = HYLA_ENOMEM;
  if (!status) hy_graph_reach(g, p->n_out, out, mark);
  for (hy_ref r = 0; r < g->count && !status; r++)
    if (mark[r]) status = lowering[g->node[r].op](p, r);
  for (int i = 0; i < p->n_in && !status; i++) {
    p->reads[i] = in[i] >= 0 && mark[in[i]];
    if (p->reads[i]) p->item[p->view[in[i]].item].index = i;
  }
  for (int i = 0; i < p->n_item && !status; i++)
    if (p->item[i].place == HY_IN_INPUT && p->item[i].index < 0) {
      const hy_node *n = &g->node[p->item[i].node];
      status = hy_fail(HYLA_EVALUE, n->site, "the program needs '%s', which is not among its inputs", n->name);
    }
  hy_free(mark);
  return status;
}
