/* Shape rules: what an operation's result looks like, or why it cannot be. One function a rule of ops.def. */
#include "graph/graph.h"
#include "graph/shape.h"

#define NAME(q) hy_op_table[(q)->op].name
#define SHOW(shape) hy_shape_show(shape).s

static bool real(const hyla_shape *s) { return s->dtype != HYLA_INT32; }

static int want_real(const hy_infer *q, int i) {
  if (real(&q->in[i])) return 0;
  return hy_fail(HYLA_ETYPE, q->site, "%s: expected a float32 or float64 operand, got %s", NAME(q), SHOW(&q->in[i]));
}

static int want_index(const hy_infer *q, int i) {
  if (!real(&q->in[i])) return 0;
  return hy_fail(HYLA_ETYPE, q->site, "%s: expected int32 indices, got %s", NAME(q), SHOW(&q->in[i]));
}

static int want_attrs(const hy_infer *q, int n) {
  if (q->attr->n == n) return 0;
  return hy_fail(HYLA_EVALUE, q->site, "%s: expected %d attributes, got %d", NAME(q), n, q->attr->n);
}

/* Dimensions are at least 1, and elements can be counted in 31 bits. */
static int want_dims(const hy_infer *q, const hyla_shape *s) {
  double size = 1;
  if (s->rank < 0 || s->rank > HYLA_MAX_RANK)
    return hy_fail(HYLA_ESHAPE, q->site, "%s: expected at most %d axes, got %d", NAME(q), HYLA_MAX_RANK, s->rank);
  for (int i = 0; i < s->rank; i++) {
    if (s->dim[i] < 1)
      return hy_fail(HYLA_ESHAPE, q->site, "%s: expected every dimension to be at least 1, got %s", NAME(q), SHOW(s));
    size *= s->dim[i];
  }
  if (size >= 0x1p31) return hy_fail(HYLA_ESHAPE, q->site, "%s: %s is too large", NAME(q), SHOW(s));
  return 0;
}

static int want_dtype(const hy_infer *q, int dtype) {
  if (dtype >= HYLA_FLOAT32 && dtype <= HYLA_INT32) return 0;
  return hy_fail(HYLA_ETYPE, q->site, "%s: unknown dtype %d", NAME(q), dtype);
}

static int want_axes(const hy_infer *q) {
  const hyla_attr *a = q->attr;
  if (a->n < 1 && q->in[0].rank > 0) return hy_fail(HYLA_EVALUE, q->site, "%s: expected at least one axis", NAME(q));
  for (int i = 0; i < a->n; i++)
    if (a->v[i] < 0 || a->v[i] >= q->in[0].rank || (i && a->v[i] <= a->v[i - 1]))
      return hy_fail(HYLA_EVALUE, q->site, "%s: expected ascending axes of %s, got axis %d", NAME(q), SHOW(&q->in[0]),
                     a->v[i] + 1);
  return 0;
}

int hy_shape_leaf(const hy_infer *q, hyla_shape *out) {
  (void)out;
  return hy_fail(HYLA_EVALUE, q->site, "%s is a leaf: it is declared, not applied", NAME(q));
}

int hy_shape_fill(const hy_infer *q, hyla_shape *out) {
  if (q->attr->n < 1 || q->attr->n > HYLA_MAX_RANK + 1) return want_attrs(q, 1);
  out->dtype = q->attr->v[0];
  out->rank = q->attr->n - 1;
  for (int i = 0; i < out->rank; i++) out->dim[i] = q->attr->v[i + 1];
  int status = want_dtype(q, out->dtype);
  return status ? status : want_dims(q, out);
}

int hy_shape_same(const hy_infer *q, hyla_shape *out) {
  for (int i = 1; i < q->n; i++) {
    if (!hy_dims_equal(&q->in[0], &q->in[i]))
      return hy_fail(HYLA_ESHAPE, q->site, "%s: expected operands of one shape, got %s and %s", NAME(q),
                     SHOW(&q->in[0]), SHOW(&q->in[i]));
    if (q->in[0].dtype != q->in[i].dtype)
      return hy_fail(HYLA_ETYPE, q->site, "%s: expected operands of one dtype, got %s and %s", NAME(q), SHOW(&q->in[0]),
                     SHOW(&q->in[i]));
  }
  *out = q->in[0];
  return 0;
}

int hy_shape_real(const hy_infer *q, hyla_shape *out) {
  int status = hy_shape_same(q, out);
  return status ? status : want_real(q, 0);
}

int hy_shape_cast(const hy_infer *q, hyla_shape *out) {
  int status = want_attrs(q, 1);
  if (!status) status = want_dtype(q, q->attr->v[0]);
  if (status) return status;
  *out = q->in[0];
  out->dtype = q->attr->v[0];
  return 0;
}

int hy_shape_reduce(const hy_infer *q, hyla_shape *out) {
  int status = want_real(q, 0);
  if (!status) status = want_axes(q);
  if (status) return status;
  *out = q->in[0];
  for (int i = 0; i < q->attr->n; i++) out->dim[q->attr->v[i]] = 1;
  return 0;
}

int hy_shape_normalise(const hy_infer *q, hyla_shape *out) {
  int status = want_real(q, 0);
  if (!status) status = want_axes(q);
  if (!status) *out = q->in[0];
  return status;
}

int hy_shape_argmax(const hy_infer *q, hyla_shape *out) {
  int status = want_attrs(q, 1);
  if (!status) status = hy_shape_reduce(q, out);
  if (!status) out->dtype = HYLA_INT32;
  return status;
}

int hy_shape_matmul(const hy_infer *q, hyla_shape *out) {
  const hyla_shape *x = &q->in[0], *y = &q->in[1];
  int status = want_attrs(q, 2);
  if (!status) status = want_real(q, 0);
  if (!status) status = want_real(q, 1);
  if (status) return status;
  int r = x->rank;
  bool tx = q->attr->v[0] != 0, ty = q->attr->v[1] != 0;
  bool fits = r >= 2 && y->rank == r && x->dim[tx ? r - 2 : r - 1] == y->dim[ty ? r - 1 : r - 2];
  for (int i = 0; fits && i < r - 2; i++) fits = x->dim[i] == y->dim[i];
  if (!fits)
    return hy_fail(HYLA_ESHAPE, q->site, "matmul: expected [..., n, k] by [..., k, m], got %s%s by %s%s", SHOW(x),
                   tx ? " transposed" : "", SHOW(y), ty ? " transposed" : "");
  if (x->dtype != y->dtype)
    return hy_fail(HYLA_ETYPE, q->site, "matmul: expected operands of one dtype, got %s and %s", SHOW(x), SHOW(y));
  *out = *x;
  out->dim[r - 2] = x->dim[tx ? r - 1 : r - 2];
  out->dim[r - 1] = y->dim[ty ? r - 2 : r - 1];
  return 0;
}

static int shape_from_attr(const hy_infer *q, hyla_shape *out) {
  if (q->attr->n < 0 || q->attr->n > HYLA_MAX_RANK)
    return hy_fail(HYLA_ESHAPE, q->site, "%s: expected at most %d axes, got %d", NAME(q), HYLA_MAX_RANK, q->attr->n);
  out->dtype = q->in[0].dtype;
  out->rank = q->attr->n;
  for (int i = 0; i < out->rank; i++) out->dim[i] = q->attr->v[i];
  return want_dims(q, out);
}

int hy_shape_reshape(const hy_infer *q, hyla_shape *out) {
  int status = shape_from_attr(q, out);
  if (!status && hy_shape_size(out) != hy_shape_size(&q->in[0]))
    status = hy_fail(HYLA_ESHAPE, q->site, "reshape: expected as many elements as %s has, got %s", SHOW(&q->in[0]),
                     SHOW(out));
  return status;
}

int hy_shape_transpose(const hy_infer *q, hyla_shape *out) {
  int r = q->in[0].rank, status = want_attrs(q, r);
  unsigned seen = 0;
  if (status) return status;
  *out = q->in[0];
  for (int i = 0; i < r; i++) {
    int axis = q->attr->v[i];
    if (axis < 0 || axis >= r || (seen >> axis & 1))
      return hy_fail(HYLA_EVALUE, q->site, "transpose: expected each axis of %s once, got axis %d", SHOW(&q->in[0]),
                     axis + 1);
    seen |= 1u << axis;
    out->dim[i] = q->in[0].dim[axis];
  }
  return 0;
}

int hy_shape_expand(const hy_infer *q, hyla_shape *out) {
  int status = shape_from_attr(q, out);
  bool fits = !status && out->rank == q->in[0].rank;
  for (int i = 0; fits && i < out->rank; i++) fits = q->in[0].dim[i] == 1 || q->in[0].dim[i] == out->dim[i];
  if (!status && !fits)
    status = hy_fail(HYLA_ESHAPE, q->site, "expand: expected a shape that %s repeats into along axes of size 1, got %s",
                     SHOW(&q->in[0]), SHOW(out));
  return status;
}

int hy_shape_slice(const hy_infer *q, hyla_shape *out) {
  int r = q->in[0].rank, status = want_attrs(q, 3 * r);
  if (status) return status;
  *out = q->in[0];
  for (int i = 0; i < r; i++) {
    int start = q->attr->v[i], stop = q->attr->v[r + i], step = q->attr->v[2 * r + i];
    if (start < 0 || stop > q->in[0].dim[i] || start >= stop || step < 1)
      return hy_fail(HYLA_ESHAPE, q->site, "slice: expected a part of axis %d of %s, got elements %d to %d by %d",
                     i + 1, SHOW(&q->in[0]), start + 1, stop, step);
    out->dim[i] = 1 + (stop - start - 1) / step;
  }
  return 0;
}

int hy_shape_pad(const hy_infer *q, hyla_shape *out) {
  int r = q->in[0].rank, status = want_attrs(q, 3 * r);
  if (status) return status;
  *out = q->in[0];
  for (int i = 0; i < r; i++) {
    int before = q->attr->v[i], after = q->attr->v[r + i], between = q->attr->v[2 * r + i];
    if (before < 0 || after < 0 || between < 0)
      return hy_fail(HYLA_EVALUE, q->site, "pad: expected counts of at least 0, got %d, %d, %d along axis %d", before,
                     after, between, i + 1);
    int64_t size = (int64_t)before + after + q->in[0].dim[i] + (q->in[0].dim[i] - 1) * (int64_t)between;
    if (size > INT32_MAX)
      return hy_fail(HYLA_ESHAPE, q->site, "pad: axis %d would have %lld elements", i + 1, (long long)size);
    out->dim[i] = (int32_t)size;
  }
  return want_dims(q, out);
}

int hy_shape_concat(const hy_infer *q, hyla_shape *out) {
  int status = want_attrs(q, 1), axis = q->attr->v[0];
  if (status) return status;
  if (q->n < 1 || axis < 0 || axis >= q->in[0].rank)
    return hy_fail(HYLA_EVALUE, q->site, "concat: expected an axis of the first of one or more tensors, got axis %d",
                   axis + 1);
  *out = q->in[0];
  for (int i = 1; i < q->n; i++) {
    const hyla_shape *s = &q->in[i];
    bool fits = s->rank == out->rank && s->dtype == out->dtype;
    for (int k = 0; fits && k < s->rank; k++) fits = k == axis || s->dim[k] == out->dim[k];
    if (!fits)
      return hy_fail(HYLA_ESHAPE, q->site, "concat: expected tensors alike but for axis %d, got %s and %s", axis + 1,
                     SHOW(&q->in[0]), SHOW(s));
    if (s->dim[axis] > INT32_MAX - out->dim[axis])
      return hy_fail(HYLA_ESHAPE, q->site, "concat: the result is too large");
    out->dim[axis] += s->dim[axis];
  }
  return want_dims(q, out);
}

int hy_shape_custom(const hy_infer *q, hyla_shape *out) {
  int status = want_attrs(q, 1);
  if (!status && q->n < 2)
    status = hy_fail(HYLA_EVALUE, q->site, "custom: expected a value and at least one operand, got %d inputs", q->n);
  if (!status) status = want_real(q, 0);
  if (!status) *out = q->in[0];
  return status;
}

/* idx.shape followed by the axes of a row. */
static int rows_shape(const hy_infer *q, const hyla_shape *index, const hyla_shape *row, int skip, hyla_shape *out) {
  if (index->rank + row->rank - skip > HYLA_MAX_RANK)
    return hy_fail(HYLA_ESHAPE, q->site, "%s: the result has more than %d axes", NAME(q), HYLA_MAX_RANK);
  *out = *index;
  out->dtype = row->dtype;
  for (int i = skip; i < row->rank; i++) out->dim[out->rank++] = row->dim[i];
  return 0;
}

int hy_shape_gather(const hy_infer *q, hyla_shape *out) {
  int status = want_index(q, 1);
  if (!status && q->in[0].rank < 1)
    status = hy_fail(HYLA_ESHAPE, q->site, "gather: expected a tensor with rows, got %s", SHOW(&q->in[0]));
  return status ? status : rows_shape(q, &q->in[1], &q->in[0], 1, out);
}

int hy_shape_scatter(const hy_infer *q, hyla_shape *out) {
  const hyla_shape *index = &q->in[0], *x = &q->in[1];
  int status = want_attrs(q, 1);
  if (!status) status = want_index(q, 0);
  if (!status) status = want_real(q, 1);
  if (status) return status;
  bool fits = x->rank >= index->rank && q->attr->v[0] >= 1;
  for (int i = 0; fits && i < index->rank; i++) fits = x->dim[i] == index->dim[i];
  if (!fits)
    return hy_fail(HYLA_ESHAPE, q->site,
                   "scatter_add: expected an index and a tensor whose axes begin with the index's, got %s and %s",
                   SHOW(index), SHOW(x));
  out->dtype = x->dtype;
  out->rank = 1;
  out->dim[0] = q->attr->v[0];
  for (int i = index->rank; i < x->rank; i++) out->dim[out->rank++] = x->dim[i];
  return 0;
}

int hy_shape_take(const hy_infer *q, hyla_shape *out) {
  const hyla_shape *x = &q->in[0], *index = &q->in[1];
  int status = want_index(q, 1);
  bool fits = x->rank == index->rank + 1;
  for (int i = 0; fits && i < index->rank; i++) fits = x->dim[i] == index->dim[i];
  if (!status && !fits)
    status = hy_fail(HYLA_ESHAPE, q->site,
                     "take_along: expected an index of the tensor's axes but the last, got %s and %s", SHOW(x),
                     SHOW(index));
  if (status) return status;
  *out = *index;
  out->dtype = x->dtype;
  return 0;
}

static int new_axis(const hy_infer *q, const hyla_shape *s, int size, hyla_shape *out) {
  *out = *s;
  if (s->rank == HYLA_MAX_RANK)
    return hy_fail(HYLA_ESHAPE, q->site, "%s: the result has more than %d axes", NAME(q), HYLA_MAX_RANK);
  out->dim[out->rank++] = size;
  return want_dims(q, out);
}

int hy_shape_put(const hy_infer *q, hyla_shape *out) {
  int status = want_attrs(q, 1);
  if (!status) status = want_index(q, 1);
  if (!status) status = want_real(q, 0);
  if (!status && !hy_dims_equal(&q->in[0], &q->in[1]))
    status = hy_fail(HYLA_ESHAPE, q->site, "put_along: expected an index of the tensor's shape, got %s and %s",
                     SHOW(&q->in[0]), SHOW(&q->in[1]));
  return status ? status : new_axis(q, &q->in[0], q->attr->v[0], out);
}

int hy_shape_one_hot(const hy_infer *q, hyla_shape *out) {
  int status = want_attrs(q, 2);
  if (!status) status = want_index(q, 0);
  if (!status) status = want_dtype(q, q->attr->v[1]);
  if (!status) status = new_axis(q, &q->in[0], q->attr->v[0], out);
  if (!status) out->dtype = q->attr->v[1];
  return status;
}

/* The type of a declared value. */
int hy_shape_check(const char *what, const hyla_shape *s, const char *site) {
  const hy_infer q = {.op = HY_OP_input, .site = site};
  int status = want_dtype(&q, s->dtype);
  if (!status) status = want_dims(&q, s);
  return status ? hy_fail_within(status, "'%s': ", what) : 0;
}

int hyla_infer(int op, const hyla_attr *attr, int n, const hyla_shape *in, const char *site, hyla_shape *out) {
  static const hyla_attr none = {0};
  if (op < 0 || op >= HY_OP_COUNT) return hy_fail(HYLA_EVALUE, site, "unknown operation %d", op);
  const hy_op_info *info = &hy_op_table[op];
  if ((info->arity >= 0 && n != info->arity) || n > HYLA_MAX_INPUTS)
    return hy_fail(HYLA_EVALUE, site, "%s: expected %d operands, got %d", info->name,
                   info->arity >= 0 ? info->arity : HYLA_MAX_INPUTS, n);
  if (attr && (attr->n < 0 || attr->n > HYLA_MAX_ATTR))
    return hy_fail(HYLA_EVALUE, site, "%s: expected at most %d attributes, got %d", info->name, HYLA_MAX_ATTR, attr->n);
  hyla_shape shape = {0};
  int status = info->shape(&(hy_infer){op, n, attr ? attr : &none, in, site}, &shape);
  if (!status) *out = shape;
  return status;
}
