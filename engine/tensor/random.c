/* Random tensors. Element i takes 64 bits: the first or second half of Philox block i/2. So it depends on (seed,
 * stream, i) alone, any part can be drawn on any thread, and float32 gets the float64 number rounded to it. */
#include "tensor/tensor.h"

#include <math.h>

enum { CHUNK = 8192 }; /* elements a thread takes at a time; even, so that no block is cut */

typedef struct draw {
  uint64_t seed, stream;
  double a, b; /* lo, hi; or mean, deviation */
  int64_t n;
  void *data;
  int dtype;
} draw;

static int check_counter(const char *what, const char *name, double x) {
  if (x >= 0 && x < 0x1p53 && x == floor(x)) return HYLA_OK;
  return hy_fail(HYLA_EVALUE, NULL, "%s: expected a %s that is a whole number from 0 to 2^53 - 1, got %.17g", what,
                 name, x);
}

static int check_seeds(const char *what, double seed, double stream) {
  int status = check_counter(what, "seed", seed);
  return status ? status : check_counter(what, "stream", stream);
}

/* The two 64-bit numbers of a block. */
static void block_bits(const draw *d, uint64_t block, uint64_t bits[2]) {
  uint32_t word[4];
  hy_philox(d->seed, d->stream, block, word);
  bits[0] = (uint64_t)word[0] << 32 | word[1];
  bits[1] = (uint64_t)word[2] << 32 | word[3];
}

/* The least float32 that is not below x. */
static float least_float(double x) {
  float y = (float)x;
  return y < x ? nextafterf(y, INFINITY) : y;
}

/* Rounding, to float32 or in lo + u (hi - lo), may leave [lo, hi) at either end. */
static void put_uniform(const draw *d, int64_t i, uint64_t bits) {
  if (d->dtype == HYLA_FLOAT32) {
    float x = (float)(d->a + (double)(bits >> 40) * 0x1p-24 * (d->b - d->a));
    if (x < d->a) x = least_float(d->a);
    while (x >= d->b) x = nextafterf(x, -INFINITY);
    ((float *)d->data)[i] = x;
  } else {
    double x = d->a + (double)(bits >> 11) * 0x1p-53 * (d->b - d->a);
    while (x >= d->b) x = nextafter(x, -INFINITY);
    ((double *)d->data)[i] = x;
  }
}

static void uniform_chunk(void *context, int unit, int thread) {
  (void)thread;
  const draw *d = context;
  int64_t end = (int64_t)(unit + 1) * CHUNK;
  if (end > d->n) end = d->n;
  for (int64_t i = (int64_t)unit * CHUNK; i < end; i += 2) {
    uint64_t bits[2];
    block_bits(d, (uint64_t)i / 2, bits);
    put_uniform(d, i, bits[0]);
    if (i + 1 < end) put_uniform(d, i + 1, bits[1]);
  }
}

static void put_normal(const draw *d, int64_t i, double z) {
  double x = d->a + d->b * z;
  if (d->dtype == HYLA_FLOAT32) ((float *)d->data)[i] = (float)x;
  else ((double *)d->data)[i] = x;
}

/* Box-Muller: with u in (0, 1] and v in [0, 1), sqrt(-2 log u) (cos 2 pi v, sin 2 pi v) are two normal numbers. */
static void normal_chunk(void *context, int unit, int thread) {
  (void)thread;
  const double two_pi = 6.283185307179586476925;
  const draw *d = context;
  int64_t end = (int64_t)(unit + 1) * CHUNK;
  if (end > d->n) end = d->n;
  for (int64_t i = (int64_t)unit * CHUNK; i < end; i += 2) {
    uint64_t bits[2];
    block_bits(d, (uint64_t)i / 2, bits);
    double u = ((double)(bits[0] >> 11) + 1) * 0x1p-53, v = (double)(bits[1] >> 11) * 0x1p-53;
    double radius = sqrt(-2 * log(u));
    put_normal(d, i, radius * cos(two_pi * v));
    if (i + 1 < end) put_normal(d, i + 1, radius * sin(two_pi * v));
  }
}

/* Draws into t, through a copy where t does not lie in one piece. */
static int fill(hyla_tensor *t, draw *d, void (*chunk)(void *, int, int)) {
  hyla_tensor *whole = NULL;
  bool direct = hyla_tensor_contiguous(t);
  if (!direct) {
    int status = hyla_tensor_new(&t->shape, &whole);
    if (status) return status;
  }
  d->n = hy_shape_size(&t->shape);
  d->data = hyla_tensor_data(direct ? t : whole);
  d->dtype = t->shape.dtype;
  hy_parallel((int)((d->n + CHUNK - 1) / CHUNK), 1, INFINITY, chunk, d);
  int status = direct ? HYLA_OK : hyla_tensor_copy(t, whole);
  hyla_tensor_drop(whole);
  return status;
}

static int check_target(const char *what, const hyla_tensor *t) {
  if (t->shape.dtype == HYLA_FLOAT32 || t->shape.dtype == HYLA_FLOAT64) return HYLA_OK;
  return hy_fail(HYLA_ETYPE, NULL, "%s: expected float32 or float64, got %s", what, hy_shape_show(&t->shape).s);
}

int hyla_random_uniform(hyla_tensor *t, double seed, double stream, double lo, double hi) {
  int status = check_target("uniform", t);
  if (!status) status = check_seeds("uniform", seed, stream);
  if (status) return status;
  double least = t->shape.dtype == HYLA_FLOAT32 ? least_float(lo) : lo;
  if (!(least < hi) || !isfinite(hi - lo))
    return hy_fail(HYLA_EVALUE, NULL, "uniform: expected finite lo < hi with a %s between, got %.17g and %.17g",
                   hy_dtype_name(t->shape.dtype), lo, hi);
  draw d = {.seed = (uint64_t)seed, .stream = (uint64_t)stream, .a = lo, .b = hi};
  return fill(t, &d, uniform_chunk);
}

int hyla_random_normal(hyla_tensor *t, double seed, double stream, double mean, double deviation) {
  int status = check_target("normal", t);
  if (!status) status = check_seeds("normal", seed, stream);
  if (status) return status;
  if (!isfinite(mean) || !(deviation >= 0) || !isfinite(deviation))
    return hy_fail(HYLA_EVALUE, NULL, "normal: expected a finite mean and deviation >= 0, got %.17g and %.17g", mean,
                   deviation);
  draw d = {.seed = (uint64_t)seed, .stream = (uint64_t)stream, .a = mean, .b = deviation};
  return fill(t, &d, normal_chunk);
}

/* A whole number in [0, n), every one as likely: of the 2^32 first words, those beyond the last multiple of n are
 * drawn again, from the next word of the block, then from the block at the next multiple of 2^32. */
static uint32_t below(const draw *d, uint32_t n, uint64_t position) {
  uint32_t excess = (uint32_t)(-n) % n; /* 2^32 mod n */
  for (;; position += (uint64_t)1 << 32) {
    uint32_t word[4];
    hy_philox(d->seed, d->stream, position, word);
    for (int i = 0; i < 4; i++)
      if (word[i] <= UINT32_MAX - excess) return word[i] % n;
  }
}

int hyla_random_permutation(hyla_tensor *t, double seed, double stream) {
  if (t->shape.dtype != HYLA_INT32 || t->shape.rank != 1)
    return hy_fail(HYLA_ETYPE, NULL, "permutation: expected int32[n], got %s", hy_shape_show(&t->shape).s);
  int status = check_seeds("permutation", seed, stream);
  if (status) return status;
  draw d = {.seed = (uint64_t)seed, .stream = (uint64_t)stream};
  int32_t *x = hyla_tensor_data(t);
  int64_t step = t->stride[0];
  if (!step && t->shape.dim[0] > 1)
    return hy_fail(HYLA_EVALUE, NULL, "permutation: the tensor to write to is one element repeated");
  for (int32_t i = 0; i < t->shape.dim[0]; i++) x[i * step] = i;
  for (int32_t i = t->shape.dim[0] - 1; i > 0; i--) {
    uint32_t j = below(&d, (uint32_t)i + 1, (uint64_t)i);
    int32_t swapped = x[i * step];
    x[i * step] = x[j * step];
    x[j * step] = swapped;
  }
  return HYLA_OK;
}
