/* Momentum forwards and backwards. Of step t backwards:
 *
 *   w_{t-1} = w_t + round(rate v_t);   g at w_{t-1};   v_{t-1} from v_t - round(g) and the information buffer */
#include "dynamics/rewind.h"
#include <math.h>
#include <string.h>

/* ---- what is reversible ---- */

/* Segments have the same weights in the same order. */
int hy_rewind_check(const hyla_problem *p) {
  for (int k = 0; k < p->n_segment; k++) {
    const hy_momentum *q = p->segment[k].momentum, *first = p->segment[0].momentum;
    if (!q)
      return hy_fail(
          HYLA_EVALUE, NULL,
          "reversible: segment %d was not declared as momentum, and what other dynamics overwrites cannot be "
          "taken back",
          k + 1);
    bool same = q->n == first->n;
    for (int i = 0; same && i < q->n; i++) same = q->w[i] == first->w[i] && q->v[i] == first->v[i];
    if (!same)
      return hy_fail(HYLA_EVALUE, NULL,
                     "reversible: expected the weights of segment 1 in its order, got others in segment %d", k + 1);
  }
  return 0;
}

static bool changes(const hyla_problem *p, int state) {
  for (int k = 0; k < p->n_segment; k++)
    if (p->segment[k].next[state] != p->state[state].input) return true;
  return false;
}

static bool is_paired(const hyla_problem *p, int state) {
  const hy_momentum *q = p->segment[0].momentum;
  for (int i = 0; i < q->n; i++)
    if (q->w[i] == state || q->v[i] == state) return true;
  return false;
}

static int list_others(hy_rewind *r, const hyla_problem *p) {
  r->other = hy_alloc((size_t)p->n_state * sizeof *r->other);
  if (!r->other) return HYLA_ENOMEM;
  for (int i = 0; i < p->n_state; i++)
    if (!is_paired(p, i) && changes(p, i)) r->other[r->n_other++] = i;
  return 0;
}

/* What is not taken back may not be needed on the way. */
static int check_others(const hy_rewind *r, const hyla_problem *p) {
  for (int i = 0; i < r->n_other; i++)
    for (int k = 0; k < p->n_segment; k++) {
      const hy_segment *s = &p->segment[k];
      const hy_variable *v = &p->state[r->other[i]];
      if (s->lean.stored[r->other[i]] || hy_momentum_reads(s->momentum, r->other[i]))
        return hy_fail(
            HYLA_EVALUE, v->site,
            "reversible: a step reads the state '%s', which is neither a weight of momentum nor its velocity, so "
            "it cannot be taken back",
            v->name);
    }
  return 0;
}

/* ---- parts of the step that follows at->t ---- */

static hy_momentum *parts_of(const hy_driver *at) { return at->problem->segment[at->segment].momentum; }

static int run_part(hy_driver *at, hyla_program *program, const hy_layout *layout, const char *state, char *to) {
  int status = hy_driver_bind(at, program, at->in, 0, state), bad = -1;
  if (status < 0) return status;
  hy_layout_bind(layout, at->out, 0, to);
  status = hy_program_run(program, at->in, at->out);
  if (!status) bad = hy_layout_first_nonfinite(layout, to);
  if (bad < 0) return status;
  status = hy_program_find_nonfinite(program, at->in, at->out);
  if (!status) status = hy_fail(HYLA_ENONFINITE, NULL, "a gradient or setting is not finite");
  return hy_fail_within(status,
                        "training diverged at step %.0f of %.0f (a smaller learning rate may help): ", at->t + 1,
                        hy_problem_steps(at->problem));
}

static int run_mus(hy_rewind *r, hy_driver *at, const char *state) {
  return run_part(at, parts_of(at)->mus, &parts_of(at)->mu_layout, state, r->mu);
}

static int run_settings(hy_rewind *r, hy_driver *at, const char *state) {
  int status = run_mus(r, at, state);
  return status ? status : run_part(at, parts_of(at)->rates, &parts_of(at)->rate_layout, state, r->rate);
}

static int run_gradients(hy_rewind *r, hy_driver *at, const char *state) {
  return run_part(at, parts_of(at)->gradients, &parts_of(at)->gradient_layout, state, r->gradient);
}

static const char *gradient_of(const hy_rewind *r, const hy_driver *at, int i) {
  return r->gradient + parts_of(at)->gradient_layout.offset[i];
}

/* Momentum of weight i, times 2^32; or a status. */
static int64_t mu_of(const hy_rewind *r, const hy_driver *at, int i) {
  const hy_momentum *q = parts_of(at);
  const hyla_problem *p = at->problem;
  const char *x = r->mu + q->mu_layout.offset[i];
  double value = q->mu_layout.shape[i].dtype == HYLA_FLOAT32 ? *(const float *)x : *(const double *)x;
  if (value >= 0 && value <= 1) return llrint(ldexp(value, HY_FIXED_MU_BITS));
  return hy_fail(HYLA_EVALUE, p->graph->node[q->mu[i]].site,
                 "reversible: step %.0f: expected a momentum of '%s' in [0, 1], got %.9g", at->t + 1,
                 p->state[q->w[i]].name, value);
}

static int settings_of(const hy_rewind *r, const hy_driver *at, int i, hy_fixed_step *s) {
  const hy_layout *rates = &parts_of(at)->rate_layout;
  int64_t mu = mu_of(r, at, i);
  *s = (hy_fixed_step){.t = at->t + 1, .mu = mu, .rate = r->rate + rates->offset[i]};
  s->rates = hy_shape_size(&rates->shape[i]) > 1;
  return mu < 0 ? (int)mu : 0;
}

/* ---- the state ---- */

/* Weight i's position in a state: that of w, or of v. */
static char *of_w(const hy_rewind *r, char *state, int i) {
  const hyla_problem *p = r->driver->problem;
  return state + p->state_layout.offset[p->segment[0].momentum->w[i]];
}

static char *of_v(const hy_rewind *r, char *state, int i) {
  const hyla_problem *p = r->driver->problem;
  return state + p->state_layout.offset[p->segment[0].momentum->v[i]];
}

void hy_rewind_show(const hy_rewind *r, char *state) {
  for (int i = 0; i < r->n; i++) {
    hy_fixed_show(&r->fixed[i], r->fixed[i].w, of_w(r, state, i));
    hy_fixed_show(&r->fixed[i], r->fixed[i].v, of_v(r, state, i));
  }
}

static uint64_t fingerprint(const hy_rewind *r) {
  uint64_t sum = 0;
  for (int i = 0; i < r->n; i++) sum = sum * 0x9e3779b97f4a7c15u + hy_fixed_fingerprint(&r->fixed[i]);
  return sum;
}

bool hy_rewind_is_origin(const hy_rewind *r) { return fingerprint(r) == r->fingerprint; }

static int outside(const hy_rewind *r, int i, double t) {
  const hyla_problem *p = r->driver->problem;
  const hy_variable *v = &p->state[p->segment[0].momentum->w[i]];
  return hy_fail(
      HYLA_EVALUE, v->site,
      "reversible: '%s' or its velocity reaches %.9g at step %.0f of %.0f, where fixed point with %d bits of "
      "fraction ends; fewer bits reach further, a smaller learning rate stays within",
      v->name, hy_fixed_limit(&r->fixed[i]), t, hy_problem_steps(p), r->bits);
}

/* ---- starting ---- */

/* Goes through steps from .. to - 1 by their momenta alone: what the buffers will take is known before the first step,
 * since no data decide it. most: [n], the buffers' bounds, moved on. bytes: NULL, or what is put aside is added to it. */
static int forecast(hy_rewind *r, double from, double to, uint64_t *most, double *bytes) {
  hy_driver at = *r->driver;
  int status = 0;
  for (hy_driver_seek(&at, from); !status && at.t < to; hy_driver_seek(&at, at.t + 1)) {
    if (!(status = hy_poll_interrupt())) status = run_mus(r, &at, at.state);
    for (int i = 0; i < r->n && !status; i++) {
      int64_t mu = mu_of(r, &at, i);
      size_t more = mu < 0 ? 0 : hy_fixed_forecast(r->fixed[i].size, mu, &most[i]);
      if (mu < 0) status = (int)mu;
      if (bytes) *bytes += (double)more;
    }
  }
  return status;
}

static int forecast_planes(hy_rewind *r) {
  uint64_t *most = hy_calloc((size_t)r->n, sizeof *most);
  double bytes = 0;
  int status = most ? forecast(r, r->origin, hy_problem_steps(r->driver->problem), most, &bytes) : HYLA_ENOMEM;
  hy_free(most);
  r->planes = bytes;
  return status;
}

/* After steps backwards the bounds are those of a later step. Buffers have to be emptied at the steps where they were
 * the first time, for the digits that come back from them are part of training. */
static int find_bounds(hy_rewind *r) {
  uint64_t *most = hy_calloc((size_t)r->n, sizeof *most);
  int status = most ? forecast(r, r->origin, r->t, most, NULL) : HYLA_ENOMEM;
  for (int i = 0; i < r->n && !status; i++) r->fixed[i].most = most[i];
  hy_free(most);
  r->turned = status != 0;
  return status;
}

static double words(const hy_rewind *r) {
  double sum = 0;
  for (int i = 0; i < r->n; i++) sum += (double)r->fixed[i].size * (double)sizeof(uint64_t);
  return sum;
}

double hy_rewind_buffer_bytes(const hy_rewind *r) { return words(r) + r->planes; }

static int check_memory(const hy_rewind *r, double memory) {
  double need = hy_rewind_buffer_bytes(r), there = hy_memory_allowed(memory, words(r));
  if (need <= there) return 0;
  double steps = hy_problem_steps(r->driver->problem) - r->origin;
  return hy_fail(HYLA_ENOMEM, NULL,
                 "reversible: the information buffer needs %.0f bytes (%.0f steps, %.3g bits of each component at a "
                 "step), and %.0f are allowed; a momentum nearer 1 loses fewer bits",
                 need, steps, need / words(r) * 64 / steps, there);
}

int hy_rewind_start(hy_rewind *r, double memory) {
  r->t = r->origin = r->driver->t;
  char *state = r->driver->state;
  for (int i = 0; i < r->n; i++)
    if (!hy_fixed_set(&r->fixed[i], of_w(r, state, i), of_v(r, state, i))) return outside(r, i, r->t);
  hy_rewind_show(r, state);
  r->fingerprint = fingerprint(r);
  r->turned = false;
  int status = forecast_planes(r);
  return status ? status : check_memory(r, memory);
}

/* ---- steps ---- */

static void show_others(const hy_rewind *r, const hy_driver *d) {
  const hy_layout *from = &parts_of(d)->other_layout, *to = &d->problem->state_layout;
  for (int i = 0; i < r->n_other; i++)
    memcpy(d->state + to->offset[r->other[i]], r->others + from->offset[i], hy_layout_size(from, i));
}

int hy_rewind_forward(hy_rewind *r) {
  hy_driver *d = r->driver;
  hy_fixed_step s;
  int status = r->turned ? find_bounds(r) : 0;
  if (!status) status = run_settings(r, d, d->state);
  if (!status) status = run_gradients(r, d, d->state);
  if (!status && r->n_other) status = run_part(d, parts_of(d)->others, &parts_of(d)->other_layout, d->state, r->others);
  for (int i = 0; i < r->n && !status; i++)
    if (!(status = settings_of(r, d, i, &s))) status = hy_fixed_make_room(&r->fixed[i], &s);
  for (int i = 0; i < r->n && !status; i++) {
    status = settings_of(r, d, i, &s);
    if (!status && !hy_fixed_forward(&r->fixed[i], &s, gradient_of(r, d, i))) status = outside(r, i, s.t);
  }
  if (status) return status;
  hy_rewind_show(r, d->state);
  show_others(r, d);
  hy_driver_seek(d, d->t + 1);
  r->t = d->t;
  return 0;
}

int hy_rewind_back(hy_rewind *r, char *state) {
  hy_driver at = *r->driver;
  hy_fixed_step s;
  hy_driver_seek(&at, r->t - 1);
  r->turned = true;
  int status = run_settings(r, &at, state);
  for (int i = 0; i < r->n && !status; i++) {
    if ((status = settings_of(r, &at, i, &s))) break;
    hy_fixed_back_w(&r->fixed[i], &s);
    hy_fixed_show(&r->fixed[i], r->fixed[i].w, of_w(r, state, i));
  }
  if (!status) status = run_gradients(r, &at, state);
  for (int i = 0; i < r->n && !status; i++) {
    if ((status = settings_of(r, &at, i, &s))) break;
    hy_fixed_back_v(&r->fixed[i], &s, gradient_of(r, &at, i));
    hy_fixed_show(&r->fixed[i], r->fixed[i].v, of_v(r, state, i));
  }
  if (!status) r->t -= 1;
  return status;
}

/* ---- making ---- */

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static int open_parts(hy_rewind *r, hyla_problem *p) {
  size_t mu = 1, rate = 1, gradient = 1, others = 1;
  int status = list_others(r, p);
  for (int k = 0; k < p->n_segment && !status; k++) {
    const hy_momentum *q = p->segment[k].momentum;
    status = hy_momentum_plan(p, k, r->n_other, r->other);
    mu = larger(mu, q->mu_layout.bytes);
    rate = larger(rate, q->rate_layout.bytes);
    gradient = larger(gradient, q->gradient_layout.bytes);
    others = larger(others, q->other_layout.bytes);
  }
  if (!status) status = check_others(r, p);
  if (status) return status;
  r->mu = hy_calloc(mu, 1);
  r->rate = hy_calloc(rate, 1);
  r->gradient = hy_calloc(gradient, 1);
  r->others = hy_calloc(others, 1);
  return r->mu && r->rate && r->gradient && r->others ? 0 : HYLA_ENOMEM;
}

int hy_rewind_open(hy_rewind *r, hy_driver *d, int bits) {
  hyla_problem *p = d->problem;
  *r = (hy_rewind){.driver = d, .bits = bits, .n = p->segment[0].momentum->n};
  int status = open_parts(r, p);
  if (status) return status;
  if (!(r->fixed = hy_calloc((size_t)r->n, sizeof *r->fixed))) return HYLA_ENOMEM;
  for (int i = 0; i < r->n && !status; i++) {
    const hyla_shape *shape = &p->state_layout.shape[p->segment[0].momentum->w[i]];
    status = hy_fixed_open(&r->fixed[i], hy_shape_size(shape), shape->dtype, bits);
  }
  return status;
}

void hy_rewind_close(hy_rewind *r) {
  for (int i = 0; r->fixed && i < r->n; i++) hy_fixed_close(&r->fixed[i]);
  hy_free(r->fixed);
  hy_free(r->mu);
  hy_free(r->rate);
  hy_free(r->gradient);
  hy_free(r->other);
  hy_free(r->others);
  *r = (hy_rewind){0};
}

double hy_rewind_bytes(const hy_rewind *r) {
  const hyla_problem *p = r->driver->problem;
  return hy_rewind_buffer_bytes(r) + 2 * words(r) + (double)p->segment[0].momentum->gradient_layout.bytes;
}
