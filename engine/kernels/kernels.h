/* Kernels: loops over memory, for each dtype and each CPU variant. They know nothing of graphs: plan/ calls them
 * on blocks. All of them keep to these rules, on which the engine's promise of equal bits rests:
 *   - The value of an output element does not depend on how a caller cuts rows into blocks, nor on n, alignment
 *     or position: tails run the same arithmetic as full vectors (no a*b+c contraction where only one does).
 *   - Sums have one fixed order, stated at each kernel, equal for every variant where that costs nothing.
 *   - int32 indices out of range are reported, never followed. */
#ifndef HY_KERNELS_H
#define HY_KERNELS_H
#include "tensor/tensor.h"

/* ---- map: out[i] = f(a[i sa], b[i sb], c[i sc]), i < n; a stride is 0 (one value for all) or 1. out may be any input
 * of stride 1 (in place). Unused inputs are NULL. Comparisons give 1 or 0 in the dtype of their inputs; `where` takes c
 * (= a) in the dtype of its values. int32 wraps; divided by 0 it is 0. exp, log, pow and the like are within 1 ulp,
 * sigmoid and softplus within 3; pow rounds once where y is 1 or 2. ---- */
typedef void hy_map_kernel(int64_t n, void *out, const void *a, int sa, const void *b, int sb, const void *c, int sc);
hy_map_kernel *hy_kernel_map(int op, int dtype); /* NULL: no such kernel (exp of int32) */
/* Two maps in one, of the bits that they have one after the other: t = a + b, a - b or a b, then t + c, t - c, t c or c - t
 * (HY_PAIR_FROM, as second alone). */
enum { HY_PAIR_ADD, HY_PAIR_SUB, HY_PAIR_MUL, HY_PAIR_FROM };
hy_map_kernel *hy_kernel_pair(int first, int second, int dtype);
/* To int32: towards 0, the end of the range past it, 0 for NaN; `fill` rounds its value so, too. */
void hy_kernel_cast(int64_t n, void *out, int to, const void *in, int from);
void hy_kernel_fill(int64_t n, void *out, int dtype, double value);

/* ---- copy: out, contiguous, takes in[sum_k i_k stride_k]; strides in elements, 0 repeats. Fast for contiguous inner
 * runs, for a repeated inner axis (a column over short rows) and for 2-d transposes. element: 4 or 8 bytes ---- */
void hy_kernel_copy(int rank, const int32_t *dim, void *out, const void *in, const int64_t *stride, size_t element);
/* The reverse: contiguous `in` goes to strided out (pad, concat write their parts through it). */
void hy_kernel_spread(int rank, const int32_t *dim, void *out, const int64_t *stride, const void *in, size_t element);

/* ---- reduce. Inner: each of n rows of length L, contiguous. Sum order of a row: 16 running lanes, element j in lane
 * j mod 16, then lanes joined 0+8, 1+9 ..., then 0+4 ..., 0+2, 0+1. Any L >= 1. ---- */
void hy_kernel_sum(int64_t n, int64_t L, void *out, const void *x, int dtype);
void hy_kernel_max(int64_t n, int64_t L, void *out, const void *x, int dtype); /* NaN wins */
/* Floats only. Rows up to 64 long go many at a time; softmax may write over x. -inf everywhere: -inf, and NaN. */
void hy_kernel_logsumexp(int64_t n, int64_t L, void *out, const void *x, int dtype);
void hy_kernel_softmax(int64_t n, int64_t L, void *out, const void *x, int dtype);
/* The position of the first maximum, or of the first NaN. */
void hy_kernel_argmax(int64_t n, int64_t L, int32_t *out, const void *x, int dtype);
/* Leading axis: acc is HY_LANES(L) rows of L. Row r (absolute index) of x [n, L] is added to row r mod HY_LANES(L) of
 * acc, in order of r; `row` is the absolute index of the first. `first` starts acc afresh (zeros, or the lowest). */
#define HY_LANES(L) ((L) < 64 ? 16 : 1)
void hy_kernel_sum_rows(int64_t n, int64_t L, void *acc, const void *x, int64_t row, bool first, int dtype);
void hy_kernel_max_rows(int64_t n, int64_t L, void *acc, const void *x, int64_t row, bool first, int dtype);
/* out[L] = the lanes of `parts` accumulators, `apart` elements from one to the next: lanes joined 0+8, ... as above,
 * then accumulators in order. */
void hy_kernel_sum_join(int64_t parts, int64_t apart, int64_t L, void *out, const void *acc, int dtype);
void hy_kernel_max_join(int64_t parts, int64_t apart, int64_t L, void *out, const void *acc, int dtype);
bool hy_kernel_finite(int64_t n, const void *x, int dtype);
int64_t hy_kernel_first_nonfinite(int64_t n, const void *x, int dtype); /* -1: none */

/* ---- index: each returns the position of the first index outside its range, or -1 ---- */
int64_t hy_kernel_gather(int64_t n, int64_t rows, int64_t L, void *out, const void *x, const int32_t *i,
                         size_t element);
/* Adds to what out [rows, L] holds, in order of n. */
int64_t hy_kernel_scatter_add(int64_t n, int64_t rows, int64_t L, void *out, const int32_t *i, const void *x,
                              int dtype);
int64_t hy_kernel_take_along(int64_t n, int64_t K, void *out, const void *x, const int32_t *i, size_t element);
int64_t hy_kernel_put_along(int64_t n, int64_t K, void *out, const void *x, const int32_t *i, size_t element);
int64_t hy_kernel_one_hot(int64_t n, int64_t K, void *out, const int32_t *i, int dtype);

/* ---- products of matrices. ----
 * Few columns: m <= HY_FEW. The order of a sum is fixed for an element, never for a block: rows_product has as many
 * running lanes along k as a register of the variant; rows_gram takes the rows in order. */
enum { HY_FEW = 48 };
/* y[n, m] = x[n, k] w. wt is w transposed, [m, k] contiguous; ldx, ldy: elements between rows. */
void hy_kernel_rows_product(int64_t n, int64_t k, int64_t m, void *y, int64_t ldy, const void *x, int64_t ldx,
                            const void *wt, int dtype);
/* acc[k, m] (+)= x[n, k]' g[n, m], for each element in order of the rows n, in any number of calls. `first`: acc = . */
void hy_kernel_rows_gram(int64_t n, int64_t k, int64_t m, void *acc, const void *x, int64_t ldx, const void *g,
                         int64_t ldg, bool first, int dtype);
/* The same sums as partial ones: acc has room for hy_gram_part(k, m) elements, in an order that is the kernel's own.
 * gram_join: rows [lo, hi) of out[k, m] = the sum of `parts` of them, in order, `apart` elements from one to the next. */
static inline int64_t hy_gram_part(int64_t k, int64_t m) { return (k + 15) / 16 * 16 * m; } /* whole registers */
void hy_kernel_gram_part(int64_t n, int64_t k, int64_t m, void *acc, const void *x, int64_t ldx, const void *g,
                         int64_t ldg, bool first, int dtype);
void hy_kernel_gram_join(int64_t parts, int64_t apart, int64_t m, int64_t lo, int64_t hi, void *out, const void *acc,
                         int dtype);
/* Any shape, in two parts. B [k, n] is packed, panels of hy_kernel_panel_columns side by side, each [k, columns], the last
 * one filled up with zeros; a call packs rows [lo, hi), of which b has the first; `turned`: B is read transposed, as
 * [n, k], b at its column lo, with ldb elements between rows. Then y[m, n] = A B for rows of A, [m, k], or [k, m] where
 * `turned`: for each element one running sum in order of k, whatever the rows, columns and panels of a call. n counts the
 * columns of y; panels of a wider B may be handed in from any panel on. */
int64_t hy_kernel_panel_columns(int dtype);
void hy_kernel_pack_panels(int64_t k, int64_t lo, int64_t hi, int64_t n, void *panels, const void *b, int64_t ldb,
                           bool turned, int dtype);
void hy_kernel_panels_product(int64_t m, int64_t n, int64_t k, void *y, int64_t ldy, const void *a, int64_t lda,
                              bool turned, const void *panels, int dtype);
/* The general product, c[m, n] = op(a) op(b), by BLAS on one thread; row-major, ld in elements. Opened before, once. */
int hy_blas_open(void);
void hy_kernel_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, void *c, int64_t ldc, const void *a, int64_t lda,
                    const void *b, int64_t ldb, int dtype);

/* ---- sparse: a constant matrix [n, k] of low density, packed once; cut at the chunks of rows that plan/ uses. Entries
 * of a sum go to four running sums, joined 0+2, 1+3, 0+1: deterministic, but not the bits of the dense kernels. An
 * infinity in w or g meets only the entries that are there. ---- */
typedef struct hy_sparse hy_sparse;
/* The share of entries that are not 0; 1 for int32, which has no sparse form. */
double hy_kernel_density(int64_t n, int64_t k, const void *x, int64_t ldx, int dtype);
/* chunk[0..chunks] are row boundaries. HYLA_ENOMEM */
int hy_sparse_pack(int64_t n, int64_t k, const void *x, int64_t ldx, int dtype, int chunks, const int64_t *chunk,
                   hy_sparse **out);
void hy_sparse_drop(hy_sparse *s);
/* Rows [lo, hi) of y = x w, w [k, m] row-major contiguous, m <= HY_FEW. y points at row lo. */
void hy_sparse_rows_product(const hy_sparse *s, int64_t lo, int64_t hi, int64_t m, void *y, int64_t ldy, const void *w);
/* acc[k, m] = x[chunk c]' g[chunk c]; g points at the chunk's first row. */
void hy_sparse_rows_gram(const hy_sparse *s, int c, int64_t m, void *acc, const void *g, int64_t ldg);

const char *hy_kernel_variant(void); /* what HYLA_KERNELS asks for where this CPU has it, else the best it has */
#endif
