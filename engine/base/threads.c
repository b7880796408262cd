/* A pool of threads for many short parallel loops.
 *
 * A loop's units are dealt out in grains: each thread has a slot with a range of them, the same share of every loop, so
 * that rows which one loop left in a processor's cache are met there by the next. One atomic word of a slot holds the
 * loop's number (high half) and what is left of the range, first and end. Its owner takes grains from the front; who has
 * none left takes from the end of others' ranges. A thread reads the loop's fields in its own slot, then takes by
 * compare-and-swap of a word with that loop's number. Where that succeeds the loop was still open, hence its caller still
 * waiting, hence the fields it read were that loop's; a thread that comes late fails, and touches nothing. The caller
 * leaves when `finished` equals the number of grains.
 *
 * Idle workers first spin, then yield, then sleep. They sleep under `lock` after announcing themselves in `sleepers`; a
 * caller opens the loop before it reads `sleepers` (both sequentially consistent), so one sees the other. */
#include "base/base.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_THREADS = 256, LOOKS = 32, PATIENCE_NS = 5000, SPIN_NS = 20000, YIELD_NS = 500000, NAP_NS = 50000 };

typedef void hy_work(void *context, int unit, int thread);

typedef struct slot {
  _Atomic uint64_t left; /* loop, first, end: 32, 16 and 16 bits */
  hy_work *_Atomic work;
  void *_Atomic context;
  _Atomic int units, grain, threads;
} slot;
static union {
  slot of;
  char line[64]; /* a cache line each */
} slots[MAX_THREADS] __attribute__((aligned(64)));
static _Atomic int finished __attribute__((aligned(64)));
static _Atomic int sleepers __attribute__((aligned(64)));
static atomic_bool stopping;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* with `wake`: sleeping workers */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t callers = PTHREAD_MUTEX_INITIALIZER; /* held while a loop runs; guards what is below */
static pthread_t worker[MAX_THREADS];
static uint32_t loops; /* opened so far */
static int workers;    /* running */
static int attempted;  /* asked for: the system may have given fewer */

static _Atomic int wanted; /* threads, the caller's own too; 0: not yet known */
static _Thread_local int this_thread;
static _Thread_local bool inside;

int hy_thread(void) { return this_thread; }

static uint64_t range(uint64_t loop, uint64_t first, uint64_t end) { return loop << 32 | first << 16 | end; }
static uint32_t loop_of(uint64_t w) { return (uint32_t)(w >> 32); }
static int first_of(uint64_t w) { return (int)(w >> 16 & 0xffff); }
static int end_of(uint64_t w) { return (int)(w & 0xffff); }

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  atomic_signal_fence(memory_order_seq_cst);
#endif
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

typedef struct loop {
  uint32_t number;
  hy_work *work;
  void *context;
  int units, grain, threads, patience;
} loop;

/* Takes grains of thread `owner` until none is left; how many. */
static int take_from(int owner, int thread, const loop *l) {
  _Atomic uint64_t *left = &slots[owner].of.left;
  uint64_t w = atomic_load(left);
  int taken = 0;
  while (loop_of(w) == l->number && first_of(w) < end_of(w)) {
    int grain = owner == thread ? first_of(w) : end_of(w) - 1;
    if (!atomic_compare_exchange_weak(left, &w, owner == thread ? w + (1 << 16) : w - 1)) continue;
    for (int u = grain * l->grain, end = u + l->grain; u < end && u < l->units; u++) l->work(l->context, u, thread);
    taken++;
    w = atomic_load(left);
  }
  return taken;
}

static bool all_taken(const loop *l) {
  for (int i = 0; i < l->threads; i++) {
    uint64_t w = atomic_load_explicit(&slots[i].of.left, memory_order_relaxed);
    if (loop_of(w) == l->number && first_of(w) < end_of(w)) return false;
  }
  return true;
}

/* Its own grains first. Others' move data from cache to cache: they are taken only when their owner does not get to them
 * for a while. How many. */
static int take_units(int thread, const loop *l) {
  int taken = take_from(thread, thread, l);
  for (int64_t start = 0; !all_taken(l);) {
    if (!start) start = now_ns();
    if (now_ns() - start < l->patience) pause_briefly();
    else
      for (int i = 1; i < l->threads; i++) taken += take_from((thread + i) % l->threads, thread, l);
  }
  if (taken) atomic_fetch_add_explicit(&finished, taken, memory_order_release);
  return taken;
}

/* The loop that is open for a worker after loop `seen`; false where there is none. */
static bool next_loop(int thread, uint32_t seen, loop *l) {
  slot *s = &slots[thread].of;
  l->number = loop_of(atomic_load(&s->left));
  if (l->number == seen) return false;
  l->work = atomic_load_explicit(&s->work, memory_order_relaxed);
  l->context = atomic_load_explicit(&s->context, memory_order_relaxed);
  l->units = atomic_load_explicit(&s->units, memory_order_relaxed);
  l->grain = atomic_load_explicit(&s->grain, memory_order_relaxed);
  l->threads = atomic_load_explicit(&s->threads, memory_order_relaxed);
  l->patience = PATIENCE_NS;
  return true;
}

static bool nothing_to_do(int thread, uint32_t seen) {
  return loop_of(atomic_load(&slots[thread].of.left)) == seen && !atomic_load(&stopping);
}

static void sleep_until_called(int thread, uint32_t seen) {
  pthread_mutex_lock(&lock);
  atomic_fetch_add(&sleepers, 1);
  while (nothing_to_do(thread, seen)) pthread_cond_wait(&wake, &lock);
  atomic_fetch_sub(&sleepers, 1);
  pthread_mutex_unlock(&lock);
}

static void wait_for_loop(int thread, uint32_t seen) {
  int64_t start = now_ns(), idle = 0;
  for (int look = 0; nothing_to_do(thread, seen) && idle < YIELD_NS; look++) {
    if (idle < SPIN_NS) pause_briefly();
    else sched_yield();
    if (look % LOOKS == 0) idle = now_ns() - start;
  }
  if (nothing_to_do(thread, seen)) sleep_until_called(thread, seen);
}

static void *run_worker(void *argument) {
  this_thread = (int)(intptr_t)argument;
  inside = true;
  loop l = {.number = loops}; /* no loop opens before all workers are made */
  while (!atomic_load(&stopping)) {
    if (next_loop(this_thread, l.number, &l)) take_units(this_thread, &l);
    wait_for_loop(this_thread, l.number);
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
  for (int i = 0; i <= count; i++) atomic_store(&slots[i].of.left, range(loops, 0, 0));
  while (workers < count) {
    if (pthread_create(&worker[workers], NULL, run_worker, (void *)(intptr_t)(workers + 1))) break;
    workers++;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  attempted = count;
}

/* Waits for grains that workers still run. They are short; a long one is met by naps, to burn no core for it. */
static void wait_for(int grains) {
  int64_t start = now_ns(), waited = 0;
  for (int look = 0; atomic_load_explicit(&finished, memory_order_acquire) < grains; look++) {
    if (waited < SPIN_NS) pause_briefly();
    else if (waited < 4 * YIELD_NS) sched_yield();
    else nanosleep(&(struct timespec){0, NAP_NS}, NULL);
    if (look % LOOKS == 0) waited = now_ns() - start;
  }
}

static void run_here(int units, hy_work *work, void *context) {
  bool outer = inside;
  inside = true;
  for (int unit = 0; unit < units; unit++) work(context, unit, this_thread);
  inside = outer;
}

static void open_slot(int thread, int grains, const loop *l) {
  slot *s = &slots[thread].of;
  uint64_t first = (uint64_t)grains * (uint64_t)thread / (uint64_t)l->threads;
  uint64_t end = (uint64_t)grains * (uint64_t)(thread + 1) / (uint64_t)l->threads;
  atomic_store_explicit(&s->work, l->work, memory_order_relaxed);
  atomic_store_explicit(&s->context, l->context, memory_order_relaxed);
  atomic_store_explicit(&s->units, l->units, memory_order_relaxed);
  atomic_store_explicit(&s->grain, l->grain, memory_order_relaxed);
  atomic_store_explicit(&s->threads, l->threads, memory_order_relaxed);
  atomic_store(&s->left, range(l->number, first, end));
}

static void run_together(int units, int grain, hy_work *work, void *context) {
  int least = (units + 0xfffe) / 0xffff; /* grains are counted in 16 bits */
  static bool alone;                     /* no worker came to the last loop: no use in waiting for one */
  loop l = {++loops, work, context, units, grain < least ? least : grain, workers + 1, alone ? 0 : PATIENCE_NS};
  int grains = (units + l.grain - 1) / l.grain;
  atomic_store_explicit(&finished, 0, memory_order_relaxed);
  for (int i = 0; i < l.threads; i++) open_slot(i, grains, &l);
  if (atomic_load(&sleepers)) wake_sleepers();
  inside = true;
  alone = take_units(this_thread, &l) == grains;
  inside = false;
  wait_for(grains);
}

void hy_parallel(int units, int grain, void (*work)(void *context, int unit, int thread), void *context) {
  int threads = units > grain && units > 1 && !inside ? hyla_threads(0) : 1;
  if (threads <= 1 || pthread_mutex_trylock(&callers)) { /* another thread has the pool: this one works alone */
    run_here(units, work, context);
    return;
  }
  if (attempted != threads - 1) start_workers(threads - 1);
  run_together(units, grain, work, context);
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
