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
int hy_layout_first_nonfinite(const hy_layout *l,
                              const char *data); /* the index of a value that is not finite, or -1 */

/* ---- problem.c ---- */
typedef struct hy_variable {
  char *name;
  const char *site; /* interned in the graph */
  hy_ref input, init;
} hy_variable;

/* One way to go back a step: what the step leaves behind, and the adjoint program that reads it. */
typedef struct hy_adjoint {
  hyla_program *step; /* the step that also gives the residuals; NULL: there are none, the plain step does */
  hyla_program *vjp;  /* in: states, hyperparameters, streams, alpha, g, residuals; out: alpha, g, slices */
  int n_residual;
  hyla_shape *residual;
  bool *stored;      /* [n_state] states that vjp reads */
  size_t slot_bytes; /* of one step in the trajectory: stored states, then residuals */
} hy_adjoint;

typedef struct hy_segment {
  double steps;
  hy_ref *next;
  hyla_program *step;
  hy_adjoint lean, rich;        /* from states alone; with residuals (rich.vjp NULL: none pay) */
  double gain;                  /* what residuals save an adjoint step, in steps forward: estimated from the graph */
  struct hy_momentum *momentum; /* its parts, where it was declared to be momentum; momentum.h */
} hy_segment;

struct hyla_problem {
  hyla_graph *graph;
  hy_variable *hyper, *state;
  int n_hyper, hyper_capacity, n_state, state_capacity;
  hyla_stream *stream; /* tables kept */
  int n_stream, stream_capacity;
  int *slice; /* the streams that are rows of hyperparameters */
  int n_slice, slice_capacity;
  hy_segment *segment;
  int n_segment, segment_capacity;
  hy_ref outer;
  hy_ref inner;          /* -1: none was named */
  int n_weight, *weight; /* states that it is minimised in */
  bool ready, differentiable;
  hy_layout hyper_layout, state_layout, slice_layout;
  hyla_program *init_program, *outer_program, *outer_vjp, *init_vjp;
  uint64_t taken; /* sets of hyperparameters that drivers took so far: each has its number */
  int references;
};
void hy_adjoint_drop(hy_adjoint *a);
int hy_problem_check_input(const hyla_problem *p, const char *what, hy_ref input); /* a free input of the graph */
hyla_problem *hy_problem_keep(hyla_problem *p);
double hy_problem_steps(const hyla_problem *p); /* T */
int hy_problem_reserve(const hyla_problem *p);  /* room for its programs; those of adjoints: */
int hy_problem_reserve_adjoints(const hyla_problem *p);

/* ---- stream.c: the values of x_t ---- */
/* Those that were drawn last: going forwards or backwards, a step draws each once. */
typedef struct hy_feed {
  char **value;        /* [n_stream] NULL: the stream's values lie in memory already */
  double *k;           /* [n_stream] of the value held, or -1 */
  hyla_tensor **order; /* [n_stream] EPOCHS: the shuffled epoch that `epoch` names */
  double *epoch;
} hy_feed;
void hy_stream_drop(hyla_stream *s);
int hy_feed_open(hy_feed *f, const hyla_problem *p);
void hy_feed_close(hy_feed *f, const hyla_problem *p);
/* Where the value of stream j at step t lies. hyper: where the hyperparameters' rows are taken from. HYLA_EVALUE: the
 * stream has no row for it. */
int hy_feed_value(hy_feed *f, const hyla_problem *p, int j, double t, const char *hyper, char **value);
/* Binds at in[0..n_stream) the streams of step t that `program` reads; `at` is its first input that is a stream. */
int hy_feed_bind(hy_feed *f, const hyla_problem *p, const hyla_program *program, int at, double t, const char *hyper,
                 char **in);
/* Binds at in[0..n_slice) the rows of the hyperparameter-like `data` that step t sees. */
int hy_slice_bind(const hyla_problem *p, double t, const char *data, char **in, int n);
/* g += slices, each to the row that step t saw. */
void hy_slice_add(const hyla_problem *p, double t, const char *slices, char *g);
/* An error where a program asks a stream for a row it does not have. */
int hy_problem_check_streams(const hyla_problem *p);

/* ---- derive.c: the adjoint programs ---- */
int hy_problem_plan(hyla_problem *p);
int hy_problem_differentiate(hyla_problem *p);
int hy_problem_check_paths(const hyla_problem *p);
size_t hy_residual_bytes(const hy_adjoint *a, int i);
size_t hy_problem_slot_bytes(const hyla_problem *p, bool rich); /* of one step of the trajectory */
bool hy_problem_has_residuals(const hyla_problem *p);
double hy_problem_residual_gain(const hyla_problem *p); /* mean over the steps, in steps forward */

/* ---- residual.c ---- */
/* The step's values to store for the adjoint program of these outputs: how many, and *residual (hy_free) when any; *gain
 * is what they save, as in hy_segment. */
int hy_choose_residuals(const hyla_problem *p, const hy_segment *s, int n_out, const hy_ref *out, hy_ref **residual,
                        double *gain);

/* ---- tangent.c: k tangents on one primal ---- */
typedef struct hy_tangent {
  int k, n_segment;
  double carry;        /* what of Z_{t-1} a step sees: 1 all, as in Forward-HG; 0 nothing */
  hyla_program **push; /* [n_segment] the step's tangents alone: in: as step; out: Z. NULL where not asked for */
  hyla_program **step; /* [n_segment] in: states, hyperparameters, streams, Z, lambda_dot, slices; out: states, Z */
  hyla_program *outer; /* in: as step; out: E and its slope along each direction */
  hyla_program *init;  /* in: hyperparameters, streams, lambda_dot, slices; out: Z_0 */
  char **in, **out;    /* room for the pointers of a call */
} hy_tangent;
int hy_tangent_open(hy_tangent *f, hyla_problem *p, int k, double carry, bool push);
void hy_tangent_close(hy_tangent *f);

typedef struct hy_driver hy_driver;

typedef struct hy_trajectory hy_trajectory;

/* ---- schedule.c: which states and records a trajectory that does not fit is made again from ---- */
/* Steps forward that l steps back take with s states at hand, the first included, and k records. */
double hy_schedule_steps(double l, double s, double k);
/* From the state a stretch of l steps begins with to the next that is to be held; INFINITY: none is. */
double hy_schedule_distance(double l, double s, double k);
typedef struct hy_schedule_room {
  double steps;         /* to be taken back */
  double free;          /* 1: the state they begin with takes no room; else 0 */
  double bytes;         /* there are */
  double state, record; /* bytes of one; record 0: none are to be kept */
  double gain;          /* steps forward that a record saves its adjoint step beyond what a state does */
} hy_schedule_room;
typedef struct hy_allotment {
  double states, records;
  double cost; /* steps forward, less what records save */
} hy_allotment;
/* The cheapest split of the bytes into states and records. */
hy_allotment hy_schedule_choose(const hy_schedule_room *m);

/* ---- checkpoint.c: whole states at some steps ---- */
typedef struct hy_checkpoints {
  double origin;      /* where training starts: this state can be made again */
  double first;       /* the sweep goes back to s_first */
  double end;         /* the stretch that is gone over ends there: its last adjoint step is that from s_end-1 */
  size_t n, room;     /* states held, and how many can be */
  double records;     /* steps before s_end-1 that are recorded where there are as many */
  size_t each, bytes; /* of a state; of all there is: one block that begins at `work` */
  char *work, *slot;  /* the state that goes from checkpoint to checkpoint; those held */
  double *at;         /* [room] steps of those held, ascending */
  double work_t;      /* step of the work state; -1: it holds none */
  double goal;        /* where the next one is left */
  char *reached;
  double replayed; /* steps taken again so far */
} hy_checkpoints;
size_t hy_checkpoints_bytes(const hyla_problem *p, double room);
int hy_checkpoints_open(hy_checkpoints *c, const hy_driver *d, double first, double room, double records);
void hy_checkpoints_close(hy_checkpoints *c);
/* Training, or the work state, stands at s_t. True: the step from there is to be recorded. */
bool hy_checkpoints_pass(hy_checkpoints *c, double t, const char *state);
/* Makes s_t, first <= t < T, and leaves it at `reached` until the next call, unless the records hold what is read of it.
 * Serves a sweep with falling t; in any other order it takes more steps. d: whose hyperparameters and streams; its own
 * state stays. HYLA_EINTR: calling again goes on. */
int hy_checkpoints_reach(hy_trajectory *r, const hy_driver *d, double t);

/* ---- record.c: what adjoint steps read of the steps of a stretch ---- */
typedef struct hy_records {
  double room, rich; /* how many, and how many of these, the last of a stretch, have residuals */
  double bytes;
  size_t each, each_rich; /* bytes of one, of one with residuals */
  char *slot;
  double end;      /* of the stretch: the last record is that of s_end-1 */
  double from, to; /* those of s_from .. s_to-1 are held */
} hy_records;
double hy_records_bytes(const hyla_problem *p, double room, double rich);
int hy_records_open(hy_records *r, const hyla_problem *p, double room, double rich);
void hy_records_close(hy_records *r);
void hy_records_begin(hy_records *r, double end); /* a stretch: none is held yet */
static inline bool hy_records_hold(const hy_records *r, double t) { return t >= r->from && t < r->to; }
/* The adjoint of the step from s_t that its record is, or will be, for. */
const hy_adjoint *hy_records_adjoint(const hy_records *r, const hy_segment *s, double t);
/* Stores the states that the adjoint reads, and binds at residual[0..] where the step is to leave the rest. */
const hy_adjoint *hy_records_put(hy_records *r, const hyla_problem *p, const hy_segment *s, double t, const char *state,
                                 char **residual);
/* Binds what is held of step t: stored states over in[0..], residuals at residual[0..]. */
void hy_records_bind(const hy_records *r, const hyla_problem *p, const hy_segment *s, double t, char **in,
                     char **residual);

/* ---- stationary.c: the programs of the implicit hypergradient, at a state where training stands still ---- */
typedef struct hy_stationary {
  bool fixed_point;       /* of the last step; else a minimum of the inner objective */
  int n, *state;          /* the unknowns of the linear system belong to these states: all, or the weights */
  hy_layout unknown;      /* of one dtype */
  hyla_program **step;    /* [n_segment] the step, and |dJ/dw|^2 before it as a last output; NULL: no inner objective */
  hyla_program *gradient; /* in: states, hyperparameters, streams; out: dJ/dw. NULL: no inner objective */
  hyla_program *prepare;  /* in: as gradient; out: values that products read. NULL: none */
  hyla_program *product;  /* in: as gradient, q, those values; out: H q; of a fixed point A' q */
  hyla_program *cross;    /* in: as gradient, q, g; out: g - (d2J/dw dlambda)' q; of a fixed point g + B' q */
  hy_layout value;
  int n_segment;
} hy_stationary;
int hy_stationary_open(hy_stationary *at, hyla_problem *p, bool fixed_point);
void hy_stationary_close(hy_stationary *at);

/* ---- trajectory.c: what the adjoint steps read of every step ---- */
typedef struct hy_trajectory_plan {
  bool work;            /* not every step is recorded: a work state takes some again, from checkpoints */
  double checkpoints;   /* whole states */
  double records, rich; /* at a time, and how many of these have residuals */
  double extra;         /* steps taken again */
  double cost;          /* with `work`: as of hy_allotment */
  double bytes;
} hy_trajectory_plan;
struct hy_trajectory {
  hy_trajectory_plan plan;
  hy_checkpoints checkpoints;
  hy_records records;
};
/* How the steps after `first` are stored in `budget` bytes (as of hy_memory_allowed; `own` are held already), where
 * training starts at `origin`: a function of sizes alone. Everything that is read of them where that fits, with residuals
 * for as many as fit, too; else checkpoints and records. Without a budget residuals are all stored or none, and take at
 * most half a GiB or half as much as the states. HYLA_ENOMEM names what is needed and what there is. */
int hy_trajectory_choose(const hyla_problem *p, double first, double origin, double budget, double own,
                         hy_trajectory_plan *out);
int hy_trajectory_open(hy_trajectory *r, const hy_driver *d, double first, double budget);
void hy_trajectory_close(hy_trajectory *r);
/* The adjoint of the step from s_t, which has been reached. */
const hy_adjoint *hy_trajectory_adjoint(const hy_trajectory *r, const hy_segment *s, double t);
/* Sees to it that what the adjoint of the step after s_t reads is there. */
int hy_trajectory_reach(hy_trajectory *r, const hy_driver *d, double t);

/* The outer objective's value, in its own dtype. */
typedef union hy_scalar {
  float f;
  double d;
} hy_scalar;
static inline double hy_scalar_value(const hyla_problem *p, const hy_scalar *e) {
  return p->graph->node[p->outer].shape.dtype == HYLA_FLOAT32 ? e->f : e->d;
}

/* ---- driver.c ---- */
struct hy_driver {
  hyla_problem *problem;
  char *hyper, *state; /* flat, by the problem's layouts */
  uint64_t hypers;     /* a number that these hyperparameters alone have: hy_program_stays */
  char *slices;        /* room for adjoints of slices */
  char **in, **out;    /* pointers of a program call, room for the largest */
  hy_feed feed;
  double t;         /* steps done */
  int segment;      /* of the next step */
  double segment_t; /* steps done in it */
  char *warm;       /* the states training started from, of step `origin`; NULL: s_0 */
  double origin;
  bool started;
  bool updated; /* hyperparameters changed on the way: what led here cannot be replayed */
};
/* How to go once more over the steps that led somewhere. */
typedef struct hy_replay {
  void *context;
  int (*restart)(void *context);
  int (*step)(void *context, hy_run *run);
  const char *what; /* "training" */
} hy_replay;
/* The step that led to the driver's t left a value that is not finite, and overwrote what it read: goes there again and
 * takes it looking at every value. Always a failure: op, line and step, or the words `otherwise`; or HYLA_EINTR, and
 * training is at its start again, as if it had not come here yet. */
int hy_driver_explain(hy_driver *d, const hy_replay *r, const char *otherwise);
int hy_driver_open(hy_driver *d, hyla_problem *p);
void hy_driver_close(hy_driver *d);

int hy_driver_start_from(hy_driver *d, hyla_tensor *const *lambda, double t, hyla_tensor *const *state);
int hy_driver_want_started(const hy_driver *d);                 /* HYLA_ESTATE: there is no state of training */
int hy_driver_restart(hy_driver *d);                            /* from where it started, at the same hyperparameters */
int hy_driver_update(hy_driver *d, hyla_tensor *const *lambda); /* other hyperparameters from here on */
/* One step, recorded in the trajectory when there is one (r may be NULL). HYLA_EINTR before it, HYLA_ENONFINITE when the
 * state that comes out is not finite (names op, line, step). */
int hy_driver_step(hy_driver *d, hy_trajectory *r);
void hy_driver_seek(hy_driver *d, double t); /* position alone; the state is the caller's business */
int hy_driver_outer(hy_driver *d, double *f);
/* Appends pointers at in[n]: states, hyperparameters, and the streams that `program` reads, of the step that leads to
 * the driver's t + 1. Returns the new n, or a status. state NULL: the program has none. */
int hy_driver_bind(hy_driver *d, hyla_program *program, char **in, int n, const char *state);
/* The same, streams of step t (what outer and init programs read: those of the last step). */
int hy_driver_bind_at(hy_driver *d, hyla_program *program, double t, char **in, int n, const char *state);
int hy_layout_bind(const hy_layout *l, char **in, int n, const char *data);
/* The step from s_t is about to be taken. The adjoint that it is recorded for, with the place of its residuals bound at
 * residual[0..]; NULL: it is not recorded. */
const hy_adjoint *hy_trajectory_keep(hy_trajectory *r, const hyla_problem *p, const hy_segment *s, double t,
                                     const char *state, char **residual);
/* Binds what the trajectory holds of step t: stored states over in[0..], residuals at residual[0..]. */
void hy_trajectory_bind(const hy_trajectory *r, const hyla_problem *p, const hy_segment *s, double t, char **in,
                        char **residual);
#endif
