/* A program: a graph, planned. */
#include "plan/plan.h"
#include <string.h>

static void release_plan(hy_plan *p) {
  for (int i = 0; i < p->n_item; i++) hyla_tensor_drop(p->item[i].tensor);
  hy_free(p->item);
  hy_free(p->view);
  hy_free(p->order);
  hy_free(p->call);
  hy_free(p->phase);
  hy_free(p->reads);
  hy_free(p->steady);
  hy_free(p->origin);
  hyla_graph_drop(p->graph);
}

void hyla_program_drop(hyla_program *p) {
  if (!p) return;
  if (p->kept) p->source->workspace.kept_bytes -= p->plan.kept_bytes;
  release_plan(&p->plan);
  hyla_graph_drop(p->source);
  hy_free(p->in_shape);
  hy_free(p->out_shape);
  hy_free(p->text.s);
  hy_free(p->kept);
  hy_free(p);
}

/* Which node of the source each node of the plan's graph stands for: the same node in two programs has one origin. */
static int find_origins(hy_plan *plan, int n, const hy_ref *map) {
  plan->origin = hy_alloc(((size_t)plan->graph->count + 1) * sizeof *plan->origin);
  if (!plan->origin) return HYLA_ENOMEM;
  for (hy_ref r = 0; r < plan->graph->count; r++) plan->origin[r] = -1;
  for (hy_ref r = n - 1; r >= 0; r--)
    if (map[r] >= 0) plan->origin[map[r]] = r;
  return 0;
}

static int make_plan(hyla_program *p, int n_in, const hy_ref *in, int n_out, const hy_ref *out, const int *donor) {
  hyla_graph *g = p->source;
  hy_plan *plan = &p->plan;
  int status = 0;
  uint8_t *mark = hy_calloc((size_t)g->count + 1, 1);
  hy_ref *map = hy_alloc(((size_t)g->count + 1) * sizeof *map);
  hy_ref *refs = hy_alloc(((size_t)n_in + (size_t)n_out + 1) * sizeof *refs);
  plan->reads = hy_calloc((size_t)n_in + 1, sizeof *plan->reads);
  plan->steady = hy_calloc((size_t)n_in + 1, sizeof *plan->steady);
  if (!mark || !map || !refs || !plan->reads || !plan->steady) status = HYLA_ENOMEM;
  for (int i = 0; i < n_in && !status; i++) plan->steady[i] = g->node[in[i]].steady;
  for (int i = 0; i < n_out && donor && !status; i++)
    if (donor[i] >= 0) plan->steady[donor[i]] = false;
  for (int i = 0; i < n_in && !status; i++) mark[in[i]] = HY_CUT;
  if (!status) hy_graph_reach(g, n_out, out, mark);
  if (!status) status = hy_fold_constants(g, n_out, out, mark);
  if (!status) status = hy_simplify(g, mark, &plan->graph, map);
  for (int i = 0; i < n_in && !status; i++) refs[i] = map[in[i]];
  for (int i = 0; i < n_out && !status; i++) refs[n_in + i] = map[out[i]];
  if (!status) status = find_origins(plan, g->count, map);
  plan->n_in = n_in;
  plan->n_out = n_out;
  plan->donor = donor;
  if (!status) status = hy_lower(plan, refs, refs + n_in);
  if (!status) status = hy_schedule(plan, refs + n_in);
  if (!status) status = hy_fuse_maps(plan);
  if (!status) status = hy_place_values(plan);
  plan->donor = NULL;
  hy_free(mark);
  hy_free(map);
  hy_free(refs);
  return status;
}

int hy_program_new(hyla_graph *g, int n_in, const hy_ref *in, int n_out, const hy_ref *out, const int *donor,
                   hyla_program **result) {
  hyla_program *p = hy_calloc(1, sizeof *p);
  int status = 0;
  if (!p) return HYLA_ENOMEM;
  p->source = hy_graph_keep(g);
  p->in_shape = hy_calloc((size_t)n_in + 1, sizeof *p->in_shape);
  p->out_shape = hy_calloc((size_t)n_out + 1, sizeof *p->out_shape);
  if (!p->in_shape || !p->out_shape) status = HYLA_ENOMEM;
  for (int i = 0; i < n_in && !status; i++) p->in_shape[i] = g->node[in[i]].shape;
  for (int i = 0; i < n_out && !status; i++) p->out_shape[i] = g->node[out[i]].shape;
  if (!status) status = make_plan(p, n_in, in, n_out, out, donor);
  for (int k = 0; k < p->plan.n_phase; k++) p->plan.phase[k].program = p;
  if (status) hyla_program_drop(p);
  else *result = p;
  return status;
}

int hyla_program_new(hyla_graph *g, int n_in, const int *in, int n_out, const int *out, hyla_program **p) {
  for (int i = 0; i < n_in; i++)
    if (in[i] < 0 || in[i] >= g->count || g->node[in[i]].op != HY_OP_input)
      return hy_fail(HYLA_EVALUE, NULL, "program: expected an input of the graph, got node %d", in[i]);
  for (int i = 0; i < n_out; i++)
    if (out[i] < 0 || out[i] >= g->count)
      return hy_fail(HYLA_EVALUE, NULL, "program: %d is no node of this graph", out[i]);
  return hy_program_new(g, n_in, in, n_out, out, NULL, p);
}

bool hy_program_reads(const hyla_program *p, int input) { return p->plan.reads[input]; }

int hy_program_reserve(hyla_program *p) {
  if (!p) return 0;
  int threads = hyla_threads(0);
  if (threads < 0) return threads; /* HYLA_THREADS says nothing sensible */
  if (p->plan.kept_bytes && !p->kept) {
    if (!(p->kept = hy_alloc(p->plan.kept_bytes))) return HYLA_ENOMEM;
    p->source->workspace.kept_bytes += p->plan.kept_bytes;
  }
  return hy_workspace_reserve(&p->source->workspace, p->plan.arena_bytes, (size_t)threads * p->plan.scratch_bytes);
}

/* ---- on tensors ---- */

static char *first(const hyla_tensor *t) {
  return (char *)t->storage->data + (size_t)t->offset * hy_dtype_size(t->shape.dtype);
}

/* The tensor itself, one reference more, or a contiguous copy of it. */
static int borrow(hyla_tensor *t, const hyla_shape *want, int i, hyla_tensor **out) {
  if (!t) return hy_fail(HYLA_EVALUE, NULL, "program: input %d is missing", i + 1);
  if (!hy_shape_equal(&t->shape, want))
    return hy_fail(HYLA_ESHAPE, NULL, "program: input %d: expected %s, got %s", i + 1, hy_shape_show(want).s,
                   hy_shape_show(&t->shape).s);
  if (hyla_tensor_contiguous(t)) {
    *out = hyla_tensor_keep(t);
    return 0;
  }
  int status = hyla_tensor_new(want, out);
  return status ? status : hyla_tensor_copy(*out, t);
}

static int check_output(const hyla_tensor *t, const hyla_shape *want, int i) {
  if (!t || hy_shape_equal(&t->shape, want)) return 0;
  return hy_fail(HYLA_ESHAPE, NULL, "program: output %d: expected %s, got %s", i + 1, hy_shape_show(want).s,
                 hy_shape_show(&t->shape).s);
}

/* Results are made apart and given at the end: a failure leaves every output as it was, and an output may be an input.
 * Such programs are run now and then: in between they hold no arena and no scratch. */
int hyla_program_run(hyla_program *p, hyla_tensor *const *in, hyla_tensor **out) {
  int n_in = p->plan.n_in, n_out = p->plan.n_out, n = n_in + n_out, status = 0;
  hyla_tensor **held = hy_calloc((size_t)n + 1, sizeof(hyla_tensor *));
  char **at = hy_calloc((size_t)n + 1, sizeof(char *));
  if (!held || !at) status = HYLA_ENOMEM;
  for (int i = 0; i < n_in && !status; i++)
    if (p->plan.reads[i]) status = borrow(in[i], &p->in_shape[i], i, &held[i]);
  for (int i = 0; i < n_out && !status; i++) status = check_output(out[i], &p->out_shape[i], i);
  for (int i = 0; i < n_out && !status; i++) status = hyla_tensor_new(&p->out_shape[i], &held[n_in + i]);
  for (int i = 0; i < n && !status; i++) at[i] = held[i] ? first(held[i]) : NULL;
  if (!status) status = hy_program_run(p, at, at + n_in);
  hy_workspace_close(&p->source->workspace);
  for (int i = 0; i < n_out && !status; i++) {
    if (out[i]) status = hyla_tensor_copy(out[i], held[n_in + i]);
    else out[i] = hyla_tensor_keep(held[n_in + i]);
  }
  for (int i = 0; held && i < n; i++) hyla_tensor_drop(held[i]);
  hy_free(held);
  hy_free(at);
  return status;
}
