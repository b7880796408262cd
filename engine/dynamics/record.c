/* Records: what the adjoint steps read of the steps of a stretch, one after the other; of the last ones residuals, too.
 * Counted from the end of the stretch, so that those with residuals are always the ones taken back first. */
#include "dynamics/dynamics.h"
#include <math.h>
#include <string.h>

double hy_records_bytes(const hyla_problem *p, double room, double rich) {
  return rich * (double)hy_problem_slot_bytes(p, true) + (room - rich) * (double)hy_problem_slot_bytes(p, false);
}

int hy_records_open(hy_records *r, const hyla_problem *p, double room, double rich) {
  double bytes = hy_records_bytes(p, room, rich);
  if (!r->slot || r->bytes != bytes) {
    hy_records_close(r);
    r->slot = hy_alloc((size_t)fmin(fmax(bytes, 1), 0x1p60)); /* which refuses more than there can be */
    if (!r->slot) return HYLA_ENOMEM;
  }
  *r = (hy_records){.room = room,
                    .rich = rich,
                    .bytes = bytes,
                    .each = hy_problem_slot_bytes(p, false),
                    .each_rich = hy_problem_slot_bytes(p, true),
                    .slot = r->slot};
  return 0;
}

void hy_records_close(hy_records *r) {
  hy_free(r->slot);
  *r = (hy_records){0};
}

void hy_records_begin(hy_records *r, double end) {
  r->end = end;
  r->from = r->to = 0;
}

static char *slot_of(const hy_records *r, double t) {
  double i = r->end - 1 - t;
  if (i < r->rich) return r->slot + (size_t)i * r->each_rich;
  return r->slot + (size_t)r->rich * r->each_rich + (size_t)(i - r->rich) * r->each;
}

const hy_adjoint *hy_records_adjoint(const hy_records *r, const hy_segment *s, double t) {
  return r->end - 1 - t < r->rich && s->rich.vjp ? &s->rich : &s->lean;
}

static void bind_residuals(const hy_adjoint *a, char *at, char **residual) {
  for (int i = 0; i < a->n_residual; i++) {
    residual[i] = at;
    at += hy_aligned(hy_residual_bytes(a, i));
  }
}

/* The first bytes of the record that is met next, ahead of time: where a step takes microseconds, and reads and writes
 * other things, no processor sees that records follow each other. */
enum { FETCHED = 8 * 64 };
static void fetch_to_write(const char *at, size_t bytes) {
  for (size_t line = 0; line < bytes && line < FETCHED; line += 64) __builtin_prefetch(at + line, 1);
}
static void fetch_to_read(const char *at, size_t bytes) {
  for (size_t line = 0; line < bytes && line < FETCHED; line += 64) __builtin_prefetch(at + line, 0);
}

const hy_adjoint *hy_records_put(hy_records *r, const hyla_problem *p, const hy_segment *s, double t, const char *state,
                                 char **residual) {
  const hy_adjoint *a = hy_records_adjoint(r, s, t);
  char *to = slot_of(r, t);
  for (int i = 0; i < p->n_state; i++) {
    if (!a->stored[i]) continue;
    memcpy(to, state + p->state_layout.offset[i], hy_layout_size(&p->state_layout, i));
    to += hy_aligned(hy_layout_size(&p->state_layout, i));
  }
  bind_residuals(a, to, residual);
  if (t + 1 < r->end) fetch_to_write(slot_of(r, t + 1), r->each);
  if (t != r->to) r->from = t;
  r->to = t + 1;
  return a;
}

void hy_records_bind(const hy_records *r, const hyla_problem *p, const hy_segment *s, double t, char **in,
                     char **residual) {
  const hy_adjoint *a = hy_records_adjoint(r, s, t);
  char *from = slot_of(r, t);
  for (int i = 0; i < p->n_state; i++) {
    if (!a->stored[i]) continue;
    in[i] = from;
    from += hy_aligned(hy_layout_size(&p->state_layout, i));
  }
  bind_residuals(a, from, residual);
  if (t > r->from) fetch_to_read(slot_of(r, t - 1), r->each);
}
