/* Memory: what a value needs is decided by who reads it. A value that only its own phase reads, row by row, lives in a
 * thread's scratch, one block at a time; others live in the arena from their phase to the last that reads them. */
#include "plan/plan.h"
#include <math.h>

static const size_t cache_bytes = 160 << 10; /* a block's rows of all that a phase touches: about half of a small L2 */
static const size_t most_bytes = 1 << 20;    /* a block's rows of one value, where an item wants many rows */
static const size_t near_bytes = 640 << 10;  /* a block's rows of leaves there: they are met twice while in an L2 */
enum { MOST_UNITS = 16 };
static const double worth_cutting = 600;   /* ns of a phase: fewer are one unit */
static const double even_from = 2000;      /* ns of a phase: of shorter ones the caller has more than half */
static const double worth_taking = 3000;   /* ns of what each of many threads takes */
static const size_t chain_bytes = 8 << 10; /* a value's rows while a chain of maps passes: several fit a small L1 */

/* last[i]: the last phase that reads item i; local[i]: all readers are in its own phase, row by row */
static void find_readers(const hy_plan *p, int *last, bool *local) {
  for (int i = 0; i < p->n_item; i++) {
    last[i] = p->item[i].phase;
    local[i] = p->item[i].split == HY_ROWS && p->item[i].place == HY_IN_NOWHERE;
  }
  for (int i = 0; i < p->n_item; i++)
    for (int j = 0; j < p->item[i].n_in; j++) {
      int from = p->item[i].in[j].item;
      if (p->item[i].phase > last[from]) last[from] = p->item[i].phase;
      if (p->item[i].phase != p->item[from].phase || !hy_reads_by_rows(p, &p->item[i], j)) local[from] = false;
    }
}

/* ---- blocks ---- */

/* A row of a leaf, where the phase reads it row by row; 0 where it does not. */
static size_t leaf_row(const hy_plan *p, const hy_phase *ph, int leaf) {
  for (int k = ph->first; k < ph->first + ph->n; k++) {
    const hy_item *it = &p->item[p->order[k]];
    for (int j = 0; j < it->n_in; j++) {
      const hy_view *v = &it->in[j];
      if (v->item == leaf && !(it->whole >> j & 1) && v->rank && v->dim[0] == it->extent && it->extent > 1 &&
          v->stride[0])
        return (size_t)(hy_view_size(v) / v->dim[0]) * p->item[leaf].element;
    }
  }
  return 0;
}

/* Each leaf once, however many items read it. */
static size_t leaf_row_bytes(const hy_plan *p, const hy_phase *ph) {
  size_t bytes = 0;
  for (int i = 0; i < p->n_item; i++)
    if (p->item[i].split == HY_LEAF) bytes += leaf_row(p, ph, i);
  return bytes;
}

static size_t row_bytes(const hy_plan *p, const hy_phase *ph) {
  size_t bytes = leaf_row_bytes(p, ph);
  for (int k = ph->first; k < ph->first + ph->n; k++) {
    const hy_item *it = &p->item[p->order[k]];
    if (it->split == HY_ROWS) bytes += (size_t)it->row * it->element;
  }
  return bytes ? bytes : 1;
}

/* Rows that the phase's items want a block to have, as far as that many rows of each value, and of all leaves, are no
 * burden. */
static int64_t rows_wanted(const hy_plan *p, const hy_phase *ph) {
  int64_t rows = 0;
  for (int k = ph->first; k < ph->first + ph->n; k++)
    if (p->item[p->order[k]].worth > rows) rows = p->item[p->order[k]].worth;
  size_t leaves = leaf_row_bytes(p, ph);
  if (leaves && (int64_t)(near_bytes / leaves) < rows) rows = (int64_t)(near_bytes / leaves);
  for (int k = ph->first; k < ph->first + ph->n; k++) {
    const hy_item *it = &p->item[p->order[k]];
    int64_t most = it->split == HY_ROWS ? (int64_t)(most_bytes / ((size_t)it->row * it->element)) : rows;
    if (most < rows) rows = most;
  }
  return rows / 16 * 16;
}

/* Maps one after another go through their rows together, as many rows at a time as stay near. */
static void make_chains(hy_plan *p, const hy_phase *ph) {
  for (int k = ph->first, end = k + ph->n, n; k < end; k += n) {
    hy_item *head = &p->item[p->order[k]];
    size_t row = 1;
    for (n = 0; k + n < end; n++) {
      const hy_item *it = &p->item[p->order[k + n]];
      if (!it->map || !it->in_place || n == INT16_MAX) break;
      if ((size_t)it->row * it->element > row) row = (size_t)it->row * it->element;
    }
    if (!n) n = 1;
    head->chain_rows = chain_bytes > row ? (int64_t)(chain_bytes / row) : 1;
    if (head->chain_rows > ph->block) head->chain_rows = ph->block;
    head->chain = n;
  }
}

/* Nanoseconds that one thread takes, roughly: a function of the plan alone. */
static double phase_time(const hy_plan *p, const hy_phase *ph) {
  double ns = 0;
  for (int k = ph->first; k < ph->first + ph->n; k++) {
    const hy_item *it = &p->item[p->order[k]];
    ns += it->flops / 60 + 20;
    if (it->map || it->split == HY_WHOLE) ns += (double)(it->rows * it->row) * 0.03;
    if (it->packed) ns += (double)(it->rows * it->row) * 0.15; /* lines go from one thread's cache to another's */
  }
  return ns;
}

/* Of the phase's partial sums; all chunks are some of hy_chunks_of, so the largest is some of each. */
static int64_t largest_chunk(const hy_plan *p, const hy_phase *ph) {
  int64_t chunk = 0;
  for (int k = ph->first; k < ph->first + ph->n; k++) {
    const hy_item *it = &p->item[p->order[k]];
    if (it->split == HY_PARTS && it->chunk > chunk) chunk = it->chunk;
  }
  return chunk;
}

/* Rows a unit: as many units as give each thread work for a while, and no more than MOST_UNITS; a power of two, so that
 * phases over the same rows are cut alike, and a thread meets again what it left in its cache; short phases in two, of
 * which the first is the larger. A unit has whole chunks where there are partial sums; without them the cut is free. */
static int64_t unit_rows(const hy_phase *ph, double ns, int64_t chunk) {
  double units = ph->parallel ? exp2(floor(log2(fmin(fmax(ns / worth_taking, 2), MOST_UNITS)))) : 1;
  if (ph->parallel && ns < even_from) units = 1 / HY_CALLERS_SHARE;
  int64_t step = ph->extent > MOST_UNITS * 8 ? 8 : 1;
  if (chunk > step) step = chunk;
  int64_t rows = (int64_t)((double)ph->extent / units);
  return rows < step ? step : (rows + step / 2) / step * step;
}

static void cut_phase(hy_plan *p, hy_phase *ph) {
  double ns = phase_time(p, ph);
  ph->ns = ns;
  ph->parallel = ns > worth_cutting;
  ph->unit = ph->block = 1;
  if (ph->split == HY_ROWS) {
    const int64_t chunk = largest_chunk(p, ph);
    bool whole_chunk = false;
    for (int k = ph->first; k < ph->first + ph->n; k++) whole_chunk |= p->item[p->order[k]].whole_chunk;
    int64_t block = (int64_t)(cache_bytes / row_bytes(p, ph)) / 16 * 16;
    if (block < rows_wanted(p, ph)) block = rows_wanted(p, ph);
    if (block < 16) block = 16; /* blocks begin at multiples of 16 rows in a chunk: the lanes of sums */
    ph->unit = unit_rows(ph, ns, chunk);
    if (whole_chunk) block = block < chunk ? chunk : block / chunk * chunk;
    ph->block = block > ph->unit ? ph->unit : block;
    make_chains(p, ph);
  }
  ph->units = (int)((ph->extent + ph->unit - 1) / ph->unit);
  ph->grain = (int)ceil(ph->units * fmin(0.5, worth_taking / ns));
}

/* ---- scratch: values of one block, memory shared along the phase ---- */

typedef struct slot {
  size_t offset, bytes;
  int until;
} slot;
typedef struct shelf {
  slot *slot;
  int n, capacity;
  size_t top;
} shelf;

/* First fit among what is not in use at `now`; slots are kept in order of offset. */
static int shelve(shelf *s, size_t bytes, int now, int until, size_t *offset) {
  int kept = 0;
  for (int i = 0; i < s->n; i++)
    if (s->slot[i].until >= now) s->slot[kept++] = s->slot[i];
  s->n = kept;
  size_t at = 0;
  int k = 0;
  while (k < s->n && s->slot[k].offset < at + bytes) {
    at = s->slot[k].offset + s->slot[k].bytes;
    k++;
  }
  if (HY_GROW(s->slot, s->capacity, s->n)) return HYLA_ENOMEM;
  for (int i = s->n; i > k; i--) s->slot[i] = s->slot[i - 1];
  s->slot[k] = (slot){at, bytes, until};
  s->n++;
  if (at + bytes > s->top) s->top = at + bytes;
  *offset = at;
  return 0;
}

/* The last position of the phase that reads item i, or k where none does. */
static int last_in_phase(const hy_plan *p, const hy_phase *ph, int i, int k) {
  int last = k;
  for (; k < ph->first + ph->n; k++)
    for (int j = 0; j < p->item[p->order[k]].n_in; j++)
      if (p->item[p->order[k]].in[j].item == i) last = k;
  return last;
}

/* Scratch of a phase, being given out. A chain passes over its items again and again: what its items make for each other
 * has the rows of one pass, and room is shared among them; what comes from before or is read later is in use all the
 * while, from the chain's first item to its last. */
typedef struct desk {
  hy_plan *plan;
  hy_phase *phase;
  const bool *local;
  shelf shelf;
  int head, end; /* positions of the chain at hand; a single item is one, too */
  int64_t rows;  /* of a pass */
} desk;

/* The last position of the chain that position k is part of. */
static int chain_end(const hy_plan *p, const hy_phase *ph, int k) {
  for (int end, head = ph->first;; head = end) {
    end = head + p->item[p->order[head]].chain;
    if (k < end) return end - 1;
  }
}

/* The value of position k, if it lives in scratch: one that only its chain reads, or (`escapes`) another. */
static int place_value(desk *d, int k, bool escapes) {
  hy_item *it = &d->plan->item[d->plan->order[k]];
  int until = last_in_phase(d->plan, d->phase, d->plan->order[k], k);
  bool alone = d->end == d->head + 1;
  if (!d->local[d->plan->order[k]] || escapes != (alone || until >= d->end)) return 0;
  it->place = escapes ? HY_IN_SCRATCH : HY_IN_CHAIN;
  if (escapes) until = chain_end(d->plan, d->phase, until);
  return shelve(&d->shelf, hy_aligned((size_t)((escapes ? d->phase->block : d->rows) * it->row) * it->element),
                escapes ? d->head : k, until, &it->offset);
}

/* Operands that are brought in order first, and what the kernel works in. */
static int place_room(desk *d, int k) {
  hy_plan *p = d->plan;
  hy_item *it = &p->item[p->order[k]];
  int status = 0;
  for (int j = 0; it->map && j < it->n_in && j < 3 && !status; j++) {
    if (it->operand[j].stride >= 0) continue;
    size_t offset;
    status = shelve(&d->shelf, hy_aligned((size_t)(d->rows * it->row) * it->element), k, k, &offset);
    it->operand[j].scratch = (int64_t)offset;
  }
  if (!status && it->shares_room) it->room_at = p->item[p->order[d->phase->first]].room_at;
  else if (!status && it->room)
    status = shelve(&d->shelf, hy_aligned(it->room), k, d->phase->first + d->phase->n, &it->room_at);
  return status;
}

static int place_scratch(hy_plan *p, hy_phase *ph, const bool *local) {
  desk d = {.plan = p, .phase = ph, .local = local, .head = ph->first};
  int status = 0;
  for (; d.head < ph->first + ph->n && !status; d.head = d.end) {
    const hy_item *head = &p->item[p->order[d.head]];
    d.end = d.head + head->chain;
    d.rows = head->chain > 1 ? head->chain_rows : ph->block;
    for (int k = d.head; k < d.end && !status; k++) status = place_value(&d, k, true);
    for (int k = d.head; k < d.end && !status; k++) {
      status = place_room(&d, k);
      if (!status) status = place_value(&d, k, false);
    }
  }
  ph->scratch = d.shelf.top;
  if (d.shelf.top > p->scratch_bytes) p->scratch_bytes = d.shelf.top;
  hy_free(d.shelf.slot);
  return status;
}

static int place_arena(hy_plan *p, const int *last) {
  shelf s = {0};
  int status = 0;
  for (int k = 0; k < p->n_phase && !status; k++)
    for (int i = p->phase[k].first; i < p->phase[k].first + p->phase[k].n && !status; i++) {
      hy_item *it = &p->item[p->order[i]];
      if (it->place != HY_IN_NOWHERE) continue;
      if (it->steady && last[p->order[i]] >= p->n_steady) {
        it->place = HY_IN_KEPT;
        it->offset = p->kept_bytes;
        p->kept_bytes += hy_aligned(it->bytes);
        continue;
      }
      it->place = HY_IN_ARENA;
      status = shelve(&s, hy_aligned(it->bytes), k, last[p->order[i]], &it->offset);
    }
  p->arena_bytes = s.top;
  hy_free(s.slot);
  return status;
}

/* ---- what a run needs to know of all this ---- */

static hy_access access_to(const hy_plan *p, const hy_item *it) {
  hy_access a = {.base = HY_NOTHING, .offset = (int64_t)it->offset, .apart = it->row * (int64_t)it->element};
  switch (it->place) {
    case HY_IN_NOWHERE: a.offset = 0; break;
    case HY_IN_INPUT: a.base = HY_INPUTS + it->index; break;
    case HY_IN_OUTPUT: a.base = HY_INPUTS + p->n_in + it->index; break;
    case HY_IN_ARENA: a.base = HY_ARENA; break;
    case HY_IN_KEPT: a.base = HY_KEPT; break;
    case HY_IN_SCRATCH: a.base = HY_SCRATCH; break;
    case HY_IN_CHAIN: a.base = HY_CHAIN; break;
    case HY_IN_FILL: a.offset = (int64_t)(uintptr_t)&it->bits; break;
    case HY_IN_CONSTANT:
      a.offset = (int64_t)(uintptr_t)it->tensor->storage->data + it->tensor->offset * (int64_t)it->element;
  }
  return a;
}

static void resolve(hy_plan *p) {
  for (int i = 0; i < p->n_item; i++) p->item[i].at = access_to(p, &p->item[i]);
  for (int i = 0; i < p->n_item; i++)
    for (int j = 0; j < p->item[i].n_in; j++) {
      const hy_view *v = &p->item[i].in[j];
      const hy_item *from = &p->item[v->item];
      hy_access *a = &p->item[i].from[j];
      *a = from->at;
      a->offset += v->offset * (int64_t)from->element;
      a->apart = v->rank ? v->stride[0] * (int64_t)from->element : 0;
    }
}

/* Absent operands are read nowhere. */
static hy_call call_of(const hy_item *it) {
  hy_call c = {.map = it->run == hy_run_map ? it->map : NULL, .row = it->row, .at = it->at};
  c.is_output = it->place == HY_IN_OUTPUT;
  c.chain = (int16_t)it->chain;
  c.chain_rows = (int32_t)it->chain_rows;
  for (int j = 0; j < 3; j++) {
    const bool given = j < it->n_in;
    c.stride[j] = (int8_t)(given ? it->operand[j].stride : 1);
    c.from[j] = given ? it->from[j] : (hy_access){.base = HY_NOTHING};
    if (!c.stride[j]) c.from[j].apart = 0;
    if (c.stride[j] < 0) c.map = NULL;
  }
  return c;
}

static int make_calls(hy_plan *p) {
  int n = 0;
  for (int k = 0; k < p->n_phase; k++) n += p->phase[k].n;
  p->call = hy_alloc((size_t)(n + 1) * sizeof *p->call);
  if (!p->call) return HYLA_ENOMEM;
  for (const hy_phase *ph = p->phase; ph < p->phase + p->n_phase; ph++)
    for (int k = ph->first + ph->n - 1, simple = 0; k >= ph->first; k--) {
      p->call[k] = call_of(&p->item[p->order[k]]);
      if (simple && p->call[k + 1].chain > 1) simple = 0; /* another chain begins there */
      simple = p->call[k].map && !p->call[k].is_output && simple < INT16_MAX ? simple + 1 : 0;
      p->call[k].simple = (int16_t)simple;
    }
  return 0;
}

int hy_place_values(hy_plan *p) {
  int *last = hy_alloc((size_t)(p->n_item + 1) * sizeof *last);
  bool *local = hy_alloc((size_t)(p->n_item + 1) * sizeof *local);
  int status = last && local ? 0 : HYLA_ENOMEM;
  if (!status) find_readers(p, last, local);
  for (int k = 0; k < p->n_phase && !status; k++) {
    cut_phase(p, &p->phase[k]);
    p->flops += p->phase[k].flops;
    status = place_scratch(p, &p->phase[k], local);
  }
  if (!status) status = place_arena(p, last);
  p->scratch_bytes += hy_keep_bytes(p);
  if (!status) {
    resolve(p);
    status = make_calls(p);
  }
  hy_free(last);
  hy_free(local);
  return status;
}
