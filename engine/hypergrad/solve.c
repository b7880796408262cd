/* Conjugate gradients, and Richardson's iteration x <- x + rate (b - A x): the Neumann series of (H + damping)^-1 where
 * A = H + damping, the fixed point x = A' x + b where A = 1 - A' and rate = 1. */
#include "hypergrad/solve.h"
#include <math.h>
#include <string.h>

static const char *name_of(const hy_solver *s) {
  static const char *const name[] = {"cg", "fixed_point", "neumann", "nystrom"};
  return name[s->o.solver];
}

/* ---- opening ---- */

static int check_settings(const hyla_implicit *o) {
  if (o->solver < HYLA_SOLVE_CG || o->solver > HYLA_SOLVE_NYSTROM)
    return hy_fail(HYLA_EVALUE, NULL, "implicit: %d is no solver", o->solver);
  if (!(o->iterations >= 1))
    return hy_fail(HYLA_EVALUE, NULL, "implicit: expected iterations >= 1, got %.9g", o->iterations);
  if (!(o->damping >= 0 && o->damping < INFINITY))
    return hy_fail(HYLA_EVALUE, NULL, "implicit: expected damping >= 0, got %.9g", o->damping);
  if (o->solver == HYLA_SOLVE_FIXED_POINT && o->damping > 0)
    return hy_fail(HYLA_EVALUE, NULL, "implicit: damping is added to a Hessian, and fixed_point has none");
  if (o->solver == HYLA_SOLVE_NEUMANN && !(o->rate > 0 && o->rate < INFINITY))
    return hy_fail(HYLA_EVALUE, NULL, "implicit: neumann needs a rate > 0, got %.9g", o->rate);
  if (o->solver == HYLA_SOLVE_NYSTROM && !(o->damping > 0))
    return hy_fail(HYLA_EVALUE, NULL, "implicit: nystrom needs damping > 0, got %.9g", o->damping);
  return 0;
}

int hy_solver_open(hy_solver *s, const hyla_implicit *settings, const hy_layout *layout, const char *site,
                   hy_product *product, void *context) {
  int status = check_settings(settings);
  if (status) return status;
  *s = (hy_solver){.o = *settings, .layout = layout, .site = site, .product = product, .context = context};
  s->tolerance = settings->tolerance;
  s->dtype = layout->shape[0].dtype;
  s->n = (int64_t)(layout->bytes / hy_dtype_size(s->dtype));
  char **vector[] = {&s->b, &s->x, &s->r, &s->p, &s->ap};
  for (size_t i = 0; i < sizeof vector / sizeof *vector; i++)
    if (!(*vector[i] = hy_calloc(layout->bytes + 1, 1))) return HYLA_ENOMEM;
  return s->o.solver == HYLA_SOLVE_NYSTROM ? hy_nystrom_open(s) : 0;
}

void hy_solver_close(hy_solver *s) {
  for (int i = 0; s->column && i < s->o.rank; i++) hy_free(s->column[i]);
  hy_free(s->column);
  hy_free(s->chosen);
  hy_free(s->small);
  hy_free(s->b);
  hy_free(s->x);
  hy_free(s->r);
  hy_free(s->p);
  hy_free(s->ap);
  *s = (hy_solver){0};
}

size_t hy_solver_bytes(const hy_solver *s) {
  size_t rank = s->column ? (size_t)s->o.rank : 0;
  return (5 + rank) * s->layout->bytes + rank * (rank + 2) * sizeof(double);
}

/* ---- products ---- */

int hy_solver_multiply(hy_solver *s, const char *v, char *out) {
  int status = s->product(s->context, v, out);
  if (status) return status;
  if (s->o.solver == HYLA_SOLVE_FIXED_POINT) hy_scale_and_add(s->n, s->dtype, out, -1, v);
  else if (s->o.damping > 0) hy_add_scaled(s->n, s->dtype, out, s->o.damping, v);
  return 0;
}

int hy_solver_measure(hy_solver *s) {
  bool zero = hy_dot(s->n, s->dtype, s->x, s->x) == 0;
  int status = zero ? 0 : hy_solver_multiply(s, s->x, s->ap);
  if (status) return status;
  memcpy(s->r, s->b, s->layout->bytes);
  if (!zero) hy_add_scaled(s->n, s->dtype, s->r, -1, s->ap);
  s->rr = hy_dot(s->n, s->dtype, s->r, s->r);
  s->fresh = true;
  return 0;
}

static bool within(const hy_solver *s) { return sqrt(s->rr) <= s->tolerance * s->norm_b; }

static int not_reached(const hy_solver *s) {
  return hy_fail(HYLA_ECONVERGE, s->site,
                 "implicit: %s did not reach its tolerance: the residual is %.3g times |dE/dw| after %.0f iterations, "
                 "the tolerance is %.3g (more iterations, a larger tolerance, or damping)",
                 name_of(s), sqrt(s->rr) / s->norm_b, s->iterations, s->tolerance);
}

/* ---- conjugate gradients (Hestenes and Stiefel 1952) ---- */

static int indefinite(const hy_solver *s, double curvature) {
  double square = hy_dot(s->n, s->dtype, s->p, s->p);
  return hy_fail(HYLA_ECONVERGE, s->site,
                 "implicit: the Hessian of the inner objective is not positive definite: along the direction of "
                 "iteration %.0f of cg its curvature%s is %.3g; a regulariser in the inner objective, or damping above "
                 "%.3g, makes it so",
                 s->iterations + 1, s->o.damping > 0 ? " with damping" : "", curvature / square,
                 s->o.damping - curvature / square);
}

static int descend(hy_solver *s) {
  int status = hy_solver_multiply(s, s->p, s->ap);
  if (status) return status;
  double curvature = hy_dot(s->n, s->dtype, s->p, s->ap), before = s->rr;
  if (!(curvature > 0)) return indefinite(s, curvature);
  hy_add_scaled(s->n, s->dtype, s->x, before / curvature, s->p);
  hy_add_scaled(s->n, s->dtype, s->r, -before / curvature, s->ap);
  s->rr = hy_dot(s->n, s->dtype, s->r, s->r);
  s->fresh = false;
  hy_scale_and_add(s->n, s->dtype, s->p, s->rr / before, s->r);
  s->iterations++;
  return 0;
}

/* The residual that is carried along drifts from b - A x by rounding: the end is judged by b - A x itself, and where
 * that is not small enough, the search begins anew from there. */
static int conjugate_gradients(hy_solver *s) {
  int status = 0;
  while (!status) {
    bool last = s->iterations >= s->o.iterations || s->rr == 0;
    if ((within(s) || last) && !s->fresh) {
      if ((status = hy_poll_interrupt()) || (status = hy_solver_measure(s))) return status;
      memcpy(s->p, s->r, s->layout->bytes);
    }
    if (within(s) || (last && s->tolerance <= 0)) return 0;
    if (last) return not_reached(s);
    if (!(status = hy_poll_interrupt())) status = descend(s);
  }
  return status;
}

/* ---- Richardson's iteration ---- */

/* The curvature of H + damping that is largest in size, from below: a few steps of the power method from the residual,
 * which an iteration that does not contract has turned that way. 0 where a product fails. */
static double largest_curvature(hy_solver *s) {
  double curvature = 0;
  memcpy(s->ap, s->r, s->layout->bytes);
  for (int i = 0; i < 30; i++) {
    double size = sqrt(hy_dot(s->n, s->dtype, s->ap, s->ap));
    if (!(size > 0 && isfinite(size))) break;
    memset(s->p, 0, s->layout->bytes);
    hy_add_scaled(s->n, s->dtype, s->p, 1 / size, s->ap);
    if (s->product(s->context, s->p, s->ap)) return 0;
    hy_add_scaled(s->n, s->dtype, s->ap, s->o.damping, s->p);
    curvature = hy_dot(s->n, s->dtype, s->p, s->ap);
  }
  return curvature;
}

static int no_contraction(hy_solver *s, double before, double now) {
  if (s->o.solver == HYLA_SOLVE_FIXED_POINT)
    return hy_fail(HYLA_ECONVERGE, s->site,
                   "implicit: the last step of training does not contract: after %.0f iterations of fixed_point the "
                   "residual is %.3g times |dE/ds|, before it was %.3g (a smaller learning rate may help)",
                   s->iterations, now / s->norm_b, before / s->norm_b);
  double curvature = largest_curvature(s);
  /* The residual has grown by |1 - rate c| of some curvature c, or less. */
  if (curvature * s->o.rate < 2)
    return hy_fail(HYLA_ECONVERGE, s->site,
                   "implicit: neumann does not contract: the Hessian of the inner objective has a curvature of %.3g or "
                   "less; a regulariser in the inner objective, or damping, makes it positive definite",
                   (1 - now / before) / s->o.rate - s->o.damping);
  return hy_fail(HYLA_ECONVERGE, s->site,
                 "implicit: neumann does not contract: the residual grew from %.3g to %.3g times |dE/dw| at iteration "
                 "%.0f; the Hessian has a curvature of %.3g or more, so the rate must stay below %.3g, and it is %.3g",
                 before / s->norm_b, now / s->norm_b, s->iterations, curvature, 2 / curvature, s->o.rate);
}

/* With a symmetric A that contracts, every iteration makes the residual smaller, down to rounding. The last step of
 * training has no symmetry, and its residual may grow for a while. */
static bool diverges(const hy_solver *s, double now) {
  double rounding = s->dtype == HYLA_FLOAT32 ? 1e-5
                                             : 1e-13; /* of a product, relative to |A| |x|, |A| at most 2 / rate */
  if (!isfinite(now)) return true;
  if (s->o.solver == HYLA_SOLVE_FIXED_POINT) return now > 1e6 * (s->norm_b + s->first);
  double scale = s->norm_b + sqrt(hy_dot(s->n, s->dtype, s->x, s->x)) / s->o.rate;
  return s->iterations > 0 && now > s->before * (1 + 1e-3) && now > rounding * scale;
}

static int richardson(hy_solver *s) {
  double rate = s->o.solver == HYLA_SOLVE_FIXED_POINT ? 1 : s->o.rate;
  for (;;) {
    int status = hy_poll_interrupt();
    if (!status && !s->fresh) status = hy_solver_measure(s);
    if (status) return status;
    double now = sqrt(s->rr);
    if (s->iterations == 0) s->first = now;
    if (diverges(s, now)) return no_contraction(s, s->before, now);
    bool last = s->iterations >= s->o.iterations;
    if (within(s) || (last && s->tolerance <= 0)) return 0;
    if (last) return now >= s->first ? no_contraction(s, s->first, now) : not_reached(s);
    hy_add_scaled(s->n, s->dtype, s->x, rate, s->r);
    s->before = now;
    s->fresh = false;
    s->iterations++;
  }
}

/* ---- running ---- */

static int begin(hy_solver *s) {
  s->norm_b = sqrt(hy_dot(s->n, s->dtype, s->b, s->b));
  s->iterations = 0;
  s->before = 0;
  if (s->norm_b == 0 || s->o.solver == HYLA_SOLVE_NYSTROM) memset(s->x, 0, s->layout->bytes);
  int status = hy_poll_interrupt();
  if (!status) status = hy_solver_measure(s);
  if (status) return status;
  memcpy(s->p, s->r, s->layout->bytes);
  s->running = true;
  return 0;
}

int hy_solver_run(hy_solver *s) {
  int status = s->running ? 0 : begin(s);
  if (!status) {
    if (s->o.solver == HYLA_SOLVE_CG) status = conjugate_gradients(s);
    else status = s->o.solver == HYLA_SOLVE_NYSTROM ? hy_nystrom_run(s) : richardson(s);
  }
  if (status == HYLA_EINTR) return status;
  s->running = false;
  if (!status) s->residual = s->norm_b > 0 ? sqrt(s->rr) / s->norm_b : 0;
  return status;
}
