/* A library to load before others: calls that write fail, where the file's path has FAIL_PATH in it.
 *
 * FAIL_CALL is fsync, rename or write; FAIL_ERRNO the error; FAIL_FROM how many such calls go well.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int fails(const char *call, const char *path) {
    static int seen = 0;
    const char *wanted = getenv("FAIL_CALL");
    if (!wanted || strcmp(wanted, call) || !strstr(path, getenv("FAIL_PATH"))) return 0;
    if (seen++ < atoi(getenv("FAIL_FROM"))) return 0;
    errno = atoi(getenv("FAIL_ERRNO"));
    return 1;
}

static int fails_at(const char *call, int file) {
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return fails(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int file) { return fails_at("fsync", file) ? -1 : REAL(fsync)(file); }
int fdatasync(int file) { return fails_at("fsync", file) ? -1 : REAL(fdatasync)(file); }

int rename(const char *from, const char *to) {
    return fails("rename", to) ? -1 : REAL(rename)(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
    return fails("rename", to) ? -1 : REAL(renameat)(a, from, b, to);
}

ssize_t write(int file, const void *from, size_t count) {
    if (!fails_at("write", file)) return REAL(write)(file, from, count);
    /* The disk takes half of it, and then no more. */
    int said = errno;
    if (count > 1) REAL(write)(file, from, count / 2);
    errno = said;
    return -1;
}
ssize_t writev(int file, const struct iovec *from, int count) {
    return fails_at("write", file) ? -1 : REAL(writev)(file, from, count);
}
ssize_t pwrite(int file, const void *from, size_t count, off_t at) {
    return fails_at("write", file) ? -1 : REAL(pwrite)(file, from, count, at);
}
ssize_t pwrite64(int file, const void *from, size_t count, off64_t at) {
    return fails_at("write", file) ? -1 : REAL(pwrite64)(file, from, count, at);
}
