/* Element-wise kernels: each op is one vector expression, run over whole vectors and then over a padded tail. */
#include "kernels/lanes.h"
#include "kernels/functions.h"

/* Where a kernel reads an input: the array itself, or for stride 0 a vector of copies that it does not move on from. */
HY_INLINE const elem *source(const void *p, int stride, vec *room) {
  if (stride) return p;
  *room = splat(*(const elem *)p);
  return (const elem *)room;
}

HY_INLINE void run1(vec (*f)(vec), int64_t n, elem *out, const void *a, int sa) {
  vec room;
  const elem *x = source(a, sa, &room);
  const int64_t dx = sa ? HY_W : 0;
  for (; n >= 2 * HY_W; n -= 2 * HY_W, out += 2 * HY_W, x += 2 * dx) {
    const vec first = f(load(x)), second = f(load(x + dx));
    store(out, first);
    store(out + HY_W, second);
  }
  for (; n >= HY_W; n -= HY_W, out += HY_W, x += dx) store(out, f(load(x)));
  if (n > 0) store_part(out, f(load_part(x, n)), n);
}

HY_INLINE void run2(vec (*f)(vec, vec), int64_t n, elem *out, const void *a, int sa, const void *b, int sb) {
  vec room[2];
  const elem *x = source(a, sa, room), *y = source(b, sb, room + 1);
  const int64_t dx = sa ? HY_W : 0, dy = sb ? HY_W : 0;
  for (; n >= 2 * HY_W; n -= 2 * HY_W, out += 2 * HY_W, x += 2 * dx, y += 2 * dy) {
    const vec first = f(load(x), load(y)), second = f(load(x + dx), load(y + dy));
    store(out, first);
    store(out + HY_W, second);
  }
  for (; n >= HY_W; n -= HY_W, out += HY_W, x += dx, y += dy) store(out, f(load(x), load(y)));
  if (n > 0) store_part(out, f(load_part(x, n), load_part(y, n)), n);
}

HY_INLINE void run3(vec (*f)(vec, vec, vec), int64_t n, elem *out, const void *a, int sa, const void *b, int sb,
                    const void *c, int sc) {
  vec room[3];
  const elem *x = source(a, sa, room), *y = source(b, sb, room + 1), *z = source(c, sc, room + 2);
  const int64_t dx = sa ? HY_W : 0, dy = sb ? HY_W : 0, dz = sc ? HY_W : 0;
  for (; n >= HY_W; n -= HY_W, out += HY_W, x += dx, y += dy, z += dz) store(out, f(load(x), load(y), load(z)));
  if (n > 0) store_part(out, f(load_part(x, n), load_part(y, n), load_part(z, n)), n);
}

/* MAPn(name, expression of x, y, z): the kernel map_<name>. */
#define MAP_ARGUMENTS int64_t n, void *out, const void *a, int sa, const void *b, int sb, const void *c, int sc
#define MAP1(name, expression)                         \
  HY_INLINE vec f_##name(vec x) { return expression; } \
  static void map_##name(MAP_ARGUMENTS) {              \
    (void)b, (void)sb, (void)c, (void)sc;              \
    run1(f_##name, n, out, a, sa);                     \
  }
#define MAP2(name, expression)                                \
  HY_INLINE vec f_##name(vec x, vec y) { return expression; } \
  static void map_##name(MAP_ARGUMENTS) {                     \
    (void)c, (void)sc;                                        \
    run2(f_##name, n, out, a, sa, b, sb);                     \
  }
#define MAP3(name, expression)                                       \
  HY_INLINE vec f_##name(vec x, vec y, vec z) { return expression; } \
  static void map_##name(MAP_ARGUMENTS) { run3(f_##name, n, out, a, sa, b, sb, c, sc); }

#define ZERO ((vec){0})
#define ONE splat(1)
/* 1 where m, else 0. */
#define FLAG(m) ((vec)((mask)(m) & (mask)ONE))

MAP1(stop_gradient, x)
MAP1(neg, -x)
MAP1(sign, pick(nan_lanes(x), x, FLAG((ovec)x > (ovec)ZERO) - FLAG((ovec)x < (ovec)ZERO)))
MAP1(relu, larger(ZERO, x))
MAP1(positive, FLAG((ovec)x > (ovec)ZERO))
MAP2(add, x + y)
MAP2(sub, x - y)
MAP2(mul, x *y)
MAP2(maximum, larger(x, y))
MAP2(minimum, smaller(x, y))
MAP2(lt, FLAG((ovec)x < (ovec)y))
MAP2(le, FLAG((ovec)x <= (ovec)y))
MAP2(eq, FLAG(x == y))
MAP3(where, pick((mask)(x != ZERO), y, z))

#if HY_REAL
MAP1(abs, magnitude(x))
MAP1(sqrt, square_root(x))
MAP1(sqrt0, square_root(x))
MAP1(recip0, pick((mask)(x == ZERO), ZERO, ONE / x))
MAP1(floor, round_down(x))
MAP1(exp, vec_exp(x))
MAP1(log, vec_log(x))
MAP1(log1p, vec_log1p(x))
MAP1(expm1, vec_expm1(x))
MAP1(tanh, vec_tanh(x))
MAP1(sin, vec_sin(x))
MAP1(cos, vec_cos(x))
MAP2(div, x / y)

/* 1/(1 + e^-x) for x >= 0 and e^x/(1 + e^x) below: e^-|x| neither overflows nor loses the small tail. */
HY_INLINE vec sigmoid_of(vec x) {
  const vec e = vec_exp(-magnitude(x));
  return pick((mask)(x < ZERO), e, ONE) / (ONE + e);
}
MAP1(sigmoid, sigmoid_of(x))
MAP1(softplus, larger(ZERO, x) + vec_log1p(vec_exp(-magnitude(x))))

/* x^1 and x^2, the powers that recipes write most, are exact and quick; lane by lane, so that an exponent for each
 * element gives the bits of one exponent for all. */
HY_INLINE vec power_of(vec x, vec y) {
  const mask square = (mask)(y == splat(2)), same = (mask)(y == ONE);
  const vec quick = pick(square, x * x, x);
  if (!any(~(square | same))) return quick;
  return pick(square | same, quick, vec_pow(x, y));
}
MAP2(pow, power_of(x, y))
#else
MAP1(abs, pick((ovec)x < (ovec)ZERO, -x, x))

/* Towards 0; 0 where the divisor is 0; the one overflow, lowest by -1, wraps. */
HY_INLINE vec quotient(vec x, vec y) {
  vec q;
  for (int i = 0; i < HY_W; i++) {
    const int32_t p = (int32_t)x[i], d = (int32_t)y[i];
    q[i] = d == 0 ? 0 : d == -1 ? -x[i] : (uint32_t)(p / d);
  }
  return q;
}
MAP2(div, quotient(x, y))
/* What int32 does not have. */
#define map_sqrt NULL
#define map_sqrt0 NULL
#define map_recip0 NULL
#define map_floor NULL
#define map_exp NULL
#define map_log NULL
#define map_log1p NULL
#define map_expm1 NULL
#define map_tanh NULL
#define map_sin NULL
#define map_cos NULL
#define map_sigmoid NULL
#define map_softplus NULL
#define map_pow NULL
#endif

/* A sum, difference or product t of x and y, and at once one with z, in the two roundings of both: map_add_from is
 * z - (x + y). */
#define PAIR(first, second, expression)                     \
  HY_INLINE vec f_##first##_##second(vec x, vec y, vec z) { \
    const vec t = f_##first(x, y);                          \
    return expression;                                      \
  }                                                         \
  static void map_##first##_##second(MAP_ARGUMENTS) { run3(f_##first##_##second, n, out, a, sa, b, sb, c, sc); }
#define PAIRS_OF(first) PAIR(first, add, t + z) PAIR(first, sub, t - z) PAIR(first, mul, t *z) PAIR(first, from, z - t)
PAIRS_OF(add)
PAIRS_OF(sub)
PAIRS_OF(mul)
#define PAIR_NAMES(first) \
  { map_##first##_add, map_##first##_sub, map_##first##_mul, map_##first##_from }
hy_map_kernel *const HY_KERNEL(pair)[3][4] = {PAIR_NAMES(add), PAIR_NAMES(sub), PAIR_NAMES(mul)};

#define map_cast NULL /* two dtypes: hy_kernel_cast */
#define KERNEL_leaf(name) NULL
#define KERNEL_map(name) map_##name
#define KERNEL_reduce(name) NULL
#define KERNEL_contract(name) NULL
#define KERNEL_move(name) NULL
#define KERNEL_index(name) NULL
hy_map_kernel *const HY_KERNEL(map)[] = {
#define OP(name, arity, class, ...) KERNEL_##class(name),
#include "graph/ops.def"
#undef OP
};
