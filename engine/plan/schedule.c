/* Levels and phases. An item's level counts the barriers before it: reading a value row by row as it is made costs none,
 * reading it whole costs one. Items of one level that split the same number of rows form a phase; its rows go through
 * the cache together. */
#include "plan/plan.h"

/* As many as threads can share, of few rows fewer: what each leaves is for one thread to bring together. Chunks begin at
 * multiples of 16 rows. */
hy_chunks hy_chunks_of(int64_t rows) {
  const int64_t most = rows >= 1 << 16 ? 64 : rows >= 1 << 12 ? 16 : 8, groups = (rows + 15) / 16;
  int64_t n = (rows + 16) / 32;
  if (n < 1) n = 1;
  if (n > most) n = most;
  const int64_t size = (groups + n - 1) / n * 16;
  return (hy_chunks){(int)((rows + size - 1) / size), size};
}

static const size_t most_kept = 1 << 20; /* bytes of steady values in all: they are kept from run to run */

static bool is_steady(const hy_plan *p, const hy_item *it, size_t there) {
  if (it->split == HY_LEAF || it->place != HY_IN_NOWHERE || it->bytes > most_kept - there) return false;
  for (int j = 0; j < it->n_in; j++) {
    const hy_item *from = &p->item[it->in[j].item];
    if (from->place == HY_IN_INPUT ? !p->steady[from->index] : from->split != HY_LEAF && !from->steady) return false;
  }
  return true;
}

/* Every item as early as what it follows allows, and steady ones before all others. The first level of those. */
static int set_levels(hy_plan *p, const hy_order *o, const int *by_rank) {
  int first = 0;
  size_t there = 0;
  for (int steady = 1; steady >= 0; steady--)
    for (int k = 0; k < p->n_item; k++) {
      hy_item *it = &p->item[by_rank[k]];
      if (steady && (it->steady = is_steady(p, it, there))) there += it->bytes;
      if (it->split == HY_LEAF || it->steady != steady) continue;
      it->level = steady ? 0 : first;
      for (int e = o->last[by_rank[k]]; e >= 0; e = o->edge[e].next_to) {
        const int least = p->item[o->edge[e].from].level + o->edge[e].barrier;
        if (it->level < least) it->level = least;
      }
      if (steady && it->level >= first) first = it->level + 1;
    }
  return first;
}

/* How late an item may go. */
static int latest_level(const hy_plan *p, const hy_order *o, int i) {
  int latest = -1;
  for (int e = o->first[i]; e >= 0; e = o->edge[e].next_from) {
    int most = p->item[o->edge[e].to].level - o->edge[e].barrier;
    if (latest < 0 || most < latest) latest = most;
  }
  return latest;
}

/* Bytes that would have to be kept for longer if item i went at this level: what it reads and nobody reads after. */
static double kept_longer(const hy_plan *p, const hy_order *o, int i, int level) {
  double bytes = 0;
  for (int e = o->last[i]; e >= 0; e = o->edge[e].next_to) {
    int from = o->edge[e].from, until = p->item[from].level;
    for (int k = o->first[from]; k >= 0; k = o->edge[k].next_from)
      if (o->edge[k].to != i && p->item[o->edge[k].to].level > until) until = p->item[o->edge[k].to].level;
    if (until < level && !p->item[from].steady) bytes += (double)p->item[from].bytes;
  }
  return bytes;
}

/* An item that makes more than it lets go waits for those who need it: what a step does to a large state is then done
 * where its result goes, and no value of that size is kept in between. */
static void delay(hy_plan *p, const hy_order *o, const int *by_rank) {
  for (int k = p->n_item - 1; k >= 0; k--) {
    hy_item *it = &p->item[by_rank[k]];
    int latest = it->split == HY_ROWS && !it->steady ? latest_level(p, o, by_rank[k]) : -1;
    if (latest > it->level && (double)it->bytes > kept_longer(p, o, by_rank[k], latest)) it->level = latest;
  }
}

/* ---- groups: the items of one level that split the same rows ---- */

static const size_t most_row = 16 << 10; /* bytes of a row of two groups whose blocks, together, stay in a near cache */
static const size_t most_chunk = 16 << 10; /* of a chunk of both, where one wants it whole and the other does not */

static bool in_group(const hy_item *it, int level, int64_t extent) {
  return it->level == level && it->extent == extent && hy_by_rows(it);
}

static bool leads_group(const hy_plan *p, int i) {
  if (!hy_by_rows(&p->item[i])) return false;
  for (int k = 0; k < i; k++)
    if (in_group(&p->item[k], p->item[i].level, p->item[i].extent)) return false;
  return true;
}

/* The first level after this one that has items over these rows, or -1. */
static int next_level(const hy_plan *p, int level, int64_t extent) {
  int next = -1;
  for (int i = 0; i < p->n_item; i++)
    if (p->item[i].level > level && (next < 0 || p->item[i].level < next) &&
        in_group(&p->item[i], p->item[i].level, extent))
      next = p->item[i].level;
  return next;
}

/* What a group brings to its phase: bytes of a row of all that it makes; rows of the chunks that it wants whole, and with
 * it all of the phase, or 0. */
typedef struct group {
  size_t row;
  int64_t chunk;
} group;

static group group_of(const hy_plan *p, int level, int64_t extent) {
  group g = {0};
  for (int i = 0; i < p->n_item; i++) {
    const hy_item *it = &p->item[i];
    if (!in_group(it, level, extent)) continue;
    if (it->whole_chunk && it->chunk > g.chunk) g.chunk = it->chunk;
    if (it->split == HY_ROWS) g.row += (size_t)it->row * it->element;
  }
  return g;
}

/* Nothing outside waits for the group's values before level `to`. */
static bool may_wait(const hy_plan *p, const hy_order *o, int level, int64_t extent, int to) {
  for (int i = 0; i < p->n_item; i++) {
    if (!in_group(&p->item[i], level, extent)) continue;
    for (int e = o->first[i]; e >= 0; e = o->edge[e].next_from) {
      const hy_item *next = &p->item[o->edge[e].to];
      if (!in_group(next, level, extent) && next->level - o->edge[e].barrier < to) return false;
    }
  }
  return true;
}

/* A group waits, as a whole, for the next level over the same rows where it may, and where rows are short: one phase
 * less, and what it makes for that level stays in its blocks. */
static void wait_together(hy_plan *p, const hy_order *o, int first) {
  int top = 0;
  for (int i = 0; i < p->n_item; i++)
    if (p->item[i].level > top) top = p->item[i].level;
  for (int level = top - 1; level >= first; level--)
    for (int i = 0; i < p->n_item; i++) {
      const int64_t extent = p->item[i].extent;
      if (p->item[i].level != level || !leads_group(p, i)) continue;
      const int to = next_level(p, level, extent);
      if (to < 0 || !may_wait(p, o, level, extent, to)) continue;
      const group one = group_of(p, level, extent), other = group_of(p, to, extent);
      const int64_t chunk = one.chunk > other.chunk ? one.chunk : other.chunk;
      if (one.row + other.row > most_row) continue;
      if (!one.chunk != !other.chunk && (size_t)chunk * (one.row + other.row) > most_chunk) continue;
      for (int k = 0; k < p->n_item; k++)
        if (in_group(&p->item[k], level, extent)) p->item[k].level = to;
    }
}

/* ---- phases ---- */

static bool may_join(const hy_item *it, const hy_item *other) {
  return it == other || (hy_by_rows(it) && hy_by_rows(other) && other->extent == it->extent) ||
         hy_same_strips(it, other);
}

/* One phase: item by_rank[k] and all of its level that may go with it. */
static int make_phase(hy_plan *p, const int *by_rank, int k, int first) {
  const hy_item *it = &p->item[by_rank[k]];
  if (HY_GROW(p->phase, p->phase_capacity, p->n_phase)) return HYLA_ENOMEM;
  hy_phase *ph = &p->phase[p->n_phase];
  *ph = (hy_phase){.first = first, .level = it->level, .extent = it->extent};
  ph->split = hy_by_rows(it) ? HY_ROWS : it->split;
  for (; k < p->n_item; k++) {
    hy_item *other = &p->item[by_rank[k]];
    if (other->split == HY_LEAF || other->level != it->level || other->phase >= 0 || !may_join(it, other)) continue;
    other->phase = p->n_phase;
    other->shares_room = ph->n && hy_same_strips(it, other);
    p->order[first + ph->n++] = by_rank[k];
    ph->flops += other->flops;
  }
  p->n_phase++;
  return 0;
}

static int order_phases(hy_plan *p, const int *by_rank) {
  int levels = 0, n = 0, status = 0;
  for (int i = 0; i < p->n_item; i++) {
    if (p->item[i].level >= levels) levels = p->item[i].level + 1;
    p->item[i].phase = -1;
  }
  p->order = hy_alloc((size_t)(p->n_item + 1) * sizeof *p->order);
  if (!p->order) return HYLA_ENOMEM;
  for (int level = 0; level < levels; level++)
    for (int k = 0; k < p->n_item && !status; k++) {
      const hy_item *it = &p->item[by_rank[k]];
      if (it->split == HY_LEAF || it->level != level || it->phase >= 0) continue;
      status = make_phase(p, by_rank, k, n);
      if (!status) n += p->phase[p->n_phase - 1].n;
    }
  return status;
}

/* An output that is a mere view of an input whose memory is given away is read first. */
static int rescue_inputs(hy_plan *p, const hy_ref *out, hy_view *from) {
  for (int o = 0; o < p->n_out; o++) {
    from[o] = p->view[out[o]];
    const hy_item *it = &p->item[from[o].item];
    bool given = false, in_place = it->place == HY_IN_INPUT && p->donor && p->donor[o] == it->index &&
                                   hy_view_contiguous(&from[o]) && from[o].offset == 0;
    for (int k = 0; p->donor && k < p->n_out; k++) given |= it->place == HY_IN_INPUT && p->donor[k] == it->index;
    if (!given || in_place) continue;
    int status = hy_view_materialise(p, it->node, &from[o]);
    if (status) return status;
  }
  return 0;
}

/* Results go straight to the caller's buffers where possible: into new memory, or over the input whose memory was
 * given. Where not, a copy takes them there, once nobody reads that input any more. */
static int bind_output(hy_plan *p, hy_order *o, int output, const hy_view *v) {
  hy_item *it = &p->item[v->item];
  bool whole = it->split != HY_LEAF && it->split != HY_PARTS && it->place == HY_IN_NOWHERE && hy_view_contiguous(v) &&
               hy_view_size(v) == it->rows * it->row;
  int donor = p->donor ? p->donor[output] : -1, writer = v->item, safe = 1;
  if (it->place == HY_IN_INPUT && it->index == donor) return 0; /* is there already */
  if (whole && donor >= 0) safe = hy_order_overwrite(o, p, writer, donor);
  if (safe < 0) return safe;
  if (!whole || !safe) {
    hy_view copy = *v;
    int status = hy_view_materialise(p, it->node, &copy);
    writer = p->n_item - 1;
    if (!status) status = hy_order_extend(o, p);
    if (!status && donor >= 0) status = hy_order_overwrite(o, p, writer, donor);
    if (status < 0) return status;
  }
  p->item[writer].place = HY_IN_OUTPUT;
  p->item[writer].index = output;
  return 0;
}

int hy_schedule(hy_plan *p, const hy_ref *out) {
  hy_order o = {0};
  hy_view *from = hy_calloc((size_t)p->n_out + 1, sizeof *from);
  int *by_rank = NULL, status = from ? rescue_inputs(p, out, from) : HYLA_ENOMEM;
  if (!status) status = hy_order_extend(&o, p);
  for (int i = 0; i < p->n_out && !status; i++) status = bind_output(p, &o, i, &from[i]);
  if (!status) status = hy_order_sort(&o);
  if (!status && !(by_rank = hy_alloc((size_t)(p->n_item + 1) * sizeof *by_rank))) status = HYLA_ENOMEM;
  if (!status) {
    for (int i = 0; i < p->n_item; i++) by_rank[o.rank[i]] = i;
    const int first = set_levels(p, &o, by_rank);
    delay(p, &o, by_rank);
    wait_together(p, &o, first);
    status = order_phases(p, by_rank);
    while (p->n_steady < p->n_phase && p->phase[p->n_steady].level < first) p->n_steady++;
  }
  hy_free(by_rank);
  hy_free(from);
  hy_order_close(&o);
  return status;
}
