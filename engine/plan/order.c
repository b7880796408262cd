/* What comes before what. An item follows what it reads, and what overwrites an input follows all who read that input.
 * An edge is either free - the two may share a phase, row by row - or a barrier, which costs a phase. */
#include "plan/plan.h"

bool hy_by_rows(const hy_item *it) { return it->split == HY_ROWS || it->split == HY_PARTS; }

static int add_edge(hy_order *o, int from, int to, bool barrier) {
  if (HY_GROW(o->edge, o->capacity, o->n_edge)) return HYLA_ENOMEM;
  o->edge[o->n_edge] = (hy_edge){from, to, o->first[from], o->last[to], barrier};
  o->first[from] = o->last[to] = o->n_edge++;
  return 0;
}

/* Room for items that were made since, and the edges from what they read. */
int hy_order_extend(hy_order *o, const hy_plan *p) {
  int *first = hy_realloc(o->first, (size_t)(p->n_item + 1) * sizeof *first);
  if (first) o->first = first;
  int *last = hy_realloc(o->last, (size_t)(p->n_item + 1) * sizeof *last);
  if (last) o->last = last;
  int *rank = hy_realloc(o->rank, (size_t)(p->n_item + 1) * sizeof *rank);
  if (rank) o->rank = rank;
  uint8_t *mark = hy_realloc(o->mark, (size_t)p->n_item + 1);
  if (mark) o->mark = mark;
  if (!first || !last || !rank || !mark) return HYLA_ENOMEM;
  int status = 0;
  for (int i = o->n_item; i < p->n_item; i++) first[i] = last[i] = -1;
  for (int i = o->n_item; i < p->n_item && !status; i++)
    for (int j = 0; j < p->item[i].n_in && !status; j++) {
      int from = p->item[i].in[j].item;
      if (p->item[from].split != HY_LEAF) status = add_edge(o, from, i, !hy_reads_by_rows(p, &p->item[i], j));
    }
  o->n_item = p->n_item;
  return status;
}

void hy_order_close(hy_order *o) {
  hy_free(o->edge);
  hy_free(o->first);
  hy_free(o->last);
  hy_free(o->rank);
  hy_free(o->mark);
  *o = (hy_order){0};
}

/* mark[i]: item i comes after `from`, or is it. */
static int mark_after(hy_order *o, int from) {
  int n = 0, *stack = hy_alloc((size_t)(o->n_item + 1) * sizeof *stack);
  if (!stack) return HYLA_ENOMEM;
  for (int i = 0; i < o->n_item; i++) o->mark[i] = 0;
  o->mark[from] = 1;
  stack[n++] = from;
  while (n)
    for (int e = o->first[stack[--n]], to; e >= 0; e = o->edge[e].next_from)
      if (!o->mark[to = o->edge[e].to]) {
        o->mark[to] = 1;
        stack[n++] = to;
      }
  hy_free(stack);
  return 0;
}

static bool reads_input(const hy_plan *p, const hy_view *v, int input) {
  const hy_item *from = &p->item[v->item];
  return from->place == HY_IN_INPUT && from->index == input;
}

/* Row i of the operand lies where row i of the writer's value goes, and nothing else of it is read for row i. */
static bool same_rows(const hy_item *it, int j, const hy_item *writer) {
  return hy_by_rows(it) && writer->split == HY_ROWS && !(it->whole >> j & 1) && it->extent == writer->extent &&
         hy_view_by_rows(&it->in[j], writer->extent, writer->row);
}

/* The writer itself may read what it overwrites element by element only. */
static bool writes_over_itself(const hy_plan *p, const hy_item *w, int input) {
  for (int j = 0; j < w->n_in; j++)
    if (reads_input(p, &w->in[j], input) && !(w->in_place && same_rows(w, j, w) && hy_view_contiguous(&w->in[j]) &&
                                              hy_view_size(&w->in[j]) == w->rows * w->row))
      return false;
  return true;
}

int hy_order_overwrite(hy_order *o, const hy_plan *p, int writer, int input) {
  const hy_item *w = &p->item[writer];
  if (!writes_over_itself(p, w, input)) return 0;
  int status = mark_after(o, writer);
  for (int pass = 0; pass < 2 && !status; pass++) /* first look, then promise */
    for (int i = 0; i < p->n_item && !status; i++)
      for (int j = 0; j < p->item[i].n_in && !status; j++) {
        if (i == writer || !reads_input(p, &p->item[i].in[j], input)) continue;
        if (pass) status = add_edge(o, i, writer, !same_rows(&p->item[i], j, w));
        else if (o->mark[i]) return 0;
      }
  return status ? status : 1;
}

/* rank[]: a position for each item after all that it follows; otherwise in the order they were made. Walks from each item
 * to what it still waits for; the walk's path is a chain of edges, linked through `path`. */
int hy_order_sort(hy_order *o) {
  int n = 0, *path = hy_alloc((size_t)(o->n_item + 1) * sizeof *path);
  int *left = hy_alloc((size_t)(o->n_item + 1) * sizeof *left); /* the next edge to look at */
  int status = path && left ? 0 : HYLA_ENOMEM;
  for (int i = 0; i < o->n_item && !status; i++) {
    o->rank[i] = -1;
    left[i] = o->last[i];
  }
  for (int i = 0; i < o->n_item && !status; i++)
    for (int at = i, up = -1; at >= 0;) {
      while (left[at] >= 0 && o->rank[o->edge[left[at]].from] >= 0) left[at] = o->edge[left[at]].next_to;
      if (left[at] >= 0) { /* down */
        int from = o->edge[left[at]].from;
        path[at] = up;
        up = at;
        at = from;
        continue;
      }
      if (o->rank[at] < 0) o->rank[at] = n++;
      at = up; /* back */
      if (up >= 0) up = path[up];
    }
  hy_free(path);
  hy_free(left);
  return status;
}
