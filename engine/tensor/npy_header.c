/* Reads the header of a .npy file: a Python dictionary with exactly the keys descr, fortran_order and shape. */
#include "tensor/npy.h"

#include <limits.h>
#include <string.h>

int hy_npy_prefix(const char *path, const unsigned char *prefix, size_t size, size_t *start, size_t *length) {
  if (size < HY_NPY_MAGIC || memcmp(prefix, "\x93NUMPY", HY_NPY_MAGIC))
    return hy_fail(HYLA_EFORMAT, NULL, "%s: expected a .npy file, which starts with \"\\x93NUMPY\"; got %s", path,
                   size ? "other bytes" : "an empty file");
  if (size < HY_NPY_PREFIX) return hy_fail(HYLA_EFORMAT, NULL, "%s: the .npy header is cut off", path);
  int version = prefix[6];
  if (version < 1 || version > 3 || prefix[7])
    return hy_fail(HYLA_EFORMAT, NULL, "%s: expected .npy version 1.0 to 3.0, got %d.%d", path, version, prefix[7]);
  *start = version == 1 ? 10 : 12;
  *length = (size_t)prefix[8] | (size_t)prefix[9] << 8;
  if (version > 1) *length |= (size_t)prefix[10] << 16 | (size_t)prefix[11] << 24;
  return HYLA_OK;
}

/* ---- the dictionary ---- */

typedef struct reader {
  const char *path, *text, *at;
} reader;

static int expected(const reader *r, const char *what) {
  if (!*r->at) return hy_fail(HYLA_EFORMAT, NULL, "%s: .npy header: expected %s, got its end", r->path, what);
  return hy_fail(HYLA_EFORMAT, NULL, "%s: .npy header: expected %s at byte %d, got \"%.20s\"", r->path, what,
                 (int)(r->at - r->text), r->at);
}

static void skip_space(reader *r) { r->at += strspn(r->at, " \t\n"); }

/* Passes a literal, after blanks; false where something else stands. */
static bool pass(reader *r, const char *literal) {
  skip_space(r);
  size_t n = strlen(literal);
  if (strncmp(r->at, literal, n)) return false;
  r->at += n;
  return true;
}

/* A quoted string; its length goes to n. NULL where none stands. */
static const char *pass_string(reader *r, int *n) {
  skip_space(r);
  char quote = *r->at;
  if (quote != '\'' && quote != '"') return NULL;
  const char *start = r->at + 1, *end = strchr(start, quote);
  if (!end || end - start > INT_MAX) return NULL;
  r->at = end + 1;
  *n = (int)(end - start);
  return start;
}

static int read_descr(reader *r, hy_npy_header *h) {
  static const struct {
    const char *code;
    int dtype;
  } known[] = {{"f2", HYLA_FLOAT32}, {"f4", HYLA_FLOAT32}, {"f8", HYLA_FLOAT64}, {"i1", HYLA_INT32},
               {"i2", HYLA_INT32},   {"i4", HYLA_INT32},   {"i8", HYLA_INT32},   {"u1", HYLA_INT32},
               {"u2", HYLA_INT32},   {"u4", HYLA_INT32},   {"u8", HYLA_INT32},   {"b1", HYLA_INT32}};
  int n = 0;
  const char *s = pass_string(r, &n);
  if (!s) return expected(r, "a data type such as '<f4'");
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (n != 3 || strncmp(s + 1, known[i].code, 2)) continue;
    if (s[0] != '<' && (s[0] != '|' || s[2] != '1')) break; /* '|': byte order does not matter */
    h->kind = s[1];
    h->width = s[2] - '0';
    h->shape.dtype = known[i].dtype;
    return HYLA_OK;
  }
  return hy_fail(HYLA_EFORMAT, NULL,
                 "%s: expected a little-endian data type f2, f4, f8, i1, i2, i4, i8, u1, u2, u4, u8 or b1, got '%.*s'",
                 r->path, n, s);
}

static int read_order(reader *r, hy_npy_header *h) {
  h->fortran = pass(r, "True");
  return h->fortran || pass(r, "False") ? HYLA_OK : expected(r, "True or False");
}

static int read_dimension(reader *r, hy_npy_header *h) {
  skip_space(r);
  if (*r->at < '0' || *r->at > '9') return expected(r, "a dimension");
  if (h->shape.rank == HYLA_MAX_RANK)
    return hy_fail(HYLA_EFORMAT, NULL, "%s: expected at most %d dimensions, got more", r->path, HYLA_MAX_RANK);
  int64_t value = 0;
  const char *start = r->at;
  for (; *r->at >= '0' && *r->at <= '9'; r->at++)
    if (value <= INT32_MAX) value = 10 * value + (*r->at - '0');
  if (value > INT32_MAX)
    return hy_fail(HYLA_EFORMAT, NULL, "%s: expected dimensions below 2^31, got %.*s", r->path, (int)(r->at - start),
                   start);
  h->shape.dim[h->shape.rank++] = (int32_t)value;
  return HYLA_OK;
}

static int read_shape(reader *r, hy_npy_header *h) {
  if (!pass(r, "(")) return expected(r, "a shape such as (100, 3)");
  while (!pass(r, ")")) {
    int status = read_dimension(r, h);
    if (status) return status;
    if (pass(r, ",")) continue;
    if (h->shape.rank < 2) return expected(r, "','"); /* "(3)" is no tuple */
    return pass(r, ")") ? HYLA_OK : expected(r, "',' or ')'");
  }
  return HYLA_OK;
}

static const struct {
  const char *name;
  int (*read)(reader *, hy_npy_header *);
} key[] = {{"descr", read_descr}, {"fortran_order", read_order}, {"shape", read_shape}};
enum { KEYS = sizeof key / sizeof *key };

/* One `'key': value`; marks it in `seen`. */
static int read_entry(reader *r, hy_npy_header *h, bool *seen) {
  int n = 0;
  const char *name = pass_string(r, &n);
  if (!name) return expected(r, "a quoted key");
  for (int k = 0; k < KEYS; k++) {
    if ((size_t)n != strlen(key[k].name) || strncmp(name, key[k].name, (size_t)n)) continue;
    if (seen[k]) return hy_fail(HYLA_EFORMAT, NULL, "%s: .npy header: '%s' stands twice", r->path, key[k].name);
    seen[k] = true;
    return pass(r, ":") ? key[k].read(r, h) : expected(r, "':'");
  }
  return hy_fail(HYLA_EFORMAT, NULL, "%s: .npy header: expected the keys descr, fortran_order and shape, got '%.*s'",
                 r->path, n, name);
}

int hy_npy_parse(const char *path, const char *text, hy_npy_header *out) {
  reader r = {path, text, text};
  hy_npy_header h = {0};
  bool seen[KEYS] = {false};
  if (!pass(&r, "{")) return expected(&r, "'{'");
  while (!pass(&r, "}")) {
    int status = read_entry(&r, &h, seen);
    if (status) return status;
    if (pass(&r, ",")) continue;
    if (pass(&r, "}")) break;
    return expected(&r, "',' or '}'");
  }
  skip_space(&r);
  if (*r.at) return expected(&r, "nothing after '}'");
  for (int k = 0; k < KEYS; k++)
    if (!seen[k]) return hy_fail(HYLA_EFORMAT, NULL, "%s: .npy header: '%s' is missing", path, key[k].name);
  *out = h;
  return HYLA_OK;
}
