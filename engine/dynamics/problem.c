/* A problem: declared variable by variable, then made ready once. */
#include "dynamics/momentum.h"
#include <string.h>

int hyla_problem_new(hyla_graph *g, hyla_problem **out) {
  hyla_problem *p = hy_calloc(1, sizeof *p);
  if (!p) return HYLA_ENOMEM;
  p->graph = hy_graph_keep(g);
  p->outer = p->inner = -1;
  p->references = 1;
  *out = p;
  return 0;
}

hyla_problem *hy_problem_keep(hyla_problem *p) {
  p->references++;
  return p;
}

static void drop_variables(hy_variable *v, int n) {
  for (int i = 0; i < n; i++) hy_free(v[i].name);
  hy_free(v);
}

void hy_adjoint_drop(hy_adjoint *a) {
  hyla_program_drop(a->step);
  hyla_program_drop(a->vjp);
  hy_free(a->residual);
  hy_free(a->stored);
}

static void drop_segment(hy_segment *s) {
  hy_free(s->next);
  hyla_program_drop(s->step);
  hy_momentum_drop(s->momentum);
  hy_adjoint_drop(&s->lean);
  hy_adjoint_drop(&s->rich);
}

void hyla_problem_drop(hyla_problem *p) {
  if (!p || --p->references) return;
  for (int i = 0; i < p->n_segment; i++) drop_segment(&p->segment[i]);
  hy_free(p->segment);
  for (int i = 0; i < p->n_stream; i++) hy_stream_drop(&p->stream[i]);
  hy_free(p->stream);
  hy_free(p->slice);
  hy_free(p->weight);
  hy_layout_close(&p->slice_layout);
  drop_variables(p->hyper, p->n_hyper);
  drop_variables(p->state, p->n_state);
  hy_layout_close(&p->hyper_layout);
  hy_layout_close(&p->state_layout);
  hyla_program_drop(p->init_program);
  hyla_program_drop(p->outer_program);
  hyla_program_drop(p->outer_vjp);
  hyla_program_drop(p->init_vjp);
  hyla_graph_drop(p->graph);
  hy_free(p);
}

static int check_open(const hyla_problem *p) {
  return p->ready ? hy_fail(HYLA_ESTATE, NULL, "the problem is ready: nothing can be added to it") : 0;
}

static int check_node(const hyla_problem *p, const char *what, const char *name, hy_ref r, const char *site) {
  if (r >= 0 && r < p->graph->count) return 0;
  return hy_fail(HYLA_EVALUE, site, "%s '%s': %d is no node of the graph", what, name, r);
}

/* The name of the variable that an input stands for, or NULL. */
static const char *used_as(const hyla_problem *p, hy_ref input) {
  for (int i = 0; i < p->n_hyper; i++)
    if (p->hyper[i].input == input) return p->hyper[i].name;
  for (int i = 0; i < p->n_state; i++)
    if (p->state[i].input == input) return p->state[i].name;
  for (int i = 0; i < p->n_stream; i++)
    if (p->stream[i].input == input) return "a stream";
  return NULL;
}

int hy_problem_check_input(const hyla_problem *p, const char *what, hy_ref input) {
  int status = check_open(p);
  if (!status) status = check_node(p, what, "", input, NULL);
  if (status) return status;
  const hy_node *n = &p->graph->node[input];
  if (n->op != HY_OP_input)
    return hy_fail(HYLA_EVALUE, n->site, "%s: expected an input of the graph, got %s", what, hy_op_table[n->op].name);
  const char *other = used_as(p, input);
  return other ? hy_fail(HYLA_EVALUE, n->site, "%s: its input stands for '%s' already", what, other) : 0;
}

static int check_variable(const hyla_problem *p, const char *what, const char *name, hy_ref input, const char *site) {
  int status = check_open(p);
  if (!status) status = check_node(p, what, name, input, site);
  if (status) return status;
  const hy_node *n = &p->graph->node[input];
  if (n->op != HY_OP_input)
    return hy_fail(HYLA_EVALUE, site, "%s '%s': expected an input of the graph, got %s", what, name,
                   hy_op_table[n->op].name);
  const char *other = used_as(p, input);
  if (other) return hy_fail(HYLA_EVALUE, site, "%s '%s': its input stands for '%s' already", what, name, other);
  if (n->shape.dtype == HYLA_INT32)
    return hy_fail(HYLA_ETYPE, site, "%s '%s': expected float32 or float64, got %s", what, name,
                   hy_shape_show(&n->shape).s);
  return 0;
}

static int add_variable(hyla_problem *p, hy_variable **list, int *n, int *capacity, hy_layout *layout,
                        const hy_variable *v) {
  if (HY_GROW(*list, *capacity, *n)) return HYLA_ENOMEM;
  hy_variable made = *v;
  made.name = hy_strdup(v->name);
  made.site = hy_graph_intern(p->graph, v->site);
  int status = made.name && (made.site || !v->site) ? hy_layout_add(layout, &p->graph->node[v->input].shape)
                                                    : HYLA_ENOMEM;
  if (status) {
    hy_free(made.name);
    return status;
  }
  (*list)[*n] = made;
  return (*n)++;
}

int hyla_problem_hyper(hyla_problem *p, const char *name, int input, const char *site) {
  int status = check_variable(p, "hyperparameter", name, input, site);
  hy_variable v = {(char *)(uintptr_t)name, site, input, -1};
  if (!status) status = add_variable(p, &p->hyper, &p->n_hyper, &p->hyper_capacity, &p->hyper_layout, &v);
  if (status >= 0) p->graph->node[input].steady = true;
  return status;
}

int hyla_problem_state(hyla_problem *p, const char *name, int input, int init, const char *site) {
  int status = check_variable(p, "state", name, input, site);
  if (!status && p->n_segment) status = hy_fail(HYLA_ESTATE, site, "state '%s': states come before segments", name);
  if (!status) status = check_node(p, "initial state", name, init, site);
  if (status) return status;
  if (!hy_shape_equal(&p->graph->node[input].shape, &p->graph->node[init].shape))
    return hy_fail(HYLA_ESHAPE, site, "state '%s' is %s, its initial value %s", name,
                   hy_shape_show(&p->graph->node[input].shape).s, hy_shape_show(&p->graph->node[init].shape).s);
  hy_variable v = {(char *)(uintptr_t)name, site, input, init};
  return add_variable(p, &p->state, &p->n_state, &p->state_capacity, &p->state_layout, &v);
}

static int check_next(const hyla_problem *p, int n_state, const int *next) {
  if (n_state != p->n_state)
    return hy_fail(HYLA_EVALUE, NULL, "segment: expected the next value of %d states, got %d", p->n_state, n_state);
  for (int i = 0; i < n_state; i++) {
    const hy_variable *v = &p->state[i];
    int status = check_node(p, "next state", v->name, next[i], v->site);
    if (status) return status;
    if (!hy_shape_equal(&p->graph->node[v->input].shape, &p->graph->node[next[i]].shape))
      return hy_fail(HYLA_ESHAPE, p->graph->node[next[i]].site, "state '%s' is %s, its next value %s", v->name,
                     hy_shape_show(&p->graph->node[v->input].shape).s, hy_shape_show(&p->graph->node[next[i]].shape).s);
  }
  return 0;
}

int hyla_problem_segment(hyla_problem *p, double steps, int n_state, const int *next) {
  int status = check_open(p);
  if (!status && !(steps >= 1 && steps < 0x1p53 && steps == (double)(int64_t)steps))
    status = hy_fail(HYLA_EVALUE, NULL, "steps: expected a whole number of at least 1, got %.9g", steps);
  if (!status) status = check_next(p, n_state, next);
  if (!status) status = HY_GROW(p->segment, p->segment_capacity, p->n_segment);
  if (status) return status;
  hy_segment s = {.steps = steps};
  s.next = hy_alloc((size_t)n_state * sizeof *s.next + 1);
  if (!s.next) return HYLA_ENOMEM;
  for (int i = 0; i < n_state; i++) s.next[i] = next[i];
  p->segment[p->n_segment] = s;
  return p->n_segment++;
}

int hyla_problem_outer(hyla_problem *p, int objective) {
  int status = check_open(p);
  if (!status) status = check_node(p, "outer objective", "", objective, NULL);
  if (status) return status;
  const hy_node *n = &p->graph->node[objective];
  if (hy_shape_size(&n->shape) != 1 || n->shape.dtype == HYLA_INT32)
    return hy_fail(HYLA_ESHAPE, n->site, "outer objective: expected one real number (a mean or a sum), got %s",
                   hy_shape_show(&n->shape).s);
  p->outer = objective;
  return 0;
}

double hy_problem_steps(const hyla_problem *p) {
  double T = 0;
  for (int i = 0; i < p->n_segment; i++) T += p->segment[i].steps;
  return T;
}

int hy_problem_reserve(const hyla_problem *p) {
  int status = hy_program_reserve(p->init_program);
  if (!status) status = hy_program_reserve(p->outer_program);
  for (int i = 0; i < p->n_segment && !status; i++) status = hy_program_reserve(p->segment[i].step);
  return status;
}

int hy_problem_reserve_adjoints(const hyla_problem *p) {
  int status = hy_program_reserve(p->outer_vjp);
  if (!status) status = hy_program_reserve(p->init_vjp);
  for (int i = 0; i < p->n_segment; i++) {
    const hy_segment *s = &p->segment[i];
    if (!status) status = hy_program_reserve(s->lean.vjp);
    if (!status) status = hy_program_reserve(s->rich.step);
    if (!status) status = hy_program_reserve(s->rich.vjp);
  }
  return status;
}

static void name_programs(hyla_problem *p) {
  hy_program_call(p->init_program, "init");
  hy_program_call(p->outer_program, "outer");
  hy_program_call(p->outer_vjp, "outer.vjp");
  hy_program_call(p->init_vjp, "init.vjp");
  for (int i = 0; i < p->n_segment; i++) {
    hy_segment *s = &p->segment[i];
    hy_program_call(s->step, "step");
    hy_program_call(s->lean.vjp, "step.vjp");
    hy_program_call(s->rich.step, "step.rich");
    hy_program_call(s->rich.vjp, "step.rich.vjp");
  }
}

/* Programs take an input that is a hyperparameter of any problem of their graph for one that stays. */
static int check_moving(const hyla_problem *p) {
  for (int i = 0; i < p->n_state; i++)
    if (p->graph->node[p->state[i].input].steady)
      return hy_fail(HYLA_EVALUE, p->state[i].site, "state '%s': its input is a hyperparameter of another problem",
                     p->state[i].name);
  for (int i = 0; i < p->n_stream; i++)
    if (p->graph->node[p->stream[i].input].steady)
      return hy_fail(HYLA_EVALUE, NULL, "a stream's input is a hyperparameter of another problem");
  return 0;
}

int hyla_problem_ready(hyla_problem *p, int differentiate) {
  int status = 0;
  if (p->ready && (p->differentiable || !differentiate)) return 0;
  if (!p->n_segment) return hy_fail(HYLA_ESTATE, NULL, "the problem has no steps: give it a segment");
  if (!p->n_state) return hy_fail(HYLA_ESTATE, NULL, "the problem has no state");
  if (differentiate && p->outer < 0) return hy_fail(HYLA_ESTATE, NULL, "the problem has no outer objective");
  if (differentiate && !p->n_hyper) return hy_fail(HYLA_ESTATE, NULL, "the problem has no hyperparameters");
  if (!p->ready) status = check_moving(p);
  if (!p->ready && !status) status = hy_problem_plan(p);
  if (!p->ready && !status) status = hy_problem_check_streams(p);
  if (!status) p->ready = true;
  if (!status && differentiate) status = hy_problem_check_paths(p);
  if (!status && differentiate) status = hy_problem_differentiate(p);
  if (!status && differentiate) p->differentiable = true;
  name_programs(p);
  return status;
}

/* NULL: nothing of that name is planned (yet). */
static hyla_program *program_named(hyla_problem *p, const char *which) {
  const hy_segment *s = p->n_segment ? &p->segment[0] : &(hy_segment){0};
  struct {
    const char *name;
    hyla_program *program;
  } all[] = {{"init", p->init_program},   {"step", s->step},
             {"outer", p->outer_program}, {"step.vjp", s->lean.vjp},
             {"outer.vjp", p->outer_vjp}, {"init.vjp", p->init_vjp},
             {"step.rich", s->rich.step}, {"step.rich.vjp", s->rich.vjp}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (!strcmp(all[i].name, which)) return all[i].program;
  return NULL;
}

const char *hyla_problem_print(hyla_problem *p, const char *which) {
  hyla_program *program = program_named(p, which);
  return program ? hyla_program_print(program) : "not planned (yet)";
}

const char *hyla_problem_dot(hyla_problem *p, const char *which) {
  hyla_program *program = program_named(p, which);
  return program ? hyla_program_dot(program) : "";
}
