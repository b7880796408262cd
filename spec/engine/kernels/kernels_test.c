/* Compares every kernel with a plain reference in double precision, over random shapes with tails, and asks for equal
 * bits however the work is cut; before that, tests the loops that share work out. One variant a run: HYLA_KERNELS names
 * it. Exit status 1 when a check failed. */
#include "kernels_test.h"
#include <stdarg.h>

static long checks, failures;
static uint64_t random_state = 1;

void check(bool ok, const char *format, ...) {
  checks++;
  if (ok || ++failures > 20) return;
  va_list words;
  va_start(words, format);
  printf("failed: ");
  vprintf(format, words);
  printf("\n");
  va_end(words);
}

static uint32_t next_random(void) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(random_state >> 32);
}
double uniform(double lo, double hi) { return lo + (hi - lo) * (next_random() / 4294967296.0); }
int64_t below(int64_t n) { return next_random() % n; }

static size_t size_of(int dtype) { return dtype == HYLA_FLOAT64 ? 8 : 4; }
void *at(const void *p, int64_t i, int dtype) { return (char *)p + i * (int64_t)size_of(dtype); }
void *array(int64_t n, int dtype) {
  void *p = malloc((size_t)n * size_of(dtype) + (n == 0));
  if (!p) abort();
  return memset(p, 0xAA, (size_t)n * size_of(dtype));
}
void *random_array(int64_t n, int dtype, double lo, double hi) {
  void *p = array(n, dtype);
  for (int64_t i = 0; i < n; i++) put(p, i, dtype, uniform(lo, hi));
  return p;
}
double get(const void *p, int64_t i, int dtype) {
  if (dtype == HYLA_FLOAT64) return ((const double *)p)[i];
  return dtype == HYLA_FLOAT32 ? (double)((const float *)p)[i] : (double)((const int32_t *)p)[i];
}
void put(void *p, int64_t i, int dtype, double value) {
  if (dtype == HYLA_FLOAT64) ((double *)p)[i] = value;
  else if (dtype == HYLA_FLOAT32) ((float *)p)[i] = (float)value;
  else ((int32_t *)p)[i] = (int32_t)value;
}
bool same_bits(const void *a, const void *b, int64_t n, int dtype) { return !memcmp(a, b, (size_t)n * size_of(dtype)); }
double epsilon(int dtype) { return dtype == HYLA_FLOAT64 ? 0x1p-52 : dtype == HYLA_FLOAT32 ? 0x1p-23 : 0; }
bool near(double got, double want, double error) {
  return (got != got && want != want) || got == want || fabs(got - want) <= error;
}
const char *type_name(int dtype) {
  return dtype == HYLA_FLOAT64 ? "float64" : dtype == HYLA_FLOAT32 ? "float32" : "int32";
}

int main(void) {
  test_loops();
  test_map();
  test_reduce();
  test_rows();
  test_softmax();
  test_move();
  test_index();
  test_products();
  test_sparse();
  printf("%s: %ld checks, %ld failures\n", hy_kernel_variant(), checks, failures);
  return failures > 0;
}
