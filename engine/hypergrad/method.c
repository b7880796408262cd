/* The public face of every method. */
#include "hypergrad/hypergrad.h"
#include <string.h>

int hy_method_check_memory(const char *kind, double memory) {
  if (memory >= 0) return 0;
  return hy_fail(HYLA_EVALUE, NULL, "%s: expected a memory budget of at least 0 bytes, got %.9g", kind, memory);
}

int hy_method_open(hyla_method *m, const hy_method_kind *kind, hyla_problem *p, int differentiate) {
  m->kind = kind;
  int status = hyla_problem_ready(p, differentiate);
  if (!status) status = hy_problem_reserve(p);
  if (!status) status = hy_driver_open(&m->driver, p);
  if (!status && !(m->g = hy_calloc(p->hyper_layout.bytes + 1, 1))) status = HYLA_ENOMEM;
  return status;
}

void hyla_method_drop(hyla_method *m) {
  if (!m) return;
  if (m->kind->drop) m->kind->drop(m);
  if (m->driver.problem) hy_driver_close(&m->driver);
  hy_free(m->g);
  hy_free(m);
}

int hyla_method_start(hyla_method *m, hyla_tensor *const *lambda) { return hyla_method_start_from(m, lambda, 0, NULL); }

int hyla_method_start_from(hyla_method *m, hyla_tensor *const *lambda, double t, hyla_tensor *const *state) {
  m->done = m->settled = false;
  hy_profile_method("start");
  int status = hy_driver_start_from(&m->driver, lambda, t, state);
  if (!status && m->kind->start) status = m->kind->start(m);
  hy_profile_method(NULL);
  if (status) m->driver.started = false;
  return status;
}

double hyla_method_step(const hyla_method *m) { return m->driver.t; }
double hyla_method_steps(const hyla_method *m) { return hy_problem_steps(m->driver.problem); }

int hyla_method_advance(hyla_method *m, double steps) {
  double T = hyla_method_steps(m), stop = m->driver.t + steps < T ? m->driver.t + steps : T;
  if (!(steps >= 0))
    return hy_fail(HYLA_EVALUE, NULL, "advance: expected a number of steps of at least 0, got %.9g", steps);
  int status = hy_driver_want_started(&m->driver);
  hy_profile_method("training");
  while (!status && m->driver.t < stop && !m->settled) status = m->kind->step(m);
  hy_profile_method(NULL);
  return status;
}

int hyla_method_response(hyla_method *m, double *f) { return hy_driver_outer(&m->driver, f); }

static int check_room(const hyla_problem *p, hyla_tensor *const *g) {
  for (int i = 0; i < p->n_hyper; i++)
    if (!g[i] || !hy_shape_equal(&g[i]->shape, &p->hyper_layout.shape[i]))
      return hy_fail(HYLA_ESHAPE, p->hyper[i].site, "hypergradient of '%s': expected room for %s, got %s",
                     p->hyper[i].name, hy_shape_show(&p->hyper_layout.shape[i]).s,
                     g[i] ? hy_shape_show(&g[i]->shape).s : "nothing");
  return 0;
}

/* All of g or none: what can fail comes before the first copy. */
static int give(const hyla_method *m, hyla_tensor *const *g) {
  const hy_layout *l = &m->driver.problem->hyper_layout;
  hyla_tensor **from = hy_calloc((size_t)l->n + 1, sizeof(hyla_tensor *));
  int status = from ? 0 : HYLA_ENOMEM;
  for (int i = 0; i < l->n && !status; i++) status = hy_tensor_wrap(&l->shape[i], m->g + l->offset[i], &from[i]);
  for (int i = 0; i < l->n && !status; i++) status = hyla_tensor_copy(g[i], from[i]);
  for (int i = 0; from && i < l->n; i++) hyla_tensor_drop(from[i]);
  hy_free(from);
  return status;
}

int hyla_method_hypergradient(hyla_method *m, double *f, hyla_tensor *const *g) {
  if (!m->kind->hypergradient)
    return hy_fail(HYLA_ESTATE, NULL, "method '%s' computes no hypergradient", m->kind->name);
  int status = check_room(m->driver.problem, g);
  if (!status) status = hyla_method_advance(m, hyla_method_steps(m));
  hy_profile_method(m->kind->name);
  if (!status && !m->done) status = m->kind->hypergradient(m);
  hy_profile_method(NULL);
  if (status) return status;
  m->done = true;
  status = give(m, g);
  if (!status) *f = m->f;
  return status;
}

int hyla_method_partial(hyla_method *m, double *f, hyla_tensor *const *g) {
  int status = 0;
  if (!m->kind->partial)
    status = hy_fail(HYLA_ESTATE, NULL, "method '%s' has no hypergradient before the last step", m->kind->name);
  if (!status) status = check_room(m->driver.problem, g);
  if (!status) status = hy_driver_want_started(&m->driver);
  hy_profile_method("partial");
  if (!status) status = m->kind->partial(m);
  hy_profile_method(NULL);
  if (!status) status = give(m, g);
  if (!status) *f = m->f;
  return status;
}

int hyla_method_update(hyla_method *m, hyla_tensor *const *lambda) {
  if (!m->kind->update)
    return hy_fail(HYLA_ESTATE, NULL, "method '%s' cannot go on with other hyperparameters", m->kind->name);
  int status = m->kind->update(m);
  if (!status) status = hy_driver_update(&m->driver, lambda);
  if (!status) m->done = false;
  return status;
}

int hyla_method_carried(const hyla_method *m) {
  return m->kind->pieces ? m->kind->pieces(m) * m->driver.problem->n_state : 0;
}

int hyla_method_carry(hyla_method *m, int i, hyla_tensor **view) {
  const hyla_problem *p = m->driver.problem;
  if (i < 0 || i >= hyla_method_carried(m))
    return hy_fail(HYLA_EVALUE, NULL, "expected a carried tensor from 0 to %d, got %d", hyla_method_carried(m) - 1, i);
  int status = hy_driver_want_started(&m->driver), state = i % p->n_state;
  if (status) return status;
  return hy_tensor_wrap(&p->state_layout.shape[state],
                        m->kind->piece(m, i / p->n_state) + p->state_layout.offset[state], view);
}

int hyla_method_state(hyla_method *m, int i, hyla_tensor **view) {
  const hyla_problem *p = m->driver.problem;
  if (i < 0 || i >= p->n_state)
    return hy_fail(HYLA_EVALUE, NULL, "expected a state from 0 to %d, got %d", p->n_state - 1, i);
  int status = hy_driver_want_started(&m->driver);
  if (status) return status;
  return hy_tensor_wrap(&p->state_layout.shape[i], m->driver.state + p->state_layout.offset[i], view);
}

int hyla_method_stream(hyla_method *m, int i, hyla_tensor *value) {
  hy_driver *d = &m->driver;
  const hyla_problem *p = d->problem;
  if (i < 0 || i >= p->n_stream)
    return hy_fail(HYLA_EVALUE, NULL, "expected a stream from 0 to %d, got %d", p->n_stream - 1, i);
  char *at;
  hyla_tensor *from;
  int status = hy_driver_want_started(d);
  if (!status) status = hy_feed_value(&d->feed, p, i, d->t, d->hyper, &at);
  if (!status) status = hy_tensor_wrap(&p->graph->node[p->stream[i].input].shape, at, &from);
  if (status) return status;
  status = hyla_tensor_copy(value, from);
  hyla_tensor_drop(from);
  return status;
}

double hyla_method_bytes(const hyla_method *m) {
  const hyla_problem *p = m->driver.problem;
  double own = (double)(p->state_layout.bytes + 2 * p->hyper_layout.bytes);
  const hy_workspace *w = &p->graph->workspace;
  own += (double)(w->arena_bytes + w->scratch_bytes + w->kept_bytes);
  return own + (m->kind->bytes ? m->kind->bytes(m) : 0);
}

int hyla_method_cost(const hyla_method *m, hyla_cost *out) {
  if (m->kind->cost) return m->kind->cost(m, out);
  *out = (hyla_cost){.steps = hyla_method_steps(m) - m->driver.origin, .taken = m->driver.t - m->driver.origin};
  return 0;
}
