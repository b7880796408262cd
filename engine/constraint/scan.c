/* Passes over the components. Sums run in double over LANES accumulators of a CHUNK, and chunks are joined in order:
 * the bits depend neither on the number of threads nor on the width of the vector registers. */
#include <math.h>
#include "constraint/constraint.h"

enum { CHUNK = 8192, LANES = 8 };

/* The resolvers of clones run before a sanitizer's runtime is ready. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#if defined(__x86_64__) && defined(__ELF__) && defined(__GNUC__) && !defined(__clang__) && !defined(SANITIZED)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif
/* Unrolled, the loop over lanes would no longer become vectors. */
#define ROLLED _Pragma("GCC unroll 1")
#define INLINE static inline __attribute__((always_inline))

int hy_span_open(hy_span *s, void *data, int64_t n, int dtype) {
  int64_t chunks = n > CHUNK ? (n + CHUNK - 1) / CHUNK : 1;
  *s = (hy_span){.data = data, .n = n, .dtype = dtype};
  s->partial = hy_alloc((size_t)chunks * sizeof *s->partial);
  return s->partial ? HYLA_OK : HYLA_ENOMEM;
}

void hy_span_close(hy_span *s) {
  hy_free(s->partial);
  s->partial = NULL;
}

/* ---- one component ---- */

INLINE double load(const void *x, bool wide, int64_t i) {
  return wide ? ((const double *)x)[i] : (double)((const float *)x)[i];
}

INLINE double clip(double y, double lo, double hi) {
  y = y < lo ? lo : y;
  return y > hi ? hi : y;
}

INLINE double moved(double v, hy_move move, double base, double t) {
  if (move == HY_SHIFT) return (v - base) - t;
  if (move == HY_SCALE) return v * t; /* the caller passes 1 / (1 + t) */
  double y = (fabs(v) - base) - t;
  return copysign(y > 0 ? y : 0, v);
}

INLINE double factor(const hy_map *map) { return map->move == HY_SCALE ? 1 / (1 + map->t) : map->t; }

/* ---- one chunk ---- */

typedef void sum_work(const void *x, int64_t n, const hy_map *map, hy_sums *out);
typedef void write_work(void *x, int64_t n, const hy_map *map);
typedef void range_work(const void *x, int64_t n, hy_range *out);

typedef struct sum_lanes {
  double total[LANES], size[LANES], inside[LANES];
} sum_lanes;

INLINE void add(sum_lanes *a, int lane, double v, hy_move move, const hy_map *m, double t) {
  double y = moved(v, move, m->base, t), x = clip(y, m->lo, m->hi);
  double within = y > m->lo ? 1.0 : 0.0;
  within = y < m->hi ? within : 0.0;
  if (move == HY_SHIFT) {
    a->total[lane] += x;
    a->size[lane] += fabs(x);
    a->inside[lane] += within;
  } else if (move == HY_SOFT) {
    a->size[lane] += fabs(x);
    a->inside[lane] += y != 0 ? within : 0.0;
  } else {
    double w = x * m->unit, square = w * w;
    a->size[lane] += square;
    a->inside[lane] += within > 0 ? square : 0.0;
  }
}

INLINE void sum_chunk(const void *x, int64_t n, bool wide, hy_move move, const hy_map *map, hy_sums *out) {
  sum_lanes a = {{0}, {0}, {0}};
  const hy_map m = *map;
  const double t = factor(map);
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    ROLLED for (int j = 0; j < LANES; j++) add(&a, j, load(x, wide, i + j), move, &m, t);
  for (int j = 0; i + j < n; j++) add(&a, j, load(x, wide, i + j), move, &m, t);
  *out = (hy_sums){0, 0, 0};
  for (int j = 0; j < LANES; j++) {
    out->total += a.total[j];
    out->size += a.size[j];
    out->inside += a.inside[j];
  }
  if (move != HY_SHIFT) out->total = out->size;
}

INLINE void write_chunk(void *x, int64_t n, bool wide, hy_move move, const hy_map *map) {
  const hy_map m = *map;
  const double t = factor(map);
  if (wide)
    for (int64_t i = 0; i < n; i++) ((double *)x)[i] = clip(moved(((double *)x)[i], move, m.base, t), m.lo, m.hi);
  else
    for (int64_t i = 0; i < n; i++)
      ((float *)x)[i] = (float)clip(moved((double)((float *)x)[i], move, m.base, t), m.lo, m.hi);
}

typedef struct range_lanes {
  double low[LANES], high[LANES], poison[LANES];
} range_lanes;

INLINE void widen(range_lanes *a, int lane, double v) {
  a->low[lane] = v < a->low[lane] ? v : a->low[lane];
  a->high[lane] = v > a->high[lane] ? v : a->high[lane];
  a->poison[lane] += v * 0;
}

INLINE void range_chunk(const void *x, int64_t n, bool wide, hy_range *out) {
  range_lanes a;
  for (int j = 0; j < LANES; j++) {
    a.low[j] = INFINITY;
    a.high[j] = -INFINITY;
    a.poison[j] = 0;
  }
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) ROLLED for (int j = 0; j < LANES; j++) widen(&a, j, load(x, wide, i + j));
  for (int j = 0; i + j < n; j++) widen(&a, j, load(x, wide, i + j));
  *out = (hy_range){INFINITY, -INFINITY, 0};
  for (int j = 0; j < LANES; j++) {
    out->low = fmin(out->low, a.low[j]);
    out->high = fmax(out->high, a.high[j]);
    out->poison += a.poison[j];
  }
}

/* One clone of each for a move and a width: within it both are constants. */
#define MOVE(name, move, wide)                                                               \
  CLONES static void sum_##name(const void *x, int64_t n, const hy_map *map, hy_sums *out) { \
    sum_chunk(x, n, wide, move, map, out);                                                   \
  }                                                                                          \
  CLONES static void write_##name(void *x, int64_t n, const hy_map *map) { write_chunk(x, n, wide, move, map); }
MOVE(shift_narrow, HY_SHIFT, false)
MOVE(shift_wide, HY_SHIFT, true)
MOVE(soft_narrow, HY_SOFT, false)
MOVE(soft_wide, HY_SOFT, true)
MOVE(scale_narrow, HY_SCALE, false)
MOVE(scale_wide, HY_SCALE, true)
#undef MOVE
CLONES static void range_narrow(const void *x, int64_t n, hy_range *out) { range_chunk(x, n, false, out); }
CLONES static void range_wide(const void *x, int64_t n, hy_range *out) { range_chunk(x, n, true, out); }

static sum_work *const sum_of[][2] = {
    [HY_SHIFT] = {sum_shift_narrow, sum_shift_wide},
    [HY_SOFT] = {sum_soft_narrow, sum_soft_wide},
    [HY_SCALE] = {sum_scale_narrow, sum_scale_wide},
};
static write_work *const write_of[][2] = {
    [HY_SHIFT] = {write_shift_narrow, write_shift_wide},
    [HY_SOFT] = {write_soft_narrow, write_soft_wide},
    [HY_SCALE] = {write_scale_narrow, write_scale_wide},
};
static range_work *const range_of[2] = {range_narrow, range_wide};

/* ---- all chunks ---- */

typedef struct job {
  const hy_span *span;
  const hy_map *map;
} job;

static int units(const hy_span *s) { return (int)((s->n + CHUNK - 1) / CHUNK); }

static int64_t chunk_size(const hy_span *s, int unit) {
  int64_t left = s->n - (int64_t)unit * CHUNK;
  return left < CHUNK ? left : CHUNK;
}

static void *chunk(const hy_span *s, int unit) {
  return (char *)s->data + (size_t)unit * CHUNK * hy_dtype_size(s->dtype);
}

static void sum_unit(void *context, int unit, int thread) {
  const job *j = context;
  const hy_span *s = j->span;
  (void)thread;
  sum_of[j->map->move][s->dtype == HYLA_FLOAT64](chunk(s, unit), chunk_size(s, unit), j->map, &s->partial[unit].sums);
}

static void write_unit(void *context, int unit, int thread) {
  const job *j = context;
  (void)thread;
  write_of[j->map->move][j->span->dtype == HYLA_FLOAT64](chunk(j->span, unit), chunk_size(j->span, unit), j->map);
}

static void range_unit(void *context, int unit, int thread) {
  const job *j = context;
  const hy_span *s = j->span;
  (void)thread;
  range_of[s->dtype == HYLA_FLOAT64](chunk(s, unit), chunk_size(s, unit), &s->partial[unit].range);
}

void hy_span_sum(const hy_span *s, const hy_map *map, hy_sums *out) {
  job j = {s, map};
  hy_parallel(units(s), 1, INFINITY, sum_unit, &j);
  *out = (hy_sums){0, 0, 0};
  for (int u = 0; u < units(s); u++) {
    out->total += s->partial[u].sums.total;
    out->size += s->partial[u].sums.size;
    out->inside += s->partial[u].sums.inside;
  }
}

void hy_span_write(hy_span *s, const hy_map *map) {
  job j = {s, map};
  hy_parallel(units(s), 1, INFINITY, write_unit, &j);
}

void hy_span_range(hy_span *s) {
  job j = {s, NULL};
  hy_parallel(units(s), 1, INFINITY, range_unit, &j);
  s->range = (hy_range){INFINITY, -INFINITY, 0};
  for (int u = 0; u < units(s); u++) {
    s->range.low = fmin(s->range.low, s->partial[u].range.low);
    s->range.high = fmax(s->range.high, s->partial[u].range.high);
    s->range.poison += s->partial[u].range.poison;
  }
}

int64_t hy_span_first_bad(const hy_span *s) {
  int64_t i = 0;
  while (i < s->n && isfinite(load(s->data, s->dtype == HYLA_FLOAT64, i))) i++;
  return i;
}
