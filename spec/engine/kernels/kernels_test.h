/* What the tests of the kernels share: exact-size arrays of any dtype, random numbers, and counted checks. Arrays are
 * allocated to the byte, so that a sanitizer sees an access past either end. */
#ifndef HY_KERNELS_TEST_H
#define HY_KERNELS_TEST_H
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/kernels.h"

enum {
#define OP(name, ...) OP_##name,
#include "graph/ops.def"
#undef OP
};

/* Counts a check; a failed one prints its words. */
void check(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));

double uniform(double lo, double hi);
int64_t below(int64_t n);          /* 0..n-1 */
void *array(int64_t n, int dtype); /* n elements, bytes 0xAA; free() */
void *random_array(int64_t n, int dtype, double lo, double hi);
double get(const void *p, int64_t i, int dtype);
void put(void *p, int64_t i, int dtype, double value); /* rounded to the dtype */
void *at(const void *p, int64_t i, int dtype);         /* address of element i */
bool same_bits(const void *a, const void *b, int64_t n, int dtype);
double epsilon(int dtype); /* 2^-23, 2^-52, 0 */
/* |got - want| <= error, or both NaN, or equal. */
bool near(double got, double want, double error);
const char *type_name(int dtype);

void test_loops(void);
void test_map(void);
void test_reduce(void);
void test_rows(void);
void test_softmax(void);
void test_move(void);
void test_index(void);
void test_products(void);
void test_sparse(void);
#endif
