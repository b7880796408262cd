/* What the header of a .npy file says. Source: numpy.lib.format, versions 1.0 to 3.0. */
#ifndef HY_NPY_H
#define HY_NPY_H
#include "tensor/tensor.h"

enum { HY_NPY_MAGIC = 6, HY_NPY_PREFIX = 12 }; /* bytes: "\x93NUMPY"; with version and length, at most */

typedef struct hy_npy_header {
  char kind;        /* 'f', 'i', 'u', 'b' */
  int width;        /* bytes of an element */
  bool fortran;     /* first axis runs fastest */
  hyla_shape shape; /* dtype: what the elements become here */
} hy_npy_header;

/* From the first HY_NPY_PREFIX bytes of a file: where the header's text starts and how long it is. HYLA_EFORMAT */
int hy_npy_prefix(const char *path, const unsigned char *prefix, size_t size, size_t *start, size_t *length);
/* From that text (zero-terminated). HYLA_EFORMAT says what was expected and what came. */
int hy_npy_parse(const char *path, const char *text, hy_npy_header *out);
#endif
