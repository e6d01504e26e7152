/*
 * To be loaded into nginx (LD_PRELOAD): what its threads read and write takes this long, so that
 * they are still at work when whatever comes next happens.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MICROSECONDS  150000

#define SLOW(name, type, offset_t)                                            \
                                                                              \
    ssize_t                                                                   \
    name(int fd, type data, size_t n, offset_t offset)                        \
    {                                                                         \
        static ssize_t  (*next)(int, type, size_t, offset_t);                 \
                                                                              \
        if (next == NULL) {                                                   \
            next = (ssize_t (*)(int, type, size_t, offset_t))                 \
                       dlsym(RTLD_NEXT, #name);                               \
        }                                                                     \
                                                                              \
        if (syscall(SYS_gettid) != getpid()) {                                \
            usleep(MICROSECONDS);                                             \
        }                                                                     \
                                                                              \
        return next(fd, data, n, offset);                                     \
    }

#define SLOW_VECTOR(name, offset_t)                                           \
                                                                              \
    ssize_t                                                                   \
    name(int fd, const struct iovec *data, int n, offset_t offset)            \
    {                                                                         \
        static ssize_t  (*next)(int, const struct iovec *, int, offset_t);    \
                                                                              \
        if (next == NULL) {                                                   \
            next = (ssize_t (*)(int, const struct iovec *, int, offset_t))    \
                       dlsym(RTLD_NEXT, #name);                               \
        }                                                                     \
                                                                              \
        if (syscall(SYS_gettid) != getpid()) {                                \
            usleep(MICROSECONDS);                                             \
        }                                                                     \
                                                                              \
        return next(fd, data, n, offset);                                     \
    }

SLOW(pread, void *, off_t)
SLOW(pread64, void *, off64_t)
SLOW(pwrite, const void *, off_t)
SLOW(pwrite64, const void *, off64_t)
SLOW_VECTOR(pwritev, off_t)
SLOW_VECTOR(pwritev64, off64_t)
