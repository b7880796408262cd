/* Files: whole reads, and writes that leave either the old file or the new one, whatever happens between. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_TRIES = 100 };

static int fail_io(const char *path, const char *doing) {
  return hy_fail(HYLA_EIO, NULL, "%s: %s: %s", path, doing, strerror(errno));
}

/* Reads up to size bytes; fewer only at the end of the file. -1 on failure. */
static ssize_t read_all(int fd, char *data, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t n = read(fd, data + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    done += (size_t)n;
  }
  return (ssize_t)done;
}

static int read_open(int fd, const char *path, void **data, size_t *size) {
  struct stat info;
  if (fstat(fd, &info)) return fail_io(path, "cannot be read");
  if (!S_ISREG(info.st_mode)) return hy_fail(HYLA_EIO, NULL, "%s: expected a regular file", path);
  size_t expected = (size_t)info.st_size;
  char *buffer = hy_alloc(expected + 1);
  if (!buffer) return hy_fail_within(HYLA_ENOMEM, "%s: ", path);
  ssize_t got = read_all(fd, buffer, expected);
  if (got < 0) {
    int status = fail_io(path, "cannot be read");
    hy_free(buffer);
    return status;
  }
  buffer[got] = 0;
  *data = buffer;
  *size = (size_t)got;
  return HYLA_OK;
}

int hy_file_read(const char *path, void **data, size_t *size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail_io(path, "cannot be opened");
  int status = read_open(fd, path, data, size);
  close(fd); /* read only: nothing can be lost by it */
  return status;
}

static int sync_path(const char *path, const char *reported) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail_io(reported, "cannot be opened to flush it to disk");
  int status = HYLA_OK;
  /* EINVAL: the file system has no such thing to flush (some network and memory ones). */
  if (fsync(fd) && errno != EINVAL) status = fail_io(reported, "cannot be flushed to disk");
  close(fd);
  return status;
}

int hyla_file_sync(const char *path) { return sync_path(path, path); }

/* A rename is on disk only when its folder is. */
static int sync_folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return sync_path(".", path);
  hy_text folder = {0};
  int status = hy_text_add(&folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
  if (!status) status = sync_path(folder.s, path);
  hy_free(folder.s);
  return status;
}

/* Creates a file beside `path` under a name nobody uses; its name is added to `name`. Returns a descriptor. */
static int open_beside(const char *path, hy_text *name) {
  for (int i = 0; i < NAME_TRIES; i++) {
    name->n = 0;
    int status = hy_text_add(name, "%s.%ld-%d.tmp", path, (long)getpid(), i);
    if (status) return status;
    int fd = open(name->s, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return fd;
    if (errno != EEXIST) return fail_io(path, "cannot be written");
  }
  return hy_fail(HYLA_EIO, NULL, "%s: cannot be written: %d left-over .tmp files stand beside it", path, NAME_TRIES);
}

static int write_all(int fd, const char *path, const void *data, size_t size) {
  const char *from = data;
  while (size) {
    ssize_t n = write(fd, from, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_io(path, "cannot be written");
    from += n;
    size -= (size_t)n;
  }
  return HYLA_OK;
}

static int write_and_close(int fd, const char *path, int n, const hy_bytes *parts) {
  int status = HYLA_OK;
  for (int i = 0; i < n && !status; i++) status = write_all(fd, path, parts[i].data, parts[i].size);
  if (!status && fsync(fd) && errno != EINVAL) status = fail_io(path, "cannot be flushed to disk");
  if (close(fd) && !status) status = fail_io(path, "cannot be written");
  return status;
}

int hy_file_write_parts(const char *path, int n, const hy_bytes *parts) {
  hy_text name = {0};
  int fd = open_beside(path, &name);
  int status = fd < 0 ? fd : write_and_close(fd, path, n, parts);
  if (!status && rename(name.s, path)) status = fail_io(path, "cannot be replaced");
  if (status && fd >= 0) unlink(name.s);
  if (!status) status = sync_folder_of(path);
  hy_free(name.s);
  return status;
}

int hyla_file_write(const char *path, const void *data, double size) {
  if (!(size >= 0 && size <= (double)PTRDIFF_MAX))
    return hy_fail(HYLA_EVALUE, NULL, "%s: expected a size of 0 bytes or more, got %g", path, size);
  hy_bytes whole = {data, (size_t)size};
  return hy_file_write_parts(path, 1, &whole);
}
