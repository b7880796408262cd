/* .npy files in and out. Elements are read straight into the tensor, in pieces where they must be converted, so that
 * loading takes no memory beside the result. */
#include "tensor/npy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "npy.c copies little-endian files to memory as they are"
#endif

enum { PIECE = 1 << 15, LONGEST_HEADER = 1 << 20 }; /* elements converted at a time; bytes */

/* ---- elements as they lie in the file ---- */

static float half_to_float(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023, bits;
  if (exponent == 0) { /* zero, or fraction 2^-24: exact in float32 */
    float tiny = (float)fraction * 0x1p-24f;
    return sign ? -tiny : tiny;
  }
  bits = sign | (exponent == 31 ? 255 : exponent - 15 + 127) << 23 | fraction << 13;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static int64_t whole_at(const unsigned char *p, const hy_npy_header *h) {
  uint64_t bits = 0;
  memcpy(&bits, p, (size_t)h->width);
  if (h->kind == 'u' && bits > INT64_MAX) return INT64_MAX; /* too large either way */
  int unused = 64 - 8 * h->width;
  return h->kind == 'i' ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
}

/* n elements of raw become those of a float32 or int32 tensor; `done` is how many came before, for messages. */
static int convert(const char *path, const hy_npy_header *h, int64_t done, int64_t n, const unsigned char *raw,
                   void *out) {
  for (int64_t i = 0; i < n; i++, raw += h->width) {
    if (h->kind == 'f') {
      uint16_t half;
      memcpy(&half, raw, sizeof half);
      ((float *)out)[i] = half_to_float(half);
      continue;
    }
    int64_t value = whole_at(raw, h);
    if (value < INT32_MIN || value > INT32_MAX)
      return hy_fail(HYLA_EVALUE, NULL, "%s: element %lld of '%c%d' data is outside the range of int32", path,
                     (long long)(done + i), h->kind, h->width);
    if (h->kind == 'b' && value > 1)
      return hy_fail(HYLA_EFORMAT, NULL, "%s: element %lld: expected a bool, 0 or 1, got %lld", path,
                     (long long)(done + i), (long long)value);
    ((int32_t *)out)[i] = (int32_t)value;
  }
  return HYLA_OK;
}

/* ---- load ---- */

static int fail_seek(const char *path) { return hy_fail(HYLA_EIO, NULL, "%s: cannot seek: %s", path, strerror(errno)); }

static int read_exactly(FILE *file, const char *path, void *data, size_t size, const char *what) {
  size_t got = fread(data, 1, size, file);
  if (got == size) return HYLA_OK;
  if (ferror(file)) return hy_fail(HYLA_EIO, NULL, "%s: cannot be read: %s", path, strerror(errno));
  return hy_fail(HYLA_EFORMAT, NULL, "%s: truncated: expected %zu bytes of %s, got %zu", path, size, what, got);
}

static int read_header(FILE *file, const char *path, hy_npy_header *h) {
  unsigned char prefix[HY_NPY_PREFIX];
  size_t got = fread(prefix, 1, sizeof prefix, file), start = 0, length = 0;
  if (ferror(file)) return hy_fail(HYLA_EIO, NULL, "%s: cannot be read: %s", path, strerror(errno));
  int status = hy_npy_prefix(path, prefix, got, &start, &length);
  if (status) return status;
  if (length > LONGEST_HEADER)
    return hy_fail(HYLA_EFORMAT, NULL, "%s: expected a .npy header of at most %d bytes, got %zu", path, LONGEST_HEADER,
                   length);
  if (fseek(file, (long)start, SEEK_SET)) return fail_seek(path);
  char *text = hy_alloc(length + 1);
  if (!text) return hy_fail_within(HYLA_ENOMEM, "%s: ", path);
  status = read_exactly(file, path, text, length, "header");
  text[length] = 0;
  if (!status && strlen(text) != length) status = hy_fail(HYLA_EFORMAT, NULL, "%s: .npy header: a zero byte", path);
  if (!status) status = hy_npy_parse(path, text, h);
  hy_free(text);
  return status;
}

static int read_converted(FILE *file, const char *path, const hy_npy_header *h, hyla_tensor *t, int64_t n) {
  unsigned char *raw = hy_alloc((size_t)PIECE * (size_t)h->width);
  if (!raw) return hy_fail_within(HYLA_ENOMEM, "%s: ", path);
  char *out = hyla_tensor_data(t);
  int status = HYLA_OK;
  for (int64_t done = 0; done < n && !status; done += PIECE) {
    int64_t now = n - done < PIECE ? n - done : PIECE;
    status = read_exactly(file, path, raw, (size_t)(now * h->width), "data");
    if (!status) status = convert(path, h, done, now, raw, out + done * (int64_t)hy_dtype_size(h->shape.dtype));
  }
  hy_free(raw);
  return status;
}

/* The bytes after the header must be those of n elements, neither fewer nor more. */
static int check_length(FILE *file, const char *path, const hy_npy_header *h, double n) {
  long start = ftell(file);
  if (start < 0 || fseek(file, 0, SEEK_END)) return fail_seek(path);
  long end = ftell(file);
  if (end < 0 || fseek(file, start, SEEK_SET)) return fail_seek(path);
  double got = (double)(end - start), wanted = n * h->width;
  if (got == wanted) return HYLA_OK;
  return hy_fail(HYLA_EFORMAT, NULL, "%s: %s: expected %.0f bytes of data after the header, got %.0f", path,
                 got < wanted ? "truncated" : "too long", wanted, got);
}

/* Turns elements read with the first axis running fastest into row-major order. */
static int from_fortran(hyla_tensor **t) {
  hyla_shape shape = (*t)->shape;
  int perm[HYLA_MAX_RANK];
  for (int i = 0; i < shape.rank; i++) {
    perm[i] = shape.rank - 1 - i;
    shape.dim[i] = (*t)->shape.dim[perm[i]];
  }
  hyla_tensor *view = NULL, *ordered = NULL;
  int status = hyla_tensor_transpose(*t, perm, &view);
  if (!status) status = hyla_tensor_new(&shape, &ordered);
  if (!status) status = hyla_tensor_copy(ordered, view);
  hyla_tensor_drop(view);
  if (status) {
    hyla_tensor_drop(ordered);
    return status;
  }
  hyla_tensor_drop(*t);
  *t = ordered;
  return HYLA_OK;
}

static int load(FILE *file, const char *path, hyla_tensor **out) {
  hy_npy_header h;
  int status = read_header(file, path, &h);
  if (status) return status;
  hyla_shape shape = h.shape; /* as the elements follow in the file */
  double elements = 1;        /* may pass any integer in a file that lies */
  for (int i = 0; i < shape.rank; i++) {
    shape.dim[i] = h.shape.dim[h.fortran ? shape.rank - 1 - i : i];
    elements *= shape.dim[i];
  }
  status = check_length(file, path, &h, elements);
  if (status) return status;
  hyla_tensor *t = NULL;
  status = hyla_tensor_new(&shape, &t);
  if (status) return hy_fail_within(status, "%s: ", path);
  int64_t n = hy_shape_size(&shape);
  bool as_it_is = (h.kind == 'f' && h.width > 2) || (h.kind == 'i' && h.width == 4);
  if (as_it_is) status = read_exactly(file, path, hyla_tensor_data(t), (size_t)(n * h.width), "data");
  else status = read_converted(file, path, &h, t, n);
  if (!status && h.fortran && shape.rank > 1) status = from_fortran(&t);
  if (status) hyla_tensor_drop(t);
  else *out = t;
  return status;
}

int hyla_npy_load(const char *path, hyla_tensor **out) {
  FILE *file = fopen(path, "rbe");
  if (!file) return hy_fail(HYLA_EIO, NULL, "%s: cannot be opened: %s", path, strerror(errno));
  int status = load(file, path, out);
  fclose(file); /* read only: nothing can be lost by it */
  return status;
}

/* ---- save ---- */

/* Magic, version 1.0, length and dictionary, padded with blanks to a multiple of 64 bytes that ends in a newline. */
static int header_text(const hyla_shape *shape, hy_text *text) {
  static const char *const descr[] = {[HYLA_FLOAT32] = "<f4", [HYLA_FLOAT64] = "<f8", [HYLA_INT32] = "<i4"};
  hy_text dims = {0};
  int status = hy_text_add(&dims, "(");
  for (int i = 0; i < shape->rank && !status; i++) {
    const char *after = i + 1 < shape->rank ? ", " : shape->rank == 1 ? "," : "";
    status = hy_text_add(&dims, "%d%s", (int)shape->dim[i], after);
  }
  if (!status) status = hy_text_add(&dims, ")");
  hy_text dictionary = {0};
  if (!status)
    status = hy_text_add(&dictionary, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr[shape->dtype],
                         dims.s);
  int padded = (int)((10 + dictionary.n + 1 + 63) / 64 * 64) - 11; /* 10 bytes before it, a newline after */
  int length = padded + 1;
  if (!status)
    status = hy_text_add(text, "\x93NUMPY\x01%c%c%c%-*s\n", 0, length & 255, length >> 8, padded, dictionary.s);
  hy_free(dims.s);
  hy_free(dictionary.s);
  return status;
}

int hyla_npy_save(const hyla_tensor *t, const char *path) {
  hy_text header = {0};
  hyla_tensor *whole = NULL;
  bool direct = hyla_tensor_contiguous(t);
  int status = header_text(&t->shape, &header);
  if (!status && !direct) status = hyla_tensor_new(&t->shape, &whole);
  if (!status && !direct) status = hyla_tensor_copy(whole, t);
  if (!status) {
    const hyla_tensor *source = direct ? t : whole;
    size_t element = hy_dtype_size(t->shape.dtype);
    hy_bytes part[2] = {
        {header.s, header.n},
        {(char *)source->storage->data + (size_t)source->offset * element, (size_t)hy_shape_size(&t->shape) * element}};
    status = hy_file_write_parts(path, 2, part);
  }
  hyla_tensor_drop(whole);
  hy_free(header.s);
  return status;
}
