/* A box with several bounds. Source: Boyle and Dykstra, "A method for finding projections onto the intersection of
 * convex sets in Hilbert spaces", 1986. Each bound, together with the box, is a set C_i with an exact projection:
 *   z = x + y_i;  x <- P_i(z);  y_i <- z - x      for i = 1..m, again and again; x tends to the projection.
 * Stops when no component moved, in a whole cycle, by more than `still` of the largest |z|. A move is also the change
 * of an increment y_i, so this is the criterion of Birgin and Raydan ("Robust stopping criteria for Dykstra's
 * algorithm", 2005), which does not mistake a cycle that stalls for the end. Doubles throughout. */
#include <math.h>
#include <string.h>
#include "constraint/constraint.h"

enum { MOST_CYCLES = 20000, MOST_SETS = 3 };
static const double still = 0x1p-49;

typedef struct state {
  int64_t n;
  double *x;            /* the iterate */
  double *z;            /* what is projected */
  double *y[MOST_SETS]; /* increments */
  double move, largest; /* of the cycle */
  hy_span span;         /* over z */
} state;

static int open_state(state *d, const hy_span *s, int sets) {
  *d = (state){.n = s->n};
  const size_t bytes = (size_t)s->n * sizeof(double);
  double *block = hy_calloc((size_t)(sets + 2), bytes);
  if (!block) return HYLA_ENOMEM;
  d->x = block;
  d->z = block + s->n;
  for (int i = 0; i < sets; i++) d->y[i] = block + (i + 2) * s->n;
  for (int64_t i = 0; i < s->n; i++)
    d->x[i] = s->dtype == HYLA_FLOAT64 ? ((const double *)s->data)[i] : (double)((const float *)s->data)[i];
  int status = hy_span_open(&d->span, d->z, s->n, HYLA_FLOAT64);
  if (status) {
    hy_free(block);
    d->x = NULL;
  }
  return status;
}

static void close_state(state *d) {
  hy_span_close(&d->span);
  hy_free(d->x);
}

static int project_on(state *d, const hy_region *r, hy_measure *measure, double *y) {
  for (int64_t i = 0; i < d->n; i++) y[i] = d->z[i] = d->x[i] + y[i];
  hy_span_range(&d->span);
  d->largest = fmax(d->largest, fmax(fabs(d->span.range.low), fabs(d->span.range.high)));
  int status = hy_bound_project(&d->span, r, measure);
  if (status) return status;
  for (int64_t i = 0; i < d->n; i++) {
    y[i] -= d->z[i];
    d->move = fmax(d->move, fabs(d->z[i] - d->x[i]));
    d->x[i] = d->z[i];
  }
  return HYLA_OK;
}

static int iterate(state *d, const hy_region *r, int sets, hy_measure *const *measure) {
  for (int cycle = 0; cycle < MOST_CYCLES; cycle++) {
    int status = hy_poll_interrupt();
    d->move = d->largest = 0;
    for (int i = 0; i < sets && !status; i++) status = project_on(d, r, measure[i], d->y[i]);
    if (status || d->move <= still * d->largest) return status;
  }
  return hy_fail(HYLA_ECONSTRAINT, NULL,
                 "projection: Dykstra's algorithm did not converge in %d cycles: components of "
                 "size %.9g still move by %.9g, expected at most %.9g",
                 MOST_CYCLES, d->largest, d->move, still * d->largest);
}

static bool feasible(const hy_span *s, const hy_region *r, int sets, hy_measure *const *measure) {
  hy_bound q;
  bool met = s->range.low >= r->lo && s->range.high <= r->hi;
  for (int i = 0; i < sets && met; i++) {
    measure[i](s, r, &q);
    met = q.met;
  }
  return met;
}

int hy_dykstra(hy_span *s, const hy_region *r, int n, hy_measure *const *measure) {
  if (feasible(s, r, n, measure)) return HYLA_OK;
  state d;
  int status = open_state(&d, s, n);
  if (status) return status;
  status = iterate(&d, r, n, measure);
  if (!status && s->dtype == HYLA_FLOAT64) memcpy(s->data, d.x, (size_t)s->n * sizeof *d.x);
  if (!status && s->dtype == HYLA_FLOAT32)
    for (int64_t i = 0; i < s->n; i++) ((float *)s->data)[i] = (float)d.x[i];
  close_state(&d);
  return status;
}
