/* The speed of single kernels on one thread: `kernels_bench [word]` runs those whose line contains the word. Each
 * figure is the best of many short repeats, so that other load on the machine disturbs it least. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "kernels/kernels.h"

enum {
#define OP(name, ...) OP_##name,
#include "graph/ops.def"
#undef OP
};

static const char *wanted = "";

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *numbers(int64_t n, double density) {
  float *x = hy_alloc((size_t)n * sizeof *x);
  uint32_t word[4];
  for (int64_t i = 0; i < n && x; i++) {
    hy_philox(1, 2, (uint64_t)i, word);
    x[i] = word[0] * 0x1p-32 < density ? (float)(word[1] * 0x1p-31 - 1) : 0;
  }
  if (!x) exit(1);
  return x;
}

/* What one call of a case works on. */
typedef struct work {
  int64_t n, k, m;
  const float *x, *w, *g;
  float *y, *acc;
  hy_sparse *sparse;
  int op;
} work;

/* Seconds of one call: the best repeat of a batch that lasts about a millisecond. */
static double time_of(void (*call)(const work *), const work *w) {
  int batch = 1;
  double best = 1e9;
  for (;; batch *= 2) {
    const double start = now();
    for (int i = 0; i < batch; i++) call(w);
    if (now() - start > 1e-3) break;
  }
  for (int repeat = 0; repeat < 200; repeat++) {
    const double start = now();
    for (int i = 0; i < batch; i++) call(w);
    const double seconds = (now() - start) / batch;
    if (seconds < best) best = seconds;
  }
  return best;
}

static void product(const work *w) {
  hy_kernel_rows_product(w->n, w->k, w->m, w->y, w->m, w->x, w->k, w->w, HYLA_FLOAT32);
}
static void gram(const work *w) {
  hy_kernel_rows_gram(w->n, w->k, w->m, w->acc, w->x, w->k, w->g, w->m, true, HYLA_FLOAT32);
}
static void gram_more(const work *w) {
  hy_kernel_rows_gram(w->n, w->k, w->m, w->acc, w->x, w->k, w->g, w->m, false, HYLA_FLOAT32);
}
static void gemm(const work *w) {
  hy_kernel_gemm(false, false, w->n, w->m, w->k, w->y, w->m, w->x, w->k, w->w, w->m, HYLA_FLOAT32);
}
static void panels(const work *w) {
  hy_kernel_panels_product(w->n, w->m, w->k, w->y, w->m, w->x, w->k, false, w->acc, HYLA_FLOAT32);
}
static void panels_turned(const work *w) {
  hy_kernel_panels_product(w->n, w->m, w->k, w->y, w->m, w->x, w->n, true, w->acc, HYLA_FLOAT32);
}
static void pack(const work *w) { hy_kernel_pack_panels(w->k, 0, w->k, w->m, w->acc, w->w, w->m, false, HYLA_FLOAT32); }
static void pack_turned(const work *w) {
  hy_kernel_pack_panels(w->k, 0, w->k, w->m, w->acc, w->w, w->k, true, HYLA_FLOAT32);
}
static void sparse_product(const work *w) { hy_sparse_rows_product(w->sparse, 0, w->n, w->m, w->y, w->m, w->w); }
static void sparse_gram(const work *w) {
  for (int c = 0; c < 16; c++) hy_sparse_rows_gram(w->sparse, c, w->m, w->acc, w->g + w->n * c / 16 * w->m, w->m);
}
static void softmax(const work *w) { hy_kernel_softmax(w->n, w->k, w->y, w->x, HYLA_FLOAT32); }
static void logsumexp(const work *w) { hy_kernel_logsumexp(w->n, w->k, w->y, w->x, HYLA_FLOAT32); }
static void sum(const work *w) { hy_kernel_sum(w->n, w->k, w->y, w->x, HYLA_FLOAT32); }
static void sum_rows(const work *w) { hy_kernel_sum_rows(w->n, w->k, w->acc, w->x, 0, true, HYLA_FLOAT32); }
static void finite(const work *w) { (void)hy_kernel_finite(w->n * w->k, w->x, HYLA_FLOAT32); }
static void map(const work *w) { hy_kernel_map(w->op, HYLA_FLOAT32)(w->n * w->k, w->y, w->x, 1, w->g, 1, NULL, 0); }
static void repeat_column(const work *w) {
  const int32_t dim[2] = {(int32_t)w->n, (int32_t)w->k};
  const int64_t stride[2] = {1, 0};
  hy_kernel_copy(2, dim, w->y, w->x, stride, sizeof(float));
}

static void report(const char *name, void (*call)(const work *), const work *w, double amount, const char *unit) {
  char line[120];
  snprintf(line, sizeof line, "%-14s %5ld x %4ld x %2ld", name, (long)w->n, (long)w->k, (long)w->m);
  if (!strstr(line, wanted)) return;
  const double seconds = time_of(call, w);
  printf("%s %9.3f us %8.2f %s\n", line, seconds * 1e6, amount / seconds * 1e-9, unit);
}

static void products(int64_t n, int64_t k, int64_t m) {
  float *x = numbers(n * k, 1), *w = numbers(k * m, 1), *g = numbers(n * m, 1);
  float *y = hy_calloc((size_t)(n * m), sizeof *y), *acc = hy_calloc((size_t)(k * m), sizeof *acc);
  const work t = {.n = n, .k = k, .m = m, .x = x, .w = w, .g = g, .y = y, .acc = acc};
  const double flops = 2.0 * (double)(n * k * m);
  report("rows_product", product, &t, flops, "GFLOP/s");
  report("rows_gram", gram, &t, flops, "GFLOP/s");
  report("rows_gram +=", gram_more, &t, flops, "GFLOP/s");
  report("gemm", gemm, &t, flops, "GFLOP/s");
  hy_free(x), hy_free(w), hy_free(g), hy_free(y), hy_free(acc);
}

/* n rows of A by B [k, m], in panels. */
static void general(int64_t n, int64_t k, int64_t m) {
  const int64_t columns = hy_kernel_panel_columns(HYLA_FLOAT32), packed = (m + columns - 1) / columns * columns * k;
  float *x = numbers(n * k, 1), *w = numbers(k * m, 1), *y = hy_calloc((size_t)(n * m), sizeof *y);
  float *acc = hy_calloc((size_t)packed, sizeof *acc);
  const work t = {.n = n, .k = k, .m = m, .x = x, .w = w, .y = y, .acc = acc};
  const double flops = 2.0 * (double)(n * k * m);
  report("pack", pack, &t, (double)(k * m), "elements/ns");
  report("pack turned", pack_turned, &t, (double)(k * m), "elements/ns");
  report("panels", panels, &t, flops, "GFLOP/s");
  report("panels turned", panels_turned, &t, flops, "GFLOP/s");
  report("gemm", gemm, &t, flops, "GFLOP/s");
  hy_free(x), hy_free(w), hy_free(y), hy_free(acc);
}

static void sparse(int64_t n, int64_t k, int64_t m, double density) {
  int64_t chunk[17];
  for (int c = 0; c <= 16; c++) chunk[c] = n * c / 16;
  float *x = numbers(n * k, density), *w = numbers(k * m, 1), *g = numbers(n * m, 1);
  float *y = hy_calloc((size_t)(n * m), sizeof *y), *acc = hy_calloc((size_t)(k * m), sizeof *acc);
  work t = {.n = n, .k = k, .m = m, .w = w, .g = g, .y = y, .acc = acc};
  if (hy_sparse_pack(n, k, x, k, HYLA_FLOAT32, 16, chunk, &t.sparse)) exit(1);
  const double entries = hy_kernel_density(n, k, x, k, HYLA_FLOAT32) * (double)(n * k);
  report("sparse product", sparse_product, &t, entries, "entries/ns");
  report("sparse gram", sparse_gram, &t, entries, "entries/ns");
  hy_sparse_drop(t.sparse);
  hy_free(x), hy_free(w), hy_free(g), hy_free(y), hy_free(acc);
}

static void others(int64_t n, int64_t k) {
  float *x = numbers(n * k, 1), *g = numbers(n * k, 1), *y = hy_calloc((size_t)(n * k), sizeof *y);
  float *acc = hy_calloc((size_t)(16 * k), sizeof *acc);
  work t = {.n = n, .k = k, .m = 1, .x = x, .g = g, .y = y, .acc = acc, .op = OP_add};
  const double size = (double)(n * k);
  report("softmax", softmax, &t, size, "elements/ns");
  report("logsumexp", logsumexp, &t, size, "elements/ns");
  report("sum", sum, &t, size, "elements/ns");
  report("sum_rows", sum_rows, &t, size, "elements/ns");
  report("finite", finite, &t, size, "elements/ns");
  report("repeat", repeat_column, &t, size, "elements/ns");
  report("map add", map, &t, size, "elements/ns");
  t.op = OP_exp;
  report("map exp", map, &t, size, "elements/ns");
  t.op = OP_softplus;
  report("map softplus", map, &t, size, "elements/ns");
  hy_free(x), hy_free(g), hy_free(y), hy_free(acc);
}

int main(int count, char **word) {
  static const int64_t shapes[][3] = {{64, 784, 10}, {312, 784, 10}, {5000, 784, 10}, {64, 784, 1},  {64, 784, 20},
                                      {64, 784, 32}, {5000, 784, 1}, {500, 20, 1},    {500, 20, 10}, {50, 1024, 10}};
  static const int64_t factors[][3] = {{50, 2000, 64}, {200, 2000, 64},  {50, 2000, 2000}, {200, 2000, 2000},
                                       {16, 50, 2000}, {56, 200, 2000},  {48, 1024, 100},  {48, 1040, 100},
                                       {64, 300, 100}, {300, 1024, 100}, {300, 1040, 100}, {1024, 100, 100}};
  if (count > 1) wanted = word[1];
  if (hy_blas_open()) return 1;
  printf("variant %s, float32, one thread\n", hy_kernel_variant());
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) products(shapes[i][0], shapes[i][1], shapes[i][2]);
  for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) general(factors[i][0], factors[i][1], factors[i][2]);
  sparse(5000, 784, 10, .19);
  sparse(5000, 784, 1, .19);
  sparse(5000, 300, 10, .5);
  others(64, 10);
  others(5000, 10);
  others(200, 183);
  return 0;
}
