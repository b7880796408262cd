/* Packing of a constant matrix of low density; its products are in sparse_product.c. */
#include "kernels/sparse.h"

/* Whether entry i of an array of floats is not 0. NaN counts: it must not vanish. */
static bool present(const void *x, int64_t i, int dtype) {
  return dtype == HYLA_FLOAT64 ? ((const double *)x)[i] != 0 : ((const float *)x)[i] != 0;
}

static int64_t count_entries(int64_t n, int64_t k, const void *x, int64_t ldx, int dtype) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < k; j++) count += present(x, i * ldx + j, dtype);
  return count;
}

double hy_kernel_density(int64_t n, int64_t k, const void *x, int64_t ldx, int dtype) {
  if (n <= 0 || k <= 0) return 0;
  if (dtype == HYLA_INT32) return 1;
  return (double)count_entries(n, k, x, ldx, dtype) / ((double)n * (double)k);
}

/* Entry `at` of an index and a value array. */
static void put(const hy_sparse *s, void *index, void *value, int64_t at, int64_t where, const void *x, int64_t i) {
  if (s->wide) ((int32_t *)index)[at] = (int32_t)where;
  else ((uint16_t *)index)[at] = (uint16_t)where;
  if (s->dtype == HYLA_FLOAT64) ((double *)value)[at] = ((const double *)x)[i];
  else ((float *)value)[at] = ((const float *)x)[i];
}

static void fill_rows(hy_sparse *s, const void *x, int64_t ldx) {
  int64_t at = 0;
  for (int64_t i = 0; i < s->n; i++) {
    s->row_start[i] = at;
    for (int64_t j = 0; j < s->k; j++)
      if (present(x, i * ldx + j, s->dtype)) put(s, s->row_index, s->row_value, at++, j, x, i * ldx + j);
  }
  s->row_start[s->n] = at;
}

static void fill_columns(hy_sparse *s, const void *x, int64_t ldx) {
  int64_t at = 0;
  for (int c = 0; c < s->chunks; c++) {
    const int64_t lo = s->chunk[c];
    for (int64_t j = 0; j < s->k; j++) {
      s->column_start[c * s->k + j] = at;
      for (int64_t i = lo; i < s->chunk[c + 1]; i++)
        if (present(x, i * ldx + j, s->dtype)) put(s, s->column_index, s->column_value, at++, i - lo, x, i * ldx + j);
    }
  }
  s->column_start[s->chunks * s->k] = at;
}

/* Room for every array; false when the memory is refused. */
static bool make_room(hy_sparse *s, int64_t entries) {
  const size_t count = (size_t)entries, index = s->wide ? sizeof(int32_t) : sizeof(uint16_t);
  const size_t value = hy_dtype_size(s->dtype), start = sizeof(int64_t);
  return (s->chunk = hy_calloc((size_t)s->chunks + 1, start)) &&
         (s->row_start = hy_calloc((size_t)s->n + 1, start)) &&
         (s->row_index = hy_calloc(count, index)) &&
         (s->row_value = hy_calloc(count, value)) &&
         (s->column_start = hy_calloc((size_t)s->chunks * (size_t)s->k + 1, start)) &&
         (s->column_index = hy_calloc(count, index)) &&
         (s->column_value = hy_calloc(count, value));
}

int hy_sparse_pack(int64_t n, int64_t k, const void *x, int64_t ldx, int dtype, int chunks, const int64_t *chunk,
                   hy_sparse **out) {
  int64_t longest = k;
  for (int c = 0; c < chunks; c++)
    if (chunk[c + 1] - chunk[c] > longest) longest = chunk[c + 1] - chunk[c];
  hy_sparse *s = hy_calloc(1, sizeof *s);
  if (!s) return HYLA_ENOMEM;
  *s = (hy_sparse){ .n = n, .k = k, .dtype = dtype, .chunks = chunks, .wide = longest > UINT16_MAX };
  if (!make_room(s, count_entries(n, k, x, ldx, dtype))) {
    hy_sparse_drop(s);
    return HYLA_ENOMEM;
  }
  for (int c = 0; c <= chunks; c++) s->chunk[c] = chunk[c];
  fill_rows(s, x, ldx);
  fill_columns(s, x, ldx);
  *out = s;
  return HYLA_OK;
}

void hy_sparse_drop(hy_sparse *s) {
  if (!s) return;
  hy_free(s->chunk);
  hy_free(s->row_start);
  hy_free(s->row_index);
  hy_free(s->row_value);
  hy_free(s->column_start);
  hy_free(s->column_index);
  hy_free(s->column_value);
  hy_free(s);
}
