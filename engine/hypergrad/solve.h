/* Linear systems A x = b, of which only products with A are known: the solvers of the implicit hypergradient. */
#ifndef HY_SOLVE_H
#define HY_SOLVE_H
#include "dynamics/dynamics.h"

/* out = H v, or out = A' v for the fixed point; both vectors by the solver's layout. */
typedef int hy_product(void *context, const char *v, char *out);

typedef struct hy_solver {
  hyla_implicit o;
  const hy_layout *layout; /* of the vectors: values of one dtype, zeros between them */
  const char *site;        /* of the objective, for messages */
  hy_product *product;
  void *context;
  int64_t n; /* elements of a vector, those between values too */
  int dtype;
  char *b, *x;
  double tolerance;  /* 0: none */
  double iterations; /* done */
  double residual;   /* |b - A x| / |b|, at the end */
  /* on the way; running: hy_solver_run goes on with them */
  bool running, fresh; /* fresh: r is b - A x itself, not carried along */
  char *r, *p, *ap;
  double rr, norm_b, first, before;
  char **column; /* NYSTROM: H e_i of the chosen i */
  int64_t *chosen;
  double *small;
} hy_solver;

/* settings are checked here: HYLA_EVALUE. */
int hy_solver_open(hy_solver *s, const hyla_implicit *settings, const hy_layout *layout, const char *site,
                   hy_product *product, void *context);
void hy_solver_close(hy_solver *s);
size_t hy_solver_bytes(const hy_solver *s);
/* Solves for x, beginning with what x holds; b is given. HYLA_EINTR: calling again goes on. */
int hy_solver_run(hy_solver *s);

/* ---- vector.c: n elements of a dtype; sums in double, in an order of their own that is always the same ---- */
double hy_dot(int64_t n, int dtype, const char *x, const char *y);
double hy_distance(int64_t n, int dtype, const char *x, const char *y);        /* |x - y| */
void hy_add_scaled(int64_t n, int dtype, char *y, double a, const char *x);    /* y += a x */
void hy_scale_and_add(int64_t n, int dtype, char *y, double a, const char *x); /* y = x + a y */
/* ---- nystrom.c ---- */
int hy_nystrom_open(hy_solver *s);
int hy_nystrom_run(hy_solver *s);
/* ---- of solve.c, for it ---- */
int hy_solver_multiply(hy_solver *s, const char *v, char *out); /* (H + damping) v, or (1 - A') v */
int hy_solver_measure(hy_solver *s);                            /* r = b - A x, rr */
#endif
