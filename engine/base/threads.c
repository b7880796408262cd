/* A pool of threads for many short parallel loops.
 *
 * One atomic word, the ticket, holds a loop's number (high half) and how many of its units nobody has taken yet
 * (low half). A thread that sees units left reads the loop's fields and takes a unit by compare-and-swap. Where that
 * succeeds the loop was still open, hence its caller still waiting, hence the fields it read were that loop's; a
 * thread that comes late fails, and touches nothing. The caller leaves when `finished` equals the number of units.
 *
 * Idle workers first spin, then yield, then sleep. They sleep under `lock` after announcing themselves in `sleepers`;
 * a caller publishes the ticket before it reads `sleepers` (both sequentially consistent), so one sees the other. */
#include "base/base.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_THREADS = 256, PAUSES = 16, SPIN_NS = 20000, YIELD_NS = 500000, NAP_NS = 50000 };

typedef void hy_work(void *context, int unit, int thread);

static _Atomic uint64_t ticket;
static hy_work *_Atomic loop_work;
static void *_Atomic loop_context;
static _Atomic int loop_units, finished, sleepers;
static atomic_bool stopping;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* with `wake`: sleeping workers */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t callers = PTHREAD_MUTEX_INITIALIZER; /* held while a loop runs; guards the three below */
static pthread_t worker[MAX_THREADS];
static int workers;   /* running */
static int attempted; /* asked for: the system may have given fewer */

static _Atomic int wanted; /* threads, the caller's own too; 0: not yet known */
static _Thread_local int this_thread;
static _Thread_local bool inside;

int hy_thread(void) { return this_thread; }

static uint32_t left_in(uint64_t t) { return (uint32_t)t; }

static void pause_briefly(void) {
  for (int i = 0; i < PAUSES; i++) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
  }
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Takes units of the open loop, if any, until none is left. */
static void take_units(int thread) {
  uint64_t t = atomic_load(&ticket);
  while (left_in(t)) {
    hy_work *work = atomic_load_explicit(&loop_work, memory_order_relaxed);
    void *context = atomic_load_explicit(&loop_context, memory_order_relaxed);
    int units = atomic_load_explicit(&loop_units, memory_order_relaxed);
    if (!atomic_compare_exchange_weak(&ticket, &t, t - 1)) continue;
    work(context, units - (int)left_in(t), thread);
    atomic_fetch_add_explicit(&finished, 1, memory_order_release);
    t = atomic_load(&ticket);
  }
}

static bool nothing_to_do(void) { return !left_in(atomic_load(&ticket)) && !atomic_load(&stopping); }

static void sleep_until_called(void) {
  pthread_mutex_lock(&lock);
  atomic_fetch_add(&sleepers, 1);
  while (nothing_to_do()) pthread_cond_wait(&wake, &lock);
  atomic_fetch_sub(&sleepers, 1);
  pthread_mutex_unlock(&lock);
}

static void *run_worker(void *argument) {
  this_thread = (int)(intptr_t)argument;
  inside = true;
  while (!atomic_load(&stopping)) {
    take_units(this_thread);
    int64_t start = now_ns(), idle = 0;
    while (nothing_to_do() && idle < YIELD_NS) {
      if (idle < SPIN_NS) pause_briefly();
      else sched_yield();
      idle = now_ns() - start;
    }
    if (nothing_to_do()) sleep_until_called();
  }
  return NULL;
}

static void wake_sleepers(void) {
  pthread_mutex_lock(&lock);
  pthread_cond_broadcast(&wake);
  pthread_mutex_unlock(&lock);
}

static void stop_workers(void) {
  atomic_store(&stopping, true);
  wake_sleepers();
  for (int i = 0; i < workers; i++) pthread_join(worker[i], NULL);
  workers = attempted = 0;
  atomic_store(&stopping, false);
}

/* Code that is unloaded, or a process that ends, must not leave threads in it. */
__attribute__((destructor)) static void stop_at_unload(void) {
  if (workers) stop_workers();
}

/* A forked child has the caller's thread alone, and locks in whatever state they were. */
static void forget_workers(void) {
  workers = attempted = 0;
  atomic_store(&sleepers, 0);
  atomic_store(&ticket, 0);
  pthread_mutex_init(&lock, NULL);
  pthread_mutex_init(&callers, NULL);
  pthread_cond_init(&wake, NULL);
}

static void start_workers(int count) {
  static bool watching_fork;
  if (!watching_fork) watching_fork = !pthread_atfork(NULL, NULL, forget_workers);
  stop_workers();
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old); /* workers inherit this: signals are for the program's own threads */
  while (workers < count) {
    if (pthread_create(&worker[workers], NULL, run_worker, (void *)(intptr_t)(workers + 1))) break;
    workers++;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  attempted = count;
}

/* Waits for units that workers still run. They are short; a long one is met by naps, to burn no core for it. */
static void wait_for(int units) {
  int64_t start = now_ns(), waited = 0;
  while (atomic_load_explicit(&finished, memory_order_acquire) < units) {
    if (waited < SPIN_NS) pause_briefly();
    else if (waited < 4 * YIELD_NS) sched_yield();
    else nanosleep(&(struct timespec){0, NAP_NS}, NULL);
    waited = now_ns() - start;
  }
}

static void run_here(int units, hy_work *work, void *context) {
  bool outer = inside;
  inside = true;
  for (int unit = 0; unit < units; unit++) work(context, unit, this_thread);
  inside = outer;
}

static void run_together(int units, hy_work *work, void *context) {
  uint64_t loop = (atomic_load(&ticket) >> 32) + 1;
  atomic_store_explicit(&loop_work, work, memory_order_relaxed);
  atomic_store_explicit(&loop_context, context, memory_order_relaxed);
  atomic_store_explicit(&loop_units, units, memory_order_relaxed);
  atomic_store_explicit(&finished, 0, memory_order_relaxed);
  atomic_store(&ticket, loop << 32 | (uint32_t)units);
  if (atomic_load(&sleepers)) wake_sleepers();
  inside = true;
  take_units(this_thread);
  inside = false;
  wait_for(units);
}

void hy_parallel(int units, void (*work)(void *context, int unit, int thread), void *context) {
  int threads = units > 1 && !inside ? hyla_threads(0) : 1;
  if (threads <= 1 || pthread_mutex_trylock(&callers)) { /* another thread has the pool: this one works alone */
    run_here(units, work, context);
    return;
  }
  if (attempted != threads - 1) start_workers(threads - 1);
  run_together(units, work, context);
  pthread_mutex_unlock(&callers);
}

static int available_cpus(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set)) return 1;
  int n = CPU_COUNT(&set);
  return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

static int threads_by_default(void) {
  const char *text = getenv("HYLA_THREADS");
  if (!text || !*text) return available_cpus();
  char *end;
  long n = strtol(text, &end, 10);
  if (*end || n < 1 || n > MAX_THREADS)
    return hy_fail(HYLA_EVALUE, NULL, "HYLA_THREADS: expected a whole number from 1 to %d, got \"%s\"", MAX_THREADS,
                   text);
  return (int)n;
}

int hyla_threads(int n) {
  if (n < 0 || n > MAX_THREADS) return hy_fail(HYLA_EVALUE, NULL, "threads: expected 1 to %d, got %d", MAX_THREADS, n);
  if (n) {
    atomic_store(&wanted, n);
    return n;
  }
  int known = atomic_load_explicit(&wanted, memory_order_relaxed);
  if (known) return known;
  int found = threads_by_default();
  int unknown = 0;
  if (found > 0 && !atomic_compare_exchange_strong(&wanted, &unknown, found)) found = unknown;
  return found;
}
