/* libhyla: differentiates through training. The one public header, and the only copy of these declarations:
 * lua/hyla/ffi.lua reads this file too, blanking the lines that start with '#', so every directive stands on a
 * line of its own and no declaration uses a macro.
 *
 * Conventions. A function that can fail returns an int: a reference (>= 0) or HYLA_OK on success, a negative
 * status otherwise; hyla_error() then has the words. On failure outputs are as they were. Sizes that may pass
 * 2^31 travel as double. `site` is the place in the recipe that asked ("recipes/x.lua:34"), or NULL. */
#ifndef HYLA_H
#define HYLA_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum {
  HYLA_OK = 0,
  HYLA_ESHAPE = -1,       /* shapes or ranks that do not fit */
  HYLA_ETYPE = -2,        /* a dtype that does not fit */
  HYLA_EVALUE = -3,       /* an argument outside its domain */
  HYLA_ENOMEM = -4,       /* the system or the memory limit refuses */
  HYLA_ENONFINITE = -5,   /* NaN or infinity arose */
  HYLA_EINTR = -6,        /* interrupted between steps; calling again goes on */
  HYLA_EIO = -7,          /* a file could not be read or written */
  HYLA_EFORMAT = -8,      /* a file is not what its name promises */
  HYLA_EDERIV = -9,       /* no derivative, or no path from the hyperparameter to the objective */
  HYLA_ECONSTRAINT = -10, /* an empty feasible set */
  HYLA_ESTATE = -11,      /* calls out of order */
  HYLA_EINTERNAL = -12,   /* a verifier found our own mistake */
  HYLA_ECONVERGE = -13    /* an iteration did not converge, or cannot (an indefinite Hessian, no contraction) */
};

enum { HYLA_FLOAT32 = 0, HYLA_FLOAT64 = 1, HYLA_INT32 = 2 };
enum { HYLA_MAX_RANK = 8, HYLA_MAX_ATTR = 24, HYLA_MAX_INPUTS = 16 };

typedef struct hyla_tensor hyla_tensor;
typedef struct hyla_graph hyla_graph;
typedef struct hyla_program hyla_program;
typedef struct hyla_problem hyla_problem;
typedef struct hyla_method hyla_method;

/* A tensor's type: dtype and dimensions, row-major. */
typedef struct hyla_shape {
  int32_t dtype, rank;
  int32_t dim[HYLA_MAX_RANK];
} hyla_shape;

/* An operation's attributes; what they mean is in the op's line of graph/ops.def. */
typedef struct hyla_attr {
  int32_t n;
  int32_t v[HYLA_MAX_ATTR];
  double f[2];
} hyla_attr;

/* ---- base: errors, memory, interrupts, threads, random numbers, files ---- */

const char *hyla_error(void); /* words of the last failure on this thread; "" before any */
const char *hyla_version(void);

double hyla_memory_current(void); /* bytes of ours that live now */
double hyla_memory_peak(void);    /* the most since start or since hyla_memory_reset_peak */
void hyla_memory_reset_peak(void);
void hyla_memory_limit(double bytes); /* 0: none. Past it an allocation fails with HYLA_ENOMEM and both sizes */
double hyla_memory_get_limit(void);
/* What a method with this budget may take: the budget, and no more than the limit leaves; 0: what the limit or, without
 * one, three quarters of the machine's memory leaves, but for a sixteenth. */
double hyla_memory_allowed(double budget);
void hyla_memory_fail_at(double n); /* testing: the n-th allocation from now fails once; 0 switches it off */

void hyla_interrupt(void);  /* what SIGINT does: the next step boundary returns HYLA_EINTR */
int hyla_interrupted(void); /* 1 when set */
void hyla_interrupt_clear(void);
void hyla_interrupt_at(double n); /* testing: the n-th step boundary from now interrupts, once; 0 switches it off */
/* Installs a handler that calls hyla_interrupt, for SIGINT (1) or for SIGINT and SIGTERM (2), or takes it back (0). */
int hyla_interrupt_on_sigint(int on);

int hyla_threads(int n); /* n >= 1 sets the number of threads, 0 asks; returns it. Results never depend on it */
const char *hyla_kernel_variant(void); /* "avx512", "avx2" or "generic"; HYLA_KERNELS in the environment forces one */
const char *hyla_blas_core(void);      /* what OpenBLAS runs on, in its words; OPENBLAS_CORETYPE forces one */

/* Counter-based (Philox 4x32-10): the numbers are a pure function of (seed, stream, position). float32 and float64 alike. */
int hyla_random_uniform(hyla_tensor *t, double seed, double stream, double lo, double hi); /* in [lo, hi) */
int hyla_random_normal(hyla_tensor *t, double seed, double stream, double mean, double deviation);
int hyla_random_permutation(hyla_tensor *t, double seed, double stream); /* int32 [n]: 0..n-1 shuffled */

int hyla_file_write(const char *path, const void *data, double size); /* atomic: temporary file, fsync, rename */
int hyla_file_sync(const char *path);                                 /* fsync of a file or folder */

/* ---- tensor ---- */

int hyla_tensor_new(const hyla_shape *shape, hyla_tensor **out); /* contiguous, zeros */
hyla_tensor *hyla_tensor_keep(hyla_tensor *t);                   /* one more reference; returns t */
void hyla_tensor_drop(hyla_tensor *t);                           /* one fewer; NULL is fine */
void hyla_tensor_shape(const hyla_tensor *t, hyla_shape *out);
double hyla_tensor_size(const hyla_tensor *t);          /* elements */
void *hyla_tensor_data(hyla_tensor *t);                 /* first element */
int hyla_tensor_contiguous(const hyla_tensor *t);       /* 1 when rows lie one after another */
int hyla_tensor_stride(const hyla_tensor *t, int axis); /* in elements */
/* Views share the storage. */
int hyla_tensor_slice(hyla_tensor *t, int axis, int start, int stop, hyla_tensor **out); /* [start, stop), from 0 */
int hyla_tensor_transpose(hyla_tensor *t, const int *perm, hyla_tensor **out);
int hyla_tensor_expand(hyla_tensor *t, const hyla_shape *shape, hyla_tensor **out);  /* axes of size 1 repeat */
int hyla_tensor_reshape(hyla_tensor *t, const hyla_shape *shape, hyla_tensor **out); /* copies only when it must */
int hyla_tensor_copy(hyla_tensor *to, const hyla_tensor *from); /* same dimensions; converts the dtype */
/* 1 when all are finite; else 0 and *where = the first flat index. */
int hyla_tensor_finite(const hyla_tensor *t, double *where);
int hyla_npy_save(const hyla_tensor *t, const char *path); /* atomic */
/* f2, f4, f8, ints and bool; f2 becomes float32, ints int32 (HYLA_EVALUE past its range). */
int hyla_npy_load(const char *path, hyla_tensor **out);

/* ---- graph: an SSA program of operations; a reference is an int >= 0 ---- */

int hyla_op_count(void);
int hyla_op_find(const char *name); /* index, or HYLA_EVALUE with the known names */
const char *hyla_op_name(int op);
int hyla_op_arity(int op);                     /* -1: any number */
const char *hyla_op_class(int op);             /* "map", "reduce", "contract", "move", "index", "leaf" */
const char *hyla_op_about(int op);             /* one line: what it computes and its attributes */
int hyla_op_differentiable(int op, int input); /* 1: has a derivative there; 0: piecewise constant or none */
/* The result's type of an operation, without making a node: HYLA_ESHAPE, HYLA_ETYPE, HYLA_EVALUE name the site. */
int hyla_infer(int op, const hyla_attr *attr, int n, const hyla_shape *in, const char *site, hyla_shape *out);

int hyla_graph_new(hyla_graph **out);
void hyla_graph_drop(hyla_graph *g);
int hyla_graph_input(hyla_graph *g, const char *name, const hyla_shape *shape, const char *site);
int hyla_graph_constant(hyla_graph *g, hyla_tensor *t, const char *site); /* keeps a reference to t, never changes it */
int hyla_graph_apply(hyla_graph *g, int op, const hyla_attr *attr, int n, const int *in, const char *site);
int hyla_graph_shape(const hyla_graph *g, int ref, hyla_shape *out);
int hyla_graph_depends(hyla_graph *g, int y, int x); /* 1 when y is reachable from x through derivatives */
/* Adjoints x_bar[i] = sum over y of y_bar dy/dx[i]; y_bar < 0 stands for one and wants a y of one element.
 * x_bar[i] = -1 where no path leads from x[i] to y. HYLA_EDERIV: an operation on the way has no derivative. */
int hyla_graph_vjp(hyla_graph *g, int y, int y_bar, int n, const int *x, int *x_bar);
/* Tangents y_dot[j] = sum over i of dy[j]/dx[i] x_dot[i]; -1 where no path leads. */
int hyla_graph_jvp(hyla_graph *g, int n, const int *x, const int *x_dot, int n_y, const int *y, int *y_dot);
/* A function whose derivative is given. Op `custom` {v[0] = what this returns} of a value and n operands is that value,
 * and its derivative by the operands is what the rules say.
 *   x[i], z   inputs of g that stand for operands and result in the rules; no program binds them. z is real */
int hyla_graph_custom(hyla_graph *g, const char *name, int n, const int *x, int z, const char *site);
/* The rules of function f, once, before a derivative is asked for. One may be missing: it is the other's transpose.
 *   z_bar, x_bar[i]   vjp: an input for the adjoint of z, and the adjoint of operand i, or -1: no derivative flows
 *                     there; z_bar = -1 (x_bar NULL): there is no vjp
 *   x_dot[i], z_dot   jvp: inputs for tangents (-1 for int32 operands), and the tangent of z; z_dot = -1: none
 * Both are linear in what they are given, or HYLA_EDERIV names the operation that is not. */
int hyla_graph_custom_rules(hyla_graph *g, int f, int z_bar, const int *x_bar, const int *x_dot, int z_dot);
/* Text of what outputs need; lives until the next call on g. */
const char *hyla_graph_print(hyla_graph *g, int n, const int *outputs);

/* ---- program: a graph planned for execution ---- */

int hyla_program_new(hyla_graph *g, int n_in, const int *in, int n_out, const int *out, hyla_program **p);
void hyla_program_drop(hyla_program *p);
/* in[i]: shape and dtype of input i. out[i]: written when given, made when NULL. */
int hyla_program_run(hyla_program *p, hyla_tensor *const *in, hyla_tensor **out);
const char *hyla_program_print(hyla_program *p); /* the plan as text; lives until the next call on p */
const char *hyla_program_dot(hyla_program *p);   /* the same as a graph in the language of Graphviz */

/* ---- profile: where the time of this thread's programs goes ----
 *
 * From hyla_profile_start to hyla_profile_stop every program that the calling thread runs, and what the pool's threads do
 * for it, is timed item by item (one kernel call on some rows). Results keep their bits. What was collected stays until
 * the next start, or hyla_profile_drop. Indices count from 0; HYLA_EVALUE for one that is not there. */

/* events: slices of a trace there is room for, 0 to 2^26; a program's first runs are kept whole until they have used a
 * quarter of it, and what goes beyond is counted in `dropped`. Drops what an earlier start has collected. */
int hyla_profile_start(double events);
int hyla_profile_stop(void); /* HYLA_ESTATE: it was not started */
void hyla_profile_drop(void);
int hyla_profile_on(void); /* 1 between start and stop */
/* A slice that encloses what comes until its end: a stage, a hyper-iteration. They nest; the name is copied. Nothing
 * happens where no profile is collected. */
void hyla_profile_begin(const char *name);
void hyla_profile_end(void);

typedef struct hyla_profile_sums {
  double seconds;   /* from start to stop, or until now */
  double methods;   /* of these, inside of the functions of methods */
  double inside;    /* of these again, in programs; the rest is streams, trajectory, checkpoints */
  double calls;     /* of kernels that were timed */
  double measuring; /* seconds that reading the clock took, over all threads: about */
  double dropped;   /* events that there was no room for */
  int32_t programs, threads, events, reserved;
} hyla_profile_sums;
int hyla_profile_total(hyla_profile_sums *out);

typedef struct hyla_profiled_program {
  const char *name; /* "step", "step.vjp", "outer", ...; "expression" where Lua asked for one */
  int32_t again;    /* 1: the runs between checkpoints, of steps that were taken before */
  int32_t items;
  double runs, seconds; /* on the calling thread, from begin to end */
  double graph;         /* which one its items' origins are nodes of */
} hyla_profiled_program;
int hyla_profile_program(int program, hyla_profiled_program *out);

typedef struct hyla_profiled_item {
  const char *op, *label, *site; /* site may be NULL */
  hyla_shape shape;              /* of its value, partial sums included */
  int32_t phase;                 /* from 0, in the order of execution */
  int32_t chain;                 /* the place in its chain of maps, from 1, or 0: in none */
  int32_t units, width;          /* what its phase shares out, and how many threads took part */
  int32_t block;                 /* rows of a block that goes through the phase together */
  int32_t shared;                /* 1: takes panels that an item before it packed */
  int32_t origin;                /* the first node of the program's graph that has its value, or -1 */
  int32_t place;                 /* of its value: 0 the arena, 1 a block's scratch, 2 the result, 3 kept between runs */
  int32_t output;                /* which result, or -1 */
  int32_t steady;                /* 1: made from hyperparameters alone, and only when they have changed */
  double rows;                   /* that its phase splits */
  double density;                /* share of entries that are there, of a factor packed sparse; 1 otherwise */
  double flops, bytes;           /* of one run; bytes: operands and value, each counted once */
  double runs;                   /* of the program, that it was part of */
  double calls, seconds;         /* over all threads */
  double wall;                   /* seconds: its part of those of the thread that spent most on its phase */
} hyla_profiled_item;
int hyla_profile_item(int program, int item, hyla_profiled_item *out);

enum { HYLA_EVENT_ITEM = 0, HYLA_EVENT_PROGRAM = 1, HYLA_EVENT_STAGE = 2 };
typedef struct hyla_profiled_event {
  const char *name;      /* of a stage, else NULL */
  double begin, end;     /* nanoseconds since the start */
  double run;            /* items and programs: which run of any program it belongs to, from 1 */
  int32_t kind, thread;  /* thread 0 is the one that started */
  int32_t program, item; /* -1 where there is none */
} hyla_profiled_event;
int hyla_profile_event(int event, hyla_profiled_event *out); /* after the stop; in no particular order */

/* ---- problem: dynamics s_t = Phi_t(s_{t-1}, lambda), s_0(lambda), and the outer objective E(s_T, lambda) ---- */

int hyla_problem_new(hyla_graph *g, hyla_problem **out); /* keeps g */
void hyla_problem_drop(hyla_problem *p);
/* Each returns its index. `input` is the graph's input that stands for it; init is s_0, a function of hyperparameters. */
int hyla_problem_hyper(hyla_problem *p, const char *name, int input, const char *site);
int hyla_problem_state(hyla_problem *p, const char *name, int input, int init, const char *site);
/* x_t: what differs from step to step. A stream binds an input of the graph, at step t = 1, 2, ..., to a value that is a
 * pure function of k = t - first (before `first`: of k = 0), so that every replay sees what the first pass saw. */
enum {
  HYLA_STREAM_ROWS = 0, /* row k of `table` [rows, ...] */
  HYLA_STREAM_EPOCHS =
      1, /* int32 [n]: batch k of 0 .. rows-1 shuffled anew each epoch; what does not fill a batch is left out */
  HYLA_STREAM_DRAWS = 2,   /* int32 [n]: drawn from 0 .. rows-1 with replacement */
  HYLA_STREAM_UNIFORM = 3, /* real: uniform in [0, 1) */
  HYLA_STREAM_NORMAL = 4,  /* real: standard normal */
  HYLA_STREAM_HYPER = 5    /* row k of hyperparameter `hyper` [T, ...]; its adjoint is added to row k of g */
};
typedef struct hyla_stream {
  int32_t kind, input;
  int32_t hyper;      /* HYPER: its index */
  int32_t cycle;      /* ROWS, HYPER: 1: after the last row comes the first again; 0: that is an error */
  double first;       /* the step that gets row 0, at least 1 */
  double rows;        /* EPOCHS, DRAWS: examples there are */
  double seed;        /* drawn kinds: a whole number from 0; numbers are a pure function of (seed, stream, k) */
  double stream;      /* a whole number from 0 to 2^20 - 1 */
  hyla_tensor *table; /* ROWS: contiguous; kept */
} hyla_stream;
int hyla_problem_stream(hyla_problem *p, const hyla_stream *s); /* its index */
/* A stretch of `steps` steps: next[i] is state i after one. */
int hyla_problem_segment(hyla_problem *p, double steps, int n_state, const int *next);
/* Says that a segment is momentum in n weights, and of what its step is made: v' = mu v + gradient, w' = w - rate v'.
 * hyla_reversible_new needs to know. Of weight i: w[i], v[i] are its state and its velocity's; gradient[i], rate[i] and
 * mu[i] nodes of the graph, as next[] of the segment has them: gradient of the weight's shape, a function of no
 * velocity; rate one number or of the weight's shape; mu one number; both functions of no state. */
int hyla_problem_momentum(hyla_problem *p, int segment, int n, const int *w, const int *v, const int *gradient,
                          const int *rate, const int *mu);
int hyla_problem_outer(hyla_problem *p, int objective);
/* The inner objective J and its weights, n of the states by their index: training ends where dJ/dw = 0. hyla_implicit_new
 * needs to know. */
int hyla_problem_inner(hyla_problem *p, int objective, int n, const int *weight);
/* Derives and plans the programs. HYLA_EDERIV when the outer objective has no path from a hyperparameter. */
int hyla_problem_ready(hyla_problem *p, int differentiate);
/* "init", "step", "outer", "step.vjp", "outer.vjp", "init.vjp": plan as text. */
const char *hyla_problem_print(hyla_problem *p, const char *which);
const char *hyla_problem_dot(hyla_problem *p, const char *which); /* for Graphviz; "" where there is no such plan */

/* ---- methods: resumable objects over a problem ---- */

int hyla_train_new(hyla_problem *p, hyla_method **out); /* plain training, no hypergradient */
/* A `memory` of 0 is what hyla_memory_limit leaves or, where there is none, three quarters of the machine's memory. */
/* Reverse-HG (Franceschi et al. 2017, Algorithm 1): alpha_T = dE/ds_T; for t = T..1: g += alpha_t B_t,
 * alpha_{t-1} = alpha_t A_t; then g += alpha_0 ds_0/dlambda + dE/dlambda.
 *   memory   bytes the trajectory may take. Where not all steps fit, c whole states are
 *            stored at steps of the binomial schedule (Griewank and Walther 2000, Algorithm 799), and steps between them
 *            are taken again: the same bits, in more time. HYLA_ENOMEM, at the start: not even two states fit; it
 *            names all sizes.
 *   last     K: only steps T-K+1..T are swept back, and g is dE/dlambda + the sum of alpha_t B_t over these; 0, or at
 *            least T: all of them, and then s_0's dependence on lambda counts, too */
int hyla_reverse_new(hyla_problem *p, double memory, double last, hyla_method **out);
/* Forward-HG (ibid., eq. 12-16): tangents Z_i of the state go along with training, one for each component of the
 * hyperparameters; memory does not grow with T. Where all tangents fit (in 1 GiB without a budget), they go along in one
 * training and hyla_method_partial is there; otherwise groups of them train one after another.
 *   memory   bytes for tangents */
int hyla_forward_new(hyla_problem *p, double memory, hyla_method **out);
/* RTHO (ibid., eq. 17): Forward-HG all of whose tangents go along in one training, so that hyla_method_partial and
 * hyla_method_update can follow each other; HYLA_ENOMEM where they do not fit.
 *   carry    mu in Z_t = mu A_t Z_{t-1} + B_t, from 0 to 1: 1 is RTHO; between, MARTHE (Donini et al. 2020); 0 looks at
 *            the last step alone (Baydin et al. 2018) */
int hyla_realtime_new(hyla_problem *p, double memory, double carry, hyla_method **out);
/* Reverse-HG with no stored trajectory (Maclaurin, Duvenaud and Adams 2015): momentum is run in fixed point, so that it
 * can be run backwards bit for bit. Weights and velocities are whole multiples of 2^-bits, gradients and displacements
 * are rounded to them, momentum to 2^-32; what the product mu v loses, log2(1/mu) bits a component and step, goes into
 * an information buffer (at mu = 0 the velocities themselves, at mu = 1 nothing). Rounding is differentiated as the
 * identity. HYLA_EVALUE: a segment is no momentum (hyla_problem_momentum), or while training, |w|, |v| reaches
 * 2^(62 - bits), or mu lies outside of [0, 1].
 *   memory   bytes the information buffer may take; 0: what hyla_memory_limit leaves. HYLA_ENOMEM names both sizes
 *   bits     of the fraction, 8 .. 56 */
int hyla_reversible_new(hyla_problem *p, double memory, int bits, hyla_method **out);
/* Takes the last `steps` steps back: the states of step t - steps are there again, to the bit. HYLA_ESTATE for other
 * methods, or after the hypergradient, which has gone back itself. HYLA_EINTR between two steps. */
int hyla_reversible_back(hyla_method *m, double steps);
/* Implicit hypergradient (Pedregosa 2016, HOAG; Lorraine et al. 2020; Grazzi et al. 2020): training goes on for at most T
 * steps, until |dJ/dw| is at most `tolerance` times what it is at s_0. There, with H = d2J/dw2,
 *
 *   (H + damping) q = dE/dw,   g = dE/dlambda - (d2J/dw dlambda)' q
 *
 * FIXED_POINT needs no J: with A, B of the last step at the final state, q = A' q + dE/ds, g = dE/dlambda + B' q; then
 * |Phi(s) - s| takes the place of |dJ/dw|. The solve ends where its residual is at most `tolerance` times |dE/dw| (of
 * NYSTROM, which does not iterate, the residual is reported alone). HYLA_ECONVERGE, with the figures: training or the
 * solve has not got there, the Hessian is indefinite, an iteration does not contract. HYLA_EVALUE: J, or the step, is not
 * the same at every t (mini-batches, random numbers), or E depends on a state that is no weight. HYLA_EDERIV: neither J
 * nor E depends on a hyperparameter. */
enum {
  HYLA_SOLVE_CG = 0,          /* conjugate gradients */
  HYLA_SOLVE_FIXED_POINT = 1, /* q <- A' q + dE/ds */
  HYLA_SOLVE_NEUMANN = 2,     /* q <- q + rate (dE/dw - (H + damping) q): the Neumann series of the inverse */
  HYLA_SOLVE_NYSTROM = 3      /* `rank` random columns of H stand for it (Hataya and Yamada 2023, eq. 6) */
};
typedef struct hyla_implicit {
  int32_t solver;
  int32_t warm; /* 1: training and q begin where the last hypergradient left them; 0: at s_0 and 0 */
  int32_t rank; /* NYSTROM: from 1 to the number of weights */
  int32_t reserved;
  double iterations; /* the most; without a tolerance, as many */
  double tolerance;  /* 0: none; T steps and all iterations are done, and count as they are */
  double damping;    /* at least 0; NYSTROM: positive */
  double rate;       /* NEUMANN: positive, below 2 over the largest eigenvalue of H + damping */
  double seed;       /* NYSTROM: of its columns */
} hyla_implicit;
int hyla_implicit_new(hyla_problem *p, const hyla_implicit *settings, hyla_method **out);
int hyla_implicit_tolerance(hyla_method *m, double tolerance); /* from the next start on */
/* Whether the next start is a warm one, from what hyla_method_carry gives (the states, then q of each; they may have been
 * written): 1 after a hypergradient, 0 after a failure. HYLA_ESTATE: the method never starts warm. */
int hyla_implicit_warm(hyla_method *m, int on);
/* What the last hypergradient came to. */
typedef struct hyla_solve {
  double steps;      /* of training */
  double gradient;   /* |dJ/dw| at the end of training; |Phi(s) - s| without J */
  double iterations; /* of the solver */
  double residual;   /* |dE/dw - (H + damping) q| / |dE/dw| */
  double tolerance;
} hyla_solve;
int hyla_implicit_solve(const hyla_method *m, hyla_solve *out); /* HYLA_ESTATE before the first, or another method */
void hyla_method_drop(hyla_method *m);
int hyla_method_start(hyla_method *m, hyla_tensor *const *lambda); /* one per hyperparameter; computes s_0 */
/* Warm start: training goes on from these states (one each, copied) as those of step t, 0 <= t <= T. They depend on no
 * hyperparameter: the hypergradient is that of the steps after t. */
int hyla_method_start_from(hyla_method *m, hyla_tensor *const *lambda, double t, hyla_tensor *const *state);
int hyla_method_advance(hyla_method *m, double steps); /* goes on; stops at T. HYLA_ENONFINITE names op, line, step */
double hyla_method_step(const hyla_method *m);         /* t: steps done */
double hyla_method_steps(const hyla_method *m);        /* T */
int hyla_method_response(hyla_method *m, double *f);   /* E(s_t, lambda) */
/* The hypergradient at T (advances there first). f: E(s_T, lambda); g[i]: shape of hyperparameter i.
 * HYLA_EINTR: nothing is lost, calling again goes on. */
int hyla_method_hypergradient(hyla_method *m, double *f, hyla_tensor *const *g);
/* The partial hypergradient dE/dlambda + dE/ds_t Z_t at the present step. HYLA_ESTATE: the method has none. */
int hyla_method_partial(hyla_method *m, double *f, hyla_tensor *const *g);
/* Training, and what is carried along, go on from the present step at other hyperparameters. HYLA_ESTATE: the method has
 * no partial hypergradient, or its tangents do not all go along in one training. */
int hyla_method_update(hyla_method *m, hyla_tensor *const *lambda);
/* What the method carries from step to step beside the states, the tangents Z, for a checkpoint: how many tensors, and
 * each as a view that may be written (after hyla_method_start_from). */
int hyla_method_carried(const hyla_method *m);
int hyla_method_carry(hyla_method *m, int i, hyla_tensor **view);
/* Shares the method's memory: valid until it moves on. */
int hyla_method_state(hyla_method *m, int i, hyla_tensor **view);
/* The value of stream i at the present step, copied. */
int hyla_method_stream(hyla_method *m, int i, hyla_tensor *value);
double hyla_method_bytes(const hyla_method *m); /* what the method holds at its largest */
/* What a hypergradient costs, known before it begins (before the start: by the memory that is free now, with HYLA_ENOMEM
 * where the start would say so). Checkpoints: the initial state is re-made and needs none, so c of them take T steps
 * back with r T - C(c + 1 + r, c + 2) + 1 forward, r being the least with C(c + 1 + r, c + 1) >= T; with k records beside
 * them, of what adjoint steps read where that is less than a state, r T - C(c + 1 + r, c + 2) - k C(c + r, c + 2) + 1
 * forward, r being the least with C(c + 1 + r, c + 1) + k C(c + r, c + 1) >= T. */
typedef struct hyla_cost {
  double steps;       /* steps forward that one hypergradient takes */
  double extra;       /* of these, taken again: between checkpoints, or for a further group of tangents */
  double taken;       /* steps forward taken so far, since the start */
  double checkpoints; /* whole states that are stored at a time; 0: there are none */
  double bytes;       /* stored along the way: trajectory, checkpoints and records, or tangents */
  int32_t residuals;  /* 1: values inside steps are stored, too, so that adjoint steps need not make them again */
  int32_t reserved;
} hyla_cost;
int hyla_method_cost(const hyla_method *m, hyla_cost *out);

/* ---- constraint: Euclidean projections ---- */

enum {
  HYLA_SET_BOX = 0,       /* lo <= x_i <= hi; either may be infinite */
  HYLA_SET_SUM = 1,       /* sum x_i <= bound */
  HYLA_SET_L1 = 2,        /* sum |x_i| <= bound */
  HYLA_SET_L2 = 3,        /* sqrt(sum x_i^2) <= bound */
  HYLA_SET_SIMPLEX = 4,   /* x_i >= 0, sum x_i = bound */
  HYLA_SET_SYMMETRIC = 5, /* a square matrix equal to its transpose */
  HYLA_SET_ZERO_DIAGONAL = 6
};
typedef struct hyla_set {
  int32_t kind, reserved;
  double lo, hi, bound;
} hyla_set;
/* x <- the nearest point of the intersection, in place; a feasible x keeps its bits. HYLA_ECONSTRAINT: it is empty.
 * Exact for each set, for boxes with one of SUM, L1, L2, SIMPLEX and for these with SYMMETRIC and ZERO_DIAGONAL;
 * by Dykstra's algorithm otherwise. NaN in x is HYLA_ENONFINITE. */
int hyla_project(int n, const hyla_set *sets, hyla_tensor *x, const char *site);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
