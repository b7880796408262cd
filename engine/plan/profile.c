/* The profile: where the programs of one thread spend their time, item by item.
 *
 * A program that is run while its thread collects has every item's kernel replaced, for the length of the run, by one
 * that reads the clock before and after it; maps are not called past their items then. So phases, units and blocks are
 * the same, as are the bits; a run that nobody profiles has no trace of all this but one question at its start.
 *
 * What is counted belongs to a thread of the pool alone, and is summed when it is asked for. Descriptions are copies:
 * the program may be gone by then. */
#include "plan/plan.h"
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif
#include "kernels/sparse.h"

enum { SHARE = 4, DEPTH = 32, MOST_EVENTS = 1 << 26, SPANS = 1 << 16, PROBES = 1000 };

typedef struct slot {
  int64_t ticks, calls;
} slot;

typedef struct event {
  int64_t begin, end;
  int64_t run;
  int32_t kind, thread, program, item; /* item: of a stage its name */
} event;

typedef struct hy_profile_record record;

typedef struct profile {
  int serial;
  bool on, again;
  int64_t start, stop;       /* ticks */
  int64_t start_ns, stop_ns; /* the same by the system's clock */
  double probe;              /* ticks that a timed call spends on the clock */
  record **record;
  int n_record, capacity;
  event *item, *span; /* slices of items, written by any thread; of programs and stages */
  int64_t room, span_room, n_span, span_lost;
  atomic_llong n_item; /* asked for: more than room when it ran out */
  int64_t runs;
  char **name; /* of stages, each once */
  int n_name, name_capacity;
  struct {
    int64_t begin;
    int name;
  } open[DEPTH];
  int depth;
  int inside; /* of functions of methods */
  int64_t method_begin, methods, programs;
} profile;

struct hy_profile_record {
  profile *of;
  int number;
  char *name;
  bool again, tracing;
  int n, n_order, threads;
  size_t stride; /* slots of one thread */
  int *order;
  hyla_profiled_item *item; /* [n_order]; texts of site owned */
  hy_item_run **run;        /* [n] the kernels themselves */
  slot *slot;
  double graph;
  int64_t runs, whole_runs, ticks, traced, entered, before; /* whole: with the steady items */
};

static _Thread_local profile *current;
static atomic_int serials;

/* ---- the clock ---- */

static int64_t clock_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The processor's counter costs half of what the system's clock does, where there is one that never changes its pace. */
static inline int64_t ticks(void) {
#if defined(__x86_64__)
  return (int64_t)__rdtsc();
#else
  return clock_ns();
#endif
}

static double ns_per_tick(const profile *f) {
  int64_t stop = f->on ? ticks() : f->stop, stop_ns = f->on ? clock_ns() : f->stop_ns;
  return stop > f->start ? (double)(stop_ns - f->start_ns) / (double)(stop - f->start) : 1;
}

static double probe_clock(void) {
  int64_t begin = ticks(), sum = 0;
  for (int i = 0; i < PROBES; i++) sum += ticks() - begin;
  return sum ? 2 * (double)(ticks() - begin) / PROBES : 0;
}

/* ---- describing a program ---- */

/* Bytes of an operand's distinct elements. */
static double operand_bytes(const hy_plan *p, const hy_item *it, int j) {
  const hy_view *v = &it->in[j];
  const hy_item *from = &p->item[v->item];
  if (from->place == HY_IN_FILL) return 0;
  double n = (double)from->element;
  for (int i = 0; i < v->rank; i++)
    if (v->stride[i]) n *= v->dim[i];
  return n;
}

static double list_bytes(const hy_sparse *s, const hy_lists *l) {
  double entry = (s->wide ? 4 : 2) + (double)hy_dtype_size(s->dtype);
  return (double)l->start[l->count] * entry + (double)(l->count + 1) * sizeof *l->start;
}

static void weigh(const hy_plan *p, const hy_item *it, hyla_profiled_item *out) {
  out->flops = it->flops;
  out->density = 1;
  out->bytes = (double)it->bytes;
  for (int j = 0; j < it->n_in; j++)
    if (j || !it->sparse) out->bytes += operand_bytes(p, it, j);
  if (!it->sparse) return;
  const hy_lists *l = it->split == HY_PARTS ? &it->sparse->columns : &it->sparse->rows;
  double there = (double)l->start[l->count];
  out->density = there / ((double)it->sparse->n * (double)it->sparse->k);
  out->flops *= out->density;
  out->bytes += list_bytes(it->sparse, l);
}

static int describe(const hyla_program *q, const record *r, int k, hyla_profiled_item *out) {
  static const int place[] = {[HY_IN_SCRATCH] = 1, [HY_IN_OUTPUT] = 2, [HY_IN_KEPT] = 3};
  const hy_plan *p = &q->plan;
  const hy_item *it = &p->item[r->order[k]];
  const hy_phase *ph = &p->phase[it->phase];
  const hy_node *n = &p->graph->node[it->node];
  *out = (hyla_profiled_item){.op = hy_op_table[n->op].name,
                              .label = it->label,
                              .shape = it->shape,
                              .phase = it->phase,
                              .units = ph->units,
                              .width = ph->parallel ? ph->units : 1,
                              .block = (int32_t)ph->block,
                              .shared = it->shares_room,
                              .origin = p->origin[it->node],
                              .place = place[it->place],
                              .steady = it->steady,
                              .output = it->place == HY_IN_OUTPUT ? it->index : -1,
                              .rows = (double)ph->extent};
  for (int head = k; head >= ph->first && !out->chain; head--) {
    const hy_item *first = &p->item[p->order[head]];
    if (first->chain > 1 && head + first->chain > k) out->chain = k - head + 1;
  }
  weigh(p, it, out);
  return !n->site || (out->site = hy_strdup(n->site)) ? 0 : HYLA_ENOMEM;
}

static void drop_record(record *r) {
  if (!r) return;
  for (int k = 0; r->item && k < r->n_order; k++) hy_free((char *)(uintptr_t)r->item[k].site);
  hy_free(r->item);
  hy_free(r->order);
  hy_free(r->run);
  hy_free(r->slot);
  hy_free(r->name);
  hy_free(r);
}

static int new_record(profile *f, const hyla_program *p, record **out) {
  if (HY_GROW(f->record, f->capacity, f->n_record)) return HYLA_ENOMEM;
  record *r = hy_calloc(1, sizeof *r);
  if (!r) return HYLA_ENOMEM;
  int n = p->plan.n_item, last = p->plan.n_phase - 1;
  r->of = f;
  r->again = f->again;
  r->n = n;
  r->n_order = last < 0 ? 0 : p->plan.phase[last].first + p->plan.phase[last].n;
  r->stride = (size_t)(n + 3) & ~(size_t)3; /* a line of the cache belongs to one thread */
  r->graph = (double)(uintptr_t)p->source;
  r->name = hy_strdup(p->name ? p->name : "expression");
  r->order = hy_alloc(((size_t)r->n_order + 1) * sizeof *r->order);
  r->item = hy_calloc((size_t)r->n_order + 1, sizeof *r->item);
  r->run = hy_calloc((size_t)n + 1, sizeof *r->run);
  int status = r->name && r->order && r->item && r->run ? 0 : HYLA_ENOMEM;
  for (int k = 0; k < r->n_order && !status; k++) {
    r->order[k] = p->plan.order[k];
    status = describe(p, r, k, &r->item[k]);
  }
  if (status) {
    drop_record(r);
    return status;
  }
  r->number = f->n_record;
  f->record[f->n_record++] = r;
  *out = r;
  return 0;
}

/* Slots for every thread that may come. */
static int make_room(record *r) {
  int threads = hyla_threads(0);
  if (threads < 0) return threads;
  if (threads <= r->threads) return 0;
  slot *wider = hy_calloc((size_t)threads * r->stride + 1, sizeof *wider);
  if (!wider) return HYLA_ENOMEM;
  if (r->threads) memcpy(wider, r->slot, (size_t)r->threads * r->stride * sizeof *wider);
  hy_free(r->slot);
  r->slot = wider;
  r->threads = threads;
  return 0;
}

/* ---- collecting ---- */

static void add_span(profile *f, int kind, int64_t begin, int program, int name) {
  /* Stages are few, and say where all else belongs: the last quarter is theirs. */
  int64_t room = kind == HYLA_EVENT_STAGE ? f->span_room : f->span_room / 4 * 3;
  if (f->n_span >= room) f->span_lost++;
  else
    f->span[f->n_span++] = (event){.begin = begin,
                                   .end = ticks(),
                                   .run = kind == HYLA_EVENT_PROGRAM ? f->runs : 0,
                                   .kind = kind,
                                   .program = program,
                                   .item = name};
}

/* Stands in for an item's kernel. */
static int run_timed(const hy_item *it, const hy_block *b) {
  record *r = b->program->recording;
  int i = (int)(it - b->program->plan.item), thread = hy_thread();
  int64_t begin = ticks();
  int status = r->run[i](it, b);
  int64_t end = ticks();
  slot *s = &r->slot[(size_t)thread * r->stride + (size_t)i];
  s->ticks += end - begin;
  s->calls++;
  if (!r->tracing) return status;
  int64_t at = atomic_fetch_add_explicit(&r->of->n_item, 1, memory_order_relaxed);
  if (at < r->of->room) r->of->item[at] = (event){begin, end, r->of->runs, HYLA_EVENT_ITEM, thread, r->number, i};
  return status;
}

bool hy_profiling(void) { return current && current->on; }

static void swap_kernels(hyla_program *p, record *r, bool timed) {
  for (int k = 0; k < r->n_order; k++) {
    hy_item *it = &p->plan.item[r->order[k]];
    if (timed) r->run[r->order[k]] = it->run;
    it->run = timed ? run_timed : r->run[r->order[k]];
  }
}

int hy_profile_enter(hyla_program *p) {
  profile *f = current;
  int status = 0;
  if (p->profile != f->serial) {
    p->profile = f->serial;
    p->profiled[0] = p->profiled[1] = NULL;
  }
  record **r = &p->profiled[f->again];
  if (!*r) status = new_record(f, p, r);
  if (!status) status = make_room(*r);
  if (status) return status;
  p->recording = *r;
  (*r)->tracing = (*r)->traced < f->room / SHARE;
  (*r)->before = atomic_load(&f->n_item);
  (*r)->runs++;
  if (!hy_program_is_fresh(p)) (*r)->whole_runs++;
  f->runs++;
  swap_kernels(p, *r, true);
  (*r)->entered = ticks();
  return 0;
}

void hy_profile_leave(hyla_program *p) {
  record *r = p->recording;
  profile *f = r->of;
  int64_t spent = ticks() - r->entered;
  r->ticks += spent;
  if (f->inside) f->programs += spent;
  if (f->room) add_span(f, HYLA_EVENT_PROGRAM, r->entered, r->number, -1);
  r->traced += atomic_load(&f->n_item) - r->before;
  swap_kernels(p, r, false);
  p->recording = NULL;
}

void hy_profile_again(bool on) {
  if (hy_profiling()) current->again = on;
}

/* ---- stages ---- */

static int intern(profile *f, const char *name) {
  for (int i = 0; i < f->n_name; i++)
    if (!strcmp(f->name[i], name)) return i;
  if (HY_GROW(f->name, f->name_capacity, f->n_name)) return -1;
  char *copy = hy_strdup(name);
  if (!copy) return -1;
  f->name[f->n_name] = copy;
  return f->n_name++;
}

void hyla_profile_begin(const char *name) {
  profile *f = current;
  if (!hy_profiling() || !f->room) return;
  if (f->depth < DEPTH) {
    f->open[f->depth].name = intern(f, name);
    f->open[f->depth].begin = ticks();
  }
  f->depth++;
}

void hyla_profile_end(void) {
  profile *f = current;
  if (!hy_profiling() || !f->depth) return;
  f->depth--;
  if (f->depth >= DEPTH || f->open[f->depth].name < 0) f->span_lost++;
  else add_span(f, HYLA_EVENT_STAGE, f->open[f->depth].begin, -1, f->open[f->depth].name);
}

void hy_profile_method(const char *name) {
  profile *f = current;
  if (!hy_profiling()) return;
  if (name) {
    if (!f->inside++) f->method_begin = ticks();
    hyla_profile_begin(name);
    return;
  }
  hyla_profile_end();
  if (f->inside && !--f->inside) f->methods += ticks() - f->method_begin;
}

/* ---- start and stop ---- */

void hyla_profile_drop(void) {
  profile *f = current;
  if (!f) return;
  current = NULL;
  for (int i = 0; i < f->n_record; i++) drop_record(f->record[i]);
  for (int i = 0; i < f->n_name; i++) hy_free(f->name[i]);
  hy_free(f->record);
  hy_free(f->name);
  hy_free(f->item);
  hy_free(f->span);
  hy_free(f);
}

int hyla_profile_start(double events) {
  if (!(events >= 0 && events <= MOST_EVENTS && events == (double)(int64_t)events))
    return hy_fail(HYLA_EVALUE, NULL, "profile: expected room for 0 to %d events, got %.9g", MOST_EVENTS, events);
  int threads = hyla_threads(0);
  if (threads < 0) return threads;
  hyla_profile_drop();
  profile *f = hy_calloc(1, sizeof *f);
  if (!f) return HYLA_ENOMEM;
  current = f;
  f->room = (int64_t)events;
  f->span_room = events > 0 ? f->room / 4 + SPANS : 0;
  f->item = hy_alloc((size_t)f->room * sizeof *f->item + 1);
  f->span = hy_alloc((size_t)f->span_room * sizeof *f->span + 1);
  if (!f->item || !f->span) {
    hyla_profile_drop();
    return HYLA_ENOMEM;
  }
  f->serial = atomic_fetch_add(&serials, 1) + 1;
  f->probe = probe_clock();
  f->on = true;
  f->start_ns = clock_ns();
  f->start = ticks();
  return 0;
}

static int want(bool there) {
  return there ? 0 : hy_fail(HYLA_ESTATE, NULL, "profile: nothing is collected; hyla_profile_start comes first");
}

int hyla_profile_stop(void) {
  profile *f = current;
  int status = want(hy_profiling());
  if (status) return status;
  while (f->inside) hy_profile_method(NULL);
  while (f->depth) hyla_profile_end();
  f->stop_ns = clock_ns();
  f->stop = ticks();
  f->on = false;
  return 0;
}

int hyla_profile_on(void) { return hy_profiling(); }

/* ---- reading ---- */

int hyla_profile_total(hyla_profile_sums *out) {
  const profile *f = current;
  int status = want(f != NULL);
  if (status) return status;
  double s = ns_per_tick(f) * 1e-9, calls = 0;
  int64_t asked = atomic_load(&f->n_item), kept = asked < f->room ? asked : f->room;
  int64_t stop = f->on ? ticks() : f->stop, open = f->inside ? stop - f->method_begin : 0;
  for (int i = 0; i < f->n_record; i++)
    for (size_t k = 0; k < (size_t)f->record[i]->threads * f->record[i]->stride; k++)
      calls += (double)f->record[i]->slot[k].calls;
  *out = (hyla_profile_sums){.seconds = (double)(stop - f->start) * s,
                             .methods = (double)(f->methods + open) * s,
                             .inside = (double)f->programs * s,
                             .calls = calls,
                             .measuring = calls * f->probe * s,
                             .dropped = f->room ? calls - (double)kept + (double)f->span_lost : 0,
                             .programs = f->n_record,
                             .threads = hyla_threads(0),
                             .events = (int32_t)(kept + f->n_span)};
  return 0;
}

static int find(int i, int n, const char *what) {
  if (i >= 0 && i < n) return 0;
  return hy_fail(HYLA_EVALUE, NULL, "profile: expected %s from 0 to %d, got %d", what, n - 1, i);
}

int hyla_profile_program(int program, hyla_profiled_program *out) {
  int status = want(current != NULL);
  if (!status) status = find(program, current->n_record, "a program");
  if (status) return status;
  const record *r = current->record[program];
  *out = (hyla_profiled_program){.name = r->name,
                                 .again = r->again,
                                 .items = r->n_order,
                                 .runs = (double)r->runs,
                                 .seconds = (double)r->ticks * ns_per_tick(current) * 1e-9,
                                 .graph = r->graph};
  return 0;
}

static const slot *slot_of(const record *r, int thread, int k) {
  return &r->slot[(size_t)thread * r->stride + (size_t)r->order[k]];
}

/* Ticks that all threads spent in a phase, and those of the thread that spent most: it is planned for several, and run
 * on one where a loop costs too much. */
static void spent_in(const record *r, int phase, int64_t *all, int64_t *longest) {
  *all = *longest = 0;
  for (int t = 0; t < r->threads; t++) {
    int64_t ticks = 0;
    for (int k = 0; k < r->n_order; k++) ticks += r->item[k].phase == phase ? slot_of(r, t, k)->ticks : 0;
    *all += ticks;
    if (ticks > *longest) *longest = ticks;
  }
}

int hyla_profile_item(int program, int item, hyla_profiled_item *out) {
  int status = want(current != NULL);
  if (!status) status = find(program, current->n_record, "a program");
  if (!status) status = find(item, current->record[program]->n_order, "an item");
  if (status) return status;
  const record *r = current->record[program];
  int64_t spent = 0, all, longest;
  *out = r->item[item];
  out->runs = (double)(out->steady ? r->whole_runs : r->runs);
  spent_in(r, out->phase, &all, &longest);
  const double threads = longest ? (double)all / (double)longest : 1;
  if (out->width > threads + 0.75) out->width = (int)(threads + 0.75);
  for (int t = 0; t < r->threads; t++) {
    spent += slot_of(r, t, item)->ticks;
    out->calls += (double)slot_of(r, t, item)->calls;
  }
  out->seconds = (double)spent * ns_per_tick(current) * 1e-9;
  out->wall = out->seconds / threads;
  return 0;
}

static int position(const record *r, int item) {
  int k = 0;
  while (r->order[k] != item) k++;
  return k;
}

int hyla_profile_event(int i, hyla_profiled_event *out) {
  const profile *f = current;
  int status = want(f != NULL);
  if (!status && f->on) status = hy_fail(HYLA_ESTATE, NULL, "profile: events are there after hyla_profile_stop");
  if (status) return status;
  int64_t asked = atomic_load(&f->n_item), kept = asked < f->room ? asked : f->room;
  status = find(i, (int)(kept + f->n_span), "an event");
  if (status) return status;
  const event *e = i < kept ? &f->item[i] : &f->span[i - kept];
  double ns = ns_per_tick(f);
  bool stage = e->kind == HYLA_EVENT_STAGE;
  *out = (hyla_profiled_event){.name = stage ? f->name[e->item] : NULL,
                               .begin = (double)(e->begin - f->start) * ns,
                               .end = (double)(e->end - f->start) * ns,
                               .run = (double)e->run,
                               .kind = e->kind,
                               .thread = e->thread,
                               .program = stage ? -1 : e->program,
                               .item = i < kept ? position(f->record[e->program], e->item) : -1};
  return 0;
}
