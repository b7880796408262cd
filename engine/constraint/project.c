/* hyla_project: sets -> region -> the free components -> the projection that fits. */
#include <math.h>
#include "constraint/constraint.h"

static bool bounds_sum(const hy_region *r) { return r->sum_min > -INFINITY || r->sum_max < INFINITY; }
static bool bounds_l1(const hy_region *r) { return r->l1 < INFINITY; }
static bool bounds_l2(const hy_region *r) { return r->l2 < INFINITY; }

static const struct {
  bool (*active)(const hy_region *r);
  hy_measure *measure;
} bounds[] = {{bounds_sum, hy_sum_measure}, {bounds_l1, hy_l1_measure}, {bounds_l2, hy_l2_measure}};
enum { BOUNDS = sizeof bounds / sizeof *bounds };

/* The nearest point of r, over components that are finite and all free. */
static int project_span(hy_span *s, const hy_region *r) {
  hy_measure *measure[BOUNDS];
  int n = 0;
  for (int i = 0; i < BOUNDS; i++)
    if (bounds[i].active(r)) measure[n++] = bounds[i].measure;
  if (n > 1) return hy_dykstra(s, r, n, measure);
  if (n == 1) return hy_bound_project(s, r, measure[0]);
  hy_box_project(s, r);
  return HYLA_OK;
}

static int project_matrix(const hy_span *whole, int64_t order, const hy_region *r) {
  int64_t count = hy_matrix_count(r, order);
  hy_span part = {0};
  void *data = hy_alloc((size_t)count * hy_dtype_size(whole->dtype));
  int status = data ? hy_span_open(&part, data, count, whole->dtype) : HYLA_ENOMEM;
  if (!status) {
    hy_matrix_gather(r, order, whole->dtype, whole->data, data);
    hy_span_range(&part);
    if (count > 0) status = project_span(&part, r);
  }
  if (!status) hy_matrix_scatter(r, order, whole->dtype, data, whole->data);
  hy_span_close(&part);
  hy_free(data);
  return status;
}

/* The type and layout of x, and the region it has to come into. */
static int prepare(int n, const hyla_set *sets, const hyla_tensor *x, const char *site, hy_region *r) {
  const hyla_shape *shape = &x->shape;
  int status = hy_region_of(n, sets, site, r);
  if (status) return status;
  bool matrix = r->symmetric || r->zero_diagonal;
  if (shape->dtype != HYLA_FLOAT32 && shape->dtype != HYLA_FLOAT64)
    return hy_fail(HYLA_ETYPE, site, "project: expected float32 or float64, got %s", hy_shape_show(shape).s);
  if (matrix && (shape->rank != 2 || shape->dim[0] != shape->dim[1]))
    return hy_fail(HYLA_ESHAPE, site, "project: %s: expected a square matrix, got %s",
                   r->symmetric ? "symmetric" : "zero_diagonal", hy_shape_show(shape).s);
  if (!hyla_tensor_contiguous(x))
    return hy_fail(HYLA_ESHAPE, site, "project: expected contiguous components, got a strided view %s",
                   hy_shape_show(shape).s);
  int64_t count = matrix ? hy_matrix_count(r, shape->dim[0]) : hy_shape_size(shape);
  status = hy_region_check(r, count, site);
  if (!status) status = hy_box_round(r, shape->dtype, site);
  hy_region_reduce(r);
  return status;
}

int hyla_project(int n, const hyla_set *sets, hyla_tensor *x, const char *site) {
  hy_region r;
  hy_span s;
  int status = prepare(n, sets, x, site, &r);
  if (status || hy_shape_size(&x->shape) == 0) return status;
  status = hy_span_open(&s, hyla_tensor_data(x), hy_shape_size(&x->shape), x->shape.dtype);
  if (status) return status;
  hy_span_range(&s);
  if (s.range.poison != 0) { /* NaN included */
    int64_t bad = hy_span_first_bad(&s);
    double v = s.dtype == HYLA_FLOAT64 ? ((double *)s.data)[bad] : (double)((float *)s.data)[bad];
    status = hy_fail(HYLA_ENONFINITE, site,
                     "project: expected finite components, got %g at component %.0f of %.0f "
                     "(the first is 1)",
                     v, (double)bad + 1, (double)s.n);
  } else {
    if (r.symmetric || r.zero_diagonal) status = project_matrix(&s, x->shape.dim[0], &r);
    else status = project_span(&s, &r);
    if (status && site) status = hy_fail_within(status, "%s: ", site);
  }
  hy_span_close(&s);
  return status;
}
