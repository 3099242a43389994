/* The time that the journal's disk needs for one record: appends of 700 bytes, each followed by
 * fdatasync like a commit of one record, into a file already filled with zeros like the
 * journal's segments.
 *
 *   fdatasync DIRECTORY [COUNT]
 *
 * Prints "p50_us=N p99_us=N"; leaves no file behind. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RECORD_BYTES = 700, COUNT = 300, COUNT_MAX = 100000 };

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

int
main(int argc, char **argv)
{
	static uint64_t took[COUNT_MAX];
	char record[RECORD_BYTES], path[4096];
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
	memset(record, 0, sizeof(record));
	for (long i = 0; i < n; i++)
		if (write(fd, record, sizeof(record)) != sizeof(record)) {
			perror(argv[1]);
			return 2;
		}
	if (fsync(fd) || lseek(fd, 0, SEEK_SET) < 0) {
		perror(argv[1]);
		return 2;
	}
	memset(record, 'r', sizeof(record));
	for (long i = 0; i < n; i++) {
		uint64_t t = now_us();
		if (write(fd, record, sizeof(record)) != sizeof(record) || fdatasync(fd)) {
			perror(argv[1]);
			return 2;
		}
		took[i] = now_us() - t;
	}
	qsort(took, (size_t)n, sizeof(took[0]), by_value);
	printf("p50_us=%lu p99_us=%lu\n", (unsigned long)took[(n - 1) / 2],
		(unsigned long)took[(n - 1) * 99 / 100]);
	return 0;
}
