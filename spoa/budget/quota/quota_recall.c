/* Reading charges back from the journal. */
#include "budget/quota/quota_recall.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/codec/lines.h"
#include "base/err.h"
#include "base/scoped.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"

enum { PLACES = 1 << 16 };

struct reader {
	struct quota_recall *out;
	struct quota_recall_into into;
	struct quota_orphan_of **open; /* PLACES chains, by the id */
	/* the line that is read: of which segment, and where it ends there */
	size_t segment;
	uint64_t end;
};

static struct quota_orphan_of **
orphan_place(struct reader *r, struct span id)
{
	struct quota_orphan_of **o = &r->open[span_hash(id) % PLACES];

	while (*o && !span_is(id, (*o)->id))
		o = &(*o)->next;
	return o;
}

/* A text member without its quotes. */
static struct span
recalled_text(struct span line, const char *key)
{
	struct span s = chain_member(line, key);

	return s.n >= 2 ? span_cut(s, 1, s.n - 1) : (struct span){ NULL, 0 };
}

/* The charges of a list of texts. */
static size_t
charges(struct span list, struct quota_dim dim[QUOTA_DIMS_MAX])
{
	size_t n = 0;

	span_next(&list, '"');
	while (list.n && n < QUOTA_DIMS_MAX) {
		if (quota_read(span_next(&list, '"'), &dim[n]))
			n++;
		span_next(&list, '"');
	}
	return n;
}

/* In process: so much more of a window that is not over, or less. */
static void
charge_table(const struct reader *r, const struct quota_dim *d, int64_t delta)
{
	struct change c = { .dim = *d, .at = d->at, .own = delta, .spent = delta };

	if (d->span.kind == QUOTA_IN_FLIGHT)
		return;
	/* Of what is charged for good. */
	c.at.hold = c.dim.at.hold = QUOTA_HOLD_NONE;
	if (cell_expires(d))
		c.spent = 0;
	table_change(r->into.table, &c);
}

/* On Redis, in that life; *at remembers that the ledger has it. */
static void
note_orphan_place(const struct reader *r, const struct change *c, struct quota_place *at)
{
	const struct quota_dim *d = &c->dim;
	struct quota_ledger *l = r->into.ledger;
	int64_t now_ms = r->into.now_ms;

	ledger_live(l, c->at.epoch);
	/* What was held may have expired. */
	if (c->own && cell_alive(d, &c->at, cell_own(d, &c->at), now_ms))
		at->noted = ledger_add(
			l, d, &c->at, cell_own(d, &c->at), c->own, c->at.epoch, now_ms);
	if (c->spent)
		ledger_add(l, d, &c->at, cell_spent(d, &c->at), c->spent, c->at.epoch, now_ms);
}

/* A counter's own name. False: nobody has it any more. */
static bool
name_counter(struct shares *shares, struct span id, struct quota_dim *d)
{
	if (!counter_is_hidden(d->key))
		return true;
	if (counter_show(shares, id, d->key, sizeof(d->key)))
		return false;
	d->hash = span_hash(span_str(d->key));
	return true;
}

/* Here, in a window that is not over. */
static bool
is_counted_again(const struct reader *r, const struct quota_dim *d)
{
	bool here = d->at.epoch ? r->into.ledger != NULL : r->into.table != NULL;

	return here &&
	       (d->span.kind == QUOTA_CALENDAR
			       ? r->into.now_ms / 1000 < d->at.end_s
			       : cell_alive(d, &d->at, cell_own(d, &d->at), r->into.now_ms));
}

static void
on_charged(struct reader *r, struct span id, struct quota_dim *as_recorded)
{
	struct quota_dim d = *as_recorded;

	if (!is_counted_again(r, &d))
		return;
	if (!name_counter(r->into.shares, id, &d)) {
		r->out->unnamed++;
		return;
	}
	struct change c = { .dim = d, .at = d.at, .own = (int64_t)d.n };
	if (d.at.epoch == 0) {
		charge_table(r, &d, c.own);
		return;
	}
	c.spent = cell_spends(&d, &d.at) ? c.own : 0;
	note_orphan_place(r, &c, &as_recorded->at);
}

static void
on_settled(const struct reader *r, struct span id, const struct quota_dim *was, uint64_t used)
{
	struct quota_dim d = *was;

	if (!is_counted_again(r, &d) || !name_counter(r->into.shares, id, &d))
		return;
	if (d.at.epoch == 0) {
		charge_table(r, &d, (int64_t)used - (int64_t)d.n);
		return;
	}
	d.actual = used;
	struct change c = cell_settle(&d);
	note_orphan_place(r, &c, &d.at);
}

static void
remember_line(const struct reader *r, struct quota_orphan_of *o, struct span line)
{
	o->line.segment = r->segment;
	o->line.at = r->end - line.n - 1;
	o->line.bytes = line.n;
}

static void
on_decision(struct reader *r, struct span line)
{
	struct quota_dim dim[QUOTA_DIMS_MAX];
	struct span id = recalled_text(line, "id");
	size_t n = charges(chain_member(line, "reserved"), dim);

	for (size_t k = 0; k < n; k++)
		on_charged(r, id, &dim[k]);
	/* A request without limits reserved nothing, and still gets an end on record. */
	if (!id.n || id.n >= sizeof(((struct quota_orphan_of *)0)->id) ||
		!span_is(recalled_text(line, "via"), "relay") ||
		r->out->norphans == QUOTA_ORPHANS_MAX || *orphan_place(r, id))
		return;
	struct quota_orphan_of *o = calloc(1, sizeof(*o) + n * sizeof(dim[0]));
	if (!o)
		return;
	memcpy(o->id, id.p, id.n);
	remember_line(r, o, line);
	o->ndims = n;
	memcpy(o->dim, dim, n * sizeof(dim[0]));
	*orphan_place(r, id) = o;
	r->out->norphans++;
}

/* What became of that charge, by a list of them. */
static uint64_t
used_of(const struct quota_dim *d, const struct quota_dim *v, size_t n)
{
	uint64_t used = 0;

	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].key, d->key) == 0)
			used = v[i].n;
	return used;
}

/* What its charges became: "settled" lists them as "reserved" does, with what was used. */
static void
on_completion(struct reader *r, struct span line)
{
	struct span id = recalled_text(line, "id");
	struct quota_orphan_of **at = orphan_place(r, id), *o = *at;
	struct quota_dim dim[QUOTA_DIMS_MAX];
	size_t n = charges(chain_member(line, "settled"), dim);

	if (!o)
		return;
	for (size_t k = 0; k < o->ndims; k++)
		on_settled(r, id, &o->dim[k], used_of(&o->dim[k], dim, n));
	*at = o->next;
	free(o);
	r->out->norphans--;
}

/* Of the caller's request, and not of an attempt: its charge stays where it is. */
static bool
is_kept(const struct quota_dim *d, const struct quota_dim *v, size_t n)
{
	if (d->unit != QUOTA_REQUESTS && d->unit != QUOTA_CONCURRENT)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].key, d->key) == 0)
			return true;
	return false;
}

/* Another target was tried: what the attempt before it took is settled, and this one charged.
 */
static void
on_attempt(struct reader *r, struct span line)
{
	struct span id = recalled_text(line, "id");
	struct quota_orphan_of **at = orphan_place(r, id), *o = *at;
	struct quota_dim now[QUOTA_DIMS_MAX], was[QUOTA_DIMS_MAX];
	size_t n = charges(chain_member(line, "reserved"), now),
	       nwas = charges(chain_member(line, "settled"), was);

	if (!o) { /* older records were not read */
		on_decision(r, line);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (!is_kept(&now[i], o->dim, o->ndims))
			on_charged(r, id, &now[i]);
	for (size_t k = 0; k < o->ndims; k++)
		if (!is_kept(&o->dim[k], now, n))
			on_settled(r, id, &o->dim[k], used_of(&o->dim[k], was, nwas));
		else
			for (size_t i = 0; i < n; i++)
				if (strcmp(now[i].key, o->dim[k].key) == 0)
					now[i] = o->dim[k];
	struct quota_orphan_of *next = realloc(o, sizeof(*o) + n * sizeof(now[0]));
	if (!next)
		return;
	remember_line(r, next, line);
	next->ndims = n;
	memcpy(next->dim, now, n * sizeof(now[0]));
	*at = next;
}

static void
on_line(struct reader *r, struct span line)
{
	struct span type = recalled_text(line, "type");
	bool decision = span_is(type, "decision");

	r->out->records++;
	/* What the relay refused after all (a body that is none, a record that was late) gave
	 * back what the first decision of it reserved, and has no completion. */
	if (span_is(type, "completion") ||
		(decision && span_is(recalled_text(line, "decision"), "deny")))
		on_completion(r, line);
	else if (span_is(type, "attempt"))
		on_attempt(r, line);
	else if (decision)
		on_decision(r, line);
}

static int
read_segment(struct reader *r, int fd)
{
	struct lines l;
	struct span line;
	int got = lines_open(&l, fd, 0);

	if (got < 0)
		return got;
	while ((got = lines_next(&l, UINT64_MAX, &line)) > 0) {
		r->end = l.offset;
		if (line.n && line.p[0] == '{')
			on_line(r, line);
	}
	lines_close(&l);
	return got;
}

/* The oldest segment that is read: written to since then, and the end of the journal from it
 * on within the bound. A segment between may have an earlier time, if the clock was behind. */
static size_t
oldest(struct quota_recall *out, const char *dir, const struct journal_list *l, int64_t since_s)
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

/* Its line is read once more: of the many that are no orphan's nothing was kept. */
static void
tell_orphans(const struct reader *r, struct quota_orphan_of *o, const char *dir,
	const struct journal_list *list)
{
	SCOPED_FD(fd, journal_segment_open(dir, &list->seg[o->line.segment]));
	char *text = malloc(o->line.bytes + 1);
	struct lines l;

	if (fd >= 0 && text && lines_open(&l, fd, 0) == 0) {
		ssize_t n = lines_pread(&l, text, o->line.bytes, o->line.at);
		if (n == (ssize_t)o->line.bytes)
			r->into.orphan(o, span_of(text, (size_t)n));
		lines_close(&l);
	}
	free(text);
}

/* What is open becomes the list. */
static void
gather_orphans(struct reader *r, const char *dir, const struct journal_list *list)
{
	for (size_t i = 0; i < PLACES; i++)
		while (r->open[i]) {
			struct quota_orphan_of *o = r->open[i];
			r->open[i] = o->next;
			o->next = r->out->orphans;
			r->out->orphans = o;
			if (r->into.orphan)
				tell_orphans(r, o, dir, list);
		}
}

int
quota_recall_read(struct quota_recall *out, const char *dir, const char *node, int64_t since_s,
	const struct quota_recall_into *into, struct buf *why)
{
	struct reader r = { .out = out, .into = *into };
	struct journal_list l = { 0 };
	int err = journal_list_all(dir, node, false, &l, why);

	*out = (struct quota_recall){ 0 };
	if (err < 0)
		return err;
	r.open = calloc(PLACES, sizeof(struct quota_orphan_of *));
	if (!r.open) {
		journal_list_free(&l);
		return ERR_NOMEM;
	}
	for (size_t i = oldest(out, dir, &l, since_s); err >= 0 && i < l.n; i++) {
		SCOPED_FD(fd, journal_segment_open(dir, &l.seg[i]));
		r.segment = i;
		err = fd < 0 ? ERR_IO : read_segment(&r, fd);
		if (err < 0)
			buf_printf(why, "%s/%s: cannot be read", dir, l.seg[i].name);
	}
	gather_orphans(&r, dir, &l);
	if (into->ledger)
		ledger_recalled(into->ledger, span_hash(span_str(node)));
	free(r.open);
	journal_list_free(&l);
	return err < 0 ? err : 0;
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
}

void
quota_recall_settle(
	struct quota *qt, struct quota_orphan_of *o, struct shares *shares, uint64_t now_us)
{
	struct quota_request q;

	memset(&q, 0, sizeof(q));
	for (struct quota_dim *d = o->dim; d < o->dim + o->ndims; d++) {
		/* What was charged for good is. Without Redis the counts were read back. */
		if (d->at.hold == QUOTA_HOLD_NONE || d->at.epoch == 0)
			continue;
		d->actual = d->span.kind == QUOTA_IN_FLIGHT ? 0 : d->n;
		q.dim[q.ndims] = *d;
		q.ndims += name_counter(shares, span_str(o->id), &q.dim[q.ndims]);
	}
	quota_settle(qt, &q, now_us);
}
