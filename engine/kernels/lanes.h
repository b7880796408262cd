/* What a variant's files are written in: `elem`, the element type, and `vec`, a register of HY_W of them, with the
 * same arithmetic in every lane. Arithmetic and comparisons are the compiler's vector operators; this page adds
 * what they lack: partial loads and stores, choice, fused multiply-add, square root. A tail is the same operation
 * on a vector whose missing lanes are zeros, so that a value never depends on where in an array it stands. */
#ifndef HY_KERNELS_LANES_H
#define HY_KERNELS_LANES_H
#include <math.h>
#include <string.h>
#include "kernels/table.h"
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

#define HY_PASTE2_(a, b) a##b
#define HY_PASTE2(a, b) HY_PASTE2_(a, b)
#define HY_PASTE5_(a, b, c, d, e) a##b##c##d##e
#define HY_PASTE5(a, b, c, d, e) HY_PASTE5_(a, b, c, d, e)
/* The name of a kernel of this variant and dtype: hy_sum_avx2_f32. */
#define HY_KERNEL(name) HY_PASTE5(hy_##name, _, HY_VARIANT, _, HY_ELEMENT)

#define HY_BYTES_generic 16
#define HY_BYTES_avx2 32
#define HY_BYTES_avx512 64
#define HY_BYTES HY_PASTE2(HY_BYTES_, HY_VARIANT) /* in a register */
#define HY_SIZE_f32 4
#define HY_SIZE_f64 8
#define HY_SIZE_i32 4
#define HY_SIZE HY_PASTE2(HY_SIZE_, HY_ELEMENT) /* of an element */
#define HY_W_generic_f32 4
#define HY_W_generic_f64 2
#define HY_W_generic_i32 4
#define HY_W_avx2_f32 8
#define HY_W_avx2_f64 4
#define HY_W_avx2_i32 8
#define HY_W_avx512_f32 16
#define HY_W_avx512_f64 8
#define HY_W_avx512_i32 16
#define HY_W HY_PASTE5(HY_W_, HY_VARIANT, _, HY_ELEMENT, ) /* lanes; a number, since names are made with it */
#define HY_REAL_f32 1
#define HY_REAL_f64 1
#define HY_REAL_i32 0
#define HY_REAL HY_PASTE2(HY_REAL_, HY_ELEMENT)

#if !HY_REAL
typedef uint32_t elem;   /* int32 wraps: sums and products are unsigned */
typedef int32_t ordered; /* what is compared */
typedef int32_t bits;
#define HY_LOWEST ((elem)INT32_MIN)
#elif HY_SIZE == 4
typedef float elem, ordered;
typedef int32_t bits;
#define HY_LOWEST (-(elem)INFINITY)
#else
typedef double elem, ordered;
typedef int64_t bits;
#define HY_LOWEST (-(elem)INFINITY)
#endif

typedef elem vec __attribute__((vector_size(HY_BYTES)));
typedef elem vec_unaligned __attribute__((vector_size(HY_BYTES), aligned(HY_SIZE), may_alias));
typedef ordered ovec __attribute__((vector_size(HY_BYTES)));
typedef bits mask __attribute__((vector_size(HY_BYTES))); /* all bits of a lane: 1 is true */

#define HY_INLINE static inline __attribute__((always_inline, unused))
#ifdef HYLA_SANITIZED
#define HY_UNROLL /* unrolled loops full of checks take a compiler minutes */
#else
#define HY_UNROLL _Pragma("GCC unroll 32")
#endif

/* The intrinsics of this width and type, by the part of their name that says what they do. */
#if HY_BYTES > 16
#define HY_PREFIX HY_PASTE2(_mm, HY_PASTE2(HY_BITS_, HY_BYTES))
#define HY_BITS_32 256_
#define HY_BITS_64 512_
#define HY_SUFFIX HY_PASTE2(HY_SUFFIX_, HY_ELEMENT)
#define HY_SUFFIX_f32 _ps
#define HY_SUFFIX_f64 _pd
#define HY_SUFFIX_i32 _epi32
#define HY_INTRINSIC(what) HY_PASTE5(HY_PREFIX, what, HY_SUFFIX, , )
#endif

/* Registers of sums that a tile of one column has, at most; CASE(n) for each number of them. */
#if HY_BYTES == 64
enum { HY_MOST_SUMS = 24 };
#define HY_EACH_SUMS(CASE) HY_EACH_12(CASE) HY_EACH_24(CASE)
#else
enum { HY_MOST_SUMS = 12 };
#define HY_EACH_SUMS(CASE) HY_EACH_12(CASE)
#endif
#define HY_EACH_12(C) C(1) C(2) C(3) C(4) C(5) C(6) C(7) C(8) C(9) C(10) C(11) C(12)
#define HY_EACH_24(C) C(13) C(14) C(15) C(16) C(17) C(18) C(19) C(20) C(21) C(22) C(23) C(24)

HY_INLINE vec load(const elem *p) { return *(const vec_unaligned *)p; }
HY_INLINE void store(elem *p, vec v) { *(vec_unaligned *)p = v; }

HY_INLINE vec splat(elem x) {
#if HY_BYTES == 16
  vec v = {0};
  for (int i = 0; i < HY_W; i++) v[i] = x;
  return v;
#elif HY_REAL
  return HY_INTRINSIC(set1)(x);
#else
  return (vec)HY_INTRINSIC(set1)((int)x);
#endif
}

/* All bits set in the lanes below count, 0..HY_W. */
HY_INLINE mask lanes_below(int64_t count) {
  static const bits edge[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  mask m;
  memcpy(&m, edge + 16 - count, sizeof m);
  return m;
}

/* The first `count` elements at p, 0..HY_W; zeros in the other lanes. Memory past them is not touched. */
HY_INLINE vec load_part(const elem *p, int64_t count) {
#if HY_BYTES == 64
  return (vec)HY_INTRINSIC(maskz_loadu)((HY_PASTE2(__mmask, HY_W))((1u << count) - 1), p);
#elif HY_BYTES == 32 && HY_REAL
  return HY_INTRINSIC(maskload)(p, (__m256i)lanes_below(count));
#elif HY_BYTES == 32
  return (vec)HY_INTRINSIC(maskload)((const int *)p, (__m256i)lanes_below(count));
#else
  vec v = {0};
  for (int i = 0; i < count; i++) v[i] = p[i];
  return v;
#endif
}
HY_INLINE void store_part(elem *p, vec v, int64_t count) {
#if HY_BYTES == 64 && HY_REAL
  HY_INTRINSIC(mask_storeu)(p, (HY_PASTE2(__mmask, HY_W))((1u << count) - 1), v);
#elif HY_BYTES == 64
  HY_INTRINSIC(mask_storeu)(p, (__mmask16)((1u << count) - 1), (__m512i)v);
#elif HY_BYTES == 32 && HY_REAL
  HY_INTRINSIC(maskstore)(p, (__m256i)lanes_below(count), v);
#elif HY_BYTES == 32
  HY_INTRINSIC(maskstore)((int *)p, (__m256i)lanes_below(count), (__m256i)v);
#else
  for (int i = 0; i < count; i++) p[i] = v[i];
#endif
}

HY_INLINE vec pick(mask m, vec yes, vec no) { return (vec)((m & (mask)yes) | (~m & (mask)no)); }

HY_INLINE bool any(mask m) {
#if HY_BYTES == 64
  return _mm512_test_epi32_mask((__m512i)m, (__m512i)m) != 0;
#elif HY_BYTES == 32
  return !_mm256_testz_si256((__m256i)m, (__m256i)m);
#else
  bits sum = 0;
  for (int i = 0; i < HY_W; i++) sum |= m[i];
  return sum != 0;
#endif
}

#if HY_REAL
HY_INLINE mask nan_lanes(vec x) { return (mask)(x != x); }
HY_INLINE bool is_nan(elem x) { return x != x; }
#else
HY_INLINE mask nan_lanes(vec x) { return (mask)(x & 0); }
HY_INLINE bool is_nan(elem x) { return x & 0; }
#endif

/* The larger in each lane, x where equal; NaN when one of them is NaN. */
HY_INLINE vec larger(vec x, vec y) { return pick(((ovec)x >= (ovec)y) | nan_lanes(x), x, y); }
HY_INLINE vec smaller(vec x, vec y) { return pick(((ovec)x <= (ovec)y) | nan_lanes(x), x, y); }

/* The sum of the lanes: 0 with W/2, 1 with W/2+1, ...; then W/4 apart, ...; at last 0 with 1. */
HY_INLINE elem join_sum(vec v) {
#if HY_W >= 8
  typedef elem vec8 __attribute__((vector_size(8 * HY_SIZE)));
#endif
#if HY_W >= 4
  typedef elem vec4 __attribute__((vector_size(4 * HY_SIZE)));
#endif
#if HY_W == 16
  vec8 v8 = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
            __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#elif HY_W == 8
  vec8 v8 = v;
#endif
#if HY_W >= 8
  vec4 v4 = __builtin_shufflevector(v8, v8, 0, 1, 2, 3) + __builtin_shufflevector(v8, v8, 4, 5, 6, 7);
#elif HY_W == 4
  vec4 v4 = v;
#endif
#if HY_W >= 4
  vec4 v2 = v4 + __builtin_shufflevector(v4, v4, 2, 3, 2, 3);
#else
  vec v2 = v;
#endif
  return v2[0] + v2[1];
}
/* The largest of the lanes; NaN when one of them is. */
HY_INLINE elem join_max(vec v) {
  elem best = v[0];
  for (int i = 1; i < HY_W; i++)
    if ((ordered)v[i] > (ordered)best || is_nan(v[i])) best = v[i];
  return best;
}

#if HY_REAL
/* x y + z; in one rounding where the variant has the instruction. Only products of matrices use it. */
HY_INLINE vec madd(vec x, vec y, vec z) {
#if HY_BYTES == 16
  return x * y + z;
#else
  return HY_INTRINSIC(fmadd)(x, y, z);
#endif
}
#endif

#define HY_KERNEL_PROTOTYPE(result, name, parameters) result HY_KERNEL(name) parameters;
HY_KERNELS_ANY(HY_KERNEL_PROTOTYPE)
#if HY_REAL
HY_KERNELS_REAL(HY_KERNEL_PROTOTYPE)
#endif
#undef HY_KERNEL_PROTOTYPE
extern hy_map_kernel *const HY_KERNEL(map)[];
extern hy_map_kernel *const HY_KERNEL(pair)[3][4];
#endif
