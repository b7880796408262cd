/* The trajectory: what the adjoint step reads of s_0 .. s_{T-1}. States that no adjoint reads are not kept. */
#include "dynamics/dynamics.h"
#include <string.h>

int hy_trajectory_open(hy_trajectory *r, const hyla_problem *p, double budget) {
  double steps = hy_problem_steps(p), need = steps * (double)p->slot_bytes, limit = hyla_memory_get_limit();
  double there = budget > 0 ? budget : limit > 0 ? limit - hyla_memory_current() + (double)r->slot_bytes * r->steps : need;
  if (need > there)
    return hy_fail(HYLA_ENOMEM, NULL, "the trajectory needs %.1f MiB (%.0f steps of %zu bytes), and %.1f MiB are allowed", need / 0x1p20, steps,
                   p->slot_bytes, there / 0x1p20);
  if (r->slot && r->steps == steps && r->slot_bytes == p->slot_bytes) return 0;
  hy_trajectory_close(r);
  r->slot = hy_alloc((size_t)need + 64);
  if (!r->slot) return HYLA_ENOMEM;
  r->steps = steps;
  r->slot_bytes = p->slot_bytes;
  return 0;
}

void hy_trajectory_close(hy_trajectory *r) {
  hy_free(r->slot);
  *r = (hy_trajectory){0};
}

void hy_trajectory_store(hy_trajectory *r, const hyla_problem *p, double t, const char *state) {
  char *to = r->slot + (size_t)t * r->slot_bytes;
  for (int i = 0; i < p->n_state; i++) {
    if (!p->stored[i]) continue;
    size_t bytes = hy_layout_size(&p->state_layout, i);
    memcpy(to, state + p->state_layout.offset[i], bytes);
    to += (bytes + 63) & ~(size_t)63;
  }
}

int hy_trajectory_bind(const hy_trajectory *r, const hyla_problem *p, double t, char **in, int n, const char *state) {
  char *from = r->slot + (size_t)t * r->slot_bytes;
  for (int i = 0; i < p->n_state; i++) {
    if (p->stored[i]) {
      in[n++] = from;
      from += (hy_layout_size(&p->state_layout, i) + 63) & ~(size_t)63;
    } else {
      in[n++] = (char *)(uintptr_t)state + p->state_layout.offset[i];
    }
  }
  return n;
}
