/* Measures how long the disk under the journal takes to commit one record.
 *
 *   fdatasync DIRECTORY [COUNT]
 *
 * Each commit makes the same system calls as append_commit() in spoa/record/journal/journal.c: a
 * pwrite of 700 bytes, statx of the size, fdatasync, and statx again. The file is filled with
 * zeros beforehand, as the journal's segments are. The program sleeps for a millisecond between
 * two commits, because a disk and a CPU that rest between two requests answer later than ones
 * that are always busy.
 *
 * Prints "p50_us=N p99_us=N", in microseconds for each commit, and leaves no file behind. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RECORD_BYTES = 700, COUNT = 300, COUNT_MAX = 100000, PAUSE_NS = 1000000 };

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int
read_size(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_NLINK | STATX_SIZE, &st);
}

/* Returns 0, or -1 with errno set. */
static int
commit(int fd, const char *record, long nth)
{
	off_t at = (off_t)nth * RECORD_BYTES;

	if (pwrite(fd, record, RECORD_BYTES, at) != RECORD_BYTES || read_size(fd) < 0)
		return -1;
	return fdatasync(fd) < 0 || read_size(fd) < 0 ? -1 : 0;
}

int
main(int argc, char **argv)
{
	static uint64_t took[COUNT_MAX];
	char record[RECORD_BYTES] = "", path[4096];
	long n = argc > 2 ? strtol(argv[2], NULL, 10) : COUNT;

	if (argc < 2 || n < 1 || n > COUNT_MAX) {
		fprintf(stderr, "usage: fdatasync DIRECTORY [COUNT]\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/fdatasync.XXXXXX", argv[1]);
	int fd = mkstemp(path);
	if (fd < 0 || unlink(path)) {
		perror(path);
		return 2;
	}
	for (long i = 0; i < n; i++)
		if (write(fd, record, sizeof(record)) != sizeof(record)) {
			perror(argv[1]);
			return 2;
		}
	if (fsync(fd) < 0) {
		perror(argv[1]);
		return 2;
	}
	memset(record, 'r', sizeof(record));
	for (long i = 0; i < n; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
		uint64_t begun = now_us();
		if (commit(fd, record, i) < 0) {
			perror(argv[1]);
			return 2;
		}
		took[i] = now_us() - begun;
	}
	qsort(took, (size_t)n, sizeof(took[0]), by_value);
	printf("p50_us=%lu p99_us=%lu\n", (unsigned long)took[(n - 1) / 2],
		(unsigned long)took[(n - 1) * 99 / 100]);
	return 0;
}
