/* Growing arrays and texts on top of memory.c. */
#include "base/base.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

char *hy_strdup(const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = hy_alloc(size);
  if (copy) memcpy(copy, text, size);
  return copy;
}

int hy_grow(void **array, int *capacity, int count, size_t element) {
  if (count < *capacity) return HYLA_OK;
  if (count > INT_MAX / 2) return hy_fail(HYLA_ENOMEM, NULL, "an array of %d elements cannot grow further", count);
  int wanted = count < 4 ? 8 : 2 * count;
  void *larger = hy_realloc(*array, (size_t)wanted * element);
  if (!larger) return HYLA_ENOMEM;
  *array = larger;
  *capacity = wanted;
  return HYLA_OK;
}

int hy_text_add(hy_text *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int added = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (added < 0) return hy_fail(HYLA_EINTERNAL, NULL, "text: \"%s\" cannot be formatted", format);
  size_t wanted = t->n + (size_t)added + 1;
  if (wanted > t->capacity) {
    char *larger = hy_realloc(t->s, 2 * wanted);
    if (!larger) return HYLA_ENOMEM;
    t->s = larger;
    t->capacity = 2 * wanted;
  }
  va_start(args, format);
  vsnprintf(t->s + t->n, t->capacity - t->n, format, args);
  va_end(args);
  t->n += (size_t)added;
  return HYLA_OK;
}
