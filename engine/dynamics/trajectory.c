/* The trajectory: what the adjoint steps read of s_0 .. s_{T-1} and of the steps between them. States that no adjoint
 * reads are not kept. */
#include "dynamics/dynamics.h"
#include <math.h>
#include <string.h>

static const double residual_budget = 0x1p29; /* where nobody set one */

size_t hy_residual_bytes(const hy_adjoint *a, int i) {
  return (size_t)hy_shape_size(&a->residual[i]) * hy_dtype_size(a->residual[i].dtype);
}

const hy_adjoint *hy_trajectory_adjoint(const hy_trajectory *r, const hy_segment *s) {
  return r->rich && s->rich.vjp ? &s->rich : &s->lean;
}

int hy_trajectory_open(hy_trajectory *r, const hyla_problem *p, double budget) {
  double T = hy_problem_steps(p), limit = hyla_memory_get_limit();
  double lean = T * (double)hy_problem_slot_bytes(p, false), rich = T * (double)hy_problem_slot_bytes(p, true);
  double there = budget > 0 ? budget : INFINITY;
  if (limit > 0 && limit - hyla_memory_current() + (double)r->bytes < there)
    there = limit - hyla_memory_current() + (double)r->bytes;
  bool fits = rich <= there && (budget > 0 || rich <= residual_budget || rich <= lean);
  double need = fits ? rich : lean;
  if (need > there)
    return hy_fail(
        HYLA_ENOMEM, NULL,
        "the trajectory needs %.0f bytes (%.0f steps of %zu bytes), and %.0f are allowed; Forward-HG keeps none", need,
        T, hy_problem_slot_bytes(p, false), there);
  r->rich = fits;
  r->slot_bytes = hy_problem_slot_bytes(p, fits);
  if (r->slot && r->bytes == (size_t)need) return 0;
  hy_free(r->slot);
  r->bytes = 0;
  r->slot = hy_alloc((size_t)need + 64);
  if (!r->slot) return HYLA_ENOMEM;
  r->bytes = (size_t)need;
  return 0;
}

void hy_trajectory_close(hy_trajectory *r) {
  hy_free(r->slot);
  *r = (hy_trajectory){0};
}

static void bind_residuals(const hy_adjoint *a, char *at, char **residual) {
  for (int i = 0; i < a->n_residual; i++) {
    residual[i] = at;
    at += hy_aligned(hy_residual_bytes(a, i));
  }
}

void hy_trajectory_keep(hy_trajectory *r, const hyla_problem *p, const hy_segment *s, double t, const char *state,
                        char **residual) {
  const hy_adjoint *a = hy_trajectory_adjoint(r, s);
  char *to = r->slot + (size_t)t * r->slot_bytes;
  for (int i = 0; i < p->n_state; i++) {
    if (!a->stored[i]) continue;
    memcpy(to, state + p->state_layout.offset[i], hy_layout_size(&p->state_layout, i));
    to += hy_aligned(hy_layout_size(&p->state_layout, i));
  }
  bind_residuals(a, to, residual);
}

void hy_trajectory_bind(const hy_trajectory *r, const hyla_problem *p, const hy_segment *s, double t, char **in,
                        char **residual) {
  const hy_adjoint *a = hy_trajectory_adjoint(r, s);
  char *from = r->slot + (size_t)t * r->slot_bytes;
  for (int i = 0; i < p->n_state; i++) {
    if (!a->stored[i]) continue;
    in[i] = from;
    from += hy_aligned(hy_layout_size(&p->state_layout, i));
  }
  bind_residuals(a, from, residual);
}
