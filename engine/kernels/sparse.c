/* Packing of a constant matrix of low density; its products are in sparse_product.c. */
#include "kernels/sparse.h"

/* Whether entry i of an array of floats is not 0. NaN counts: it must not vanish. */
static bool present(const void *x, int64_t i, int dtype) {
  return dtype == HYLA_FLOAT64 ? ((const double *)x)[i] != 0 : ((const float *)x)[i] != 0;
}

double hy_kernel_density(int64_t n, int64_t k, const void *x, int64_t ldx, int dtype) {
  int64_t count = 0;
  if (n <= 0 || k <= 0) return 0;
  if (dtype == HYLA_INT32) return 1;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < k; j++) count += present(x, i * ldx + j, dtype);
  return (double)count / ((double)n * (double)k);
}

/* The matrix as a list walks it: n elements, `step` apart. */
typedef struct walk {
  int64_t from, step, n;
} walk;

static walk row_walk(const hy_sparse *s, int64_t list, int64_t ldx) { return (walk){list * ldx, 1, s->k}; }
static walk column_walk(const hy_sparse *s, int64_t list, int64_t ldx) {
  const int64_t *chunk = s->chunk + list / s->k;
  return (walk){chunk[0] * ldx + list % s->k, ldx, chunk[1] - chunk[0]};
}

static void put(const hy_sparse *s, const hy_lists *l, int64_t at, int64_t index, double value) {
  if (s->wide) ((int32_t *)l->index)[at] = (int32_t)index;
  else ((uint16_t *)l->index)[at] = (uint16_t)index;
  if (s->dtype == HYLA_FLOAT64) ((double *)l->value)[at] = value;
  else ((float *)l->value)[at] = (float)value;
}

static void fill_list(const hy_sparse *s, const hy_lists *l, int64_t list, walk w, const void *x) {
  int64_t at = l->start[list], last = 0;
  for (int64_t i = 0; i < w.n; i++) {
    const int64_t p = w.from + i * w.step;
    if (!present(x, p, s->dtype)) continue;
    put(s, l, at++, last = i, s->dtype == HYLA_FLOAT64 ? ((const double *)x)[p] : (double)((const float *)x)[p]);
  }
  while (at < l->start[list + 1]) put(s, l, at++, last, 0);
}

/* Counts, makes room, fills. HYLA_ENOMEM leaves what was made to hy_sparse_drop. */
static int pack_lists(const hy_sparse *s, hy_lists *l, int64_t count,
                      walk (*walk_of)(const hy_sparse *, int64_t, int64_t), const void *x, int64_t ldx) {
  int64_t total = 0;
  l->count = count;
  if (!(l->start = hy_calloc((size_t)count + 1, sizeof *l->start))) return HYLA_ENOMEM;
  for (int64_t list = 0; list < count; list++) {
    const walk w = walk_of(s, list, ldx);
    int64_t entries = 0;
    for (int64_t i = 0; i < w.n; i++) entries += present(x, w.from + i * w.step, s->dtype);
    total += (entries + HY_SPARSE_TURNS - 1) / HY_SPARSE_TURNS * HY_SPARSE_TURNS;
    l->start[list + 1] = total;
  }
  if (!(l->index = hy_calloc((size_t)total, s->wide ? sizeof(int32_t) : sizeof(uint16_t)))) return HYLA_ENOMEM;
  if (!(l->value = hy_calloc((size_t)total, hy_dtype_size(s->dtype)))) return HYLA_ENOMEM;
  for (int64_t list = 0; list < count; list++) fill_list(s, l, list, walk_of(s, list, ldx), x);
  return HYLA_OK;
}

int hy_sparse_pack(int64_t n, int64_t k, const void *x, int64_t ldx, int dtype, int chunks, const int64_t *chunk,
                   hy_sparse **out) {
  int64_t longest = k;
  for (int c = 0; c < chunks; c++)
    if (chunk[c + 1] - chunk[c] > longest) longest = chunk[c + 1] - chunk[c];
  hy_sparse *s = hy_calloc(1, sizeof *s);
  if (!s) return HYLA_ENOMEM;
  *s = (hy_sparse){.n = n, .k = k, .dtype = dtype, .chunks = chunks, .wide = longest > UINT16_MAX};
  int status = (s->chunk = hy_calloc((size_t)chunks + 1, sizeof *chunk)) ? HYLA_OK : HYLA_ENOMEM;
  for (int c = 0; c <= chunks && !status; c++) s->chunk[c] = chunk[c];
  if (!status) status = pack_lists(s, &s->rows, n, row_walk, x, ldx);
  if (!status) status = pack_lists(s, &s->columns, chunks * k, column_walk, x, ldx);
  if (!status) *out = s;
  else hy_sparse_drop(s);
  return status;
}

void hy_sparse_drop(hy_sparse *s) {
  if (!s) return;
  hy_lists *lists[2] = {&s->rows, &s->columns};
  for (int i = 0; i < 2; i++) {
    hy_free(lists[i]->start);
    hy_free(lists[i]->index);
    hy_free(lists[i]->value);
  }
  hy_free(s->chunk);
  hy_free(s);
}
