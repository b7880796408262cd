/* Runs a plan: phases in order, each phase's units on the threads, each unit's blocks through the phase's items. */
#include <stdatomic.h>
#include <string.h>
#include "plan/plan.h"

typedef struct runner {
  atomic_int status; /* the first failure of any thread */
  int worst;         /* checking: the first item of the phase with a value that is not finite */
  bool before;       /* of a pair of maps, already the first's */
  bool direct;       /* neither checked nor profiled: maps are called without their items */
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
  const hy_item *it = &b->program->plan.item[b->program->plan.order[k]];
  bool rows = b->phase->split == HY_ROWS;
  if ((rows || b->hi == it->extent) && !is_finite(it, b, rows ? b->lo : 0, rows ? b->hi : it->rows) &&
      (r->worst < 0 || k < r->worst)) {
    r->worst = k;
    r->before = false;
  }
}

/* The same of the first of a pair of maps, before its operands may be written over. */
static void look_before(runner *r, int k, const hy_block *b) {
  const hy_item *it = &b->program->plan.item[b->program->plan.order[k]];
  if (it->first >= 0 && (r->worst < 0 || k <= r->worst) && !hy_first_finite(it, b)) {
    r->worst = k;
    r->before = true;
  }
}

/* Partial sums are those of whole chunks, whatever blocks the rows come in. */
static int run_by_chunks(const hy_item *it, const hy_block *block) {
  const int64_t chunk = it->chunk;
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

/* Maps one after another, on these rows. */
static void run_calls(const hy_call *c, int n, const hy_block *b) {
  const int64_t lo = b->lo, rows = b->hi - lo;
  for (; n > 0; n--, c++)
    c->map(rows * c->row, hy_reach(b, &c->at, lo), hy_reach(b, &c->from[0], lo), c->stride[0],
           hy_reach(b, &c->from[1], lo), c->stride[1], hy_reach(b, &c->from[2], lo), c->stride[2]);
}

static int run_item(runner *r, int k, const hy_block *b) {
  const hy_call *c = &b->program->plan.call[k];
  const hy_item *it = &b->program->plan.item[b->program->plan.order[k]];
  if (c->map && r->direct) {
    run_calls(c, 1, b);
    if (c->is_output) watch(r, it, b, b->lo, b->hi);
    return 0;
  }
  if (b->program->check) look_before(r, k, b);
  int status = it->split == HY_PARTS ? run_by_chunks(it, b) : it->run(it, b);
  if (status) return status;
  if (b->program->check) look_at(r, k, b);
  else if (b->phase->split == HY_ROWS) watch(r, it, b, b->lo, b->hi);
  return 0;
}

/* A chain of maps goes through a few rows at a time, which stay in the first-level cache. */
static int run_chain(runner *r, int first, const hy_block *block) {
  const hy_plan *p = &block->program->plan;
  const hy_item *head = &p->item[p->order[first]];
  hy_block b = *block;
  for (; b.lo < block->hi; b.lo = b.hi) {
    b.hi = b.lo + head->chain_rows < block->hi ? b.lo + head->chain_rows : block->hi;
    b.base[HY_CHAIN].row = b.lo;
    for (int k = first; k < first + head->chain; k++) {
      int status = run_item(r, k, &b);
      if (status) return status;
    }
  }
  b.base[HY_CHAIN].row = block->lo; /* shorter ones pass all of the block at once */
  return 0;
}

static int run_items(runner *r, const hy_block *b) {
  const hy_plan *p = &b->program->plan;
  for (int k = b->phase->first, end = k + b->phase->n; k < end;) {
    const hy_call *c = &p->call[k];
    int n = 1, status = 0;
    if (c->chain > 1 && c->chain_rows < b->hi - b->lo) {
      n = c->chain;
      status = run_chain(r, k, b);
    } else if (c->simple && r->direct) run_calls(c, n = c->simple, b);
    else status = run_item(r, k, b);
    if (status) return status;
    k += n;
  }
  return 0;
}

static int run_unit(runner *r, hy_block *b, int unit) {
  const hy_phase *ph = b->phase;
  int64_t lo = unit * ph->unit, hi = lo + ph->unit < ph->extent ? lo + ph->unit : ph->extent;
  for (b->lo = lo; b->lo < hi; b->lo = b->hi) {
    b->hi = b->lo + ph->block < hi ? b->lo + ph->block : hi;
    b->base[HY_SCRATCH].row = b->base[HY_CHAIN].row = b->lo;
    int status = run_items(r, b);
    if (status) return status;
  }
  return 0;
}

/* What a run keeps for a thread, where its scratch begins. The caller's has the runner, too, which the others look at,
 * and where that is, the bases. A line that the caller writes must come from its cache once more, and each costs a short
 * phase a trip: so a run writes there only what is not as an earlier one left it. HY_SCRATCH and HY_CHAIN, which a thread
 * writes while it works, have a line to themselves. */
typedef struct keep {
  runner runner __attribute__((aligned(64)));
  hy_base base[] __attribute__((aligned(64)));
} keep;
_Static_assert(HY_SHARED * sizeof(hy_base) == 64, "a line");

static int bases(const hy_plan *p) { return HY_INPUTS + p->n_in + p->n_out; }

size_t hy_keep_bytes(const hy_plan *p) { return sizeof(keep) + hy_aligned((size_t)bases(p) * sizeof(hy_base)); }

static keep *keep_of(const hyla_program *p, int thread) {
  return (keep *)(void *)(p->source->workspace.scratch + (size_t)thread * p->plan.scratch_bytes);
}

static keep *open_block(hy_block *b, hyla_program *p, int thread) {
  keep *own = keep_of(p, thread);
  b->program = p;
  b->base = own->base;
  b->scratch = (char *)own + hy_keep_bytes(&p->plan);
  b->base[HY_SCRATCH].at = b->base[HY_CHAIN].at = b->scratch;
  b->base[HY_NOTHING] = (hy_base){NULL, 0};
  return own;
}

static void set_base(hy_base *to, char *at) {
  if (to->at != at || to->row) *to = (hy_base){at, 0};
}

static void set_bases(const hy_block *b, char *const *in, char *const *out) {
  const hy_plan *p = &b->program->plan;
  hy_base *to = b->base + HY_INPUTS;
  set_base(b->base + HY_ARENA, b->program->source->workspace.arena);
  set_base(b->base + HY_KEPT, b->program->kept);
  for (int i = 0; i < p->n_in; i++) set_base(to++, in[i]);
  for (int i = 0; i < p->n_out; i++) set_base(to++, out[i]);
}

static void set_runner(runner *r, const hyla_program *p, bool watched) {
  runner begun;
  memset(&begun, 0, sizeof begun);
  begun.worst = -1;
  begun.direct = !p->check && !p->recording;
  begun.watch = watched;
  if (memcmp(r, &begun, sizeof begun)) memcpy(r, &begun, sizeof begun);
}

static void work(void *context, int unit, int thread) {
  const hy_phase *ph = context;
  keep *callers = keep_of(ph->program, 0);
  runner *r = &callers->runner;
  if (atomic_load_explicit(&r->status, memory_order_relaxed)) return;
  hy_block b = {.phase = ph};
  open_block(&b, ph->program, thread);
  if (thread)
    memcpy(b.base + HY_SHARED, callers->base + HY_SHARED,
           (size_t)(bases(&ph->program->plan) - HY_SHARED) * sizeof *b.base);
  int status = run_unit(r, &b, unit), none = 0;
  if (status) atomic_compare_exchange_strong(&r->status, &none, status);
}

static int run_units(runner *r, hy_block *b, const hy_phase *ph) {
  if (!ph->parallel || b->program->check) {
    int status = 0;
    for (int u = 0; u < ph->units && !status; u++) status = run_unit(r, b, u);
    return status;
  }
  hy_parallel(ph->units, ph->grain, ph->ns, work, (void *)(uintptr_t)ph);
  int status = atomic_load(&r->status);
  if (!status) return 0;
  /* The words are on the thread that failed: say them again on this one, those of the first unit that has any. */
  int again = 0;
  for (int u = 0; u < ph->units && !again; u++) again = run_unit(r, b, u);
  return again ? again : hy_fail(status, NULL, "an index was out of range");
}

static int run_phase(runner *r, hy_block *b, const hy_phase *ph) {
  const hy_plan *p = &b->program->plan;
  b->phase = ph;
  int status = run_units(r, b, ph);
  if (status || ph->split == HY_ROWS) return status;
  for (int k = ph->first; k < ph->first + ph->n; k++) /* not made row by row: looked at when whole */
    watch(r, &p->item[p->order[k]], b, 0, p->item[p->order[k]].rows);
  return 0;
}

static int run(hyla_program *p, char *const *in, char *const *out, bool watched) {
  int status = hy_program_reserve(p);
  if (status) return status;
  hy_block b = {0};
  runner *r = &open_block(&b, p, 0)->runner;
  set_bases(&b, in, out);
  set_runner(r, p, watched);
  const bool fresh = hy_program_is_fresh(p);
  if (!fresh) p->kept_for = 0; /* what is kept is of no inputs until all of it is made */
  for (int k = fresh ? p->plan.n_steady : 0; k < p->plan.n_phase && !status; k++) {
    if (!fresh && k == p->plan.n_steady) p->kept_for = p->stays;
    status = run_phase(r, &b, &p->plan.phase[k]);
    if (r->worst < 0 || status) continue;
    const hy_item *it = &p->plan.item[p->plan.order[r->worst]];
    const hy_node *n = &p->plan.graph->node[r->before ? it->first : it->node];
    status = hy_fail(HYLA_ENONFINITE, n->site, "a value that is not finite (NaN or infinity) from %s",
                     hy_op_table[n->op].name);
  }
  return !status && atomic_load(&r->found) ? HYLA_ENONFINITE : status;
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
