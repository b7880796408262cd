/* Layouts. */
#include "dynamics/dynamics.h"

int hy_layout_add(hy_layout *l, const hyla_shape *shape) {
  hyla_shape *s = hy_realloc(l->shape, (size_t)(l->n + 1) * sizeof *s);
  if (s) l->shape = s;
  size_t *offset = hy_realloc(l->offset, (size_t)(l->n + 1) * sizeof *offset);
  if (offset) l->offset = offset;
  if (!s || !offset) return HYLA_ENOMEM;
  s[l->n] = *shape;
  offset[l->n] = l->bytes;
  l->n++;
  l->bytes += hy_aligned(hy_layout_size(l, l->n - 1));
  return 0;
}

void hy_layout_close(hy_layout *l) {
  hy_free(l->shape);
  hy_free(l->offset);
  *l = (hy_layout){0};
}

int hy_layout_bind(const hy_layout *l, char **in, int n, const char *data) {
  for (int i = 0; i < l->n; i++) in[n++] = (char *)(uintptr_t)data + l->offset[i];
  return n;
}

int hy_layout_first_nonfinite(const hy_layout *l, const char *data) {
  for (int i = 0; i < l->n; i++)
    if (l->shape[i].dtype != HYLA_INT32 &&
        !hy_kernel_finite(hy_shape_size(&l->shape[i]), data + l->offset[i], l->shape[i].dtype))
      return i;
  return -1;
}
