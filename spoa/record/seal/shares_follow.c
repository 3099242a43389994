/* Erasures that the journal has on record, for a file of shares that came back from a backup with
 * JOURNAL.texts.head and the live state: nothing else knows of them then. An `erase` record names
 * the pseudonyms of the shares, which follow from the shares themselves. A share that the person
 * got later has another pseudonym, and stays.
 *
 * The head says up to which record the file knows the journal, so a start reads only what is
 * newer: nothing after a stop, the open segment after a kill. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/codec/lines.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/why.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"
#include "record/seal/shares_private.h"

struct erase_records {
	char (*pseudonym)[PSEUDONYM_LEN + 1];
	size_t n, room;
};

/* The record's pseudonyms: a list of strings without escapes. False: out of memory. */
static bool
note_pseudonyms(struct erase_records *r, struct span list)
{
	while (list.n) {
		struct span one = span_trim(span_next(&list, ','), "[]\"");
		if (one.n != PSEUDONYM_LEN || !span_starts(one, SPAN_LIT("p_")))
			continue;
		if (!mem_room(&r->pseudonym, &r->room, r->n + 1, sizeof(*r->pseudonym)))
			return false;
		memcpy(r->pseudonym[r->n], one.p, PSEUDONYM_LEN);
		r->pseudonym[r->n++][PSEUDONYM_LEN] = '\0';
	}
	return true;
}

/* Records after `seen`. */
static int
read_erase_records(struct erase_records *r, uint64_t seen, int fd)
{
	struct lines l;
	struct span line;
	struct chain_line is;
	int got = lines_open(&l, fd, 0);
	bool room = true;

	if (got < 0)
		return got;
	if (l.tableless) { /* its erasures are not known */
		lines_close(&l);
		return ERR_SYNTAX;
	}
	while (room && (got = lines_next(&l, UINT64_MAX, &line)) > 0) {
		static const char erase[] = "\"type\":\"erase\"";
		if (memmem(line.p, line.n, erase, sizeof(erase) - 1) &&
			!chain_parse(line, &is) && !is.commit && is.seq > seen &&
			span_is(is.type, "erase"))
			room = note_pseudonyms(r, chain_member(line, "pseudonyms"));
	}
	lines_close(&l);
	return room ? got : ERR_NOMEM;
}

/* Erases the shares that a segment's records name, also if its end cannot be read. */
static int
follow_segment(struct shares *s, struct erase_records *r, const char *journal,
	const struct journal_segment *seg, size_t *erased, struct buf *why)
{
	size_t now;
	SCOPED_FD(fd, journal_segment_open(journal, seg));
	r->n = 0;
	int err = fd < 0 ? ERR_IO : read_erase_records(r, atomic_load(&s->seen), fd);

	if (err < 0)
		buf_printf(why, "%s%s/%s: %s", why->n ? "; " : "", journal, seg->name, err_str(err));
	if (!r->n)
		return err;
	qsort(r->pseudonym, r->n, sizeof(*r->pseudonym),
		(int (*)(const void *, const void *))strcmp);
	int failed = shares_erase_again(s, (const char (*)[PSEUDONYM_LEN + 1])r->pseudonym, r->n,
		clock_wall_ns(), &now);
	if (failed)
		buf_printf(why, "%s%s: %s", why->n ? "; " : "", s->file, err_str(failed));
	*erased += now;
	return failed ? failed : err;
}

/* The head notes each segment that was followed, so that a start that is killed does not read it
 * again. A segment that cannot be read does not keep in force what the later ones name; but the
 * head stays before it. */
static int
follow_segments(struct shares *s, const char *journal, const struct journal_list *l,
	size_t *erased, struct buf *why)
{
	struct erase_records r = { 0 };
	int err = 0;

	for (size_t i = 0; i < l->n; i++) {
		bool closed = i + 1 < l->n && l->seg[i + 1].ours;
		uint64_t last = closed ? l->seg[i + 1].first - 1 : UINT64_MAX;
		if (!l->seg[i].ours || last <= atomic_load(&s->seen))
			continue;
		int bad = follow_segment(s, &r, journal, &l->seg[i], erased, why);
		err = err < 0 ? err : bad;
		if (err < 0 || !closed)
			continue;
		atomic_store(&s->seen, last);
		atomic_store(&s->head_stale, true);
		shares_sync(s);
	}
	free(r.pseudonym);
	return err < 0 ? err : 0;
}

int
shares_follow(
	struct shares *s, const char *journal, const char *node, size_t *erased, struct buf *why)
{
	struct journal_list l;
	int err = 0;

	*erased = 0;
	if (s->n) { /* else there is nothing to erase */
		err = journal_list_all(journal, node, false, &l, why);
		if (err >= 0) {
			err = follow_segments(s, journal, &l, erased, why);
			journal_list_free(&l);
		}
	}
	atomic_store(&s->follows, !err);
	return err;
}

void
shares_seen(struct shares *s, uint64_t seq, bool note)
{
	if (!atomic_load(&s->follows))
		return;
	atomic_store(&s->seen, seq);
	if (note)
		atomic_store(&s->head_stale, true);
}
