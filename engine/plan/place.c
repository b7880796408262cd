/* Memory: what a value needs is decided by who reads it. A value that only its own phase reads, row by row, lives in a
 * thread's scratch, one block at a time; others live in the arena from their phase to the last that reads them. */
#include "plan/plan.h"
#include <stdlib.h>

static const size_t cache_bytes = 160 << 10; /* a block's rows of all that a phase touches: about half of a small L2 */
static const size_t most_bytes = 1 << 20;    /* a block's rows of one value, where an item wants many rows */
static const size_t chain_bytes = 8 << 10;   /* a value's rows while a chain of maps passes: several fit a small L1 */

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

static size_t row_bytes(const hy_plan *p, const hy_phase *ph) {
  size_t bytes = 0;
  for (int k = ph->first; k < ph->first + ph->n; k++) {
    const hy_item *it = &p->item[p->order[k]];
    if (it->split == HY_ROWS) bytes += (size_t)it->row * it->element;
    for (int j = 0; j < it->n_in; j++) {
      const hy_view *v = &it->in[j];
      if (p->item[v->item].split == HY_LEAF && !(it->whole >> j & 1) && v->rank && v->dim[0] == it->extent &&
          it->extent > 1 && v->stride[0])
        bytes += (size_t)(hy_view_size(v) / v->dim[0]) * p->item[v->item].element;
    }
  }
  return bytes ? bytes : 1;
}

/* Rows that the phase's items want a block to have, as far as that many rows of each value are no burden. */
static int64_t rows_wanted(const hy_plan *p, const hy_phase *ph) {
  int64_t rows = 0;
  for (int k = ph->first; k < ph->first + ph->n; k++)
    if (p->item[p->order[k]].worth > rows) rows = p->item[p->order[k]].worth;
  for (int k = ph->first; k < ph->first + ph->n; k++) {
    const hy_item *it = &p->item[p->order[k]];
    int64_t most = it->split == HY_ROWS ? (int64_t)(most_bytes / ((size_t)it->row * it->element)) : rows;
    if (most < rows) rows = most;
  }
  return rows / 16 * 16;
}

/* Maps one after another that make values of rows too long for a block of them to stay near. */
static void make_chains(hy_plan *p, const hy_phase *ph) {
  for (int k = ph->first, end = k + ph->n, n; k < end; k += n) {
    hy_item *head = &p->item[p->order[k]];
    size_t row = 1;
    for (n = 0; k + n < end; n++) {
      const hy_item *it = &p->item[p->order[k + n]];
      if (!it->map || !it->in_place) break;
      if ((size_t)it->row * it->element > row) row = (size_t)it->row * it->element;
    }
    head->chain_rows = chain_bytes > row ? (int64_t)(chain_bytes / row) : 1;
    head->chain = head->chain_rows < ph->block ? n : 1;
    if (!n) n = 1;
  }
}

static void cut_phase(hy_plan *p, hy_phase *ph) {
  ph->parallel = ph->flops > 30e3;
  if (ph->split != HY_ROWS) {
    ph->unit = ph->block = 1;
    ph->units = (int)ph->extent;
    return;
  }
  hy_chunks chunks = hy_chunks_of(ph->extent);
  bool whole_chunk = false;
  for (int k = ph->first; k < ph->first + ph->n; k++) whole_chunk |= p->item[p->order[k]].whole_chunk;
  int64_t block = (int64_t)(cache_bytes / row_bytes(p, ph)) / 16 * 16;
  if (block < rows_wanted(p, ph)) block = rows_wanted(p, ph);
  if (block < 16) block = 16; /* blocks begin at multiples of 16 rows in a chunk: the lanes of sums */
  /* Without partial sums the cut is free: a few units a thread, or all at once where there is little to do. */
  ph->unit = ph->has_parts ? chunks.size : ph->parallel ? (ph->extent + 15) / 16 : ph->extent;
  if (block > ph->unit || whole_chunk) block = ph->unit;
  ph->block = block;
  ph->units = (int)((ph->extent + ph->unit - 1) / ph->unit);
  make_chains(p, ph);
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

/* The last position of the chain that position k is part of. A chain passes over its items again and again, so what one
 * of them reads or writes is in use until all rows have passed. */
static int chain_end(const hy_plan *p, const hy_phase *ph, int k) {
  int head = ph->first, n;
  do {
    int chain = p->item[p->order[head]].chain;
    n = chain > 1 ? chain : 1;
    head += n;
  } while (head <= k);
  return head - 1;
}

/* The last position of the phase at which item i is in use, or k where nothing there reads it. */
static int last_in_phase(const hy_plan *p, const hy_phase *ph, int i, int k) {
  int last = k;
  for (; k < ph->first + ph->n; k++)
    for (int j = 0; j < p->item[p->order[k]].n_in; j++)
      if (p->item[p->order[k]].in[j].item == i) last = k;
  return chain_end(p, ph, last);
}

static int place_scratch(hy_plan *p, hy_phase *ph, const bool *local) {
  shelf s = {0};
  int status = 0;
  for (int k = ph->first; k < ph->first + ph->n && !status; k++) {
    hy_item *it = &p->item[p->order[k]];
    for (int j = 0; it->map && j < it->n_in && j < 3 && !status; j++) {
      if (it->operand[j].stride >= 0) continue;
      size_t offset;
      status = shelve(&s, hy_aligned((size_t)(ph->block * it->row) * it->element), k, chain_end(p, ph, k),
                      &offset);
      it->operand[j].scratch = (int64_t)offset;
    }
    if (!status && it->shares_room) it->room_at = p->item[p->order[ph->first]].room_at;
    else if (!status && it->room) status = shelve(&s, hy_aligned(it->room), k, ph->first + ph->n, &it->room_at);
    if (!status && local[p->order[k]]) {
      it->place = HY_IN_SCRATCH;
      status = shelve(&s, hy_aligned((size_t)(ph->block * it->row) * it->element), k,
                      last_in_phase(p, ph, p->order[k], k), &it->offset);
    }
  }
  ph->scratch = s.top;
  if (s.top > p->scratch_bytes) p->scratch_bytes = s.top;
  hy_free(s.slot);
  return status;
}

static int place_arena(hy_plan *p, const int *last) {
  shelf s = {0};
  int status = 0;
  for (int k = 0; k < p->n_phase && !status; k++)
    for (int i = p->phase[k].first; i < p->phase[k].first + p->phase[k].n && !status; i++) {
      hy_item *it = &p->item[p->order[i]];
      if (it->place != HY_IN_NOWHERE) continue;
      it->place = HY_IN_ARENA;
      status = shelve(&s, hy_aligned(it->bytes), k, last[p->order[i]], &it->offset);
    }
  p->arena_bytes = s.top;
  hy_free(s.slot);
  return status;
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
  hy_free(last);
  hy_free(local);
  return status;
}
