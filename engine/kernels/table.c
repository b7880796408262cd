/* The choice of a variant, and the entry points, which pass a call on to its table. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/sparse.h"
#include "kernels/table.h"

/* name, condition: the best first. One that this CPU lacks is passed over, also when it is asked for. A condition names
 * every extension the variant is compiled with (CMakeLists.txt), since a hypervisor may hide any of them; that the
 * system keeps the wide registers is part of each answer. */
#ifdef HY_KERNELS_X86
static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static bool has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#define VARIANTS(V) V(avx512, has_avx512) V(avx2, has_avx2) V(generic, has_nothing)
#else
#define VARIANTS(V) V(generic, has_nothing)
#endif
static bool has_nothing(void) { return true; }

typedef struct variant {
  const char *name;
  bool (*supported)(void);
  const hy_kernel_table *table[3]; /* by dtype */
} variant;

#define DECLARE(name, condition) \
  extern const hy_kernel_table hy_table_##name##_f32, hy_table_##name##_f64, hy_table_##name##_i32;
VARIANTS(DECLARE)
static const variant variants[] = {
#define ENTRY(name, condition)               \
  {#name,                                    \
   condition,                                \
   {[HYLA_FLOAT32] = &hy_table_##name##_f32, \
    [HYLA_FLOAT64] = &hy_table_##name##_f64, \
    [HYLA_INT32] = &hy_table_##name##_i32}},
    VARIANTS(ENTRY)};

static const variant *choose(void) {
  const char *asked = getenv("HYLA_KERNELS");
  const variant *best = NULL;
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
    if (!variants[i].supported()) continue;
    if (asked && !strcmp(asked, variants[i].name)) return variants + i;
    if (!best) best = variants + i;
  }
  return best;
}

/* Chosen at the first call; threads that come first together choose alike. */
static const variant *current(void) {
  static _Atomic(const variant *) chosen;
  const variant *v = atomic_load_explicit(&chosen, memory_order_acquire);
  if (!v) {
    v = choose();
    atomic_store_explicit(&chosen, v, memory_order_release);
  }
  return v;
}
static const hy_kernel_table *kernels(int dtype) { return current()->table[dtype]; }

const char *hy_kernel_variant(void) { return current()->name; }
const char *hyla_kernel_variant(void) { return hy_kernel_variant(); }

hy_map_kernel *hy_kernel_map(int op, int dtype) { return kernels(dtype)->map[op]; }

hy_map_kernel *hy_kernel_pair(int first, int second, int dtype) { return kernels(dtype)->pair[first][second]; }

void hy_kernel_sum(int64_t n, int64_t L, void *out, const void *x, int dtype) { kernels(dtype)->sum(n, L, out, x); }
void hy_kernel_max(int64_t n, int64_t L, void *out, const void *x, int dtype) { kernels(dtype)->max(n, L, out, x); }
void hy_kernel_logsumexp(int64_t n, int64_t L, void *out, const void *x, int dtype) {
  kernels(dtype)->logsumexp(n, L, out, x);
}
void hy_kernel_softmax(int64_t n, int64_t L, void *out, const void *x, int dtype) {
  kernels(dtype)->softmax(n, L, out, x);
}
void hy_kernel_argmax(int64_t n, int64_t L, int32_t *out, const void *x, int dtype) {
  kernels(dtype)->argmax(n, L, out, x);
}
void hy_kernel_sum_rows(int64_t n, int64_t L, void *acc, const void *x, int64_t row, bool first, int dtype) {
  kernels(dtype)->sum_rows(n, L, acc, x, row, first);
}
void hy_kernel_max_rows(int64_t n, int64_t L, void *acc, const void *x, int64_t row, bool first, int dtype) {
  kernels(dtype)->max_rows(n, L, acc, x, row, first);
}
void hy_kernel_sum_join(int64_t parts, int64_t apart, int64_t L, void *out, const void *acc, int dtype) {
  kernels(dtype)->sum_join(parts, apart, L, out, acc);
}
void hy_kernel_max_join(int64_t parts, int64_t apart, int64_t L, void *out, const void *acc, int dtype) {
  kernels(dtype)->max_join(parts, apart, L, out, acc);
}
int64_t hy_kernel_first_nonfinite(int64_t n, const void *x, int dtype) { return kernels(dtype)->first_nonfinite(n, x); }
bool hy_kernel_finite(int64_t n, const void *x, int dtype) { return hy_kernel_first_nonfinite(n, x, dtype) < 0; }

void hy_kernel_rows_product(int64_t n, int64_t k, int64_t m, void *y, int64_t ldy, const void *x, int64_t ldx,
                            const void *wt, int dtype) {
  kernels(dtype)->rows_product(n, k, m, y, ldy, x, ldx, wt);
}
void hy_kernel_rows_gram(int64_t n, int64_t k, int64_t m, void *acc, const void *x, int64_t ldx, const void *g,
                         int64_t ldg, bool first, int dtype) {
  kernels(dtype)->rows_gram(n, k, m, acc, x, ldx, g, ldg, first);
}
void hy_kernel_gram_part(int64_t n, int64_t k, int64_t m, void *acc, const void *x, int64_t ldx, const void *g,
                         int64_t ldg, bool first, int dtype) {
  kernels(dtype)->gram_part(n, k, m, acc, x, ldx, g, ldg, first);
}
void hy_kernel_gram_join(int64_t parts, int64_t apart, int64_t m, int64_t lo, int64_t hi, void *out, const void *acc,
                         int dtype) {
  kernels(dtype)->gram_join(parts, apart, m, lo, hi, out, acc);
}
int64_t hy_kernel_panel_columns(int dtype) { return kernels(dtype)->panel_columns(); }
void hy_kernel_pack_panels(int64_t k, int64_t lo, int64_t hi, int64_t n, void *panels, const void *b, int64_t ldb,
                           bool turned, int dtype) {
  kernels(dtype)->pack_panels(k, lo, hi, n, panels, b, ldb, turned);
}
void hy_kernel_panels_product(int64_t m, int64_t n, int64_t k, void *y, int64_t ldy, const void *a, int64_t lda,
                              bool turned, const void *panels, int dtype) {
  kernels(dtype)->panels_product(m, n, k, y, ldy, a, lda, turned, panels);
}
void hy_sparse_rows_product(const hy_sparse *s, int64_t lo, int64_t hi, int64_t m, void *y, int64_t ldy,
                            const void *w) {
  kernels(s->dtype)->sparse_product(s, lo, hi, m, y, ldy, w);
}
void hy_sparse_rows_gram(const hy_sparse *s, int c, int64_t m, void *acc, const void *g, int64_t ldg) {
  kernels(s->dtype)->sparse_gram(s, c, m, acc, g, ldg);
}
