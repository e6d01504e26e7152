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

#define SLOW(name, data_t, count_t, offset_t)                                 \
                                                                              \
    ssize_t                                                                   \
    name(int fd, data_t data, count_t n, offset_t offset)                     \
    {                                                                         \
        static ssize_t  (*next)(int, data_t, count_t, offset_t);              \
                                                                              \
        if (next == NULL) {                                                   \
            next = (ssize_t (*)(int, data_t, count_t, offset_t))              \
                       dlsym(RTLD_NEXT, #name);                               \
        }                                                                     \
                                                                              \
        if (syscall(SYS_gettid) != getpid()) {                                \
            usleep(MICROSECONDS);                                             \
        }                                                                     \
                                                                              \
        return next(fd, data, n, offset);                                     \
    }

SLOW(pread, void *, size_t, off_t)
SLOW(pread64, void *, size_t, off64_t)
SLOW(pwrite, const void *, size_t, off_t)
SLOW(pwrite64, const void *, size_t, off64_t)
SLOW(pwritev, const struct iovec *, int, off_t)
SLOW(pwritev64, const struct iovec *, int, off64_t)
