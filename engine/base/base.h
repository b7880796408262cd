/* What every folder of the engine may use: failures, memory, interrupts, random numbers, threads, files. */
#ifndef HY_BASE_H
#define HY_BASE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hyla.h"

/* ---- error.c ---- */
/* Sets the thread's message ("site: words", site may be NULL) and returns status, so that a caller can
 * `return hy_fail(...)`. Any "%" format; cut at 2 KiB. */
int hy_fail(int status, const char *site, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Puts words in front of the message of a failure that is being passed up: "step 117: " and the like. */
int hy_fail_within(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- memory.c: every byte of ours; 64-byte aligned. Sizes are remembered, so free needs none. ---- */
void *hy_alloc(size_t size);                /* NULL and the thread's message on failure; size 0 is fine */
void *hy_calloc(size_t count, size_t size); /* zeros; NULL on overflow too */
void *hy_realloc(void *p, size_t size);     /* p may be NULL; on failure p stays */
void hy_free(void *p);                      /* NULL is fine */
char *hy_strdup(const char *text);
/* Bytes that something may take which holds `own` already: its budget, and no more than hyla_memory_limit leaves. budget
 * 0: what the limit, or without one three quarters of the machine's memory, leaves but for a sixteenth, which is for
 * everybody else. */
double hy_memory_allowed(double budget, double own);
/* Makes room for one more element in a growing array: 0 or HYLA_ENOMEM. */
int hy_grow(void **array, int *capacity, int count, size_t element);
/* n bytes, rounded up so that what follows is aligned like hy_alloc's memory. */
static inline size_t hy_aligned(size_t n) { return (n + 63) & ~(size_t)63; }
#define HY_GROW(array, capacity, count) hy_grow((void **)&(array), &(capacity), (count), sizeof *(array))
/* A growing text; 0 or HYLA_ENOMEM. Release with hy_free(text.s). */
typedef struct hy_text {
  char *s;
  size_t n, capacity;
} hy_text;
int hy_text_add(hy_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- interrupt.c ---- */
int hy_poll_interrupt(void); /* HYLA_EINTR (with words) when SIGINT or hyla_interrupt asked, else 0 */

/* ---- random.c: Philox 4x32-10 (Salmon et al. 2011) ---- */
void hy_philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4]);

/* ---- threads.c: a pool that lives as long as the process ---- */
/* Calls work(context, unit, thread) once for every unit 0..units-1 on any of the threads; returns when all are done.
 * A thread takes `grain` units at a time: as many as are worth the traffic between processors, some microseconds. Which
 * thread takes a unit is not fixed: units must not depend on it. thread < hyla_threads(0) indexes scratch. `ns`: about
 * what one thread takes for all of it; INFINITY where that is long. With one thread, or one unit, or where ns is too
 * little for what a loop costs on this machine at the moment, everything runs on the caller. Never fails: without
 * workers the caller does it all. */
void hy_parallel(int units, int grain, double ns, void (*work)(void *context, int unit, int thread), void *context);

int hy_thread(void); /* the calling thread's number in it; 0 for those that are not of the pool */

/* ---- file.c ---- */
int hy_file_read(const char *path, void **data, size_t *size); /* hy_alloc'ed, one zero byte after the end */
/* As hyla_file_write, of several stretches of memory one after another. */
typedef struct hy_bytes {
  const void *data;
  size_t size;
} hy_bytes;
int hy_file_write_parts(const char *path, int n, const hy_bytes *parts);
#endif
