/* The bandwidth of memory: a triad a[i] = b[i] + s c[i] over arrays far larger than any cache, on 1 .. n threads.
 *
 *   stream THREADS MIB      prints GB/s, the best of several passes; three arrays of MIB each are counted once a pass
 *
 * Each thread's part is touched by that thread first, so that pages lie near it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PASSES = 12, MOST = 256 };

typedef struct part {
  float *a, *b, *c;
  size_t n;
  pthread_barrier_t *gate;
} part;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void triad(float *restrict a, const float *restrict b, const float *restrict c, size_t n) {
  for (size_t i = 0; i < n; i++) a[i] = b[i] + 3.0f * c[i];
}

static void *work(void *context) {
  part *p = context;
  for (size_t i = 0; i < p->n; i++) {
    p->a[i] = 0;
    p->b[i] = 1;
    p->c[i] = 2;
  }
  pthread_barrier_wait(p->gate);
  for (int pass = 0; pass < PASSES; pass++) {
    triad(p->a, p->b, p->c, p->n);
    pthread_barrier_wait(p->gate);
  }
  return NULL;
}

static int fail(const char *what) {
  fprintf(stderr, "stream: %s\n", what);
  return 1;
}

int main(int argc, char **argv) {
  int threads = argc == 3 ? atoi(argv[1]) : 0;
  double mib = argc == 3 ? atof(argv[2]) : 0;
  if (threads < 1 || threads > MOST || mib <= 0) return fail("expected THREADS MIB");
  size_t n = (size_t)(mib * 0x1p20 / sizeof(float)) / (size_t)threads;
  float *all = malloc(3 * n * (size_t)threads * sizeof *all);
  if (!all) return fail("no memory");
  pthread_t thread[MOST];
  part parts[MOST];
  pthread_barrier_t gate;
  if (pthread_barrier_init(&gate, NULL, (unsigned)threads + 1)) return fail("no barrier");
  for (int i = 0; i < threads; i++) {
    float *at = all + 3 * n * (size_t)i;
    parts[i] = (part){at, at + n, at + 2 * n, n, &gate};
    if (pthread_create(&thread[i], NULL, work, &parts[i])) return fail("no thread");
  }
  pthread_barrier_wait(&gate);
  double best = 1e30;
  for (int pass = 0; pass < PASSES; pass++) {
    double start = now();
    pthread_barrier_wait(&gate);
    double taken = now() - start;
    if (taken < best) best = taken;
  }
  for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL);
  if (all[0] != 7) return fail("the triad is wrong");
  printf("%.6g\n", 3.0 * (double)n * (double)threads * sizeof(float) / best * 1e-9);
  free(all);
  return 0;
}
