/* Streams: the values that differ from step to step. Each is a pure function of its position k, so going back over
 * training sees what going forward saw, and nothing of it is stored. */
#include "dynamics/dynamics.h"
#include <math.h>

static bool is_whole(double x, double least, double most) { return x >= least && x <= most && x == floor(x); }
static bool drawn(const hyla_stream *s) { return s->kind != HYLA_STREAM_ROWS && s->kind != HYLA_STREAM_HYPER; }

/* ---- declaring ---- */

/* The shape of one row of [rows, ...]; rank -1 where there is none. */
static hyla_shape row_of(const hyla_shape *table) {
  hyla_shape row = {.dtype = table->dtype, .rank = table->rank - 1};
  for (int i = 0; i < row.rank; i++) row.dim[i] = table->dim[i + 1];
  return row;
}

static int check_rows(const hy_node *n, const char *what, const hyla_shape *table, bool contiguous) {
  hyla_shape row = row_of(table);
  if (table->rank >= 1 && table->dim[0] >= 1 && contiguous && hy_shape_equal(&row, &n->shape)) return 0;
  return hy_fail(HYLA_ESHAPE, n->site, "stream '%s': expected a contiguous %s with rows of %s, got %s",
                 n->name ? n->name : "?", what, hy_shape_show(&n->shape).s, hy_shape_show(table).s);
}

static int check_draws(const hy_node *n, const hyla_stream *s) {
  const char *name = n->name ? n->name : "?";
  if (!is_whole(s->seed, 0, 0x1p53 - 1) || !is_whole(s->stream, 0, 0x1p20 - 1))
    return hy_fail(HYLA_EVALUE, n->site,
                   "stream '%s': expected a seed from 0 to 2^53 - 1 and a stream from 0 to 2^20 - 1, "
                   "got %.17g and %.17g",
                   name, s->seed, s->stream);
  if (s->kind == HYLA_STREAM_UNIFORM || s->kind == HYLA_STREAM_NORMAL) {
    if (n->shape.dtype != HYLA_INT32) return 0;
    return hy_fail(HYLA_ETYPE, n->site, "stream '%s': expected a real input, got %s", name, hy_shape_show(&n->shape).s);
  }
  if (n->shape.dtype != HYLA_INT32 || n->shape.rank != 1)
    return hy_fail(HYLA_ETYPE, n->site, "stream '%s': expected an int32 vector for the indices of a batch, got %s",
                   name, hy_shape_show(&n->shape).s);
  if (!is_whole(s->rows, 1, 0x1p31 - 1))
    return hy_fail(HYLA_EVALUE, n->site, "stream '%s': expected a whole number of examples from 1, got %.9g", name,
                   s->rows);
  if (s->kind == HYLA_STREAM_EPOCHS && n->shape.dim[0] > s->rows)
    return hy_fail(HYLA_EVALUE, n->site, "stream '%s': a batch of %d is larger than its set of %.0f", name,
                   n->shape.dim[0], s->rows);
  return 0;
}

static int check_kind(const hyla_problem *p, const hyla_stream *s) {
  const hy_node *n = &p->graph->node[s->input];
  if (!is_whole(s->first, 1, 0x1p53))
    return hy_fail(HYLA_EVALUE, n->site, "stream: expected a first step from 1, got %.9g", s->first);
  switch (s->kind) {
    case HYLA_STREAM_ROWS:
      if (!s->table)
        return hy_fail(HYLA_EVALUE, n->site, "stream '%s': a table of rows is missing", n->name ? n->name : "?");
      return check_rows(n, "table", &s->table->shape, hyla_tensor_contiguous(s->table));
    case HYLA_STREAM_HYPER:
      if (s->hyper < 0 || s->hyper >= p->n_hyper)
        return hy_fail(HYLA_EVALUE, n->site, "stream: %d is no hyperparameter", s->hyper);
      return check_rows(n, "hyperparameter", &p->hyper_layout.shape[s->hyper], true);
    case HYLA_STREAM_EPOCHS:
    case HYLA_STREAM_DRAWS:
    case HYLA_STREAM_UNIFORM:
    case HYLA_STREAM_NORMAL: return check_draws(n, s);
    default: return hy_fail(HYLA_EVALUE, n->site, "stream: %d is no kind of stream", s->kind);
  }
}

int hyla_problem_stream(hyla_problem *p, const hyla_stream *s) {
  int status = hy_problem_check_input(p, "stream", s->input);
  if (!status) status = check_kind(p, s);
  if (!status) status = HY_GROW(p->stream, p->stream_capacity, p->n_stream);
  if (!status && s->kind == HYLA_STREAM_HYPER) {
    status = HY_GROW(p->slice, p->slice_capacity, p->n_slice);
    if (!status) status = hy_layout_add(&p->slice_layout, &p->graph->node[s->input].shape);
    if (!status) p->slice[p->n_slice++] = p->n_stream;
  }
  if (status) return status;
  p->stream[p->n_stream] = *s;
  if (s->kind == HYLA_STREAM_ROWS) hyla_tensor_keep(s->table);
  else p->stream[p->n_stream].table = NULL;
  return p->n_stream++;
}

void hy_stream_drop(hyla_stream *s) { hyla_tensor_drop(s->table); }

/* ---- positions ---- */

/* Rows of a stream that has some, else 0. */
static double rows_of(const hyla_problem *p, const hyla_stream *s) {
  if (s->kind == HYLA_STREAM_ROWS) return s->table->shape.dim[0];
  return s->kind == HYLA_STREAM_HYPER ? p->hyper_layout.shape[s->hyper].dim[0] : 0;
}

static double position(const hyla_problem *p, const hyla_stream *s, double t) {
  double k = t > s->first ? t - s->first : 0, rows = rows_of(p, s);
  return s->cycle && rows > 0 ? fmod(k, rows) : k;
}

static int no_row(const hyla_problem *p, const hyla_stream *s, double t) {
  const hy_node *n = &p->graph->node[s->input];
  return hy_fail(HYLA_EVALUE, n->site, "'%s' has %.0f rows, one for each step from %.0f, and step %.0f needs one",
                 n->name ? n->name : "?", rows_of(p, s), s->first, t);
}

/* Programs ask for steps up to `last`. */
static int check_reach(const hyla_problem *p, const hyla_program *program, int at, double last) {
  for (int j = 0; program && j < p->n_stream; j++) {
    const hyla_stream *s = &p->stream[j];
    double rows = rows_of(p, s);
    if (rows && hy_program_reads(program, at + j) && position(p, s, last) >= rows) return no_row(p, s, last);
  }
  return 0;
}

int hy_problem_check_streams(const hyla_problem *p) {
  int at = p->n_state + p->n_hyper, status = check_reach(p, p->outer_program, at, hy_problem_steps(p));
  double t = 0;
  for (int i = 0; i < p->n_segment && !status; i++)
    status = check_reach(p, p->segment[i].step, at, t += p->segment[i].steps);
  return status;
}

/* ---- values ---- */

int hy_feed_open(hy_feed *f, const hyla_problem *p) {
  size_t n = (size_t)p->n_stream + 1;
  *f = (hy_feed){hy_calloc(n, sizeof *f->value), hy_calloc(n, sizeof *f->k), hy_calloc(n, sizeof(hyla_tensor *)),
                 hy_calloc(n, sizeof *f->epoch)};
  int status = f->value && f->k && f->order && f->epoch ? 0 : HYLA_ENOMEM;
  for (int j = 0; j < p->n_stream && !status; j++) {
    const hyla_stream *s = &p->stream[j];
    const hyla_shape *shape = &p->graph->node[s->input].shape;
    f->k[j] = f->epoch[j] = -1;
    if (!drawn(s)) continue;
    f->value[j] = hy_alloc((size_t)hy_shape_size(shape) * hy_dtype_size(shape->dtype) + 1);
    if (!f->value[j]) status = HYLA_ENOMEM;
    hyla_shape all = {.dtype = HYLA_INT32, .rank = 1, .dim = {(int32_t)s->rows}};
    if (!status && s->kind == HYLA_STREAM_EPOCHS) status = hyla_tensor_new(&all, &f->order[j]);
  }
  return status;
}

void hy_feed_close(hy_feed *f, const hyla_problem *p) {
  for (int j = 0; j < p->n_stream; j++) {
    if (f->value) hy_free(f->value[j]);
    if (f->order) hyla_tensor_drop(f->order[j]);
  }
  hy_free(f->value);
  hy_free(f->k);
  hy_free(f->order);
  hy_free(f->epoch);
  *f = (hy_feed){0};
}

/* The number that keeps draws of different (stream, k) apart: k is far below 2^32 in any training. */
static double counter(const hyla_stream *s, double k) { return s->stream * 0x1p32 + k; }

static int take_epoch(hy_feed *f, int j, const hyla_stream *s, int n, double k) {
  double batches = floor(s->rows / n), epoch = floor(k / batches);
  if (f->epoch[j] != epoch) {
    f->epoch[j] = -1;
    int status = hyla_random_permutation(f->order[j], s->seed, counter(s, epoch));
    if (status) return status;
    f->epoch[j] = epoch;
  }
  const int32_t *from = (const int32_t *)f->order[j]->storage->data + (int64_t)(k - epoch * batches) * n;
  for (int i = 0; i < n; i++) ((int32_t *)f->value[j])[i] = from[i];
  return 0;
}

static void take_draws(const hyla_stream *s, int n, double k, int32_t *to) {
  for (int i = 0; i < n; i++) {
    uint32_t word[4];
    hy_philox((uint64_t)s->seed, (uint64_t)counter(s, k), (uint64_t)i, word);
    double u = (double)(((uint64_t)word[0] << 32 | word[1]) >> 11) * 0x1p-53;
    to[i] = (int32_t)(u * s->rows);
  }
}

static int take_random(const hyla_stream *s, const hyla_shape *shape, double k, char *to) {
  hyla_tensor *t;
  int status = hy_tensor_wrap(shape, to, &t);
  if (status) return status;
  if (s->kind == HYLA_STREAM_UNIFORM) status = hyla_random_uniform(t, s->seed, counter(s, k), 0, 1);
  else status = hyla_random_normal(t, s->seed, counter(s, k), 0, 1);
  hyla_tensor_drop(t);
  return status;
}

static int draw(hy_feed *f, const hyla_problem *p, int j, double k) {
  const hyla_stream *s = &p->stream[j];
  const hyla_shape *shape = &p->graph->node[s->input].shape;
  int status = 0;
  if (f->k[j] == k) return 0;
  f->k[j] = -1;
  if (s->kind == HYLA_STREAM_EPOCHS) status = take_epoch(f, j, s, shape->dim[0], k);
  else if (s->kind == HYLA_STREAM_DRAWS) take_draws(s, shape->dim[0], k, (int32_t *)f->value[j]);
  else status = take_random(s, shape, k, f->value[j]);
  if (!status) f->k[j] = k;
  return status;
}

static char *hyper_row(const hyla_problem *p, const hyla_stream *s, double t, const char *data) {
  const hyla_shape *shape = &p->graph->node[s->input].shape;
  size_t bytes = (size_t)hy_shape_size(shape) * hy_dtype_size(shape->dtype);
  return (char *)(uintptr_t)data + p->hyper_layout.offset[s->hyper] + (size_t)position(p, s, t) * bytes;
}

static char *table_row(const hyla_stream *s, double k) {
  const hyla_tensor *table = s->table;
  int64_t row = hy_shape_size(&table->shape) / table->shape.dim[0];
  return (char *)table->storage->data + (size_t)(table->offset + (int64_t)k * row) * hy_dtype_size(table->shape.dtype);
}

int hy_feed_value(hy_feed *f, const hyla_problem *p, int j, double t, const char *hyper, char **value) {
  const hyla_stream *s = &p->stream[j];
  double k = position(p, s, t), rows = rows_of(p, s);
  if (rows && k >= rows) return no_row(p, s, t);
  int status = drawn(s) ? draw(f, p, j, k) : 0;
  if (!status)
    *value = drawn(s) ? f->value[j] : s->kind == HYLA_STREAM_ROWS ? table_row(s, k) : hyper_row(p, s, t, hyper);
  return status;
}

int hy_feed_bind(hy_feed *f, const hyla_problem *p, const hyla_program *program, int at, double t, const char *hyper,
                 char **in) {
  int status = 0;
  for (int j = 0; j < p->n_stream && !status; j++) {
    in[j] = NULL;
    if (hy_program_reads(program, at + j)) status = hy_feed_value(f, p, j, t, hyper, &in[j]);
  }
  return status;
}

/* ---- slices of hyperparameters ---- */

int hy_slice_bind(const hyla_problem *p, double t, const char *data, char **in, int n) {
  for (int i = 0; i < p->n_slice; i++) in[n++] = hyper_row(p, &p->stream[p->slice[i]], t, data);
  return n;
}

void hy_slice_add(const hyla_problem *p, double t, const char *slices, char *g) {
  for (int i = 0; i < p->n_slice; i++) {
    const hyla_shape *shape = &p->slice_layout.shape[i];
    char *to = hyper_row(p, &p->stream[p->slice[i]], t, g);
    const char *from = slices + p->slice_layout.offset[i];
    for (int64_t k = 0; k < hy_shape_size(shape); k++)
      if (shape->dtype == HYLA_FLOAT32) ((float *)to)[k] += ((const float *)from)[k];
      else ((double *)to)[k] += ((const double *)from)[k];
  }
}
