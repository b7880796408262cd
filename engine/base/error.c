/* The words of a failure, kept on the thread that met it. Writing them allocates nothing, so running out of
 * memory can be told too. */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifndef HYLA_VERSION
#define HYLA_VERSION "0.0.0-dev"
#endif

enum { MESSAGE_SIZE = 2048 };

static _Thread_local char message[MESSAGE_SIZE];

/* Appends formatted words to text of length n; returns the new length, cut to what fits. */
static size_t append(char *text, size_t n, const char *format, va_list args) {
  int added = vsnprintf(text + n, MESSAGE_SIZE - n, format, args);
  if (added < 0) return n;
  size_t end = n + (size_t)added;
  return end < MESSAGE_SIZE ? end : MESSAGE_SIZE - 1;
}

int hy_fail(int status, const char *site, const char *format, ...) {
  char words[MESSAGE_SIZE] = ""; /* apart from `message`, which an argument may point into */
  size_t n = 0;
  if (site && *site) {
    int length = snprintf(words, sizeof words, "%s: ", site);
    n = length < 0 ? 0 : (size_t)length < sizeof words ? (size_t)length : sizeof words - 1;
  }
  va_list args;
  va_start(args, format);
  append(words, n, format, args);
  va_end(args);
  memcpy(message, words, sizeof message);
  return status;
}

int hy_fail_within(int status, const char *format, ...) {
  char words[MESSAGE_SIZE] = "";
  va_list args;
  va_start(args, format);
  size_t n = append(words, 0, format, args);
  va_end(args);
  snprintf(words + n, sizeof words - n, "%.*s", (int)(sizeof words - n - 1), message);
  memcpy(message, words, sizeof message);
  return status;
}

const char *hyla_error(void) { return message; }

const char *hyla_version(void) { return HYLA_VERSION; }
