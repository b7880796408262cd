/* A flag that asks the engine to come back at the next step boundary; Ctrl-C may set it. */
#include "base/base.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static volatile sig_atomic_t requested;
static struct sigaction before; /* the action that ours replaced */
static bool installed;
static _Atomic int64_t interrupt_at; /* looks at the flag until one finds it set; 0: off */

void hyla_interrupt(void) { requested = 1; }

int hyla_interrupted(void) { return requested != 0; }

void hyla_interrupt_clear(void) { requested = 0; }

void hyla_interrupt_at(double n) { atomic_store(&interrupt_at, n >= 1 ? (int64_t)n : 0); }

int hy_poll_interrupt(void) {
  if (atomic_load_explicit(&interrupt_at, memory_order_relaxed) && atomic_fetch_sub(&interrupt_at, 1) == 1)
    requested = 1;
  return requested ? hy_fail(HYLA_EINTR, NULL, "interrupted") : HYLA_OK;
}

static void on_sigint(int signal) {
  (void)signal;
  requested = 1;
}

int hyla_interrupt_on_sigint(int on) {
  if (installed == (on != 0)) return HYLA_OK;
  struct sigaction ours;
  memset(&ours, 0, sizeof ours);
  ours.sa_handler = on_sigint;
  ours.sa_flags = SA_RESTART; /* reads and writes under way go on: only the engine looks at the flag */
  sigemptyset(&ours.sa_mask);
  if (sigaction(SIGINT, on ? &ours : &before, on ? &before : NULL))
    return hy_fail(HYLA_EVALUE, NULL, "SIGINT: the handler cannot be changed: %s", strerror(errno));
  installed = on != 0;
  return HYLA_OK;
}
