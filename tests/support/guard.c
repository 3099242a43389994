/* Copies that end at an inaccessible page: the bytes lie at the end of a mapping, directly
 * before a PROT_NONE page. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/guard.h"

char *
guard_dup(const void *p, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (n + page - 1) / page * page;
	char *map = mmap(
		NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || mprotect(map + room, page, PROT_NONE) != 0)
		abort();
	if (n)
		memcpy(map + room - n, p, n);
	return map + room - n;
}

void
guard_free(char *p, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (n + page - 1) / page * page;

	if (p)
		munmap(p + n - room, room + page);
}
