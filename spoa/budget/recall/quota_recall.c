/* Reads charges back from the journal: chooses the first segment, takes its lines into a
 * state (quota_fold.h), gives the counts to the table or the ledger, and lists the orphans.
 */
#include "budget/recall/quota_recall.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/codec/lines.h"
#include "base/err.h"
#include "base/scoped.h"
#include "record/journal/chain.h"

/* ---- the counts of the state ---- */

/* In this process: adds the amount to its window. */
static void
charge_table(struct quota_table *t, const struct quota_dim *d, int64_t own)
{
	struct change c = { .dim = *d, .at = d->at, .own = own, .spent = own };

	/* the charge is final, not a reservation */
	c.at.hold = c.dim.at.hold = QUOTA_HOLD_NONE;
	if (cell_expires(d))
		c.spent = 0;
	if (own)
		table_change(t, &c);
}

/* On Redis: adds the amounts to the ledger, in their epoch. */
static void
charge_ledger(const struct quota_recall_into *into, const struct quota_dim *d, int64_t own,
	int64_t spent)
{
	struct quota_ledger *l = into->ledger;

	ledger_live(l, d->at.epoch);
	/* a reservation may have expired */
	if (own && cell_alive(d, &d->at, cell_own(d, &d->at), into->now_ms))
		ledger_add(l, d, &d->at, cell_own(d, &d->at), own, d->at.epoch, into->now_ms);
	if (spent)
		ledger_add(
			l, d, &d->at, cell_spent(d, &d->at), spent, d->at.epoch, into->now_ms);
}

static void
begin_counts(const struct quota_recall_into *into, const struct quota_fold *f)
{
	struct fold_count *c;

	for (size_t i = 0; (c = quota_fold_counts(f, &i));)
		for (; c; c = c->next) {
			struct quota_dim d;
			if (into->now_ms >= c->over_ms || !quota_read(span_str(c->charge), &d))
				continue;
			if (d.at.epoch && into->ledger)
				charge_ledger(into, &d, c->own, c->spent);
			else if (!d.at.epoch && into->table)
				charge_table(into->table, &d, c->own);
		}
}

/* Marks the charges of an orphan that the ledger has, so that they are corrected there. */
static void
note_charges(const struct quota_recall_into *into, struct quota_orphan_of *o)
{
	for (struct quota_dim *as_recorded = o->dim; as_recorded < o->dim + o->ndims;
		as_recorded++) {
		struct quota_dim d = *as_recorded;
		struct cell own = cell_own(&d, &d.at);
		as_recorded->at.noted =
			into->ledger && d.at.epoch && d.n &&
			into->now_ms < quota_fold_over_ms(&d) &&
			cell_alive(&d, &d.at, own, into->now_ms) &&
			quota_fold_name(into->shares, span_str(o->id), &d) &&
			ledger_add(
				into->ledger, &d, &d.at, own, 0, d.at.epoch, into->now_ms);
	}
}

/* Reads the orphan's line again: lines are not kept, since most decisions are no orphans.
 * Returns false if the journal no longer has the line. */
static bool
report_orphan(const struct quota_recall_into *into, struct quota_orphan_of *o, const char *dir)
{
	struct journal_segment s = { .form = JOURNAL_PLAIN };
	struct lines l;
	bool found = false;

	snprintf(s.name, sizeof(s.name), "%s", o->line.segment);
	SCOPED_FD(fd, journal_segment_open(dir, &s));
	char *text = malloc(o->line.bytes + 1);
	if (fd >= 0 && text && lines_open(&l, fd, 0) == 0) {
		ssize_t n = lines_pread(&l, text, o->line.bytes, o->line.at);
		struct span line = span_of(text, n > 0 ? (size_t)n : 0);
		struct span id = chain_member(line, "id");
		found = n == (ssize_t)o->line.bytes && id.n > 2 &&
			span_is(span_cut(id, 1, id.n - 1), o->id);
		if (found && into->orphan)
			into->orphan(o, line);
		lines_close(&l);
	}
	free(text);
	return found;
}

/* Copies the open decisions into the list. The state keeps its own copies until the
 * completions are recorded. */
static void
gather_orphans(struct quota_recall *out, const struct quota_recall_into *into, const char *dir)
{
	struct quota_orphan_of *open;

	for (size_t i = 0; (open = quota_fold_open(out->fold, &i));)
		for (; open; open = open->next) {
			size_t bytes = sizeof(*open) + open->ndims * sizeof(open->dim[0]);
			struct quota_orphan_of *o = malloc(bytes);
			if (!o)
				continue;
			memcpy(o, open, bytes);
			if (!report_orphan(into, o, dir)) {
				free(o);
				continue;
			}
			INVARIANT(out->norphans < QUOTA_ORPHANS_MAX);
			note_charges(into, o);
			o->next = out->orphans;
			out->orphans = o;
			out->norphans++;
		}
}

/* ---- reading ---- */

static int
read_segment(struct quota_recall *out, const struct quota_recall_into *into, int fd,
	const char *name, uint64_t offset)
{
	bool last = into->end && !strcmp(into->end->name, name);
	struct lines l;
	struct span line;
	int got = lines_open(&l, fd, offset);

	if (got < 0)
		return got;
	while ((got = lines_next(&l, last ? into->end->bytes : UINT64_MAX, &line)) > 0) {
		if (line.n && line.p[0] == '{')
			quota_fold_line(out->fold, name, l.begin, line);
		startpoint_line(&out->at, name, l.begin, l.offset, line);
	}
	lines_close(&l);
	return got;
}

/* Returns the index of the oldest segment to read. It was written since since_s, and the
 * journal's end from there on is within the limit. A segment in between may have an earlier
 * time if the clock was behind. */
static size_t
oldest_segment(struct quota_recall *out, const char *dir, const struct journal_list *l,
	int64_t since_s)
{
	uint64_t bytes = 0;
	size_t first = l->n;

	for (size_t i = l->n; i-- > 0;) {
		char path[JOURNAL_PATH_MAX];
		struct stat st;
		const struct journal_segment *s = &l->seg[i];
		journal_segment_path(dir, s, path);
		if (!s->ours || stat(path, &st) < 0)
			break;
		bytes += (uint64_t)st.st_size;
		if (st.st_mtime < since_s)
			continue;
		out->cut = bytes > QUOTA_RECALL_BYTES && first < l->n;
		if (out->cut)
			break;
		first = i;
	}
	return first;
}

/* Returns the index of the first segment to read, and in *offset where to begin: after the
 * start checkpoint, if its state is used. */
static size_t
first_segment(struct quota_recall *out, const struct quota_recall_into *into, const char *dir,
	const struct journal_list *l, int64_t since_s, uint64_t *offset)
{
	const struct startpoint *from = into->from;
	size_t i = 0;

	*offset = 0;
	while (from && i < l->n && strcmp(l->seg[i].name, from->segment) != 0)
		i++;
	if (!from)
		return oldest_segment(out, dir, l, since_s);
	if (i == l->n)
		out->whole = "the segment that the start checkpoint names does not exist";
	else if (from->now_ms > into->now_ms)
		out->whole = "the clock is earlier than the time of the checkpoint";
	else if (quota_fold_read(out->fold, from->state))
		out->whole = "the state in the start checkpoint cannot be read";
	else if (startpoint_copy(&out->at, from))
		out->whole = "out of memory";
	if (!out->whole) {
		*offset = from->offset;
		return i;
	}
	struct shares *shares = out->fold->shares;
	quota_fold_free(&out->fold);
	startpoint_free(&out->at);
	out->fold = quota_fold_new(shares);
	if (out->fold)
		quota_fold_clock(out->fold, into->now_ms);
	return oldest_segment(out, dir, l, since_s);
}

int
quota_recall_read(struct quota_recall *out, const char *dir, const char *node, int64_t since_s,
	const struct quota_recall_into *into, struct buf *why)
{
	struct journal_list l = { 0 };
	uint64_t offset;
	int err = journal_list_all(dir, node, false, &l, why);

	*out = (struct quota_recall){ .fold = NULL };
	if (err < 0)
		return err;
	out->fold = quota_fold_new(into->shares);
	if (out->fold)
		quota_fold_clock(out->fold, into->now_ms);
	size_t i = out->fold ? first_segment(out, into, dir, &l, since_s, &offset) : l.n;
	err = out->fold ? 0 : ERR_NOMEM;
	for (; err >= 0 && i < l.n; i++, offset = 0) {
		if (into->end && strcmp(l.seg[i].name, into->end->name) > 0)
			break;
		SCOPED_FD(fd, journal_segment_open(dir, &l.seg[i]));
		err = fd < 0 ? ERR_IO : read_segment(out, into, fd, l.seg[i].name, offset);
		if (err < 0)
			buf_printf(why,
				"%s/%s: cannot be read: check the disk and the file's "
				"permissions",
				dir, l.seg[i].name);
	}
	journal_list_free(&l);
	if (err < 0)
		return err;
	out->records = out->fold->records;
	out->unnamed = out->fold->unnamed;
	begin_counts(into, out->fold);
	gather_orphans(out, into, dir);
	if (into->ledger)
		ledger_recalled(into->ledger, span_hash(span_str(node)));
	return 0;
}

void
quota_recall_free(struct quota_recall *r)
{
	while (r->orphans) {
		struct quota_orphan_of *o = r->orphans;
		r->orphans = o->next;
		buf_free(&o->said);
		free(o);
	}
	quota_fold_free(&r->fold);
	startpoint_free(&r->at);
}

void
quota_recall_settle(
	struct quota *qt, struct quota_orphan_of *o, struct shares *shares, uint64_t now_us)
{
	struct quota_request q;

	INVARIANT(o->ndims <= QUOTA_DIMS_MAX);
	memset(&q, 0, sizeof(q));
	for (struct quota_dim *d = o->dim; d < o->dim + o->ndims; d++) {
		/* A final charge stays as it is. Without Redis, the counts were read from the
		 * journal already. */
		if (d->at.hold == QUOTA_HOLD_NONE || d->at.epoch == 0)
			continue;
		d->actual = d->span.kind == QUOTA_IN_FLIGHT ? 0 : d->n;
		q.dim[q.ndims] = *d;
		q.ndims += quota_fold_name(shares, span_str(o->id), &q.dim[q.ndims]);
	}
	quota_settle(qt, &q, now_us);
}
