/* Plain training: the dynamics alone. */
#include "hypergrad/hypergrad.h"

static int step(hyla_method *m) { return hy_driver_step(&m->driver, NULL); }

static const hy_method_kind train = {.name = "train", .step = step};

int hyla_train_new(hyla_problem *p, hyla_method **out) {
  hyla_method *m = hy_calloc(1, sizeof *m);
  if (!m) return HYLA_ENOMEM;
  int status = hy_method_open(m, &train, p, 0);
  if (status) hyla_method_drop(m);
  else *out = m;
  return status;
}
