/* Runs a plan: phases in order, each phase's units on the threads, each unit's blocks through the phase's items. */
#include <stdatomic.h>
#include "plan/plan.h"

typedef struct runner {
  hyla_program *program;
  const hy_phase *phase;
  hy_block block;
  atomic_int status; /* the first failure of any thread */
  atomic_int unit;   /* where */
  int worst;         /* checking: the first item of the phase with a value that is not finite */
  bool before;       /* of a pair of maps, already the first's */
  bool watch;        /* outputs are looked at as they are written, while they are near */
  atomic_bool found; /* one was not finite */
} runner;

static bool is_finite(const hy_item *it, const hy_block *b, int64_t lo, int64_t hi) {
  if (it->shape.dtype == HYLA_INT32 || it->split == HY_PARTS || it->packed) return true;
  return hy_kernel_finite((hi - lo) * it->row, hy_result(it, b, lo), it->shape.dtype);
}

static void watch(runner *r, const hy_item *it, const hy_block *b, int64_t lo, int64_t hi) {
  if (r->watch && it->place == HY_IN_OUTPUT && !is_finite(it, b, lo, hi))
    atomic_store_explicit(&r->found, true, memory_order_relaxed);
}

/* Checking: the first item of the phase that has a value which is not finite. */
static void look_at(runner *r, int k, const hy_block *b) {
  const hy_item *it = &r->program->plan.item[r->program->plan.order[k]];
  bool rows = r->phase->split == HY_ROWS;
  if ((rows || b->hi == it->extent) && !is_finite(it, b, rows ? b->lo : 0, rows ? b->hi : it->rows) &&
      (r->worst < 0 || k < r->worst)) {
    r->worst = k;
    r->before = false;
  }
}

/* The same of the first of a pair of maps, before its operands may be written over. */
static void look_before(runner *r, int k, const hy_block *b) {
  const hy_item *it = &r->program->plan.item[r->program->plan.order[k]];
  if (it->first >= 0 && (r->worst < 0 || k <= r->worst) && !hy_first_finite(it, b)) {
    r->worst = k;
    r->before = true;
  }
}

/* Partial sums are those of whole chunks, whatever blocks the rows come in. */
static int run_by_chunks(const hy_item *it, const hy_block *block, int64_t chunk) {
  hy_block b = *block;
  int status = 0;
  for (; b.lo < block->hi && !status; b.lo = b.hi) {
    b.chunk = (int)(b.lo / chunk);
    b.chunk_lo = b.chunk * chunk;
    b.hi = b.chunk_lo + chunk < block->hi ? b.chunk_lo + chunk : block->hi;
    status = it->run(it, &b);
  }
  return status;
}

static int run_item(runner *r, int k, const hy_block *b) {
  const hy_item *it = &r->program->plan.item[r->program->plan.order[k]];
  if (r->program->check) look_before(r, k, b);
  int status = it->split == HY_PARTS ? run_by_chunks(it, b, r->phase->chunk) : it->run(it, b);
  if (status) return status;
  if (r->program->check) look_at(r, k, b);
  else if (r->phase->split == HY_ROWS) watch(r, it, b, b->lo, b->hi);
  return 0;
}

/* A chain of maps goes through a few rows at a time, which stay in the first-level cache. */
static int run_chain(runner *r, int first, const hy_block *block) {
  const hy_plan *p = &r->program->plan;
  const hy_item *head = &p->item[p->order[first]];
  hy_block b = *block;
  for (; b.lo < block->hi; b.lo = b.hi) {
    b.hi = b.lo + head->chain_rows < block->hi ? b.lo + head->chain_rows : block->hi;
    for (int k = first; k < first + head->chain; k++) {
      int status = run_item(r, k, &b);
      if (status) return status;
    }
  }
  return 0;
}

static int run_items(runner *r, const hy_block *b) {
  const hy_plan *p = &r->program->plan;
  for (int k = r->phase->first, end = k + r->phase->n; k < end;) {
    int chain = p->item[p->order[k]].chain, status = chain > 1 ? run_chain(r, k, b) : run_item(r, k, b);
    if (status) return status;
    k += chain;
  }
  return 0;
}

static int run_unit(runner *r, int unit, int thread) {
  const hy_phase *ph = r->phase;
  hy_block b = r->block;
  b.scratch += (size_t)thread * r->program->plan.scratch_bytes;
  b.bases[HY_IN_SCRATCH] = b.bases[HY_IN_CHAIN] = &b.scratch;
  int64_t lo = unit * ph->unit, hi = lo + ph->unit < ph->extent ? lo + ph->unit : ph->extent;
  for (b.lo = lo; b.lo < hi; b.lo = b.hi) {
    b.hi = b.lo + ph->block < hi ? b.lo + ph->block : hi;
    b.base = b.lo;
    int status = run_items(r, &b);
    if (status) return status;
  }
  return 0;
}

static void work(void *context, int unit, int thread) {
  runner *r = context;
  if (atomic_load_explicit(&r->status, memory_order_relaxed)) return;
  int status = run_unit(r, unit, thread), none = 0;
  if (status && atomic_compare_exchange_strong(&r->status, &none, status)) atomic_store(&r->unit, unit);
}

static int run_units(runner *r, const hy_phase *ph) {
  if (!ph->parallel || r->program->check) {
    int status = 0;
    for (int u = 0; u < ph->units && !status; u++) status = run_unit(r, u, 0);
    return status;
  }
  hy_parallel(ph->units, ph->grain, work, r);
  int status = atomic_load(&r->status);
  if (!status) return 0;
  /* The words are on the thread that failed: say them again on this one. */
  int again = run_unit(r, atomic_load(&r->unit), 0);
  return again ? again : hy_fail(status, NULL, "an index was out of range");
}

static int run_phase(runner *r, const hy_phase *ph) {
  const hy_plan *p = &r->program->plan;
  r->phase = ph;
  int status = run_units(r, ph);
  if (status || ph->split == HY_ROWS) return status;
  for (int k = ph->first; k < ph->first + ph->n; k++) /* not made row by row: looked at when whole */
    watch(r, &p->item[p->order[k]], &r->block, 0, p->item[p->order[k]].rows);
  return 0;
}

/* Where the values of each place begin; those of scratch are a thread's own. */
static void open_block(hy_block *b, hyla_program *p, char *const *in, char *const *out) {
  static char *const nothing = NULL;
  b->program = p;
  b->scratch = p->source->workspace.scratch;
  for (int place = 0; place < HY_PLACES; place++) b->bases[place] = &nothing;
  b->bases[HY_IN_INPUT] = in;
  b->bases[HY_IN_OUTPUT] = out;
  b->bases[HY_IN_ARENA] = &p->source->workspace.arena;
}

static int run(hyla_program *p, char *const *in, char *const *out, bool watched) {
  int status = hy_program_reserve(p);
  runner r; /* set field by field: clearing all of it first takes a twentieth of a short program's time */
  r.program = p;
  r.worst = -1;
  r.before = false;
  r.watch = watched;
  atomic_init(&r.status, 0);
  atomic_init(&r.found, false);
  open_block(&r.block, p, in, out);
  for (int k = 0; k < p->plan.n_phase && !status; k++) {
    status = run_phase(&r, &p->plan.phase[k]);
    if (r.worst < 0 || status) continue;
    const hy_item *it = &p->plan.item[p->plan.order[r.worst]];
    const hy_node *n = &p->plan.graph->node[r.before ? it->first : it->node];
    status = hy_fail(HYLA_ENONFINITE, n->site, "a value that is not finite (NaN or infinity) from %s",
                     hy_op_table[n->op].name);
  }
  return !status && atomic_load(&r.found) ? HYLA_ENONFINITE : status;
}

static int run_profiled(hyla_program *p, char *const *in, char *const *out, bool watched) {
  int status = hy_profile_enter(p);
  if (status) return status;
  status = run(p, in, out, watched);
  hy_profile_leave(p);
  return status;
}

int hy_program_run(hyla_program *p, char *const *in, char *const *out) {
  return (hy_profiling() ? run_profiled : run)(p, in, out, false);
}
int hy_program_run_watched(hyla_program *p, char *const *in, char *const *out) {
  return (hy_profiling() ? run_profiled : run)(p, in, out, true);
}

int hy_program_find_nonfinite(hyla_program *p, char *const *in, char *const *out) {
  p->check = true;
  int status = hy_program_run(p, in, out);
  p->check = false;
  return status;
}
