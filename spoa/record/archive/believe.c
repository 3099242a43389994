/* The believed time: see believe.h. The boot clock (CLOCK_BOOTTIME) measures how much time
 * has passed since the start, so a wall clock that is set forward later has no effect. */
#include "record/archive/believe.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/scoped.h"
#include "base/wall.h"
#include "record/archive/files.h"

#define WRITE_S	      3600 /* seconds between two writes of the file, at most */
#define TRUST_LEAST_S 60   /* seconds; a restart takes up to this long */

static uint64_t
boot_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec;
}

void
believe_start(struct believe *b)
{
	b->start_boot_s = boot_s();
	b->start_wall_s = clock_wall_ns() / 1000000000;
}

static void
file_name(const char *node, char out[CHAIN_NODE_MAX + 8])
{
	snprintf(out, CHAIN_NODE_MAX + 8, "%s.clock", node);
}

/* Reads the last believed time: one line, RFC 3339. Returns false if the file is missing or
 * has no time. */
static bool
read_believed_file(int keepfd, const char *node, int64_t *s)
{
	char name[CHAIN_NODE_MAX + 8], text[64];
	int64_t ns;

	file_name(node, name);
	SCOPED_FD(fd, openat(keepfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	if (n <= 0 || clock_parse(text, (size_t)n, &ns))
		return false;
	*s = ns / 1000000000;
	return true;
}

/* Stores the believed time. A failed write is ignored: after the next start, the time of the
 * newest segment is used instead. */
static void
write_file(int keepfd, const char *node, int64_t s)
{
	char name[CHAIN_NODE_MAX + 8], text[CLOCK_RFC3339_LEN + 1];

	file_name(node, name);
	clock_rfc3339(s * 1000000000, text);
	size_t n = strlen(text);
	text[n++] = '\n';
	SCOPED_BUF(why, 4096);
	files_put(keepfd, name, span_of(text, n), &why);
}

int64_t
believe_trust_s(uint64_t age_s)
{
	int64_t half_s = age_s && age_s / 2 < BELIEVE_S ? (int64_t)(age_s / 2) : BELIEVE_S;

	return half_s > TRUST_LEAST_S ? half_s : TRUST_LEAST_S;
}

int64_t
believe_now(struct believe *b, int keepfd, const char *node, const struct manifest *newest,
	int64_t trust_s)
{
	int64_t write_s = trust_s / 4 < WRITE_S ? trust_s / 4 : WRITE_S;
	int64_t wall = clock_wall_ns() / 1000000000, end_ns, known;
	int64_t passed = b->start_wall_s + (int64_t)(boot_s() - b->start_boot_s);
	int64_t now = wall < passed ? wall : passed;
	bool there = read_believed_file(keepfd, node, &known);

	if (!there)
		known = newest && !clock_parse(newest->end, strlen(newest->end), &end_ns)
				? end_ns / 1000000000
				: now;
	b->clock_s = now;
	b->ahead = !b->believed && now >= known + trust_s && !wall_by_redis();
	b->believed = !b->ahead;
	if (b->ahead)
		now = known;
	if (!there || now >= known + write_s)
		write_file(keepfd, node, now);
	return now;
}
