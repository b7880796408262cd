/* What is prepared once for a constant and kept with its storage, for all programs that read it. */
#include "plan/plan.h"

enum { SPARSE_SIZE = 1 << 14 }; /* smallest constant worth looking at */
enum { LONG_LINES = 16 };       /* cache lines of a row that one more is no burden to */
enum { RIVALS = 1024 };         /* bytes: rows so far apart leave a first-level cache a quarter of its lines or less */
enum { FEW_ROWS = 8 };          /* that have room there all the same */
static const double sparse_below = 0.3;

enum { PACK_SPARSE, PACK_TURNED, PACK_APART };
typedef struct pack {
  hy_pack pack;
  const void *data; /* of a matrix [rows, row], contiguous or (where it is copied) of these strides */
  int64_t rows, row, stride[2];
  hy_sparse *sparse; /* NULL: looked at and found dense */
  hyla_tensor *copy; /* in rows of row_apart */
} pack;

static void release(hy_pack *base) {
  pack *s = (pack *)(void *)base;
  hy_sparse_drop(s->sparse);
  hyla_tensor_drop(s->copy);
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

/* Elements from a row to the next: long rows begin where cache lines do, an odd number of these apart, so that the same
 * places of neighbouring rows are not rivals for the same few lines of a cache. */
static int32_t row_apart(int32_t row, size_t element) {
  const int32_t line = (int32_t)(64 / element), lines = (row + line - 1) / line;
  return lines < LONG_LINES ? row : (lines | 1) * line;
}

/* The matrix v, [n, m], as a constant of its own in rows so far apart: what is there of this kind, or a copy. */
static int repack(hy_plan *p, hy_ref r, int kind, hy_view *v) {
  static const char *const label[] = {[PACK_TURNED] = "constant turned", [PACK_APART] = "constant, rows apart"};
  const hy_item *from = &p->item[v->item];
  const hyla_shape shape = {.dtype = from->shape.dtype, .rank = 2, .dim = {v->dim[0], v->dim[1]}};
  const int32_t apart = row_apart(v->dim[1], from->element);
  pack *s;
  bool found;
  int status = find(from, v, kind, &s, &found);
  if (!status && !found) {
    hyla_shape spread = {.dtype = shape.dtype, .rank = 2, .dim = {shape.dim[0], apart}};
    status = hyla_tensor_new(&spread, &s->copy);
    for (int64_t i = 0; i < shape.dim[0] && !status; i++)
      hy_kernel_copy(1, &shape.dim[1], (char *)s->copy->storage->data + (size_t)(i * apart) * from->element,
                     (const char *)s->data + (size_t)(i * v->stride[0]) * from->element, &v->stride[1], from->element);
    status = keep(from, s, status);
  }
  hy_item *it = status ? NULL : hy_item_new(p, NULL, label[kind], &shape, HY_LEAF);
  if (!it) return status ? status : HYLA_ENOMEM;
  it->node = r;
  it->row = apart;
  it->place = HY_IN_CONSTANT;
  it->tensor = hyla_tensor_keep(s->copy);
  *v = hy_view_of(p, p->n_item - 1);
  v->stride[0] = apart;
  return 0;
}

int hy_pack_turned(hy_plan *p, hy_ref r, hy_view *v) {
  hy_view t = *v;
  hy_view_permute(&t, (int32_t[]){1, 0});
  int status = repack(p, r, PACK_TURNED, &t);
  if (!status) *v = t;
  return status;
}

int hy_pack_apart(hy_plan *p, hy_ref r, hy_view *v) {
  const hy_item *it = &p->item[v->item];
  if (it->place != HY_IN_CONSTANT || v->dim[0] < FEW_ROWS || v->stride[1] != 1) return 0;
  if (v->stride[0] * (int64_t)it->element % RIVALS) return 0;
  return repack(p, r, PACK_APART, v);
}
