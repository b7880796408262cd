/* Products of matrices: which kernel, decided by shapes, layout and density of constants alone.
 *
 *   rows      y [n, m] = A [n, k] B, A row-major, m few, k long beside it: split by rows of A
 *   gram      y [n, m] = X' G, X [k, n] row-major, m few: split by rows of y, or, where k is long, in partial sums over
 *             chunks of X's rows
 *   dots      y [n, 1] = A b, A turned as below and k long: partial sums over chunks of k, beside what makes b
 *   columns   n few and m many: the transposed problem y' = B' A' as one of the above
 *   panels    other products of two matrices: our kernels on packed panels (lower_panels.c)
 *   tiles     batches of products: BLAS on tiles of the result, whose sizes are a function of the shape
 *
 * A constant of low density in the place of A or X is packed as sparse rows, once. A dense one is turned, once, where
 * that is better:
 *
 *   few, long rows of A    it takes the place of X: the sum over k is cut like the rows of G, which need not travel to
 *                          whoever takes a row of y
 *   short rows of A        the same: lanes along many rows of y in place of sums over a few lanes
 *   few columns of X, G    it takes the place of A: several sums at a time in place of one or two that wait for each other */
#include <math.h>
#include <string.h>
#include "plan/plan.h"

enum { LONG = 256 };              /* fewest rows worth partial sums of a product */
enum { WORTH = 64 };              /* rows of y that X' is fetched for */
enum { WORTH_PARTS = 160 };       /* rows that partial sums go out and in for */
enum { FEW_SUMS = 2048 };         /* of partial sums of few rows, at most */
enum { FEWEST_TERMS = 256 };      /* of a partial sum that ends in a sum over lanes */
enum { SHORT = 64 };              /* of a row of A, at most, that is better met column by column */
enum { LANES = 16, WAITING = 8 }; /* sums in registers of so many lanes; fewer of them wait for each other */

/* ---- run functions. p: k, m, leading dimensions ---- */

static int run_rows(const hy_item *it, const hy_block *b) {
  hy_kernel_rows_product(b->hi - b->lo, it->p[0], it->p[1], hy_result(it, b, b->lo), it->p[1],
                         hy_operand(it, b, 0, b->lo), it->p[2], hy_operand(it, b, 1, 0), it->shape.dtype);
  return 0;
}

static int run_sparse_rows(const hy_item *it, const hy_block *b) {
  hy_sparse_rows_product(it->sparse, b->lo, b->hi, it->p[1], hy_result(it, b, b->lo), it->p[1],
                         hy_operand(it, b, 1, 0));
  return 0;
}

static int run_gram(const hy_item *it, const hy_block *b) {
  hy_kernel_gram_part(b->hi - b->lo, it->p[0], it->p[1], hy_result(it, b, b->chunk), hy_operand(it, b, 0, b->lo),
                      it->p[2], hy_operand(it, b, 1, b->lo), it->p[3], b->lo == b->chunk_lo, it->shape.dtype);
  return 0;
}

/* Rows of y: columns of X. */
static int run_gram_rows(const hy_item *it, const hy_block *b) {
  hy_kernel_rows_gram(it->p[0], b->hi - b->lo, it->p[1], hy_result(it, b, b->lo),
                      hy_operand(it, b, 0, 0) + b->lo * (int64_t)it->element, it->p[2], hy_operand(it, b, 1, 0),
                      it->p[3], true, it->shape.dtype);
  return 0;
}

static int run_sparse_gram(const hy_item *it, const hy_block *b) {
  hy_sparse_rows_gram(it->sparse, b->chunk, it->p[1], hy_result(it, b, b->chunk), hy_operand(it, b, 1, b->lo),
                      it->p[3]);
  return 0;
}

/* Of A's columns that meet these rows of b. p: n, leading dimension of A */
static int run_dots(const hy_item *it, const hy_block *b) {
  hy_kernel_rows_product(it->p[0], b->hi - b->lo, 1, hy_result(it, b, b->chunk), 1,
                         hy_operand(it, b, 0, 0) + b->lo * (int64_t)it->element, it->p[2], hy_operand(it, b, 1, b->lo),
                         it->shape.dtype);
  return 0;
}

/* Rows of the sum of partial products, in order of chunks. p: parts, elements of one */
static int run_join(const hy_item *it, const hy_block *b) {
  char *out = hy_result(it, b, b->lo);
  const char *part = hy_operand(it, b, 0, 0) + (size_t)(b->lo * it->row) * it->element;
  int64_t n = (b->hi - b->lo) * it->row;
  const size_t apart = (size_t)it->p[1] * it->element;
  if (it->p[0] == 1) memcpy(out, part, (size_t)n * it->element);
  else it->map(n, out, part, 1, part + apart, 1, NULL, 0);
  for (int64_t i = 2; i < it->p[0]; i++) it->map(n, out, out, 1, part + (size_t)i * apart, 1, NULL, 0);
  return 0;
}

/* The same of partial sums by gram_part. */
static int run_gram_join(const hy_item *it, const hy_block *b) {
  hy_kernel_gram_join(it->p[0], it->p[1], it->row, b->lo, b->hi, hy_result(it, b, b->lo), hy_operand(it, b, 0, 0),
                      it->shape.dtype);
  return 0;
}

/* p: m, n, k, rows of a tile (columns where flag[0]); flag[1], flag[2]: x, y transposed */
static int64_t row_stride(const hy_view *v) {
  int64_t least = v->dim[v->rank - 1], stride = v->stride[v->rank - 2];
  return stride > least ? stride : least;
}

static int64_t batch_offset(const hy_view *v, int64_t batch) {
  int64_t at = 0;
  for (int i = v->rank - 3; i >= 0; i--) {
    at += batch % v->dim[i] * v->stride[i];
    batch /= v->dim[i];
  }
  return at;
}

static int run_tiles(const hy_item *it, const hy_block *b) {
  const hy_view *x = &it->in[0], *y = &it->in[1];
  int64_t m = it->p[0], n = it->p[1], k = it->p[2], tile = it->p[3], along = it->flag[0] ? n : m;
  int64_t tiles = (along + tile - 1) / tile;
  bool tx = it->flag[1], ty = it->flag[2];
  int64_t x_row = row_stride(x), y_row = row_stride(y), x_step = tx ? 1 : x_row, y_step = ty ? y_row : 1;
  for (int64_t u = b->lo; u < b->hi; u++) {
    int64_t batch = u / tiles, lo = u % tiles * tile, size = along - lo < tile ? along - lo : tile;
    int64_t at_x = batch_offset(x, batch) + (it->flag[0] ? 0 : lo * x_step);
    int64_t at_y = batch_offset(y, batch) + (it->flag[0] ? lo * y_step : 0);
    int64_t at = batch * m * n + (it->flag[0] ? lo : lo * n), e = (int64_t)it->element;
    hy_kernel_gemm(tx, ty, it->flag[0] ? m : size, it->flag[0] ? size : n, k, hy_result(it, b, 0) + at * e, n,
                   hy_operand(it, b, 0, 0) + at_x * e, x_row, hy_operand(it, b, 1, 0) + at_y * e, y_row,
                   it->shape.dtype);
  }
  return 0;
}

/* ---- choosing ---- */

static hy_view transposed(const hy_view *v) {
  hy_view t = *v;
  int r = v->rank;
  t.dim[r - 2] = v->dim[r - 1], t.dim[r - 1] = v->dim[r - 2];
  t.stride[r - 2] = v->stride[r - 1], t.stride[r - 1] = v->stride[r - 2];
  return t;
}

static bool rows_contiguous(const hy_plan *p, const hy_view *v) {
  if (p->item[v->item].place == HY_IN_FILL) return false;
  return (v->dim[1] == 1 || v->stride[1] == 1) && (v->dim[0] == 1 || v->stride[0] >= v->dim[1]);
}
static hy_item *product_item(hy_plan *p, hy_ref r, hy_item_run *run, const char *label, int64_t rows, int64_t row,
                             hy_split split) {
  hyla_shape s = {.dtype = p->graph->node[r].shape.dtype, .rank = 2, .dim = {(int32_t)rows, (int32_t)row}};
  hy_item *it = hy_item_new(p, run, label, &s, split);
  if (it) it->node = r;
  return it;
}

/* out [n, m] = A [n, k] B [k, m] */
static int lower_rows(hy_plan *p, hy_ref r, hy_view A, hy_view B, hy_sparse *sparse, hy_view *out) {
  hy_view W = sparse ? B : transposed(&B);
  int status = hy_view_make_contiguous(p, r, &W);
  if (status) return status;
  int64_t n = A.dim[0], k = A.dim[1], m = B.dim[1];
  hy_item *it = product_item(p, r, sparse ? run_sparse_rows : run_rows, sparse ? "matmul rows sparse" : "matmul rows",
                             n, m, HY_ROWS);
  if (!it) return HYLA_ENOMEM;
  it->sparse = sparse;
  it->whole = 2;
  it->p[0] = k;
  it->p[1] = m;
  it->p[2] = hy_view_leading(&A);
  it->flops = 2.0 * (double)n * (double)k * (double)m;
  if (!status) status = hy_item_reads(it, &A);
  if (!status) status = hy_item_reads(it, &W);
  *out = hy_view_of(p, p->n_item - 1);
  return status;
}

static int lower_join(hy_plan *p, hy_ref r, hy_item_run *run, int64_t rows, int64_t row, hy_view *out) {
  hy_view parts = hy_view_of(p, p->n_item - 1);
  int64_t n = p->item[parts.item].rows;
  hy_item *it = product_item(p, r, run, "join", rows, row, HY_ROWS);
  if (!it) return HYLA_ENOMEM;
  it->map = hy_kernel_map(HY_OP_add, it->shape.dtype);
  it->whole = 1;
  it->p[0] = n;
  it->p[1] = p->item[parts.item].row;
  it->flops = (double)(n * rows * row);
  int status = hy_item_reads(it, &parts);
  *out = hy_view_of(p, p->n_item - 1);
  return status;
}

int hy_lower_join(hy_plan *p, hy_ref r, int64_t rows, int64_t row, hy_view *out) {
  return lower_join(p, r, run_join, rows, row, out);
}

/* Terms of a partial sum. Where there are two, they are for two threads, and short: the first has the caller's share. */
static int64_t dots_chunk(int64_t k) {
  const hy_chunks chunks = hy_chunks_of(k);
  if (k > FEWEST_TERMS && k <= 2 * FEWEST_TERMS) return chunks.size * (int64_t)ceil(chunks.n * HY_CALLERS_SHARE);
  return chunks.size * ((FEWEST_TERMS + chunks.size - 1) / chunks.size);
}

/* out [n, 1] = A [n, k] b [k, 1], in partial sums over chunks of k */
static int lower_dots(hy_plan *p, hy_ref r, hy_view A, hy_view b, hy_view *out) {
  int status = hy_view_make_contiguous(p, r, &b);
  if (status) return status;
  const int64_t n = A.dim[0], k = A.dim[1], chunk = dots_chunk(k);
  hy_item *it = product_item(p, r, run_dots, "matmul dots", (k + chunk - 1) / chunk, (n + 15) / 16 * 16, HY_PARTS);
  if (!it) return HYLA_ENOMEM;
  it->extent = k;
  it->chunk = chunk;
  it->whole = 1;
  it->whole_chunk = true;
  it->p[0] = n;
  it->p[2] = hy_view_leading(&A);
  it->flops = 2.0 * (double)n * (double)k;
  status = hy_item_reads(it, &A);
  if (!status) status = hy_item_reads(it, &b);
  return status ? status : lower_join(p, r, run_join, n, 1, out);
}

/* out [n, m] = X' G by rows, from X whole */
static int lower_gram_rows(hy_plan *p, hy_ref r, hy_view X, hy_view G, hy_view *out) {
  int64_t k = X.dim[0], n = X.dim[1], m = G.dim[1];
  hy_item *it = product_item(p, r, run_gram_rows, "matmul gram by rows", n, m, HY_ROWS);
  if (!it) return HYLA_ENOMEM;
  it->whole = 3;
  it->worth = WORTH;
  it->p[0] = k;
  it->p[1] = m;
  it->p[2] = hy_view_leading(&X);
  it->p[3] = hy_view_leading(&G);
  it->flops = 2.0 * (double)n * (double)k * (double)m;
  int status = hy_item_reads(it, &X);
  if (!status) status = hy_item_reads(it, &G);
  *out = hy_view_of(p, p->n_item - 1);
  return status;
}

/* out [n, m] = X' G, X [k, n], G [k, m]; in partial sums where they are few beside X */
static int lower_gram(hy_plan *p, hy_ref r, hy_view X, hy_view G, hy_sparse *sparse, hy_view *out) {
  int status = rows_contiguous(p, &G) ? 0 : hy_view_materialise(p, r, &G);
  if (status) return status;
  int64_t k = X.dim[0], n = X.dim[1], m = G.dim[1];
  hy_chunks chunks = hy_chunks_of(k);
  if (!sparse && (k < LONG || 4 * chunks.n * m > k)) return lower_gram_rows(p, r, X, G, out);
  hy_item *it = product_item(p, r, sparse ? run_sparse_gram : run_gram, sparse ? "matmul gram sparse" : "matmul gram",
                             chunks.n, sparse ? n * m : hy_gram_part(n, m), HY_PARTS);
  if (!it) return HYLA_ENOMEM;
  it->extent = k;
  it->chunk = chunks.size;
  it->sparse = sparse;
  it->whole_chunk = sparse != NULL;
  it->worth = WORTH_PARTS;
  it->p[0] = n;
  it->p[1] = m;
  it->p[2] = hy_view_leading(&X);
  it->p[3] = hy_view_leading(&G);
  it->flops = 2.0 * (double)n * (double)k * (double)m;
  status = hy_item_reads(it, &X);
  if (!status) status = hy_item_reads(it, &G);
  return status ? status : lower_join(p, r, sparse ? run_join : run_gram_join, n, m, out);
}

/* Dot products, of which each ends in a sum over the lanes of a register, against panels, which leave lanes idle where
 * columns do not fill them: in halves of a cycle a row. Dot products need no packing and follow A as it lies in memory. */
static bool worth_dots(int64_t k, int64_t m) {
  double dots = (double)m * (0.09 * (double)k + 12), panels = (double)k * (double)((m + 15) / 16);
  return dots <= 1.25 * panels;
}

static bool worth_turning(bool tx, int64_t n, int64_t k, int64_t m) {
  if (tx) return k >= LONG && (n + LANES - 1) / LANES * m < WAITING && worth_dots(k, m);
  return k >= LONG ? n * m <= FEW_SUMS : k <= SHORT && n >= LONG;
}

/* op(x) op(y) for m few, as one of the two; false in *done where neither fits. Only shapes and the node's own
 * transpositions decide, never how a factor happens to lie in memory: the same node is the same kernel in every program. */
static int lower_few(hy_plan *p, hy_ref r, hy_view x, bool tx, hy_view y, bool ty, hy_view *out, bool *done) {
  int64_t n = x.dim[tx ? 1 : 0], k = x.dim[tx ? 0 : 1], m = y.dim[ty ? 0 : 1];
  hy_sparse *sparse = NULL;
  *done = false;
  if (m > HY_FEW) return 0;
  int status = hy_pack_sparse(p, &x, &sparse);
  const bool turned = !sparse && p->item[x.item].place == HY_IN_CONSTANT && worth_turning(tx, n, k, m);
  if (!status && turned) {
    status = hy_pack_turned(p, r, &x);
    tx = !tx;
  }
  *done = tx || sparse || worth_dots(k, m);
  if (status || !*done) return status;
  status = rows_contiguous(p, &x) ? 0 : hy_view_materialise(p, r, &x);
  if (status) return status;
  if (ty) y = transposed(&y);
  if (turned && !tx && m == 1) return lower_dots(p, r, x, y, out);
  return tx ? lower_gram(p, r, x, y, sparse, out) : lower_rows(p, r, x, y, sparse, out);
}

/* BLAS takes factors whose rows are contiguous; batches may lie apart. */
static int make_gemm_operand(hy_plan *p, hy_ref r, hy_view *v) {
  hy_view last = {.item = v->item, .rank = 2};
  for (int i = 0; i < 2; i++) {
    last.dim[i] = v->dim[v->rank - 2 + i];
    last.stride[i] = v->stride[v->rank - 2 + i];
  }
  return rows_contiguous(p, &last) ? 0 : hy_view_materialise(p, r, v);
}

static int lower_tiles(hy_plan *p, hy_ref r, hy_view x, bool tx, hy_view y, bool ty) {
  const hyla_shape *s = &p->graph->node[r].shape;
  int status = make_gemm_operand(p, r, &x);
  if (!status) status = make_gemm_operand(p, r, &y);
  if (!status && s->rank == 2) return hy_lower_panels(p, r, &x, tx, &y, ty);
  if (!status) status = hy_blas_open();
  hy_item *it = status ? NULL : hy_item_new(p, run_tiles, "matmul", s, HY_TILES);
  if (!it) return status ? status : HYLA_ENOMEM;
  int64_t m = s->dim[s->rank - 2], n = s->dim[s->rank - 1], k = x.dim[tx ? x.rank - 2 : x.rank - 1];
  int64_t batch = hy_shape_size(s) / (m * n);
  it->node = r;
  it->flops = 2.0 * (double)m * (double)n * (double)k * (double)batch;
  it->p[0] = m;
  it->p[1] = n;
  it->p[2] = k;
  it->flag[0] = n > m;
  it->flag[1] = tx;
  it->flag[2] = ty;
  int64_t along = it->flag[0] ? n : m, tiles = (int64_t)(it->flops / (double)batch / 4e6) + 1;
  if (tiles > 16) tiles = 16;
  it->p[3] = (along + tiles - 1) / tiles;
  if (tiles > 1) it->p[3] = (it->p[3] + 15) / 16 * 16;
  it->extent = batch * ((along + it->p[3] - 1) / it->p[3]);
  status = hy_item_reads(it, &x);
  if (!status) status = hy_item_reads(it, &y);
  p->view[r] = hy_view_of(p, p->n_item - 1);
  return status;
}

int hy_lower_matmul(hy_plan *p, hy_ref r) {
  const hy_node *n = &p->graph->node[r];
  hy_view x = p->view[n->in[0]], y = p->view[n->in[1]], out;
  bool tx = n->attr.v[0] != 0, ty = n->attr.v[1] != 0, done = false;
  int status = x.rank == 2 ? lower_few(p, r, x, tx, y, ty, &out, &done) : 0;
  if (!status && !done && x.rank == 2) { /* (op(x) op(y))' = op(y)' op(x)' */
    status = lower_few(p, r, y, !ty, x, !tx, &out, &done);
    if (!status && done) out = transposed(&out);
  }
  if (status) return status;
  if (!done) return lower_tiles(p, r, x, tx, y, ty);
  p->view[r] = out;
  return 0;
}
