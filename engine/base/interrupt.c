/* A flag that asks the engine to come back at the next step boundary; Ctrl-C may set it. */
#include "base/base.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static volatile sig_atomic_t requested;
static struct {
  int signal;
  struct sigaction before; /* the action that ours replaced */
  bool installed;
} handled[] = {{.signal = SIGINT}, {.signal = SIGTERM}};
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

static void on_signal(int signal) {
  (void)signal;
  requested = 1;
}

int hyla_interrupt_on_sigint(int on) {
  struct sigaction ours;
  memset(&ours, 0, sizeof ours);
  ours.sa_handler = on_signal;
  ours.sa_flags = SA_RESTART; /* reads and writes under way go on: only the engine looks at the flag */
  sigemptyset(&ours.sa_mask);
  for (int i = 0; i < (int)(sizeof handled / sizeof *handled); i++) {
    bool wanted = on > i;
    if (handled[i].installed == wanted) continue;
    if (sigaction(handled[i].signal, wanted ? &ours : &handled[i].before, wanted ? &handled[i].before : NULL))
      return hy_fail(HYLA_EVALUE, NULL, "signal %d: the handler cannot be changed: %s", handled[i].signal,
                     strerror(errno));
    handled[i].installed = wanted;
  }
  return HYLA_OK;
}
