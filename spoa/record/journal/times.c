/* The time of the last record: see times.h. The first and last times of the newest segments
 * are compared, newest first, until they cover a day. */
#include "record/journal/times.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/codec/lines.h"
#include "base/scoped.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"

/* segments that are read at most; bytes that are read at once */
enum { SEGMENTS = 64, TAIL = 65536 };

/* The times of a segment's first record and the latest in it, ns since 1970. */
struct segment_times {
	int64_t first_ns, last_ns;
	uint64_t boot;
};

/* Returns the time of a record or commit, or TIMES_UNKNOWN. */
static int64_t
line_time(struct span line)
{
	struct span time = chain_member(line, "time");
	int64_t ns;

	return time.n > 2 && !clock_parse(time.p + 1, time.n - 2, &ns) ? ns : TIMES_UNKNOWN;
}

/* Reads the times of a segment. The NUL bytes at the end of an open segment are not a line. */
static bool
read_times(const char *dir, const struct journal_segment *s, struct segment_times *out)
{
	static char text[TAIL]; /* only used at a start, on one thread */
	SCOPED_FD(fd, journal_segment_open(dir, s));
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	ssize_t n = fd < 0 ? -1 : lines_head(fd, text, sizeof(text));
	struct span rest = span_of(text, n > 0 ? (size_t)n : 0);

	*out = (struct segment_times){ TIMES_UNKNOWN, TIMES_UNKNOWN, s->boot };
	out->first_ns = out->last_ns = line_time(span_next(&rest, '\n'));
	if (s->form != JOURNAL_PLAIN) /* compressed, so it is not the newest one */
		end = 0;
	for (int tries = 0; end > 0 && tries < 1024; tries++, end -= TAIL / 2) {
		off_t from = end > TAIL ? end - TAIL : 0;
		n = pread(fd, text, (size_t)(end - from), from);
		if (n <= 0)
			break;
		rest = span_of(text, (size_t)n);
		if (from)
			span_next(&rest, '\n');
		bool found = false;
		while (rest.n) {
			int64_t ns = line_time(span_next(&rest, '\n'));
			found |= ns != TIMES_UNKNOWN;
			out->last_ns = ns > out->last_ns ? ns : out->last_ns;
		}
		if (found || !from)
			break;
	}
	return out->first_ns != TIMES_UNKNOWN;
}

/* Reads the newest segments that have records, newest first, until they cover at least a
 * day. */
static size_t
read_newest(const char *dir, const struct journal_list *l, struct segment_times v[SEGMENTS])
{
	int64_t ran_ns = 0;
	size_t n = 0;

	for (size_t i = l->n; i-- > 0 && n < SEGMENTS && ran_ns < CLOCK_DAY_NS;)
		if (l->seg[i].ours && read_times(dir, &l->seg[i], &v[n])) {
			ran_ns += v[n].last_ns - v[n].first_ns;
			n++;
		}
	return n;
}

int64_t
journal_last_time(const char *dir, const char *node, int64_t leap_ns)
{
	struct segment_times v[SEGMENTS];
	struct journal_list l;

	SCOPED_BUF(unused, 4096);
	if (journal_list_all(dir, node, false, &l, &unused))
		return TIMES_UNKNOWN;
	size_t n = read_newest(dir, &l, v);
	int64_t at_ns = n ? v[n - 1].last_ns : TIMES_UNKNOWN;
	/* the latest believed time since the end of the previous process */
	int64_t from_ns = at_ns;
	/* If a segment leaps ahead, only its duration counts. */
	for (size_t i = n; i-- > 1;) {
		const struct segment_times *s = &v[i - 1];
		from_ns = s->boot == v[i].boot && from_ns > at_ns ? from_ns : at_ns;
		at_ns = s->first_ns - from_ns > leap_ns ? at_ns + s->last_ns - s->first_ns
							: s->last_ns;
	}
	journal_list_free(&l);
	return at_ns;
}
