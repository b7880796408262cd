/* Parallel loops: every unit once, and all of them when the call returns, whatever its size and however long a unit
 * takes, with workers that look for work, that sleep, and that are not there. */
#include "kernels_test.h"
#include <stdatomic.h>
#include <time.h>

enum { MOST = 70000 };

typedef struct counts {
  atomic_int met[MOST];
  int turns; /* of a unit */
  int from;  /* the first unit that takes a millisecond */
} counts;

static void count(void *context, int unit, int thread) {
  counts *c = context;
  for (volatile int i = 0; i < c->turns; i++) continue;
  if (unit >= c->from) nanosleep(&(struct timespec){0, 1000000}, NULL);
  atomic_fetch_add_explicit(&c->met[unit], 1 + 1000 * (thread < 0 || thread >= hyla_threads(0)), memory_order_relaxed);
}

static void run(counts *c, int units, int grain, double ns) {
  int wrong = 0;
  for (int u = 0; u < units; u++) atomic_store_explicit(&c->met[u], 0, memory_order_relaxed);
  hy_parallel(units, grain, ns, count, c);
  for (int u = 0; u < units; u++) wrong += atomic_load_explicit(&c->met[u], memory_order_relaxed) != 1;
  check(!wrong, "a loop of %d units, %d at a time, on %d threads: %d of them not once", units, grain, hyla_threads(0),
        wrong);
}

void test_loops(void) {
  counts *c = calloc(1, sizeof *c);
  if (!c) abort();
  const int before = hyla_threads(0);
  for (int threads = 1; threads <= 5; threads++) {
    hyla_threads(threads);
    c->from = MOST;
    for (int i = 0; i < 3000; i++) {
      c->turns = (int)below(300);
      if (i % 1000 == 999) nanosleep(&(struct timespec){0, 2000000}, NULL); /* they sleep by then */
      run(c, 1 + (int)below(i % 500 ? 40 : MOST), 1 + (int)below(7), i % 3 ? INFINITY : (double)below(4000));
    }
    c->from = 1; /* the caller's own are short: it waits for the others, or takes theirs */
    for (int i = 0; i < 3; i++) run(c, 6, 1, INFINITY);
  }
  hyla_threads(before);
  free(c);
}
