/* Every byte of ours. A block is preceded by a header of one cache line that remembers its size, so that live bytes
 * are known exactly and blocks stay 64-byte aligned. */
#include "base/base.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LINE = 64, HUGE_PAGE = 2 << 20, MAPPED = 2 * HUGE_PAGE, SMALL = 1024 };
#define LARGEST ((size_t)1 << 48) /* more than a process can address */

typedef struct header {
  size_t size;  /* what the caller asked for */
  size_t taken; /* header and padding too, but for what a small block loses to begin at a line; this is accounted */
  void *start;  /* of what malloc gave */
} header;
_Static_assert(sizeof(header) <= LINE, "the header must leave blocks aligned");

static _Atomic size_t current, peak, limit; /* bytes; limit 0: none */
static _Atomic int64_t fail_at;             /* allocations until one fails; 0: off */

typedef struct size_text {
  char s[32];
} size_text;

static size_text show_size(double bytes) {
  static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  int u = 0;
  while (bytes >= 1024 && u < 4) bytes /= 1024, u++;
  size_text text;
  snprintf(text.s, sizeof text.s, "%.4g %s", bytes, unit[u]);
  return text;
}

/* True once: for the allocation that hyla_memory_fail_at chose. */
static bool told_to_fail(void) {
  if (!atomic_load_explicit(&fail_at, memory_order_relaxed)) return false;
  int64_t left = atomic_load(&fail_at);
  while (left > 0 && !atomic_compare_exchange_weak(&fail_at, &left, left - 1)) {}
  return left == 1;
}

static bool account(size_t taken) {
  size_t now = atomic_load(&current), allowed = atomic_load(&limit);
  do {
    if (allowed && (now > allowed || taken > allowed - now)) {
      hy_fail(HYLA_ENOMEM, NULL, "memory limit: %s asked for, %s in use, the limit is %s", show_size((double)taken).s,
              show_size((double)now).s, show_size((double)allowed).s);
      return false;
    }
  } while (!atomic_compare_exchange_weak(&current, &now, now + taken));
  size_t top = atomic_load(&peak);
  while (top < now + taken && !atomic_compare_exchange_weak(&peak, &top, now + taken)) {}
  return true;
}

static void *out_of_memory(double size) {
  hy_fail(HYLA_ENOMEM, NULL, "out of memory: %s asked for, %s in use", show_size(size).s,
          show_size((double)atomic_load(&current)).s);
  return NULL;
}

/* Large blocks are pages of their own, which go back to the system when they are freed: malloc would keep some tens of MiB
 * of them. They ask for large pages: a pass over them then seldom waits for the page tables. */
static char *pages_of_system(size_t taken) {
  char *block = mmap(NULL, taken, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
  size_t skip = HUGE_PAGE - (uintptr_t)block % HUGE_PAGE;
  (void)madvise(block + skip, (taken - skip) / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* a wish, no more */
#endif
  return block;
}

/* The header of a new block. malloc keeps small blocks that were freed at hand, but only those it need not align. */
static header *taken_from_system(size_t taken) {
  char *start = taken < SMALL    ? malloc(taken + LINE)
                : taken < MAPPED ? aligned_alloc(LINE, taken)
                                 : pages_of_system(taken);
  if (!start) return NULL;
  header *h = (header *)(void *)(start + (LINE - (uintptr_t)start % LINE) % LINE);
  h->start = start;
  return h;
}

static void give_back(header *h) {
  if (h->taken < MAPPED) free(h->start);
  else (void)munmap(h, h->taken); /* fails for what is no block of ours alone */
}

void *hy_alloc(size_t size) {
  if (size > LARGEST || told_to_fail()) return out_of_memory((double)size);
  size_t taken = LINE + (size + LINE - 1) / LINE * LINE;
  if (!account(taken)) return NULL;
  header *h = taken_from_system(taken);
  if (!h) {
    atomic_fetch_sub(&current, taken);
    return out_of_memory((double)size);
  }
  h->size = size;
  h->taken = taken;
  return (char *)h + LINE;
}

void *hy_calloc(size_t count, size_t size) {
  if (size && count > LARGEST / size) return out_of_memory((double)count * (double)size);
  void *p = hy_alloc(count * size);
  if (p) memset(p, 0, count * size);
  return p;
}

static header *header_of(void *p) { return (header *)((char *)p - LINE); }

/* By hand: realloc does not keep the alignment. */
void *hy_realloc(void *p, size_t size) {
  void *fresh = hy_alloc(size);
  if (!fresh || !p) return fresh;
  size_t old = header_of(p)->size;
  memcpy(fresh, p, old < size ? old : size);
  hy_free(p);
  return fresh;
}

void hy_free(void *p) {
  if (!p) return;
  atomic_fetch_sub(&current, header_of(p)->taken);
  give_back(header_of(p));
}

double hyla_memory_current(void) { return (double)atomic_load(&current); }

double hyla_memory_peak(void) { return (double)atomic_load(&peak); }

void hyla_memory_reset_peak(void) { atomic_store(&peak, atomic_load(&current)); }

void hyla_memory_limit(double bytes) {
  size_t allowed = 0;
  if (bytes > 0) allowed = bytes < 1 ? 1 : bytes < (double)PTRDIFF_MAX ? (size_t)bytes : PTRDIFF_MAX;
  atomic_store(&limit, allowed);
}

/* Three quarters of the machine's memory: a system that promises more than it has ends the process that believes it.
 * Asked once. */
static double machine_share(void) {
  static _Atomic double share;
  double known = atomic_load_explicit(&share, memory_order_relaxed);
  if (known > 0) return known;
  double pages = (double)sysconf(_SC_PHYS_PAGES), page = (double)sysconf(_SC_PAGESIZE);
  known = pages > 0 && page > 0 ? pages * page * 3 / 4 : INFINITY;
  atomic_store_explicit(&share, known, memory_order_relaxed);
  return known;
}

double hy_memory_allowed(double budget, double own) {
  double top = hyla_memory_get_limit(), held = hyla_memory_current() - own;
  if (budget > 0) return top > 0 ? fmin(budget, fmax(top - held, 0)) : budget;
  return fmax((top > 0 ? top : machine_share()) - held, 0) * 15 / 16;
}

double hyla_memory_allowed(double budget) { return hy_memory_allowed(fmax(budget, 0), 0); }

double hyla_memory_get_limit(void) { return (double)atomic_load(&limit); }

void hyla_memory_fail_at(double n) { atomic_store(&fail_at, n >= 1 ? (int64_t)n : 0); }
