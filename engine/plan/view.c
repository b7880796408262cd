/* Strided readings of values: what reshape, transpose, expand and slice cost nothing by. */
#include "plan/plan.h"

hy_view hy_view_of(const hy_plan *p, int item) {
  const hyla_shape *s = &p->item[item].shape;
  hy_view v = {.item = item, .rank = s->rank};
  int64_t stride = 1;
  for (int i = s->rank - 1; i >= 0; i--) {
    v.dim[i] = s->dim[i];
    v.stride[i] = p->item[item].place == HY_IN_FILL ? 0 : stride;
    stride *= s->dim[i];
  }
  return v;
}

int64_t hy_view_size(const hy_view *v) {
  int64_t n = 1;
  for (int i = 0; i < v->rank; i++) n *= v->dim[i];
  return n;
}

bool hy_view_contiguous(const hy_view *v) {
  int64_t stride = 1;
  for (int i = v->rank - 1; i >= 0; i--) {
    if (v->dim[i] != 1 && v->stride[i] != stride) return false;
    stride *= v->dim[i];
  }
  return true;
}

bool hy_view_scalar(const hy_view *v) {
  for (int i = 0; i < v->rank; i++)
    if (v->dim[i] != 1 && v->stride[i] != 0) return false;
  return true;
}

bool hy_view_by_rows(const hy_view *v, int64_t extent, int64_t row) {
  if (v->rank == 0) return extent == 1 && v->offset < row;
  if (v->dim[0] != extent || (extent > 1 && v->stride[0] != row)) return false;
  int64_t reach = v->offset;
  for (int i = 1; i < v->rank; i++) reach += (v->dim[i] - 1) * v->stride[i];
  return reach < row;
}

bool hy_reads_by_rows(const hy_plan *p, const hy_item *it, int j) {
  const hy_item *from = &p->item[it->in[j].item];
  if ((it->split != HY_ROWS && it->split != HY_PARTS) || (it->whole >> j & 1)) return false;
  return from->split == HY_ROWS && from->rows == it->extent && hy_view_by_rows(&it->in[j], it->extent, from->row);
}

void hy_view_permute(hy_view *v, const int32_t *perm) {
  hy_view old = *v;
  for (int i = 0; i < v->rank; i++) {
    v->dim[i] = old.dim[perm[i]];
    v->stride[i] = old.stride[perm[i]];
  }
}

/* Cuts the old axes into runs that lie one after another, and covers each run by new axes. */
bool hy_view_reshape(hy_view *v, const hyla_shape *shape) {
  hy_view old = {.rank = 0}, made = *v;
  for (int i = 0; i < v->rank; i++) /* axes of one element say nothing */
    if (v->dim[i] != 1) {
      old.dim[old.rank] = v->dim[i];
      old.stride[old.rank++] = v->stride[i];
    }
  made.rank = shape->rank;
  int o = 0, n = 0;
  while (n < shape->rank) {
    int n_end = n + 1, o_end = o;
    int64_t new_size = shape->dim[n], old_size = 1;
    if (new_size == 1) {
      made.dim[n] = 1;
      made.stride[n++] = 0;
      continue;
    }
    while (old_size != new_size) {
      if (old_size < new_size) old_size *= old.dim[o_end++];
      else new_size *= shape->dim[n_end++];
      if (o_end > old.rank || n_end > shape->rank) return false;
    }
    for (int i = o; i + 1 < o_end; i++)
      if (old.stride[i] != old.dim[i + 1] * old.stride[i + 1]) return false;
    int64_t stride = old.stride[o_end - 1];
    for (int i = n_end - 1; i >= n; i--) {
      made.dim[i] = shape->dim[i];
      made.stride[i] = stride;
      stride *= shape->dim[i];
    }
    o = o_end;
    n = n_end;
  }
  *v = made;
  return true;
}

int64_t hy_view_leading(const hy_view *v) { return v->dim[0] == 1 ? v->dim[1] : v->stride[0]; }
