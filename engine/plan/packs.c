/* What is prepared once for a constant and kept with its storage, for all programs that read it. */
#include "plan/plan.h"

enum { SPARSE_SIZE = 1 << 14 }; /* smallest constant worth looking at */
enum { LONG_LINES = 16 };       /* cache lines of a row that one more is no burden to */
static const double sparse_below = 0.3;

enum { PACK_SPARSE, PACK_TURNED };
typedef struct pack {
  hy_pack pack;
  const void *data; /* of a matrix [rows, row], contiguous or (PACK_TURNED) of these strides */
  int64_t rows, row, stride[2];
  hy_sparse *sparse;   /* NULL: looked at and found dense */
  hyla_tensor *turned; /* [row, rows], in rows of turned_row */
} pack;

static void release(hy_pack *base) {
  pack *s = (pack *)(void *)base;
  hy_sparse_drop(s->sparse);
  hyla_tensor_drop(s->turned);
  hy_free(s);
}

static const char *data_of(const hy_item *it, const hy_view *v) {
  return (const char *)it->tensor->storage->data + (size_t)(it->tensor->offset + v->offset) * it->element;
}

/* The pack of this kind for v: what is there, or a new one, not yet filled nor kept. */
static int find(const hy_item *it, const hy_view *v, int kind, pack **out, bool *found) {
  const char *data = data_of(it, v);
  for (hy_pack *q = it->tensor->storage->packs; q; q = q->next) {
    pack *s = (pack *)(void *)q;
    *found = q->kind == kind && s->data == data && s->rows == v->dim[0] && s->row == v->dim[1] &&
             s->stride[0] == v->stride[0] && s->stride[1] == v->stride[1];
    *out = s;
    if (*found) return 0;
  }
  *found = false;
  if (!(*out = hy_calloc(1, sizeof **out))) return HYLA_ENOMEM;
  **out = (pack){.pack = {.kind = kind, .release = release}, .data = data, .rows = v->dim[0], .row = v->dim[1]};
  (*out)->stride[0] = v->stride[0], (*out)->stride[1] = v->stride[1];
  return 0;
}

static int keep(const hy_item *it, pack *s, int status) {
  if (status) {
    release(&s->pack);
    return status;
  }
  s->pack.next = it->tensor->storage->packs;
  it->tensor->storage->packs = &s->pack;
  return 0;
}

int hy_pack_sparse(hy_plan *p, const hy_view *v, hy_sparse **out) {
  const hy_item *it = &p->item[v->item];
  pack *s;
  bool found;
  *out = NULL;
  if (it->place != HY_IN_CONSTANT || hy_view_size(v) < SPARSE_SIZE || !hy_view_contiguous(v)) return 0;
  int status = find(it, v, PACK_SPARSE, &s, &found);
  if (!status && !found) {
    int64_t bound[1025];
    hy_chunks chunks = hy_chunks_of(v->dim[0]);
    for (int i = 0; i <= chunks.n; i++) bound[i] = i * chunks.size < v->dim[0] ? i * chunks.size : v->dim[0];
    if (hy_kernel_density(v->dim[0], v->dim[1], s->data, v->dim[1], it->shape.dtype) < sparse_below)
      status = hy_sparse_pack(v->dim[0], v->dim[1], s->data, v->dim[1], it->shape.dtype, chunks.n, bound, &s->sparse);
    status = keep(it, s, status);
  }
  if (!status) *out = s->sparse;
  return status;
}

/* Elements from a turned row to the next: long rows begin where cache lines do, an odd number of these apart, so that the
 * same places of neighbouring rows are not rivals for the same few lines of a cache. */
static int32_t turned_row(int32_t rows, size_t element) {
  const int32_t line = (int32_t)(64 / element), lines = (rows + line - 1) / line;
  return lines < LONG_LINES ? rows : (lines | 1) * line;
}

static int turn(const hy_item *from, const hy_view *v, int32_t row, hyla_tensor **out) {
  hyla_shape shape = {.dtype = from->shape.dtype, .rank = 2, .dim = {v->dim[1], row}};
  int status = hyla_tensor_new(&shape, out);
  if (status) return status;
  char *to = (*out)->storage->data;
  const size_t e = from->element;
  if (hy_view_contiguous(v)) hy_kernel_spread(2, v->dim, to, (int64_t[]){1, row}, data_of(from, v), e);
  else
    for (int64_t i = 0; i < v->dim[1]; i++)
      hy_kernel_copy(1, &v->dim[0], to + (size_t)(i * row) * e, data_of(from, v) + (size_t)(i * v->stride[1]) * e,
                     &v->stride[0], e);
  return 0;
}

int hy_pack_turned(hy_plan *p, hy_ref r, hy_view *v) {
  const hy_item *from = &p->item[v->item];
  const hyla_shape shape = {.dtype = from->shape.dtype, .rank = 2, .dim = {v->dim[1], v->dim[0]}};
  const int32_t row = turned_row(v->dim[0], from->element);
  pack *s;
  bool found;
  int status = find(from, v, PACK_TURNED, &s, &found);
  if (!status && !found) status = keep(from, s, turn(from, v, row, &s->turned));
  hy_item *it = status ? NULL : hy_item_new(p, NULL, "constant turned", &shape, HY_LEAF);
  if (!it) return status ? status : HYLA_ENOMEM;
  it->node = r;
  it->place = HY_IN_CONSTANT;
  it->tensor = hyla_tensor_keep(s->turned);
  *v = hy_view_of(p, p->n_item - 1);
  v->stride[0] = row;
  return 0;
}
