/* Reads the ends of a journal's segments, also compressed ones, as an open segment may be
 * written meanwhile. */
#include "cmd/recent_records.h"

#include <unistd.h>

#include "base/codec/lines.h"
#include "base/scoped.h"
#include "record/journal/journal.h"

/* Reads the last *most bytes of a segment, and lowers *most by what it has. */
static void
read_recent_segment(const char *journal, const struct journal_segment *s, uint64_t *most,
	void (*each)(void *arg, struct span line), void *arg)
{
	struct lines l;
	struct span line;

	SCOPED_FD(fd, journal_segment_open(journal, s));
	if (fd < 0 || lines_open(&l, fd, 0) < 0)
		return;
	uint64_t bytes = lines_text_bytes(&l), from = bytes > *most ? bytes - *most : 0;
	lines_close(&l);
	*most -= bytes - from;
	if (lines_open(&l, fd, from) < 0)
		return;
	bool whole = !from; /* the first line may be cut */
	while (lines_next(&l, UINT64_MAX, &line) > 0) {
		if (whole)
			each(arg, line);
		whole = true;
	}
	lines_close(&l);
}

size_t
recent_records(const char *journal, void (*each)(void *arg, struct span line), void *arg)
{
	uint64_t most = RECENT_BYTES;
	struct journal_list l;
	SCOPED_BUF(why, 4096);

	if (journal_list_all(journal, NULL, false, &l, &why) < 0)
		return 0;
	size_t n = l.n;
	for (size_t i = l.n; i-- > 0 && most;)
		if (l.seg[i].ours)
			read_recent_segment(journal, &l.seg[i], &most, each, arg);
	journal_list_free(&l);
	return n;
}
