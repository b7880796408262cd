/* A pool of threads for many short parallel loops.
 *
 * A loop's units are dealt out in grains: each thread has a range of them, the same share of every loop, so that rows
 * which one loop left in a processor's cache are met there by the next. What a short loop costs is the cache lines that
 * go from one processor to another, so each thread has three, and two of them travel, once a loop: `call`, where the
 * caller writes the loop's fields and, last, its number; and `done`, where the thread writes how many grains it ran.
 * The third, `left`, is one atomic word: a loop's number (high half) and what is left of the thread's range in it, first
 * and end. The caller begins with a grain that is in no range: the first locked instruction waits until what it wrote for
 * the others has left its processor. The owner of a range takes grains from the front; who has none left takes from the
 * end of others' ranges, but only when these do not get to them for a while. Who takes the first grain of a range also
 * puts the range there.
 *
 * The word of a thread that a loop calls, and has a range for, is of an earlier loop, or has grains left, exactly while
 * some of the range is not taken. So a compare-and-swap that takes a grain succeeds only while the loop is open, hence
 * its caller waiting, hence the fields that were read before are that loop's. A thread that comes late fails on its own
 * range, and leaves others' alone: it takes nothing. The caller leaves when the grains that all ran are all there are.
 *
 * Idle workers first spin, then yield, then sleep, saying so in `asleep`. A caller that misses it, because the worker
 * is about to, takes that worker's grains after the same while as anybody's, and wakes it with the next loop. */
#include "base/base.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_THREADS = 256, EAGER = 32, LOOKS = 64 }; /* looks without a pause, and from one at the clock to the next */
enum { PATIENCE_NS = 5000, SPIN_NS = 20000, YIELD_NS = 500000, NAP_NS = 50000 };
/* What a loop costs: of at most so many loops, of so many that a worker came to, again after so many. A loop is shared
 * from so many times that on, and always from so long on. */
enum { TRIES = 64, ENOUGH = 16, SOON = 4000, LATER = 20000, WORTH = 3, ALWAYS_NS = 20000 };
enum { TRAVELS = 128 }; /* bytes that go together from cache to cache: a line, or a pair of them */

typedef void hy_work(void *context, int unit, int thread);

typedef struct slot {
  struct {
    _Atomic uint32_t number;
    _Atomic int units, grain, grains, threads;
    hy_work *_Atomic work;
    void *_Atomic context;
  } call __attribute__((aligned(TRAVELS)));
  struct {
    _Atomic uint64_t word; /* loop, first, end: 32, 16 and 16 bits */
  } left __attribute__((aligned(TRAVELS)));
  struct {
    _Atomic uint64_t word; /* loop, grains: 32 bits each */
    atomic_bool asleep;
  } done __attribute__((aligned(TRAVELS)));
} slot;
static slot slots[MAX_THREADS];
static atomic_bool stopping;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* with `wake`: sleeping workers */
static pthread_cond_t wake[MAX_THREADS];
static atomic_bool busy; /* held while a loop runs; guards what is below */
static pthread_t worker[MAX_THREADS];
static uint32_t loops;        /* opened so far */
static uint32_t loops_before; /* the workers that run were made */
static int workers;           /* running */
static int attempted;         /* asked for: the system may have given fewer */
static int until_measured;    /* loops, until it is measured again what one costs */

static _Atomic int wanted; /* threads, the caller's own too; 0: not yet known */
static _Thread_local int this_thread;
static _Thread_local bool inside;

int hy_thread(void) { return this_thread; }

static uint64_t range(uint64_t loop, uint64_t first, uint64_t end) { return loop << 32 | first << 16 | end; }
static uint32_t loop_of(uint64_t w) { return (uint32_t)(w >> 32); }
static int first_of(uint64_t w) { return (int)(w >> 16 & 0xffff); }
static int end_of(uint64_t w) { return (int)(w & 0xffff); }
static bool is_later(uint32_t loop, uint32_t than) { return (int32_t)(loop - than) > 0; }

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
  int units, grain, grains, threads; /* threads: those it calls, the caller among them; each has at least one grain */
} loop;

/* The caller's first grain is in nobody's range. */
static uint64_t share(const loop *l, int thread) {
  const unsigned grains = (unsigned)l->grains, threads = (unsigned)l->threads, i = (unsigned)thread;
  return range(l->number, i ? grains * i / threads : 1, grains * (i + 1) / threads);
}

static void run_grain(const loop *l, int grain, int thread) {
  for (int u = grain * l->grain, end = u + l->grain; u < end && u < l->units; u++) l->work(l->context, u, thread);
}

/* Takes grains of thread `owner` until none is left; how many. */
static int take_from(int owner, int thread, const loop *l) {
  _Atomic uint64_t *left = &slots[owner].left.word;
  uint64_t w = atomic_load(left);
  int taken = 0;
  while (!is_later(loop_of(w), l->number)) {
    uint64_t now = loop_of(w) == l->number ? w : share(l, owner);
    if (first_of(now) >= end_of(now)) break;
    int grain = owner == thread ? first_of(now) : end_of(now) - 1;
    uint64_t then = owner == thread ? now + (1 << 16) : now - 1;
    if (!atomic_compare_exchange_weak(left, &w, then)) continue;
    run_grain(l, grain, thread);
    taken++;
    w = then;
  }
  return taken;
}

/* What others do not get to. Moves data from cache to cache. */
static int take_from_others(int thread, const loop *l) {
  int taken = 0;
  for (int i = 1; i < l->threads; i++) taken += take_from((thread + i) % l->threads, thread, l);
  return taken;
}

/* The loop that a worker is called to after loop `seen`; false where it is not. */
static bool next_loop(int thread, uint32_t seen, loop *l) {
  slot *s = &slots[thread];
  l->number = atomic_load_explicit(&s->call.number, memory_order_acquire);
  if (l->number == seen) return false;
  l->work = atomic_load_explicit(&s->call.work, memory_order_relaxed);
  l->context = atomic_load_explicit(&s->call.context, memory_order_relaxed);
  l->units = atomic_load_explicit(&s->call.units, memory_order_relaxed);
  l->grain = atomic_load_explicit(&s->call.grain, memory_order_relaxed);
  l->grains = atomic_load_explicit(&s->call.grains, memory_order_relaxed);
  l->threads = atomic_load_explicit(&s->call.threads, memory_order_relaxed);
  return true;
}

static bool nothing_to_do(int thread, uint32_t seen) {
  return atomic_load_explicit(&slots[thread].call.number, memory_order_acquire) == seen && !atomic_load(&stopping);
}

static void sleep_until_called(int thread, uint32_t seen) {
  slot *s = &slots[thread];
  pthread_mutex_lock(&lock);
  atomic_store(&s->done.asleep, true);
  while (nothing_to_do(thread, seen)) pthread_cond_wait(&wake[thread], &lock);
  atomic_store(&s->done.asleep, false);
  pthread_mutex_unlock(&lock);
}

/* False where there is still nothing to do after so many nanoseconds. */
static bool look_for_work(int thread, uint32_t seen, int64_t spin, int64_t most) {
  int64_t start = 0, idle = 0;
  for (int look = 0; nothing_to_do(thread, seen); look++) {
    if (look < EAGER) continue;
    if (idle < spin) pause_briefly();
    else sched_yield();
    if (look % LOOKS) continue;
    const int64_t now = now_ns();
    if (!start) start = now;
    idle = now - start;
    if (idle > most) return false;
  }
  return true;
}

static void report(int thread, const loop *l, int grains) {
  atomic_store_explicit(&slots[thread].done.word, (uint64_t)l->number << 32 | (uint32_t)grains, memory_order_release);
}

/* A worker's part of a loop: its own grains, then, unless it is called to the next, those of threads that are late. */
static void take_part(int thread, const loop *l) {
  int taken = take_from(thread, thread, l);
  if (!taken) return;
  report(thread, l, taken);
  if (look_for_work(thread, l->number, PATIENCE_NS, PATIENCE_NS)) return;
  int more = take_from_others(thread, l);
  if (more) report(thread, l, taken + more);
}

static void *run_worker(void *argument) {
  this_thread = (int)(intptr_t)argument;
  inside = true;
  loop l = {.number = loops_before};
  while (!atomic_load(&stopping)) {
    if (next_loop(this_thread, l.number, &l)) take_part(this_thread, &l);
    if (!look_for_work(this_thread, l.number, SPIN_NS, YIELD_NS)) sleep_until_called(this_thread, l.number);
  }
  return NULL;
}

static void wake_up(int thread) {
  pthread_mutex_lock(&lock);
  pthread_cond_signal(&wake[thread]);
  pthread_mutex_unlock(&lock);
}

static void stop_workers(void) {
  atomic_store(&stopping, true);
  for (int i = 1; i <= workers; i++) wake_up(i);
  for (int i = 0; i < workers; i++) pthread_join(worker[i], NULL);
  for (int i = 0; i <= attempted && attempted; i++) pthread_cond_destroy(&wake[i]);
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
  pthread_mutex_init(&lock, NULL);
  atomic_store(&busy, false);
}

static void start_workers(int count) {
  static bool watching_fork;
  if (!watching_fork) watching_fork = !pthread_atfork(NULL, NULL, forget_workers);
  stop_workers();
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old); /* workers inherit this: signals are for the program's own threads */
  for (int i = 0; i <= count; i++) {
    atomic_store(&slots[i].call.number, loops);
    atomic_store(&slots[i].left.word, range(loops, 0, 0));
    atomic_store(&slots[i].done.word, 0);
    atomic_store(&slots[i].done.asleep, false);
    pthread_cond_init(&wake[i], NULL);
  }
  loops_before = loops;
  until_measured = 0;
  while (workers < count) {
    if (pthread_create(&worker[workers], NULL, run_worker, (void *)(intptr_t)(workers + 1))) break;
    workers++;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  attempted = count;
}

/* From the front and from the end in turns: the units that one loop did last, the next, over the same rows, meets first,
 * while they are near. */
static void run_here(int units, hy_work *work, void *context) {
  static _Thread_local bool backwards;
  bool outer = inside;
  inside = true;
  for (int i = 0; i < units; i++) work(context, backwards ? units - 1 - i : i, this_thread);
  inside = outer;
  backwards = !backwards;
}

static void call(int thread, const loop *l) {
  slot *s = &slots[thread];
  atomic_store_explicit(&s->call.work, l->work, memory_order_relaxed);
  atomic_store_explicit(&s->call.context, l->context, memory_order_relaxed);
  atomic_store_explicit(&s->call.units, l->units, memory_order_relaxed);
  atomic_store_explicit(&s->call.grain, l->grain, memory_order_relaxed);
  atomic_store_explicit(&s->call.grains, l->grains, memory_order_relaxed);
  atomic_store_explicit(&s->call.threads, l->threads, memory_order_relaxed);
  atomic_store_explicit(&s->call.number, l->number, memory_order_release);
  if (atomic_load_explicit(&s->done.asleep, memory_order_relaxed)) wake_up(thread);
}

/* Grains that workers have run. */
static int run_by_workers(const loop *l) {
  int grains = 0;
  for (int i = 1; i < l->threads; i++) {
    uint64_t w = atomic_load_explicit(&slots[i].done.word, memory_order_acquire);
    if (loop_of(w) == l->number) grains += (int)(uint32_t)w;
  }
  return grains;
}

/* Until all grains are done, of which the caller ran `own` so far; how many it ran in the end. Grains are short; a long
 * one is met by naps, to burn no core for it. */
static int wait_for_workers(const loop *l, int own, int64_t patience) {
  int64_t start = 0, waited = 0;
  bool helped = false;
  for (int look = 0; own + run_by_workers(l) < l->grains; look++) {
    if (patience && look < EAGER) continue;
    if (look % LOOKS == 0) {
      const int64_t now = now_ns();
      if (!start) start = now;
      waited = now - start;
    }
    if (!helped && waited >= patience) {
      own += take_from_others(0, l);
      helped = true;
    } else if (waited < SPIN_NS) pause_briefly();
    else if (waited < 4 * YIELD_NS) sched_yield();
    else nanosleep(&(struct timespec){0, NAP_NS}, NULL);
  }
  return own;
}

enum { FRESH = 0x3fffffff }; /* loops after which words are renewed: numbers are compared by their distance */

/* How many grains the caller ran. */
static int run_together(int units, int grain, hy_work *work, void *context, int64_t patience) {
  int least = (units + 0xfffe) / 0xffff; /* grains are counted in 16 bits */
  if (grain < least) grain = least;
  loop l = {++loops, work, context, units, grain, (units + grain - 1) / grain, workers + 1};
  if (l.threads > l.grains) l.threads = l.grains;
  for (int i = 0; i <= workers && !(l.number & FRESH); i++)
    atomic_store(&slots[i].left.word, range(l.number - 1, 0, 0));
  for (int i = 1; i < l.threads; i++) call(i, &l);
  inside = true;
  run_grain(&l, 0, 0);
  int own = wait_for_workers(&l, 1 + take_from(0, 0, &l), patience);
  inside = false;
  return own;
}

/* ---- what a loop costs ---- */

static void nothing(void *context, int unit, int thread) { (void)context, (void)unit, (void)thread; }

/* Nanoseconds of a loop with nothing to do that a worker took part in, of several the one in the middle; where none
 * comes, what was waited for it. */
static int64_t measured_price(void) {
  int64_t sorted[ENOUGH];
  int met = 0;
  for (int tries = 0; tries < TRIES && met < ENOUGH; tries++) {
    const int64_t start = now_ns();
    const int grains = workers + 1, own = run_together(grains, 1, nothing, NULL, PATIENCE_NS);
    const int64_t ns = now_ns() - start;
    if (own == grains) continue;
    int at = met++;
    for (; at > 0 && sorted[at - 1] > ns; at--) sorted[at] = sorted[at - 1];
    sorted[at] = ns;
  }
  return met ? sorted[met / 2] : PATIENCE_NS;
}

/* The caches of two processors are nearer one hour than the next where the machine is a virtual one, and may be busy
 * with others' work: what a loop costs is measured again and again, less often where workers must be woken for it. */
static bool worth_sharing(double ns) {
  static int64_t price;
  if (ns >= ALWAYS_NS) return true;
  if (until_measured-- <= 0) {
    price = measured_price();
    until_measured = ns >= (double)(WORTH * price) ? SOON : LATER;
  }
  return ns >= (double)(WORTH * price);
}

void hy_parallel(int units, int grain, double ns, hy_work *work, void *context) {
  static bool alone; /* no worker came to the last loop: no use in waiting for one */
  int threads = units > grain && units > 1 && !inside ? hyla_threads(0) : 1;
  if (threads <= 1 || atomic_exchange_explicit(&busy, true, memory_order_acquire)) { /* another has the pool */
    run_here(units, work, context);
    return;
  }
  if (attempted != threads - 1) start_workers(threads - 1);
  if (worth_sharing(ns)) alone = run_together(units, grain, work, context, alone ? 0 : PATIENCE_NS) * grain >= units;
  else run_here(units, work, context);
  atomic_store_explicit(&busy, false, memory_order_release);
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
