/* The dynamics s_t = Phi_t(s_{t-1}, lambda): what a problem is, its programs, and the driver that takes its steps. */
#ifndef HY_DYNAMICS_H
#define HY_DYNAMICS_H
#include "plan/plan.h"

/* ---- layout.c: several typed values in one allocation, each at a multiple of 64 bytes ---- */
typedef struct hy_layout {
  int n;
  hyla_shape *shape;
  size_t *offset;
  size_t bytes;
} hy_layout;
int hy_layout_add(hy_layout *l, const hyla_shape *shape);
void hy_layout_close(hy_layout *l);
static inline size_t hy_layout_size(const hy_layout *l, int i) {
  return (size_t)hy_shape_size(&l->shape[i]) * hy_dtype_size(l->shape[i].dtype);
}
int hy_layout_first_nonfinite(const hy_layout *l, const char *data); /* the index of a value that is not finite, or -1 */

/* ---- problem.c ---- */
typedef struct hy_variable {
  char *name;
  const char *site;  /* interned in the graph */
  hy_ref input, init;
} hy_variable;

typedef struct hy_segment {
  double steps;
  hy_ref *next;
  int n_stream;
  hy_ref *stream;
  hyla_tensor **table;
  hyla_program *step, *vjp;
} hy_segment;

struct hyla_problem {
  hyla_graph *graph;
  hy_variable *hyper, *state;
  int n_hyper, hyper_capacity, n_state, state_capacity;
  hy_segment *segment;
  int n_segment, segment_capacity;
  hy_ref outer;
  bool ready, differentiable;
  hy_layout hyper_layout, state_layout;
  hyla_program *init_program, *outer_program, *outer_vjp, *init_vjp;
  bool *stored;       /* [n_state] read by some adjoint step: the trajectory keeps it */
  size_t slot_bytes;  /* of one step of the trajectory */
  int references;
};
hyla_problem *hy_problem_keep(hyla_problem *p);
double hy_problem_steps(const hyla_problem *p); /* T */

/* ---- derive.c: the adjoint programs ---- */
int hy_problem_plan(hyla_problem *p);
int hy_problem_differentiate(hyla_problem *p);
int hy_problem_check_paths(const hyla_problem *p);

/* ---- driver.c ---- */
typedef struct hy_driver {
  hyla_problem *problem;
  char *hyper, *state;     /* flat, by the problem's layouts */
  char **in, **out;        /* pointers of a program call, room for the largest */
  double t;                /* steps done */
  int segment;             /* of the next step */
  double segment_t;        /* steps done in it */
  bool started;
} hy_driver;
int hy_driver_open(hy_driver *d, hyla_problem *p);
void hy_driver_close(hy_driver *d);
int hy_driver_start(hy_driver *d, hyla_tensor *const *lambda);
/* One step. HYLA_EINTR before it, HYLA_ENONFINITE when the state that comes out is not finite (names op, line, step). */
int hy_driver_step(hy_driver *d);
void hy_driver_seek(hy_driver *d, double t);  /* position alone; the state is the caller's business */
int hy_driver_outer(hy_driver *d, double *f);
/* Appends pointers at in[n]: states, hyperparameters, streams of the step that leads to the driver's t + 1. Returns the new n. */
int hy_driver_bind(const hy_driver *d, char **in, int n, const char *state);
int hy_layout_bind(const hy_layout *l, char **in, int n, const char *data);

/* ---- trajectory.c: what the adjoint steps read of every state ---- */
typedef struct hy_trajectory {
  char *slot;
  double steps;
  size_t slot_bytes;
} hy_trajectory;
/* HYLA_ENOMEM names what it needs and what there is. budget 0: what the memory limit leaves. */
int hy_trajectory_open(hy_trajectory *r, const hyla_problem *p, double budget);
void hy_trajectory_close(hy_trajectory *r);
void hy_trajectory_store(hy_trajectory *r, const hyla_problem *p, double t, const char *state);
/* Binds the stored states of step t at in[n]; those not stored are bound to `state`, which nothing reads. */
int hy_trajectory_bind(const hy_trajectory *r, const hyla_problem *p, double t, char **in, int n, const char *state);
#endif
