/* Products on packed panels, in one of three forms. The last two give each element the same running sum:
 *
 *   parts    X' Y with k long beside both sides of the result: partial sums over chunks of the rows of X and Y, which go
 *            with what makes these rows
 *   rows     the right factor is small beside the left one, or beside the result: it is packed row by row, with what
 *            makes it, by an item of its own that all products by it share; then the result comes row by row, and what
 *            follows can go with it
 *   strips   else: a strip of columns of the right factor is packed by the thread that takes it, and all rows of the left
 *            factor meet it there; products by the same factor go on together while the strip is near */
#include "plan/plan.h"
#include <string.h>

enum { STRIP_BYTES = 512 << 10 }; /* of a packed strip: a part of a second-level cache */
enum { MOST_STRIPS = 32 };
enum { PART_BYTES = 1 << 20 };         /* of all partial sums */
enum { TINY = 2048 };                  /* elements of a factor that is packed anew for each block: no phase for that */
enum { WORTH = 64 };                   /* rows that a packed factor, which may not fit a near cache, is fetched for */
static const double strip_flops = 4e6; /* of a strip, at least */

/* Columns [lo, hi) of op(y), [k, n], in panels at `to`. */
static void pack(const hy_item *it, int operand, const char *from, int64_t n, int64_t k, int64_t lo, int64_t hi,
                 bool turned, char *to) {
  int64_t ld = hy_view_leading(&it->in[operand]), at = turned ? lo * ld : lo;
  hy_kernel_pack_panels(k, 0, k, (hi < n ? hi : n) - lo, to, from + at * (int64_t)it->element, ld, turned,
                        it->shape.dtype);
}

static size_t panels_bytes(int64_t n, int64_t k, int dtype) {
  int64_t columns = hy_kernel_panel_columns(dtype);
  return (size_t)((n + columns - 1) / columns * columns * k) * hy_dtype_size(dtype);
}

/* Rows of op(y), to each of the panels. p: n, k; flag: transposed */
static int run_pack(const hy_item *it, const hy_block *b) {
  const char *from = it->flag[0] ? hy_operand(it, b, 0, 0) + b->lo * (int64_t)it->element : hy_operand(it, b, 0, b->lo);
  hy_kernel_pack_panels(it->p[1], b->lo, b->hi, it->p[0], hy_result(it, b, 0), from, hy_view_leading(&it->in[0]),
                        it->flag[0], it->shape.dtype);
  return 0;
}

/* p: n, k; flag: x transposed; y transposed, and packed here */
static int run_rows(const hy_item *it, const hy_block *b) {
  int64_t n = it->p[0], k = it->p[1];
  bool turned = it->flag[0];
  const char *x = turned ? hy_operand(it, b, 0, 0) + b->lo * (int64_t)it->element : hy_operand(it, b, 0, b->lo);
  char *panels = it->room ? b->scratch + it->room_at : hy_operand(it, b, 1, 0);
  if (it->room) pack(it, 1, hy_operand(it, b, 1, 0), n, k, 0, n, it->flag[1], panels);
  hy_kernel_panels_product(b->hi - b->lo, n, k, hy_result(it, b, b->lo), n, x, hy_view_leading(&it->in[0]), turned,
                           panels, it->shape.dtype);
  return 0;
}

/* A whole chunk. p: n, m */
static int run_parts(const hy_item *it, const hy_block *b) {
  int64_t n = it->p[0], m = it->p[1], k = b->hi - b->lo;
  char *panels = b->scratch + it->room_at;
  pack(it, 1, hy_operand(it, b, 1, b->lo), n, k, 0, n, false, panels);
  hy_kernel_panels_product(m, n, k, hy_result(it, b, b->chunk), n, hy_operand(it, b, 0, b->lo),
                           hy_view_leading(&it->in[0]), true, panels, it->shape.dtype);
  return 0;
}

/* p: n, k, columns of a strip, rows; flags: x, y transposed */
static int run_strips(const hy_item *it, const hy_block *b) {
  int64_t n = it->p[0], k = it->p[1], strip = it->p[2];
  char *panels = b->scratch + it->room_at;
  for (int64_t u = b->lo; u < b->hi; u++) {
    int64_t lo = u * strip, hi = lo + strip < n ? lo + strip : n;
    if (!it->shares_room) pack(it, 1, hy_operand(it, b, 1, 0), n, k, lo, hi, it->flag[1], panels);
    hy_kernel_panels_product(it->p[3], hi - lo, k, hy_result(it, b, 0) + lo * (int64_t)it->element, n,
                             hy_operand(it, b, 0, 0), hy_view_leading(&it->in[0]), it->flag[0], panels,
                             it->shape.dtype);
  }
  return 0;
}

bool hy_same_strips(const hy_item *a, const hy_item *b) {
  return a->run == run_strips && b->run == run_strips && a->p[0] == b->p[0] && a->p[1] == b->p[1] &&
         a->p[2] == b->p[2] && a->flag[1] == b->flag[1] && !memcmp(&a->in[1], &b->in[1], sizeof a->in[1]);
}

/* The packed form of op(y) [k, n], made once however many products take it. */
static int packed(hy_plan *p, hy_ref r, const hy_view *y, bool ty, int64_t k, int64_t n, hy_view *out) {
  int dtype = p->graph->node[r].shape.dtype;
  int64_t columns = hy_kernel_panel_columns(dtype);
  for (int i = 0; i < p->n_item; i++) {
    const hy_item *it = &p->item[i];
    if (it->run != run_pack || it->flag[0] != ty || memcmp(&it->in[0], y, sizeof *y)) continue;
    *out = hy_view_of(p, i);
    return 0;
  }
  hyla_shape s = {.dtype = dtype, .rank = 2, .dim = {(int32_t)k, (int32_t)((n + columns - 1) / columns * columns)}};
  hy_item *it = hy_item_new(p, run_pack, "pack", &s, HY_ROWS);
  if (!it) return HYLA_ENOMEM;
  it->node = r;
  it->whole = ty ? 1 : 0;
  it->p[0] = n;
  it->p[1] = k;
  it->flag[0] = ty;
  it->flops = (double)k * (double)n;
  it->packed = true;
  int status = hy_item_reads(it, y);
  *out = hy_view_of(p, p->n_item - 1);
  return status;
}

static int lower_panel_rows(hy_plan *p, hy_ref r, const hy_view *x, bool tx, const hy_view *y, bool ty, int64_t k) {
  const hyla_shape *s = &p->graph->node[r].shape;
  bool tiny = k * s->dim[1] <= TINY;
  hy_view panels = *y;
  int status = tiny ? 0 : packed(p, r, y, ty, k, s->dim[1], &panels);
  hy_item *it = status ? NULL : hy_item_new(p, run_rows, "matmul by rows", s, HY_ROWS);
  if (!it) return status ? status : HYLA_ENOMEM;
  it->node = r;
  it->whole = tx ? 3 : 2;
  it->worth = WORTH;
  it->p[0] = s->dim[1];
  it->p[1] = k;
  it->flag[0] = tx;
  it->flag[1] = ty;
  if (tiny) it->room = panels_bytes(s->dim[1], k, s->dtype);
  it->flops = 2.0 * (double)s->dim[0] * (double)s->dim[1] * (double)k;
  status = hy_item_reads(it, x);
  return status ? status : hy_item_reads(it, &panels);
}

static int lower_panel_strips(hy_plan *p, hy_ref r, const hy_view *x, bool tx, const hy_view *y, bool ty, int64_t k) {
  const hyla_shape *s = &p->graph->node[r].shape;
  int64_t m = s->dim[0], n = s->dim[1], columns = hy_kernel_panel_columns(s->dtype);
  hy_item *it = hy_item_new(p, run_strips, "matmul by strips", s, HY_TILES);
  if (!it) return HYLA_ENOMEM;
  it->node = r;
  it->flops = 2.0 * (double)m * (double)n * (double)k;
  double strips = it->flops / strip_flops + 1;
  int64_t strip = n / (int64_t)(strips > MOST_STRIPS ? MOST_STRIPS : strips);
  int64_t most = STRIP_BYTES / (k * (int64_t)it->element) / columns, panels = (strip + columns - 1) / columns;
  if (panels > most) panels = most > 1 ? most : 1;
  it->p[0] = n;
  it->p[1] = k;
  it->p[2] = panels * columns;
  it->p[3] = m;
  it->flag[0] = tx;
  it->flag[1] = ty;
  it->extent = (n + it->p[2] - 1) / it->p[2];
  it->room = (size_t)(it->p[2] * k) * it->element;
  int status = hy_item_reads(it, x);
  return status ? status : hy_item_reads(it, y);
}

static int lower_panel_parts(hy_plan *p, hy_ref r, const hy_view *x, const hy_view *y, int64_t k) {
  const hyla_shape *s = &p->graph->node[r].shape;
  int64_t m = s->dim[0], n = s->dim[1];
  hy_chunks chunks = hy_chunks_of(k);
  hyla_shape parts = {.dtype = s->dtype, .rank = 2, .dim = {chunks.n, (int32_t)(m * n)}};
  hy_item *it = hy_item_new(p, run_parts, "matmul in parts", &parts, HY_PARTS);
  if (!it) return HYLA_ENOMEM;
  it->node = r;
  it->extent = k;
  it->chunk = chunks.size;
  it->whole_chunk = true;
  it->p[0] = n;
  it->p[1] = m;
  it->room = panels_bytes(n, chunks.size, s->dtype);
  it->flops = 2.0 * (double)m * (double)n * (double)k;
  int status = hy_item_reads(it, x);
  if (!status) status = hy_item_reads(it, y);
  hy_view out;
  if (!status) status = hy_lower_join(p, r, m, n, &out);
  if (!status) p->view[r] = out;
  return status;
}

int hy_lower_panels(hy_plan *p, hy_ref r, const hy_view *x, bool tx, const hy_view *y, bool ty) {
  const hyla_shape *s = &p->graph->node[r].shape;
  int64_t m = s->dim[0], n = s->dim[1], k = x->dim[tx ? 0 : 1];
  double parts = (double)hy_chunks_of(k).n * (double)m * (double)n * (double)hy_dtype_size(s->dtype);
  if (tx && !ty && k >= 4 * m && k >= 4 * n && parts <= PART_BYTES) return lower_panel_parts(p, r, x, y, k);
  int status = k < m || n < m ? lower_panel_rows(p, r, x, tx, y, ty, k) : lower_panel_strips(p, r, x, tx, y, ty, k);
  p->view[r] = hy_view_of(p, p->n_item - 1);
  return status;
}
