/* Between strided arrays. Both directions are one walk over axes that carry a stride on each side; axes that lie
 * evenly on both are merged first, so most copies become one or two axes. */
#include <string.h>
#include "kernels/kernels.h"

typedef struct axis {
  int64_t n, out, in; /* elements, and the strides on the two sides */
} axis;

enum { SQUARE = 16, SHORT_RUN = 32 }; /* side of a transposed block; a run too short for a call of memcpy */

/* The two innermost axes, `r` rows of `c`. Where the inner axis jumps on one side and the outer one does not, squares
 * keep the lines of both in the first-level cache. */
#define PLANE(name, type)                                                                                    \
  static void name(axis r, axis c, type *out, const type *in) {                                              \
    if (c.out == 1 && c.in == 1 && c.n > SHORT_RUN) {                                                        \
      for (int64_t i = 0; i < r.n; i++, out += r.out, in += r.in) memcpy(out, in, (size_t)c.n * sizeof *in); \
    } else if (c.out == 1 && c.in == 1) {                                                                    \
      for (int64_t i = 0; i < r.n; i++, out += r.out, in += r.in)                                            \
        for (int64_t j = 0; j < c.n; j++) out[j] = in[j];                                                    \
    } else if (c.out == 1 && c.in == 0) {                                                                    \
      for (int64_t i = 0; i < r.n; i++, out += r.out, in += r.in) {                                          \
        const type value = *in;                                                                              \
        for (int64_t j = 0; j < c.n; j++) out[j] = value;                                                    \
      }                                                                                                      \
    } else {                                                                                                 \
      for (int64_t i0 = 0; i0 < r.n; i0 += SQUARE)                                                           \
        for (int64_t j0 = 0; j0 < c.n; j0 += SQUARE)                                                         \
          for (int64_t i = i0; i < r.n && i < i0 + SQUARE; i++)                                              \
            for (int64_t j = j0; j < c.n && j < j0 + SQUARE; j++)                                            \
              out[i * r.out + j * c.out] = in[i * r.in + j * c.in];                                          \
    }                                                                                                        \
  }
PLANE(plane4, uint32_t)
PLANE(plane8, uint64_t)

/* Drops axes of size 1 and joins neighbours that are one even run on both sides; returns how many are left. */
static int merge(int rank, axis *a) {
  int kept = 0;
  for (int k = 0; k < rank; k++) {
    if (a[k].n == 1) continue;
    axis *last = a + kept - 1;
    if (kept && last->out == a[k].out * a[k].n && last->in == a[k].in * a[k].n)
      *last = (axis){last->n * a[k].n, a[k].out, a[k].in};
    else a[kept++] = a[k];
  }
  return kept;
}

static void walk(int rank, axis *a, char *out, const char *in, size_t element) {
  static const axis one = {1, 0, 0};
  int64_t at[HYLA_MAX_RANK] = {0};
  for (int k = 0; k < rank; k++)
    if (a[k].n <= 0) return;
  rank = merge(rank, a);
  const axis c = rank > 0 ? a[rank - 1] : (axis){1, 1, 1}, r = rank > 1 ? a[rank - 2] : one;
  const int outer = rank - 2;
  for (;;) {
    if (element == sizeof(uint64_t)) plane8(r, c, (uint64_t *)out, (const uint64_t *)in);
    else plane4(r, c, (uint32_t *)out, (const uint32_t *)in);
    int k = outer - 1;
    for (; k >= 0; k--) { /* the next position of the outer axes, the last fastest */
      out += a[k].out * (int64_t)element;
      in += a[k].in * (int64_t)element;
      if (++at[k] < a[k].n) break;
      out -= a[k].out * a[k].n * (int64_t)element;
      in -= a[k].in * a[k].n * (int64_t)element;
      at[k] = 0;
    }
    if (k < 0) return;
  }
}

void hy_kernel_copy(int rank, const int32_t *dim, void *out, const void *in, const int64_t *stride, size_t element) {
  axis a[HYLA_MAX_RANK];
  int64_t even = 1;
  for (int k = rank - 1; k >= 0; k--) {
    a[k] = (axis){dim[k], even, stride[k]};
    even *= dim[k];
  }
  walk(rank, a, out, in, element);
}

void hy_kernel_spread(int rank, const int32_t *dim, void *out, const int64_t *stride, const void *in, size_t element) {
  axis a[HYLA_MAX_RANK];
  int64_t even = 1;
  for (int k = rank - 1; k >= 0; k--) {
    a[k] = (axis){dim[k], stride[k], even};
    even *= dim[k];
  }
  walk(rank, a, out, in, element);
}
