/* Training that can be taken back step by step, to the bit: a problem whose segments are momentum, in fixed point. */
#ifndef HY_REWIND_H
#define HY_REWIND_H
#include "dynamics/fixed.h"
#include "dynamics/momentum.h"

typedef struct hy_rewind {
  hy_driver *driver;          /* whose hyperparameters, streams and room for pointers are used; outlives this */
  int bits, n;                /* n: weights */
  hy_fixed *fixed;            /* [n] at step t */
  char *mu, *rate, *gradient; /* parts of a step, by the layouts of its segment */
  int *other, n_other;  /* states that are neither, and change: sums that nothing of a step reads, as a running cost */
  char *others;         /* their next values, by the layout of the segment */
  double t, origin;     /* origin: the step where it began */
  double planes;        /* bytes that the buffers take beyond one word a component, from origin to T */
  uint64_t fingerprint; /* of the state at origin */
  bool turned;          /* the last step was one back */
} hy_rewind;

/* HYLA_EVALUE where the dynamics is not declared to be momentum. */
int hy_rewind_check(const hyla_problem *p);
/* The problem has been differentiated. HYLA_EVALUE where a state is lost that a step backwards reads. */
int hy_rewind_open(hy_rewind *r, hy_driver *d, int bits);
void hy_rewind_close(hy_rewind *r);
/* Takes over the driver's state, rounded there too. HYLA_ENOMEM (names both sizes) where the information buffers would
 * take more than `memory` bytes (as of hy_memory_allowed). */
int hy_rewind_start(hy_rewind *r, double memory);
int hy_rewind_forward(hy_rewind *r); /* one step of the driver */
int hy_rewind_back(hy_rewind *r,
                   char *state); /* one step back; state: that of r->t, then of r->t - 1, as reals, but for `other` */
void hy_rewind_show(const hy_rewind *r, char *state); /* the state as reals */
bool hy_rewind_is_origin(const hy_rewind *r);         /* it is the state where it began, and the buffers are empty */
double hy_rewind_buffer_bytes(const hy_rewind *r);    /* the information buffers at T, known once it has started */
double hy_rewind_bytes(const hy_rewind *r);           /* all of it at its largest */
#endif
