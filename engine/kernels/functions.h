/* Elementary functions of a vector. SLEEF's deterministic families give equal bits at every width: with fused
 * multiply-add ("finz") for AVX2 and AVX-512, without ("cinz") for the generic variant. Errors below 1 ulp. */
#ifndef HY_KERNELS_FUNCTIONS_H
#define HY_KERNELS_FUNCTIONS_H
#include "kernels/lanes.h"
#if HY_REAL
#include <sleef.h>

/* Sleef_finz_expf8_u10avx2, Sleef_finz_expd4_u10avx2, ...: family, function, type and lanes, accuracy and variant. */
#define HY_LETTER_f32 f
#define HY_LETTER_f64 d
#define HY_LETTER HY_PASTE2(HY_LETTER_, HY_ELEMENT)
#if HY_BYTES == 64
#define HY_SLEEF(name) HY_PASTE5(Sleef_finz_, name, HY_LETTER, HY_W, _u10avx512f)
#elif HY_BYTES == 32
#define HY_SLEEF(name) HY_PASTE5(Sleef_finz_, name, HY_LETTER, HY_W, _u10avx2)
#else
#define HY_SLEEF(name) HY_PASTE5(Sleef_cinz_, name, HY_LETTER, 1, _u10purec)
#endif

#if HY_BYTES > 16
#define HY_FUNCTION(name) \
  HY_INLINE vec vec_##name(vec x) { return HY_SLEEF(name)(x); }
#define HY_FUNCTION2(name) \
  HY_INLINE vec vec_##name(vec x, vec y) { return HY_SLEEF(name)(x, y); }
#else
#define HY_FUNCTION(name)                                       \
  HY_INLINE vec vec_##name(vec x) {                             \
    for (int i = 0; i < HY_W; i++) x[i] = HY_SLEEF(name)(x[i]); \
    return x;                                                   \
  }
#define HY_FUNCTION2(name)                                            \
  HY_INLINE vec vec_##name(vec x, vec y) {                            \
    for (int i = 0; i < HY_W; i++) x[i] = HY_SLEEF(name)(x[i], y[i]); \
    return x;                                                         \
  }
#endif
HY_FUNCTION(exp)
HY_FUNCTION(log)
HY_FUNCTION(log1p)
HY_FUNCTION(expm1)
HY_FUNCTION(tanh)
HY_FUNCTION(sin)
HY_FUNCTION(cos)
HY_FUNCTION2(pow)

/* |x|: the sign bit cleared. */
HY_INLINE vec magnitude(vec x) { return (vec)((mask)x & ~(mask)splat(-(elem)0)); }

#if HY_BYTES > 16
HY_INLINE vec square_root(vec x) { return HY_INTRINSIC(sqrt)(x); }
HY_INLINE vec round_down(vec x) { return HY_INTRINSIC(floor)(x); }
#else
/* A root in double, rounded to float, has the bits of a root in float. */
HY_INLINE vec square_root(vec x) {
  for (int i = 0; i < HY_W; i++) x[i] = (elem)sqrt((double)x[i]);
  return x;
}
HY_INLINE vec round_down(vec x) {
  for (int i = 0; i < HY_W; i++) x[i] = (elem)floor((double)x[i]);
  return x;
}
#endif
#endif
#endif
