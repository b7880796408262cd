/* Euclidean projections. Every set of hyla.h treats all components alike, so an intersection has a normal form, the
 * region: one box, one slab for the sum, one bound for each norm, and what is asked of a matrix. */
#ifndef HY_CONSTRAINT_H
#define HY_CONSTRAINT_H
#include "tensor/tensor.h"

typedef struct hy_region {
  double lo, hi;           /* lo <= x_i <= hi */
  double sum_min, sum_max; /* sum_min <= sum x_i <= sum_max */
  double l1, l2;           /* bounds of the norms */
  bool symmetric, zero_diagonal;
} hy_region;

/* ---- region.c: sets -> region ---- */
/* Intersects the sets. HYLA_EVALUE: an unknown kind or NaN; HYLA_ECONSTRAINT: one of them, or the boxes, are empty. */
int hy_region_of(int n, const hyla_set *sets, const char *site, hy_region *out);
/* HYLA_ECONSTRAINT unless a vector of `count` components lies in r. */
int hy_region_check(const hy_region *r, int64_t count, const char *site);
/* Drops the bounds that others imply, which leaves more regions with an exact projection. */
void hy_region_reduce(hy_region *r);
/* How each kind of set narrows a region. Arguments are not NaN. */
typedef int hy_narrow(const hyla_set *set, const char *site, hy_region *r);
hy_narrow hy_box_narrow, hy_sum_narrow, hy_simplex_narrow, hy_l1_narrow, hy_l2_narrow, hy_symmetric_narrow,
    hy_zero_diagonal_narrow;

/* ---- scan.c: passes over the data, split in fixed chunks whose partial sums are joined in order ---- */
typedef struct hy_sums {
  double total;  /* what the bound limits: sum x, sum |x| or sum (unit x)^2, x the mapped and clipped component */
  double size;   /* the sum of its terms' magnitudes, by which rounding is judged */
  double inside; /* of components strictly inside the box (and not 0 for HY_SOFT): their number, or their total */
} hy_sums;

typedef struct hy_range {
  double low, high;
  double poison; /* 0 when every component is finite, NaN otherwise */
} hy_range;

typedef union hy_partial {
  hy_sums sums;
  hy_range range;
} hy_partial;

typedef struct hy_span {
  void *data;
  int64_t n;
  int dtype;
  hy_range range;      /* of the data, when hy_span_range was called last */
  hy_partial *partial; /* one a chunk */
} hy_span;

/* What a multiplier t makes of a component v, before it is clipped to the box. */
typedef enum hy_move {
  HY_SHIFT, /* v - (base + t) */
  HY_SOFT,  /* sign(v) max(|v| - (base + t), 0) */
  HY_SCALE  /* v / (1 + t) */
} hy_move;

typedef struct hy_map {
  hy_move move;
  double lo, hi;
  double base, t; /* two parts, so that small differences of large components keep their digits */
  double unit;    /* HY_SCALE: a power of two that keeps squares in range */
} hy_map;

int hy_span_open(hy_span *s, void *data, int64_t n, int dtype);
void hy_span_close(hy_span *s);
void hy_span_range(hy_span *s);
int64_t hy_span_first_bad(const hy_span *s); /* index of the first NaN or infinity */
void hy_span_sum(const hy_span *s, const hy_map *map, hy_sums *out);
void hy_span_write(hy_span *s, const hy_map *map); /* each component becomes its clipped image */

/* ---- box.c ---- */
/* The largest box inside [lo, hi] whose ends are numbers of the dtype. */
int hy_box_round(hy_region *r, int dtype, const char *site);
void hy_box_project(hy_span *s, const hy_region *r); /* s->range must be right */

/* ---- bound.c: a box with one bound on a sum, exactly ---- */
/* f(t), the total under a map, never grows with t; the projection is the map's image at f(t) = target. */
typedef struct hy_bound {
  hy_map map;
  hy_sums at; /* the sums at t = 0 */
  bool met;   /* clipping to the box is enough */
  double target;
  double a, b; /* bracket of t; a = b: t itself */
} hy_bound;

typedef void hy_measure(const hy_span *s, const hy_region *r, hy_bound *out);
hy_measure hy_sum_measure, hy_l1_measure, hy_l2_measure; /* sum.c, l1.c, l2.c */
/* s <- the nearest point of the box with that bound; s->range must be right. A feasible s keeps its bits. */
int hy_bound_project(hy_span *s, const hy_region *r, hy_measure *measure);
/* Relative rounding of a sum of numbers of this dtype: what a feasible point may exceed a bound by. */
double hy_slack(int dtype);

/* ---- dykstra.c: a box with several bounds ---- */
int hy_dykstra(hy_span *s, const hy_region *r, int n, hy_measure *const *measure);

/* ---- matrix.c: the components of a square matrix that are free ---- */
/* How many, for a matrix of `order` rows. */
int64_t hy_matrix_count(const hy_region *r, int64_t order);
/* Copies them out, symmetrised when the region asks, and back with the diagonal the region asks. */
void hy_matrix_gather(const hy_region *r, int64_t order, int dtype, const void *matrix, void *free_part);
void hy_matrix_scatter(const hy_region *r, int64_t order, int dtype, const void *free_part, void *matrix);
#endif
