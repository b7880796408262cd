/* Levels and phases. An item's level counts the barriers before it: reading a value row by row as it is made costs none,
 * reading it whole costs one. Items of one level that split the same number of rows form a phase; its rows go through
 * the cache together. */
#include "plan/plan.h"

hy_chunks hy_chunks_of(int64_t rows) {
  int64_t most = rows >= 1 << 16 ? 64 : 16, n = rows / 64 < 1 ? 1 : rows / 64 > most ? most : rows / 64;
  int64_t groups = (rows + 15) / 16, size = (groups + n - 1) / n * 16; /* chunks begin at multiples of 16 rows */
  return (hy_chunks){(int)((rows + size - 1) / size), size};
}

static bool by_rows(const hy_item *it) { return it->split == HY_ROWS || it->split == HY_PARTS; }

/* Whether reading operand j waits for all of it. */
static bool barrier(const hy_plan *p, const hy_item *it, int j) {
  const hy_item *from = &p->item[it->in[j].item];
  if (from->split == HY_LEAF) return false;
  return !hy_reads_by_rows(p, it, j);
}

static void set_level(hy_plan *p, hy_item *it) {
  for (int j = 0; j < it->n_in; j++) {
    const hy_item *from = &p->item[it->in[j].item];
    int least = from->split == HY_LEAF ? 0 : from->level + barrier(p, it, j);
    if (it->level < least) it->level = least;
  }
}

static int order_phases(hy_plan *p) {
  int levels = 0, n = 0;
  for (int i = 0; i < p->n_item; i++)
    if (p->item[i].level >= levels) levels = p->item[i].level + 1;
  p->order = hy_alloc((size_t)(p->n_item + 1) * sizeof *p->order);
  if (!p->order) return HYLA_ENOMEM;
  for (int i = 0; i < p->n_item; i++) p->item[i].phase = -1;
  for (int level = 0; level < levels; level++)
    for (int i = 0; i < p->n_item; i++) {
      hy_item *it = &p->item[i];
      if (it->split == HY_LEAF || it->level != level || it->phase >= 0) continue;
      if (HY_GROW(p->phase, p->phase_capacity, p->n_phase)) return HYLA_ENOMEM;
      hy_phase *ph = &p->phase[p->n_phase];
      *ph = (hy_phase){.first = n, .level = level, .split = by_rows(it) ? HY_ROWS : it->split, .extent = it->extent};
      for (int k = i; k < p->n_item; k++) { /* all that may go with it */
        hy_item *other = &p->item[k];
        bool joins = k == i || (by_rows(it) && by_rows(other) && other->extent == it->extent);
        if (other->split == HY_LEAF || other->level != level || other->phase >= 0 || !joins) continue;
        other->phase = p->n_phase;
        p->order[n++] = k;
        ph->n++;
        ph->flops += other->flops;
        ph->has_parts |= other->split == HY_PARTS;
      }
      p->n_phase++;
    }
  return 0;
}

/* Output `o` may be written in place of its donor only when no one reads the donor afterwards. */
static bool safe_to_overwrite(const hy_plan *p, const hy_item *writer, int index, int donor) {
  for (int i = 0; i < p->n_item; i++) {
    const hy_item *it = &p->item[i];
    for (int j = 0; j < it->n_in; j++) {
      const hy_item *from = &p->item[it->in[j].item];
      if (from->place != HY_IN_INPUT || from->index != donor) continue;
      if (it->phase < writer->phase) continue;
      if (it->phase > writer->phase || i > index) return false;
      /* in the same phase: each row is read before it is written, and by no other row */
      const hy_view *v = &it->in[j];
      if (!by_rows(it) || (it->whole >> j & 1) || it->extent != writer->extent ||
          !hy_view_by_rows(v, writer->extent, writer->row))
        return false;
      bool in_order = hy_view_contiguous(v) && hy_view_size(v) == writer->rows * writer->row;
      if (i == index && !(it->in_place && in_order)) return false;
    }
  }
  return true;
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

/* Results go straight to the caller's buffers where possible; where not, a copy at the end takes them there. */
static int bind_outputs(hy_plan *p, const hy_view *from, int last_level) {
  for (int o = 0; o < p->n_out; o++) {
    const hy_view *v = &from[o];
    hy_item *it = &p->item[v->item];
    bool whole = it->split != HY_LEAF && it->split != HY_PARTS && it->place == HY_IN_NOWHERE && hy_view_contiguous(v) &&
                 hy_view_size(v) == it->rows * it->row;
    int donor = p->donor ? p->donor[o] : -1;
    if (whole && (donor < 0 || safe_to_overwrite(p, it, v->item, donor))) {
      it->place = HY_IN_OUTPUT;
      it->index = o;
      continue;
    }
    if (it->place == HY_IN_INPUT && it->index == donor) continue; /* is there already */
    int status = hy_lower_output_copy(p, o, v, last_level + 1);
    if (status) return status;
  }
  return 0;
}

static int reorder(hy_plan *p, int from) {
  hy_free(p->order);
  p->order = NULL;
  p->n_phase = 0;
  for (int i = from; i < p->n_item; i++) set_level(p, &p->item[i]);
  return order_phases(p);
}

/* In-place safety is judged on phases, and the copies it asks for make new ones: schedule, bind, schedule again. */
int hy_schedule(hy_plan *p, const hy_ref *out) {
  hy_view *from = hy_calloc((size_t)p->n_out + 1, sizeof *from);
  int last = 0, status = from ? rescue_inputs(p, out, from) : HYLA_ENOMEM;
  if (!status) status = reorder(p, 0);
  for (int i = 0; i < p->n_item; i++)
    if (p->item[i].level > last) last = p->item[i].level;
  int before = p->n_item;
  if (!status) status = bind_outputs(p, from, last);
  if (!status && p->n_item > before) status = reorder(p, before);
  hy_free(from);
  return status;
}
