/* Methods: resumable objects over a driver. A method is a table of functions and a private part; one file each. */
#ifndef HY_HYPERGRAD_H
#define HY_HYPERGRAD_H
#include "dynamics/dynamics.h"

typedef struct hy_method_kind {
  const char *name;
  int (*start)(hyla_method *m);         /* after the driver has computed s_0 */
  int (*step)(hyla_method *m);          /* one step forward */
  int (*hypergradient)(hyla_method *m); /* at T: leaves f and g in the method */
  int (*partial)(hyla_method *m);       /* the same at the present step; NULL: there is none before T */
  int (*update)(const hyla_method *m);  /* may lambda change on the way? NULL: it may not */
  int (*pieces)(const hyla_method *m);  /* how many states' worth it carries beside the state; NULL: none */
  char *(*piece)(hyla_method *m, int i);
  double (*bytes)(const hyla_method *m);
  int (*cost)(const hyla_method *m, hyla_cost *out); /* NULL: T steps, and nothing stored */
  void (*drop)(hyla_method *m);
} hy_method_kind;

struct hyla_method {
  const hy_method_kind *kind;
  hy_driver driver;
  double f;
  char *g;      /* by the problem's hyper_layout */
  bool done;    /* f and g hold the hypergradient at T */
  bool settled; /* training stands still: the method takes no more steps */
};

/* A memory budget that a user gave: HYLA_EVALUE for a negative one or NaN. */
int hy_method_check_memory(const char *kind, double memory);
/* Sets up the common part of a method whose structure begins with a hyla_method. */
int hy_method_open(hyla_method *m, const hy_method_kind *kind, hyla_problem *p, int differentiate);

/* ---- adjoint.c: the pieces of a backward sweep; `run` is hy_program_run, or looks at every value. alpha is by the
 * state layout, g the method's. ---- */
int hy_outer_adjoint(hyla_method *m, char *alpha, hy_run *run); /* f, alpha = dE/ds_T, g = dE/dlambda */
/* From alpha_t to alpha_{t-1}; g grows by alpha_t B_t. s_{t-1}: `state`, but for what `stored` (or NULL) has of it. */
int hy_step_adjoint(hyla_method *m, double t, const char *state, const hy_trajectory *stored, char *alpha, hy_run *run);
int hy_initial_adjoint(hyla_method *m, char *alpha, hy_run *run); /* g += alpha ds_0/dlambda, unless it began warm */
bool hy_adjoint_finite(const hyla_method *m, const char *alpha);  /* f, alpha and g */
#endif
