/* A disk that stalls, for LD_PRELOAD: while the first byte of the file $SLOW_DISK is not 0, no
 * fdatasync() ends, for ten seconds at most. Each write at an offset is a short one. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const volatile char *held;

__attribute__((constructor)) static void
begin(void)
{
	const char *name = getenv("SLOW_DISK");
	int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	void *p = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
	held = p == MAP_FAILED ? NULL : p;
	close(fd);
}

int
fdatasync(int fd)
{
	for (int i = 0; held && *held && i < 10000; i++)
		usleep(1000);
	return (int)syscall(SYS_fdatasync, fd);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	return syscall(SYS_pwrite64, fd, p, n > 1 ? n / 2 : n, at);
}

/* The name of this function in programs with 64-bit offsets. */
ssize_t pwrite64(int fd, const void *p, size_t n, off_t at) __attribute__((alias("pwrite")));
