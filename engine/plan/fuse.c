/* Pairs of maps: a sum, difference or product that one other reads, in the same phase, is made in registers on the way to
 * it, in the same roundings. Values of a few rows, where the walk over items takes longer than their arithmetic, gain
 * most. */
#include "plan/plan.h"
#include <string.h>

/* HY_PAIR_ADD.. of a map that may be part of a pair, or -1. */
static int pairable(const hy_plan *p, const hy_item *it) {
  if (!it->map || !it->in_place || it->n_in != 2) return -1;
  switch (p->graph->node[it->node].op) {
    case HY_OP_add: return HY_PAIR_ADD;
    case HY_OP_sub: return HY_PAIR_SUB;
    case HY_OP_mul: return HY_PAIR_MUL;
    default: return -1;
  }
}

/* Of the order between the two: only maps, or what the first reads would have to wait for other work; and none that writes
 * a result, whose memory may have been an input's. */
static bool only_maps_between(const hy_plan *p, int after, int before, bool writing) {
  for (int k = after + 1; k < before; k++) {
    const hy_item *it = &p->item[p->order[k]];
    if (!it->map || !it->in_place || (it->place == HY_IN_OUTPUT && !writing)) return false;
  }
  return true;
}

static bool reads_some_input(const hy_plan *p, const hy_item *it) {
  for (int j = 0; j < it->n_in; j++)
    if (p->item[it->in[j].item].place == HY_IN_INPUT) return true;
  return false;
}

/* Where in the order the first of a pair stands whose second is item order[k], by its operand j; -1: there is none. */
static int first_of(const hy_plan *p, const hy_phase *ph, const int *readers, int k, int j) {
  const hy_item *second = &p->item[p->order[k]];
  const hy_view *v = &second->in[j];
  const hy_item *first = &p->item[v->item];
  if (readers[v->item] != 1 || first->place != HY_IN_NOWHERE || pairable(p, first) < 0) return -1;
  if (first->rows != second->rows || first->row != second->row) return -1;
  if (second->operand[j].stride != 1 || v->offset || hy_view_size(v) != first->rows * first->row) return -1;
  for (int at = k - 1; at >= ph->first; at--)
    if (p->order[at] == v->item) return only_maps_between(p, at, k, !reads_some_input(p, first)) ? at : -1;
  return -1;
}

static void combine(hy_plan *p, hy_item *first, hy_item *second, int j) {
  static const char *const label[3][4] = {{"add, add", "add, sub", "add, mul", "add, sub from"},
                                          {"sub, add", "sub, sub", "sub, mul", "sub, sub from"},
                                          {"mul, add", "mul, sub", "mul, mul", "mul, sub from"}};
  int one = pairable(p, first), two = pairable(p, second), other = 1 - j;
  if (two == HY_PAIR_SUB && j == 1) two = HY_PAIR_FROM;
  second->first = first->node;
  second->first_map = first->map;
  second->map = hy_kernel_pair(one, two, second->shape.dtype);
  second->label = label[one][two];
  second->flops += first->flops;
  second->in[2] = second->in[other];
  second->operand[2] = second->operand[other];
  memcpy(second->in, first->in, 2 * sizeof *second->in);
  memcpy(second->operand, first->operand, 2 * sizeof *second->operand);
  second->n_in = 3;
  first->split = HY_LEAF; /* and nobody reads it */
  first->n_in = 0;
}

/* Takes position k of the order out of phase ph. */
static void leave_out(hy_plan *p, hy_phase *ph, int k) {
  const hy_phase *last = &p->phase[p->n_phase - 1];
  int end = last->first + last->n;
  memmove(&p->order[k], &p->order[k + 1], (size_t)(end - k - 1) * sizeof *p->order);
  ph->n--;
  for (hy_phase *next = ph + 1; next <= last; next++) next->first--;
}

int hy_fuse_maps(hy_plan *p) {
  int *readers = hy_calloc((size_t)p->n_item + 1, sizeof *readers);
  if (!readers) return HYLA_ENOMEM;
  for (int i = 0; i < p->n_item; i++)
    for (int j = 0; j < p->item[i].n_in; j++) readers[p->item[i].in[j].item]++;
  for (hy_phase *ph = p->phase; ph < p->phase + p->n_phase; ph++)
    for (int k = ph->first; k < ph->first + ph->n; k++) {
      hy_item *second = &p->item[p->order[k]];
      for (int j = 0, at = -1; j < 2 && at < 0 && pairable(p, second) >= 0; j++) {
        at = first_of(p, ph, readers, k, j);
        if (at < 0) continue;
        combine(p, &p->item[p->order[at]], second, j);
        leave_out(p, ph, at);
        k--;
      }
    }
  hy_free(readers);
  return 0;
}
