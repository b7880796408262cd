/* Element-wise kernels against the C library. */
#include "kernels_test.h"

static double ref_neg(double x, double y, double z) {
  (void)y, (void)z;
  return -x;
}
static double ref_exp(double x, double y, double z) {
  (void)y, (void)z;
  return exp(x);
}
static double ref_log(double x, double y, double z) {
  (void)y, (void)z;
  return log(x);
}
static double ref_log1p(double x, double y, double z) {
  (void)y, (void)z;
  return log1p(x);
}
static double ref_expm1(double x, double y, double z) {
  (void)y, (void)z;
  return expm1(x);
}
static double ref_sqrt(double x, double y, double z) {
  (void)y, (void)z;
  return sqrt(x);
}
static double ref_recip0(double x, double y, double z) {
  (void)y, (void)z;
  return x == 0 ? 0 : 1 / x;
}
static double ref_abs(double x, double y, double z) {
  (void)y, (void)z;
  return fabs(x);
}
static double ref_sign(double x, double y, double z) {
  (void)y, (void)z;
  return x != x ? x : (x > 0) - (x < 0);
}
static double ref_relu(double x, double y, double z) {
  (void)y, (void)z;
  return x != x ? x : x > 0 ? x : 0;
}
static double ref_positive(double x, double y, double z) {
  (void)y, (void)z;
  return x > 0;
}
static double ref_tanh(double x, double y, double z) {
  (void)y, (void)z;
  return tanh(x);
}
static double ref_sigmoid(double x, double y, double z) {
  (void)y, (void)z;
  return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}
static double ref_softplus(double x, double y, double z) {
  (void)y, (void)z;
  return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}
static double ref_sin(double x, double y, double z) {
  (void)y, (void)z;
  return sin(x);
}
static double ref_cos(double x, double y, double z) {
  (void)y, (void)z;
  return cos(x);
}
static double ref_floor(double x, double y, double z) {
  (void)y, (void)z;
  return floor(x);
}
static double ref_copy(double x, double y, double z) {
  (void)y, (void)z;
  return x;
}
static double ref_add(double x, double y, double z) {
  (void)z;
  return x + y;
}
static double ref_sub(double x, double y, double z) {
  (void)z;
  return x - y;
}
static double ref_mul(double x, double y, double z) {
  (void)z;
  return x * y;
}
static double ref_div(double x, double y, double z) {
  (void)z;
  return x / y;
}
static double ref_pow(double x, double y, double z) {
  (void)z;
  return pow(x, y);
}
static double ref_max(double x, double y, double z) {
  (void)z;
  return x != x ? x : y != y ? y : x > y ? x : y;
}
static double ref_min(double x, double y, double z) {
  (void)z;
  return x != x ? x : y != y ? y : x < y ? x : y;
}
static double ref_lt(double x, double y, double z) {
  (void)z;
  return x < y;
}
static double ref_le(double x, double y, double z) {
  (void)z;
  return x <= y;
}
static double ref_eq(double x, double y, double z) {
  (void)z;
  return x == y;
}
static double ref_where(double x, double y, double z) { return x != 0 ? y : z; }

typedef struct kernel_case {
  const char *name;
  int op, arity;
  bool whole;          /* int32 has it */
  double lo, hi, ulps; /* range of the inputs; error allowed: ours and the C library's */
  double (*reference)(double, double, double);
} kernel_case;

static const kernel_case cases[] = {
    {"neg", OP_neg, 1, true, -9, 9, 0, ref_neg},
    {"exp", OP_exp, 1, false, -80, 80, 2, ref_exp},
    {"log", OP_log, 1, false, 1e-6, 50, 2, ref_log},
    {"log1p", OP_log1p, 1, false, -.99, 9, 1, ref_log1p},
    {"expm1", OP_expm1, 1, false, -5, 5, 2, ref_expm1},
    {"sqrt", OP_sqrt, 1, false, 0, 9, 0, ref_sqrt},
    {"sqrt0", OP_sqrt0, 1, false, 0, 9, 0, ref_sqrt},
    {"recip0", OP_recip0, 1, false, -9, 9, 0, ref_recip0},
    {"abs", OP_abs, 1, true, -9, 9, 0, ref_abs},
    {"sign", OP_sign, 1, true, -3, 3, 0, ref_sign},
    {"relu", OP_relu, 1, true, -9, 9, 0, ref_relu},
    {"positive", OP_positive, 1, true, -3, 3, 0, ref_positive},
    {"tanh", OP_tanh, 1, false, -5, 5, 2, ref_tanh},
    {"sigmoid", OP_sigmoid, 1, false, -80, 80, 3, ref_sigmoid},
    {"softplus", OP_softplus, 1, false, -80, 80, 3, ref_softplus},
    {"sin", OP_sin, 1, false, -9, 9, 2, ref_sin},
    {"cos", OP_cos, 1, false, -9, 9, 1, ref_cos},
    {"floor", OP_floor, 1, false, -9, 9, 0, ref_floor},
    {"stop_gradient", OP_stop_gradient, 1, true, -9, 9, 0, ref_copy},
    {"add", OP_add, 2, true, -9, 9, 0, ref_add},
    {"sub", OP_sub, 2, true, -9, 9, 0, ref_sub},
    {"mul", OP_mul, 2, true, -9, 9, 0, ref_mul},
    {"div", OP_div, 2, true, 1, 99, 0, ref_div},
    {"pow", OP_pow, 2, false, .1, 5, 2, ref_pow},
    {"maximum", OP_maximum, 2, true, -9, 9, 0, ref_max},
    {"minimum", OP_minimum, 2, true, -9, 9, 0, ref_min},
    {"lt", OP_lt, 2, true, -2, 2, 0, ref_lt},
    {"le", OP_le, 2, true, -2, 2, 0, ref_le},
    {"eq", OP_eq, 2, true, -2, 2, 0, ref_eq},
    {"where", OP_where, 3, true, -2, 2, 0, ref_where},
};

/* Strides are the bits of `strides`. Values, then equal bits in pieces, then in place. */
static void run_case(const kernel_case *c, int dtype, int64_t n, int strides) {
  hy_map_kernel *kernel = hy_kernel_map(c->op, dtype);
  const int s[3] = {strides & 1, strides >> 1 & 1, strides >> 2 & 1};
  void *in[3] = {NULL, NULL, NULL}, *out = array(n, dtype), *again = array(n, dtype);
  for (int i = 0; i < c->arity; i++) in[i] = random_array(s[i] ? n : 1, dtype, c->lo, c->hi);
  if (c->arity > 1 && n > 2 && s[0] && s[1]) put(in[1], 2, dtype, get(in[0], 2, dtype)); /* equal somewhere */
  kernel(n, out, in[0], s[0], in[1], s[1], in[2], s[2]);
  for (int64_t i = 0; i < n; i++) {
    double v[3] = {0}, round[1];
    for (int j = 0; j < c->arity; j++) v[j] = get(in[j], s[j] * i, dtype);
    put(round, 0, dtype, c->reference(v[0], v[1], v[2]));
    const double want = get(round, 0, dtype);
    check(near(get(out, i, dtype), want, c->ulps * epsilon(dtype) * fabs(want)),
          "%s %s of %g, %g, %g: expected %.17g, got %.17g", c->name, type_name(dtype), v[0], v[1], v[2], want,
          get(out, i, dtype));
  }
  for (int64_t i = 0; i < n;) {
    const int64_t piece = 1 + below(n - i);
    kernel(piece, at(again, i, dtype), at(in[0], s[0] * i, dtype), s[0], in[1] ? at(in[1], s[1] * i, dtype) : NULL,
           s[1], in[2] ? at(in[2], s[2] * i, dtype) : NULL, s[2]);
    i += piece;
  }
  check(same_bits(out, again, n, dtype), "%s %s: bits depend on the cut of %ld", c->name, type_name(dtype), (long)n);
  for (int j = 0; j < c->arity; j++)
    if (s[j]) {
      void *place = array(n, dtype);
      memcpy(place, in[j], (size_t)n * hy_dtype_size(dtype));
      kernel(n, place, j == 0 ? place : in[0], s[0], j == 1 ? place : in[1], s[1], j == 2 ? place : in[2], s[2]);
      check(same_bits(out, place, n, dtype), "%s %s: input %d in place", c->name, type_name(dtype), j);
      free(place);
    }
  for (int j = 0; j < 3; j++) free(in[j]);
  free(out);
  free(again);
}

/* One element of float32 through a kernel. */
static double one(int op, double x, double y) {
  float a = (float)x, b = (float)y, out;
  hy_kernel_map(op, HYLA_FLOAT32)(1, &out, &a, 1, &b, 1, NULL, 0);
  return out;
}
static int32_t one_int(int op, int32_t x, int32_t y) {
  int32_t out;
  hy_kernel_map(op, HYLA_INT32)(1, &out, &x, 1, &y, 1, NULL, 0);
  return out;
}

static void test_special(void) {
  const int strict[] = {OP_relu, OP_sign, OP_abs, OP_exp, OP_softplus, OP_sigmoid, OP_sqrt};
  for (size_t i = 0; i < sizeof strict / sizeof *strict; i++)
    check(isnan(one(strict[i], NAN, 0)), "op %d drops a NaN", strict[i]);
  const int pairs[] = {OP_maximum, OP_minimum, OP_add, OP_pow};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
    check(isnan(one(pairs[i], NAN, 3)) && isnan(one(pairs[i], 3, NAN)), "op %d drops a NaN", pairs[i]);
  check(one(OP_sigmoid, -INFINITY, 0) == 0 && one(OP_sigmoid, INFINITY, 0) == 1, "sigmoid at infinity");
  check(one(OP_softplus, 1000, 0) == 1000 && one(OP_softplus, -1000, 0) == 0, "softplus far out");
  check(one(OP_recip0, 0, 0) == 0 && one(OP_exp, 1000, 0) == INFINITY && one(OP_log, 0, 0) == -INFINITY, "poles");
  check(one(OP_pow, -3, 2) == 9 && one(OP_pow, 1.1f, 2) == 1.1f * 1.1f && one(OP_pow, -7, 1) == -7, "exact powers");
  check(one_int(OP_div, 7, 0) == 0 && one_int(OP_div, -7, 2) == -3, "int32 division");
  check(one_int(OP_div, INT32_MIN, -1) == INT32_MIN && one_int(OP_neg, INT32_MIN, 0) == INT32_MIN, "int32 wraps");
  check(one_int(OP_mul, 65536, 65537) == 65536 && one_int(OP_add, INT32_MAX, 1) == INT32_MIN, "int32 wraps");
  check(!hy_kernel_map(OP_exp, HYLA_INT32) && !hy_kernel_map(OP_matmul, HYLA_FLOAT32), "a kernel that is none");
}

static void test_cast(void) {
  const double wild[] = {1.9, -1.9, 0, 3e9, -3e9, NAN, INFINITY, 2147483520};
  const int32_t want[] = {1, -1, 0, INT32_MAX, INT32_MIN, 0, INT32_MAX, 2147483520};
  for (int from = HYLA_FLOAT32; from <= HYLA_FLOAT64; from++)
    for (int i = 0; i < 8; i++) {
      double in;
      int32_t got;
      put(&in, 0, from, wild[i]);
      hy_kernel_cast(1, &got, HYLA_INT32, &in, from);
      check(got == want[i], "cast of %g to int32: expected %d, got %d", wild[i], want[i], got);
    }
  for (int from = 0; from < 3; from++)
    for (int to = 0; to < 3; to++) {
      const int64_t n = 1 + below(50);
      void *in = random_array(n, from, -100, 100), *out = array(n, to), *filled = array(n, to);
      hy_kernel_cast(n, out, to, in, from);
      hy_kernel_fill(n, filled, to, get(in, n - 1, from));
      double rounded;
      for (int64_t i = 0; i < n; i++) {
        put(&rounded, 0, to, get(in, i, from));
        check(get(out, i, to) == get(&rounded, 0, to), "cast from %s to %s", type_name(from), type_name(to));
        check(get(filled, i, to) == get(out, n - 1, to), "fill of %s", type_name(to));
      }
      free(in), free(out), free(filled);
    }
}

void test_map(void) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int dtype = 0; dtype < 3; dtype++) {
      if (dtype == HYLA_INT32 && !cases[i].whole) {
        check(!hy_kernel_map(cases[i].op, dtype), "%s of int32 should not exist", cases[i].name);
        continue;
      }
      for (int strides = 0; strides < 1 << cases[i].arity; strides++)
        for (int64_t n = 1; n < 80; n += 1 + below(12)) run_case(cases + i, dtype, n, strides);
    }
  test_special();
  test_cast();
}
