/* Momentum that can be run backwards (Maclaurin, Duvenaud and Adams 2015, section 2, Algorithms 2 and 3). With weights
 * and velocities that are whole multiples of 2^-bits,
 *
 *   v' = mu v + round(g),  w' = w - round(rate v')
 *
 * adds and subtracts exactly, so everything can be taken back, except the product: mu = n / d shrinks v and would lose
 * log2(1/mu) bits of it. These go into an information buffer i >= 0, one for each component. Division of the velocity c
 * by d pushes its remainder, multiplication by n takes n's worth back as low digits:
 *
 *   i = i d + c mod d,  c = floor(c / d);    c = c n + i mod n,  i = floor(i / n)
 *
 * The inverse is the same with n and d swapped. The digits that come back are not those of the product, an error of up
 * to n units of c. So c = v d + guard is finer than v by one digit of base d = 2^32, and the error stays below 2^-bits.
 * One word of 64 bits holds i d + guard. A bound of i follows from n and d alone; when it would pass 2^32, i of every
 * component is put aside, to be taken back at the same step on the way back. */
#include "dynamics/fixed.h"
#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { DIGIT = HY_FIXED_MU_BITS, BLOCK = 1 << 13 /* components of one unit of work */ };
static const int64_t one = (int64_t)1 << DIGIT; /* d */
static const uint64_t digit = ((uint64_t)1 << DIGIT) - 1;
static const double range = 0x1p62; /* |v|, |w| and what is added to them: sums fit int64 */

int hy_fixed_open(hy_fixed *f, int64_t size, int dtype, int bits) {
  *f = (hy_fixed){.size = size, .dtype = dtype, .bits = bits};
  f->w = hy_calloc((size_t)size + 1, sizeof *f->w);
  f->v = hy_calloc((size_t)size + 1, sizeof *f->v);
  f->word = hy_calloc((size_t)size + 1, sizeof *f->word);
  return f->w && f->v && f->word ? 0 : HYLA_ENOMEM;
}

static void drop_planes(hy_fixed *f) {
  while (f->n_plane) hy_free(f->plane[--f->n_plane].data);
}

void hy_fixed_close(hy_fixed *f) {
  drop_planes(f);
  hy_free(f->plane);
  hy_free(f->w);
  hy_free(f->v);
  hy_free(f->word);
  *f = (hy_fixed){0};
}

double hy_fixed_limit(const hy_fixed *f) { return ldexp(range, -f->bits); }

/* ---- components, in blocks on all threads ---- */

typedef struct pass {
  hy_fixed *f;
  const hy_fixed_step *s;
  const void *g, *w; /* reals; w: values to set, g then those of v */
  const int64_t *from;
  void *to;
  double unit; /* 2^bits, or 2^-bits towards reals */
  atomic_bool beyond;
} pass;

typedef bool block_work(pass *p, int64_t lo, int64_t hi);
typedef struct blocks {
  pass *p;
  block_work *work;
} blocks;

static void run_block(void *context, int block, int thread) {
  (void)thread;
  blocks *b = context;
  int64_t lo = (int64_t)block * BLOCK, hi = lo + BLOCK < b->p->f->size ? lo + BLOCK : b->p->f->size;
  if (!b->work(b->p, lo, hi)) atomic_store_explicit(&b->p->beyond, true, memory_order_relaxed);
}

static bool everywhere(pass *p, block_work *work) {
  blocks b = {p, work};
  hy_parallel((int)((p->f->size + BLOCK - 1) / BLOCK), 1, INFINITY, run_block, &b);
  return !atomic_load(&p->beyond);
}

static inline double real_at(const void *x, int dtype, int64_t k) {
  return dtype == HYLA_FLOAT32 ? (double)((const float *)x)[k] : ((const double *)x)[k];
}

/* The whole number next to x, halves away from 0, and whether it lies within the range; 0 where it does not. Without a
 * call of the mathematical library: what is cut off is exact, since a large x has no fraction. */
static inline int64_t rounded(double x, bool *within) {
  bool fits = fabs(x) < range;
  *within &= fits;
  if (!fits) return 0;
  int64_t cut = (int64_t)x;
  double rest = x - (double)cut;
  return cut + (rest >= 0.5) - (rest <= -0.5);
}

static inline bool in_range(int64_t x) { return x < (int64_t)range && x > -(int64_t)range; }

/* ---- one component ---- */

/* Right shifts of negative numbers are floors with every compiler that Hyla is built with, and `& digit` is what they
 * leave. c n + i mod n has 94 bits: it is made digit by digit. */
static inline void multiply(uint64_t n, int64_t *v, uint64_t *word) {
  uint64_t low = ((uint64_t)*v & digit) * n + *word % n;
  *v = (*v >> DIGIT) * (int64_t)n + (int64_t)(low >> DIGIT);
  *word = (*word / n) << DIGIT | (low & digit);
}

static inline void unmultiply(uint64_t n, int64_t *v, uint64_t *word) {
  int64_t high = *v / (int64_t)n, rest = *v % (int64_t)n;
  if (rest < 0) rest += (int64_t)n, high--;
  uint64_t low = (uint64_t)rest << DIGIT | (*word & digit);
  *v = high * one + (int64_t)(low / n);
  *word = (*word >> DIGIT) * n + low % n;
}

/* round(rate v): the same expression forwards and backwards. */
static inline int64_t displacement(const pass *p, int64_t k, bool *within) {
  return rounded(real_at(p->s->rate, p->f->dtype, p->s->rates ? k : 0) * (double)p->f->v[k], within);
}

/* ---- setting and showing ---- */

static bool set_block(pass *p, int64_t lo, int64_t hi) {
  hy_fixed *f = p->f;
  bool within = true;
  for (int64_t k = lo; k < hi; k++) {
    f->w[k] = rounded(real_at(p->w, f->dtype, k) * p->unit, &within);
    f->v[k] = rounded(real_at(p->g, f->dtype, k) * p->unit, &within);
  }
  return within;
}

bool hy_fixed_set(hy_fixed *f, const void *w, const void *v) {
  drop_planes(f);
  memset(f->word, 0, (size_t)f->size * sizeof *f->word);
  f->most = 0;
  return everywhere(&(pass){.f = f, .w = w, .g = v, .unit = ldexp(1, f->bits)}, set_block);
}

static bool show_block(pass *p, int64_t lo, int64_t hi) {
  if (p->f->dtype == HYLA_FLOAT32)
    for (int64_t k = lo; k < hi; k++) ((float *)p->to)[k] = (float)((double)p->from[k] * p->unit);
  else
    for (int64_t k = lo; k < hi; k++) ((double *)p->to)[k] = (double)p->from[k] * p->unit;
  return true;
}

void hy_fixed_show(const hy_fixed *f, const int64_t *x, void *to) {
  hy_fixed *same = (hy_fixed *)(uintptr_t)f; /* read alone */
  everywhere(&(pass){.f = same, .from = x, .to = to, .unit = ldexp(1, -f->bits)}, show_block);
}

uint64_t hy_fixed_fingerprint(const hy_fixed *f) {
  uint64_t h = (uint64_t)f->n_plane;
  for (int64_t k = 0; k < f->size; k++) {
    const uint64_t word[] = {(uint64_t)f->w[k], (uint64_t)f->v[k], f->word[k]};
    for (int j = 0; j < 3; j++) {
      h = (h ^ word[j]) * 0x9e3779b97f4a7c15u; /* odd: no two words lead one h to the same */
      h ^= h >> 29;
    }
  }
  return h;
}

/* ---- the buffer ---- */

static bool shrinks(int64_t mu) { return mu > 0 && mu < one; }

/* The bound after a step, of i d + guard <= most d + d - 1. */
static uint64_t bound_after(uint64_t most, int64_t mu) { return (most << DIGIT | digit) / (uint64_t)mu; }

size_t hy_fixed_forecast(int64_t size, int64_t mu, uint64_t *most) {
  if (mu == 0) return (size_t)size * sizeof(int64_t);
  if (!shrinks(mu)) return 0;
  bool full = bound_after(*most, mu) > digit;
  *most = bound_after(full ? 0 : *most, mu);
  return full ? (size_t)size * sizeof(uint32_t) : 0;
}

int hy_fixed_make_room(hy_fixed *f, const hy_fixed_step *s) {
  bool whole = s->mu == 0;
  if (!whole && (!shrinks(s->mu) || bound_after(f->most, s->mu) <= digit)) return 0;
  if (HY_GROW(f->plane, f->plane_capacity, f->n_plane)) return HYLA_ENOMEM;
  hy_plane made = {.t = s->t, .whole = whole};
  made.data = hy_alloc((size_t)f->size * (whole ? sizeof(int64_t) : sizeof(uint32_t)) + 1);
  if (!made.data) return HYLA_ENOMEM;
  if (whole) memcpy(made.data, f->v, (size_t)f->size * sizeof *f->v);
  for (int64_t k = 0; k < f->size && !whole; k++) {
    ((uint32_t *)made.data)[k] = (uint32_t)(f->word[k] >> DIGIT);
    f->word[k] &= digit;
  }
  f->plane[f->n_plane++] = made;
  if (!whole) f->most = 0;
  return 0;
}

/* Takes back what the step put aside. */
static void take_back(hy_fixed *f, double t) {
  if (!f->n_plane || f->plane[f->n_plane - 1].t != t) return;
  hy_plane *last = &f->plane[--f->n_plane];
  if (last->whole) memcpy(f->v, last->data, (size_t)f->size * sizeof *f->v);
  for (int64_t k = 0; k < f->size && !last->whole; k++)
    f->word[k] |= (uint64_t)((const uint32_t *)last->data)[k] << DIGIT;
  hy_free(last->data);
}

/* ---- steps ---- */

static bool forward_block(pass *p, int64_t lo, int64_t hi) {
  hy_fixed *f = p->f;
  int64_t n = p->s->mu;
  bool within = true;
  for (int64_t k = lo; k < hi; k++) {
    int64_t v = n ? f->v[k] : 0;
    if (shrinks(n)) multiply((uint64_t)n, &v, &f->word[k]);
    f->v[k] = v += rounded(real_at(p->g, f->dtype, k) * p->unit, &within);
    f->w[k] -= displacement(p, k, &within);
    within &= in_range(v) && in_range(f->w[k]);
  }
  return within;
}

bool hy_fixed_forward(hy_fixed *f, const hy_fixed_step *s, const void *g) {
  if (shrinks(s->mu)) f->most = bound_after(f->most, s->mu);
  return everywhere(&(pass){.f = f, .s = s, .g = g, .unit = ldexp(1, f->bits)}, forward_block);
}

static bool back_w_block(pass *p, int64_t lo, int64_t hi) {
  bool within = true;
  for (int64_t k = lo; k < hi; k++) p->f->w[k] += displacement(p, k, &within);
  return within;
}

void hy_fixed_back_w(hy_fixed *f, const hy_fixed_step *s) { everywhere(&(pass){.f = f, .s = s}, back_w_block); }

static bool back_v_block(pass *p, int64_t lo, int64_t hi) {
  hy_fixed *f = p->f;
  bool within = true;
  for (int64_t k = lo; k < hi; k++) {
    int64_t v = f->v[k] - rounded(real_at(p->g, f->dtype, k) * p->unit, &within);
    if (shrinks(p->s->mu)) unmultiply((uint64_t)p->s->mu, &v, &f->word[k]);
    f->v[k] = v;
  }
  return within;
}

void hy_fixed_back_v(hy_fixed *f, const hy_fixed_step *s, const void *g) {
  everywhere(&(pass){.f = f, .s = s, .g = g, .unit = ldexp(1, f->bits)}, back_v_block);
  take_back(f, s->t);
}
