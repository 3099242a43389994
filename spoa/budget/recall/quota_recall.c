/* Reads charges back from the journal: chooses the first segment, takes its lines into a
 * state, gives the counts to the table or the ledger, and lists the orphans.
 *
 * The first section (quota_fold.h) builds the state of limits from the lines of a journal, and
 * writes and reads the state as text. A decision adds its reserved charges; an attempt replaces
 * the charges of the attempt before it; a completion, or a later denial, settles them. */
#include "budget/recall/quota_recall.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/codec/lines.h"
#include "base/err.h"
#include "base/scoped.h"
#include "budget/recall/quota_fold.h"
#include "record/journal/chain.h"
#include "record/journal/line.h"

/* ---- the state of limits ---- */

enum { PLACES = 1 << 16, CHAINS = 1 << 14, ENDED = 1 << 10, SWEEP_AFTER = 1024 };

struct quota_fold *
quota_fold_new(struct shares *shares)
{
	struct quota_fold *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->shares = shares;
	f->most = FOLD_COUNTS_MAX;
	f->open = calloc(PLACES, sizeof(struct quota_orphan_of *));
	f->count = calloc(CHAINS, sizeof(struct fold_count *));
	f->late = calloc(CHAINS, sizeof(struct fold_late *));
	f->ended = calloc(ENDED, sizeof(struct fold_ended *));
	if (!f->open || !f->count || !f->late || !f->ended)
		quota_fold_free(&f);
	return f;
}

void
quota_fold_free(struct quota_fold **fp)
{
	struct quota_fold *f = *fp;

	if (!f)
		return;
	for (size_t i = 0; f->open && i < PLACES; i++)
		while (f->open[i]) {
			struct quota_orphan_of *o = f->open[i];
			f->open[i] = o->next;
			free(o);
		}
	for (size_t i = 0; f->count && i < CHAINS; i++)
		while (f->count[i]) {
			struct fold_count *c = f->count[i];
			f->count[i] = c->next;
			free(c);
		}
	for (size_t i = 0; f->late && i < CHAINS; i++)
		while (f->late[i]) {
			struct fold_late *l = f->late[i];
			f->late[i] = l->next;
			free(l);
		}
	for (size_t i = 0; f->ended && i < ENDED; i++)
		while (f->ended[i]) {
			struct fold_ended *e = f->ended[i];
			f->ended[i] = e->next;
			free(e);
		}
	free(f->open);
	free(f->count);
	free(f->late);
	free(f->ended);
	free(f);
	*fp = NULL;
}

void
quota_fold_clock(struct quota_fold *f, int64_t now_ms)
{
	if (now_ms > f->now_ms)
		f->now_ms = now_ms;
}

static struct quota_orphan_of **
orphan_place(const struct quota_fold *f, struct span id)
{
	struct quota_orphan_of **o = &f->open[span_hash(id) % PLACES];

	while (*o && !span_is(id, (*o)->id))
		o = &(*o)->next;
	return o;
}

/* ---- counts ---- */

static void
sweep_counts(struct quota_fold *f)
{
	for (size_t i = 0; i < CHAINS; i++)
		for (struct fold_count **c = &f->count[i]; *c;) {
			struct fold_count *over = *c;
			if (f->now_ms < over->over_ms) {
				c = &over->next;
				continue;
			}
			INVARIANT(f->ncounts > 0);
			*c = over->next;
			free(over);
			f->ncounts--;
		}
	f->kept = f->ncounts;
}

/* Returns the number of the share in a hidden name, or 0 if the name is not hidden. */
static uint64_t
hiding_share(const char *key)
{
	const char *at = strstr(key, ":~");
	struct span rest = at ? span_str(at + 2) : (struct span){ "", 0 };
	uint64_t share = 0;

	return at && span_u64(span_next(&rest, '.'), &share) == 0 ? share : 0;
}

/* Replaces a hidden counter name by the real one. Returns false if the share no longer
 * exists. */
static bool
quota_fold_name(struct shares *shares, struct span id, struct quota_dim *d)
{
	if (!counter_is_hidden(d->key))
		return true;
	if (counter_show(shares, id, d->key, sizeof(d->key)))
		return false;
	d->hash = span_hash(span_str(d->key));
	return true;
}

/* Returns when the charge's window or hold ends, in ms. */
static int64_t
quota_fold_over_ms(const struct quota_dim *d)
{
	return d->span.kind == QUOTA_CALENDAR ? d->at.end_s * 1000
					      : cell_ends_ms(d, &d->at, cell_own(d, &d->at));
}

static struct fold_count *
make_count(struct quota_fold *f, struct span id, const struct quota_dim *as_recorded,
	struct span charge, uint64_t share, int64_t ends_ms)
{
	/* A full state cannot become a checkpoint, so it is not swept again for each counter.
	 */
	if (f->ncounts >= 2 * f->kept + SWEEP_AFTER || (f->ncounts >= f->most && !f->full))
		sweep_counts(f);
	struct fold_count *c =
		f->ncounts < f->most ? calloc(1, sizeof(*c) + charge.n + 1) : NULL;
	if (!c) {
		f->full = true;
		return NULL;
	}
	INVARIANT(id.n < sizeof(c->id) && charge.n < QUOTA_TEXT_MAX);
	c->hash = span_hash(charge);
	c->share = share;
	c->over_ms = ends_ms;
	if (counter_is_hidden(as_recorded->key)) {
		memcpy(c->id, id.p, id.n);
		memcpy(c->hidden, as_recorded->key, sizeof(c->hidden));
	}
	memcpy(c->charge, charge.p, charge.n);
	c->next = f->count[c->hash % CHAINS];
	f->count[c->hash % CHAINS] = c;
	f->ncounts++;
	return c;
}

/* Adds to the place of a charge. The counter's name is as in a record of the request `id`. */
static void
add_count(struct quota_fold *f, struct span id, const struct quota_dim *as_recorded,
	int64_t own, int64_t spent)
{
	struct quota_dim d = *as_recorded;
	char text[QUOTA_TEXT_MAX];
	uint64_t share = hiding_share(d.key);
	int64_t ends_ms = quota_fold_over_ms(&d);

	if (f->now_ms >= ends_ms || (d.at.epoch == 0 && d.span.kind == QUOTA_IN_FLIGHT))
		return;
	if (id.n >= sizeof(((struct fold_count *)0)->id) ||
		!quota_fold_name(f->shares, id, &d)) {
		f->unnamed++;
		return;
	}
	d.n = d.id = 0;
	/* Sums are kept for sub-buckets; otherwise one caller would need a place for each
	 * slice. An amount then leaves with its sub-bucket, later than with its slice. */
	if (d.span.kind == QUOTA_ROLLING)
		d.at.slice = 0;
	struct span charge = span_of(text, quota_write(&d, text));
	struct fold_count *c = f->count[span_hash(charge) % CHAINS];
	while (c && (c->share != share || !span_is(charge, c->charge)))
		c = c->next;
	if (!c)
		c = make_count(f, id, as_recorded, charge, share, ends_ms);
	if (!c)
		return;
	c->own += own;
	c->spent += spent;
}

/* ---- settlements ---- */

static struct fold_late **
late_place(const struct quota_fold *f, uint64_t id)
{
	struct fold_late **l = &f->late[id % CHAINS];

	while (*l && (*l)->dim.id != id)
		l = &(*l)->next;
	return l;
}

static void
late_over(struct quota_fold *f, struct fold_late **at)
{
	struct fold_late *over = *at;

	INVARIANT(over && f->nlate > 0);
	*at = over->next;
	free(over);
	f->nlate--;
}

static void
sweep_late(struct quota_fold *f)
{
	for (size_t i = 0; i < CHAINS; i++)
		for (struct fold_late **l = &f->late[i]; *l;)
			if (f->now_ms < (*l)->over_ms)
				l = &(*l)->next;
			else
				late_over(f, l);
}

/* Remembers a settlement until a record states that Redis has it. If there are too many, the
 * amounts of the others stay as reserved, so that no limit is exceeded. */
static void
add_late(struct quota_fold *f, struct span id, const struct quota_dim *was, uint64_t used)
{
	int64_t over_ms = quota_fold_over_ms(was);

	if (!was->id || !was->at.epoch || f->now_ms >= over_ms || *late_place(f, was->id))
		return;
	if (f->nlate >= FOLD_LATE_MAX)
		sweep_late(f);
	struct fold_late *l =
		f->nlate < FOLD_LATE_MAX && id.n < sizeof(l->id) ? calloc(1, sizeof(*l)) : NULL;
	if (!l)
		return;
	memcpy(l->id, id.p, id.n);
	l->used = used;
	l->over_ms = over_ms;
	l->dim = *was;
	l->next = f->late[was->id % CHAINS];
	f->late[was->id % CHAINS] = l;
	f->nlate++;
}

struct fold_late *
quota_fold_late(const struct quota_fold *f, size_t *i)
{
	while (*i < CHAINS && !f->late[*i])
		++*i;
	return *i < CHAINS ? f->late[(*i)++] : NULL;
}

/* An attempt is settled a moment before it is recorded, so another record may state its
 * settlement first. The charge loses its id then, and its settlement is not remembered. */
static void
counted_before(struct quota_fold *f, uint64_t id)
{
	struct quota_orphan_of *o;

	LIST_FOREACH(o, &f->all_open, of_all)
		for (size_t k = 0; k < o->ndims; k++)
			if (o->dim[k].id == id)
				o->dim[k].id = 0;
}

/* Forgets the settlements that a record states as counted. */
static void
on_counted(struct quota_fold *f, struct span list)
{
	uint64_t id;

	span_next(&list, '"');
	while (list.n) {
		struct span text = span_next(&list, '"');
		if (span_u64(text, &id) == 0) {
			struct fold_late **at = late_place(f, id);
			if (*at)
				late_over(f, at);
			else
				counted_before(f, id);
		}
		span_next(&list, '"');
	}
}

static void
on_charged(struct quota_fold *f, struct span id, const struct quota_dim *d)
{
	int64_t n = (int64_t)d->n;

	add_count(f, id, d, n, d->at.epoch && cell_spends(d, &d->at) ? n : 0);
}

static void
on_settled(struct quota_fold *f, struct span id, const struct quota_dim *was, uint64_t used)
{
	struct quota_dim d = *was;

	d.actual = used;
	/* In this process everything is charged finally, so only the difference is added. */
	struct change c = cell_settle(&d);
	if (was->at.epoch)
		add_count(f, id, was, c.own, c.spent);
	else
		add_count(f, id, was, (int64_t)used - (int64_t)was->n, 0);
	if (c.own || c.spent)
		add_late(f, id, was, used);
}

struct fold_count *
quota_fold_counts(const struct quota_fold *f, size_t *i)
{
	while (*i < CHAINS && !f->count[*i])
		++*i;
	return *i < CHAINS ? f->count[(*i)++] : NULL;
}

static struct quota_orphan_of *
quota_fold_open(const struct quota_fold *f, size_t *i)
{
	while (*i < PLACES && !f->open[*i])
		++*i;
	return *i < PLACES ? f->open[(*i)++] : NULL;
}

/* ---- lines ---- */

/* Returns a string member without its quotes. */
static struct span
within_quotes(struct span s)
{
	return s.n >= 2 ? span_cut(s, 1, s.n - 1) : (struct span){ NULL, 0 };
}

/* Reads the charges in a list of strings. Returns their number. */
static size_t
read_charges(struct span list, struct quota_dim dim[QUOTA_DIMS_MAX])
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

/* The current line, its place in the journal, and its members. A member that the line does not
 * have is empty. */
struct fold_line {
	const char *segment;
	uint64_t at;
	struct span text;
	struct span type, id, decision, via, outcome; /* without their quotes */
	struct span reserved, settled;		      /* lists of charges */
	struct span counted;			      /* list of ids of settlements */
};

static struct fold_line
fold_line_of(const char *segment, uint64_t at, struct span text)
{
	static const struct span names[] = { SPAN_LIT("type"), SPAN_LIT("id"),
		SPAN_LIT("decision"), SPAN_LIT("via"), SPAN_LIT("outcome"),
		SPAN_LIT("reserved"), SPAN_LIT("settled"), SPAN_LIT("counted") };
	struct span v[COUNT_OF(names)];

	line_members(text, names, COUNT_OF(names), v);
	return (struct fold_line){ segment, at, text, within_quotes(v[0]), within_quotes(v[1]),
		within_quotes(v[2]), within_quotes(v[3]), within_quotes(v[4]), v[5], v[6], v[7] };
}

static void
remember_line(struct quota_orphan_of *o, const struct fold_line *l)
{
	snprintf(o->line.segment, sizeof(o->line.segment), "%s", l->segment);
	o->line.at = l->at;
	o->line.bytes = l->text.n;
}

/* Returns true if the id has no spaces, because ids are words of the state's text. */
static bool
is_fold_word(struct span id, size_t room)
{
	for (size_t i = 0; i < id.n; i++)
		if ((unsigned char)id.p[i] <= ' ')
			return false;
	return id.n > 0 && id.n < room;
}

static void
open_decision(struct quota_fold *f, struct span id, const struct fold_line *l,
	const struct quota_dim *dim, size_t n)
{
	struct quota_orphan_of **at = orphan_place(f, id);
	INVARIANT(!*at && n <= QUOTA_DIMS_MAX); /* a decision is open only once */
	struct quota_orphan_of *o = f->nopen < QUOTA_ORPHANS_MAX
					    ? calloc(1, sizeof(*o) + n * sizeof(dim[0]))
					    : NULL;

	if (!o) {
		f->full = true;
		return;
	}
	INVARIANT(id.n < sizeof(o->id));
	memcpy(o->id, id.p, id.n);
	remember_line(o, l);
	o->ndims = n;
	memcpy(o->dim, dim, n * sizeof(dim[0]));
	*at = o;
	LIST_INSERT_HEAD(&f->all_open, o, of_all);
	f->nopen++;
}

static void
on_decision(struct quota_fold *f, const struct fold_line *l)
{
	struct quota_dim dim[QUOTA_DIMS_MAX];
	size_t n = read_charges(l->reserved, dim);

	for (size_t k = 0; k < n; k++)
		on_charged(f, l->id, &dim[k]);
	/* A request without limits reserved nothing, but still needs a completion record. */
	if (is_fold_word(l->id, sizeof(((struct quota_orphan_of *)0)->id)) &&
		span_is(l->via, "relay") && !*orphan_place(f, l->id))
		open_decision(f, l->id, l, dim, n);
}

/* Returns the last charge of the list with the same counter as *d, or NULL. */
static const struct quota_dim *
same_counter(const struct quota_dim *d, const struct quota_dim *v, size_t n)
{
	while (n && strcmp(v[n - 1].key, d->key) != 0)
		n--;
	return n ? &v[n - 1] : NULL;
}

static uint64_t
used_of(const struct quota_dim *d, const struct quota_dim *v, size_t n)
{
	const struct quota_dim *used = same_counter(d, v, n);

	return used ? used->n : 0;
}

static struct fold_ended **
ended_place(const struct quota_fold *f, struct span id)
{
	struct fold_ended **e = &f->ended[span_hash(id) % ENDED];

	while (*e && !span_is(id, (*e)->id))
		e = &(*e)->next;
	return e;
}

/* Remembers an orphan of the other instance's journal that is settled in this one. */
static void
add_ended(struct quota_fold *f, struct span id)
{
	struct fold_ended **at, *e;

	if (!is_fold_word(id, sizeof(e->id)) || *(at = ended_place(f, id)))
		return;
	e = f->nended < QUOTA_ORPHANS_MAX ? calloc(1, sizeof(*e)) : NULL;
	if (!e) {
		f->full = true;
		return;
	}
	memcpy(e->id, id.p, id.n);
	*at = e;
	f->nended++;
}

static void
close_decision(struct quota_fold *f, struct quota_orphan_of **at)
{
	struct quota_orphan_of *o = *at;

	INVARIANT(f->nopen > 0);
	*at = o->next;
	LIST_REMOVE(o, of_all);
	free(o);
	f->nopen--;
}

size_t
quota_fold_settled_by(struct quota_fold *f, const struct quota_fold *other)
{
	size_t n = 0;

	for (size_t i = 0; i < PLACES && other->nended; i++)
		for (struct quota_orphan_of **at = &f->open[i]; *at;) {
			struct quota_orphan_of *o = *at;
			struct span id = span_str(o->id);
			if (!*ended_place(other, id)) {
				at = &o->next;
				continue;
			}
			for (size_t k = 0; k < o->ndims; k++)
				on_settled(f, id, &o->dim[k], o->dim[k].n);
			close_decision(f, at);
			n++;
		}
	return n;
}

int
quota_fold_copy_ended(struct quota_fold *f, const struct quota_fold *from)
{
	for (size_t i = 0; i < ENDED; i++)
		for (const struct fold_ended *e = from->ended[i]; e; e = e->next)
			add_ended(f, span_str(e->id));
	return f->full ? ERR_NOMEM : 0;
}

void
quota_fold_forget_ended(struct quota_fold *f, const struct quota_fold *other)
{
	for (size_t i = 0; i < ENDED; i++)
		for (struct fold_ended **at = &f->ended[i]; *at;) {
			struct fold_ended *e = *at;
			if (*orphan_place(other, span_str(e->id))) {
				at = &e->next;
				continue;
			}
			INVARIANT(f->nended > 0);
			*at = e->next;
			free(e);
			f->nended--;
		}
}

/* Settles the charges of a decision. "settled" lists the same charges as "reserved", with the
 * amounts used. */
static void
on_completion(struct quota_fold *f, const struct fold_line *l)
{
	struct quota_orphan_of **at = orphan_place(f, l->id), *o = *at;
	struct quota_dim dim[QUOTA_DIMS_MAX];
	size_t n = read_charges(l->settled, dim);

	if (!o && span_is(l->outcome, "orphaned"))
		add_ended(f, l->id);
	if (!o)
		return;
	for (size_t k = 0; k < o->ndims; k++)
		on_settled(f, l->id, &o->dim[k], used_of(&o->dim[k], dim, n));
	close_decision(f, at);
}

/* Returns true if the charge belongs to the caller's request and not to one attempt, so that
 * the next attempt keeps it. */
static bool
is_kept(const struct quota_dim *d, const struct quota_dim *v, size_t n)
{
	return (d->unit == QUOTA_REQUESTS || d->unit == QUOTA_CONCURRENT) &&
	       same_counter(d, v, n);
}

/* Settles the charges of the previous attempt, and adds those of the attempt at the next
 * target. */
static void
on_attempt(struct quota_fold *f, const struct fold_line *l)
{
	struct quota_orphan_of **at = orphan_place(f, l->id), *o = *at;
	struct quota_dim now[QUOTA_DIMS_MAX], was[QUOTA_DIMS_MAX];
	size_t n = read_charges(l->reserved, now), nwas = read_charges(l->settled, was);

	if (!o) { /* the decision is in a record that was not read */
		on_decision(f, l);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (!is_kept(&now[i], o->dim, o->ndims))
			on_charged(f, l->id, &now[i]);
	for (size_t k = 0; k < o->ndims; k++)
		if (!is_kept(&o->dim[k], now, n))
			on_settled(f, l->id, &o->dim[k], used_of(&o->dim[k], was, nwas));
		else
			for (size_t i = 0; i < n; i++)
				if (strcmp(now[i].key, o->dim[k].key) == 0)
					now[i] = o->dim[k];
	/* the entry may move, so both lists get it again */
	LIST_REMOVE(o, of_all);
	struct quota_orphan_of *next = realloc(o, sizeof(*o) + n * sizeof(now[0]));
	if (!next) {
		LIST_INSERT_HEAD(&f->all_open, o, of_all);
		f->full = true;
		return;
	}
	remember_line(next, l);
	next->ndims = n;
	memcpy(next->dim, now, n * sizeof(now[0]));
	LIST_INSERT_HEAD(&f->all_open, next, of_all);
	*at = next;
}

void
quota_fold_line(struct quota_fold *f, const char *segment, uint64_t at, struct span line)
{
	const struct fold_line l = fold_line_of(segment, at, line);
	bool decision = span_is(l.type, "decision");

	f->records++;
	/* If the relay refuses a permitted request later (an invalid body, a late record),
	 * the refusal gives back the reservation of the first decision, and no completion
	 * follows. */
	if (span_is(l.type, "completion") || (decision && span_is(l.decision, "deny")))
		on_completion(f, &l);
	else if (span_is(l.type, "attempt"))
		on_attempt(f, &l);
	else if (decision)
		on_decision(f, &l);
	if (l.counted.n)
		on_counted(f, l.counted);
}

/* ---- the state as text ---- */

static int
by_charge(const void *a, const void *b)
{
	const struct fold_count *x = *(struct fold_count *const *)a,
				*y = *(struct fold_count *const *)b;
	int by = strcmp(x->charge, y->charge);

	return by ? by : (x->share > y->share) - (x->share < y->share);
}

static int
by_id(const void *a, const void *b)
{
	return strcmp((*(struct quota_orphan_of *const *)a)->id,
		(*(struct quota_orphan_of *const *)b)->id);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Writes the charge as recorded, with the counter's hidden name. */
static void
write_fold_count(struct buf *out, const struct fold_count *c)
{
	const char *rest = strrchr(c->charge, '}');

	buf_printf(out, "count %" PRId64 " %" PRId64 " ", c->own, c->spent);
	if (c->hidden[0] && rest)
		buf_printf(out, "%s %s%s\n", c->id, c->hidden, rest + 1);
	else
		buf_printf(out, "- %s\n", c->charge);
}

static int
by_late(const void *a, const void *b)
{
	const struct fold_late *x = *(struct fold_late *const *)a,
			       *y = *(struct fold_late *const *)b;

	return (x->dim.id > y->dim.id) - (x->dim.id < y->dim.id);
}

static void
write_late(struct buf *out, const struct fold_late *l)
{
	char text[QUOTA_TEXT_MAX];

	buf_printf(out, "late %" PRIu64 " %s ", l->used, l->id);
	buf_span(out, span_of(text, quota_write(&l->dim, text)));
	buf_putc(out, '\n');
}

static void
write_open(struct buf *out, const struct quota_orphan_of *o)
{
	char text[QUOTA_TEXT_MAX];

	buf_printf(out, "open %s %s %" PRIu64 " %zu %zu\n", o->id, o->line.segment, o->line.at,
		o->line.bytes, o->ndims);
	for (size_t k = 0; k < o->ndims; k++) {
		buf_span(out, span_of(text, quota_write(&o->dim[k], text)));
		buf_putc(out, '\n');
	}
}

void
quota_fold_write(struct quota_fold *f, struct buf *out)
{
	size_t n = 0;

	sweep_counts(f);
	sweep_late(f);
	void **all =
		malloc((f->ncounts + f->nopen + f->nlate + f->nended + 1) * sizeof(*all));
	if (!all) {
		f->full = true;
		return;
	}
	for (size_t i = 0; i < CHAINS; i++)
		for (struct fold_count *c = f->count[i]; c; c = c->next)
			all[n++] = c;
	/* a state that lost a counter must not become a checkpoint */
	INVARIANT(n == f->ncounts);
	qsort(all, n, sizeof(*all), by_charge);
	for (size_t i = 0; i < n; i++)
		write_fold_count(out, all[i]);
	n = 0;
	for (size_t i = 0; i < CHAINS; i++)
		for (struct fold_late *l = f->late[i]; l; l = l->next)
			all[n++] = l;
	INVARIANT(n == f->nlate);
	qsort(all, n, sizeof(*all), by_late);
	for (size_t i = 0; i < n; i++)
		write_late(out, all[i]);
	n = 0;
	for (size_t i = 0; i < PLACES; i++)
		for (struct quota_orphan_of *o = f->open[i]; o; o = o->next)
			all[n++] = o;
	INVARIANT(n == f->nopen);
	qsort(all, n, sizeof(*all), by_id);
	for (size_t i = 0; i < n; i++)
		write_open(out, all[i]);
	n = 0;
	for (size_t i = 0; i < ENDED; i++)
		for (struct fold_ended *e = f->ended[i]; e; e = e->next)
			all[n++] = e->id;
	INVARIANT(n == f->nended);
	qsort(all, n, sizeof(*all), by_text);
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "ended %s\n", (const char *)all[i]);
	free(all);
}

/* Reads a sum, which may be negative. Returns false if the text is not a number. */
static bool
read_sum(struct span s, int64_t *out)
{
	bool below = s.n && s.p[0] == '-';
	uint64_t n;

	if (span_u64(span_cut(s, below, s.n), &n) || n > INT64_MAX)
		return false;
	*out = below ? -(int64_t)n : (int64_t)n;
	return true;
}

static bool
read_fold_count(struct quota_fold *f, struct span line)
{
	int64_t own, spent;
	struct quota_dim d;

	if (!read_sum(span_next(&line, ' '), &own) || !read_sum(span_next(&line, ' '), &spent))
		return false;
	struct span id = span_next(&line, ' ');
	if (id.n == 0 || id.n >= sizeof(((struct fold_count *)0)->id) || !quota_read(line, &d))
		return false;
	add_count(f, id, &d, own, spent);
	return true;
}

static bool
read_late(struct quota_fold *f, struct span line)
{
	uint64_t used;
	struct quota_dim d;

	if (span_u64(span_next(&line, ' '), &used) || used > INT64_MAX)
		return false;
	struct span id = span_next(&line, ' ');
	if (!is_fold_word(id, sizeof(((struct fold_late *)0)->id)) || !quota_read(line, &d) ||
		!d.id)
		return false;
	add_late(f, id, &d, used);
	return true;
}

static bool
read_ended(struct quota_fold *f, struct span id)
{
	if (!is_fold_word(id, sizeof(((struct fold_ended *)0)->id)) || *ended_place(f, id))
		return false;
	add_ended(f, id);
	return true;
}

static bool
read_open(struct quota_fold *f, struct span line, struct span *rest)
{
	struct span id = span_next(&line, ' '), segment = span_next(&line, ' ');
	struct fold_line l = { .at = 0 };
	char name[JOURNAL_NAME_MAX] = "";
	struct quota_dim dim[QUOTA_DIMS_MAX];
	uint64_t bytes, n;

	if (!is_fold_word(id, sizeof(((struct quota_orphan_of *)0)->id)) || segment.n == 0 ||
		segment.n >= sizeof(name) || memchr(segment.p, '/', segment.n) ||
		span_u64(span_next(&line, ' '), &l.at) || l.at > INT64_MAX ||
		span_u64(span_next(&line, ' '), &bytes) || bytes > CHAIN_LINE_MAX ||
		span_u64(line, &n) || n > QUOTA_DIMS_MAX || *orphan_place(f, id))
		return false;
	for (size_t k = 0; k < n; k++)
		if (!quota_read(span_next(rest, '\n'), &dim[k]))
			return false;
	memcpy(name, segment.p, segment.n);
	l.segment = name;
	l.text = (struct span){ NULL, (size_t)bytes };
	open_decision(f, id, &l, dim, (size_t)n);
	return true;
}

int
quota_fold_read(struct quota_fold *f, struct span text)
{
	while (text.n) {
		struct span line = span_next(&text, '\n'), what = span_next(&line, ' ');
		bool good = span_is(what, "count")  ? read_fold_count(f, line)
			    : span_is(what, "late") ? read_late(f, line)
			    : span_is(what, "open") ? read_open(f, line, &text)
			    : span_is(what, "ended") ? read_ended(f, line)
						     : false;
		if (!good)
			return ERR_SYNTAX;
		if (f->full)
			return ERR_NOMEM;
	}
	return 0;
}

/* ---- reading back ---- */

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

	ledger_live(l, l->adds, d->at.epoch);
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
			ledger_add(into->ledger, &d, &d.at, own, 0, d.at.epoch, into->now_ms);
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
			o->next = out->orphans;
			out->orphans = o;
			out->norphans++;
		}
}

/* Makes the corrections of the settlements that no record states as counted. A counter whose
 * share no longer exists stays as reserved. */
static void
gather_late(struct quota_recall *out, const struct quota_recall_into *into)
{
	struct fold_late *l;

	sweep_late(out->fold);
	if (!into->ledger || !out->fold->nlate)
		return;
	out->late = calloc(out->fold->nlate, sizeof(*out->late));
	if (!out->late)
		return;
	for (size_t i = 0; (l = quota_fold_late(out->fold, &i));)
		for (; l; l = l->next) {
			struct quota_dim d = l->dim;
			if (into->settled_before && strcmp(l->id, into->settled_before) < 0)
				continue;
			d.actual = l->used;
			if (quota_fold_name(into->shares, span_str(l->id), &d))
				out->late[out->nlate++] = cell_settle(&d);
		}
}

static void
drop_orphans(struct quota_recall *r)
{
	while (r->orphans) {
		struct quota_orphan_of *o = r->orphans;
		r->orphans = o->next;
		buf_free(&o->said);
		free(o);
	}
	r->norphans = 0;
}

void
quota_recall_orphans(
	struct quota_recall *out, const char *dir, const struct quota_recall_into *into)
{
	drop_orphans(out);
	gather_orphans(out, into, dir);
}

void
quota_recall_count(
	struct quota_recall *r, const char *node, const struct quota_recall_into *into)
{
	if (into->ledger)
		into->ledger->adds = into->part;
	begin_counts(into, r->fold);
	for (struct quota_orphan_of *o = r->orphans; o; o = o->next)
		note_charges(into, o);
	gather_late(r, into);
	if (into->ledger) {
		ledger_recalled(into->ledger, span_hash(span_str(node)));
		into->ledger->adds = LEDGER_OWN;
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
quota_recall_lines(struct quota_recall *out, const char *dir, const char *node, int64_t since_s,
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
	return 0;
}

int
quota_recall_read(struct quota_recall *out, const char *dir, const char *node, int64_t since_s,
	const struct quota_recall_into *into, struct buf *why)
{
	int err = quota_recall_lines(out, dir, node, since_s, into, why);

	if (err)
		return err;
	quota_recall_orphans(out, dir, into);
	quota_recall_count(out, node, into);
	return 0;
}

void
quota_recall_free(struct quota_recall *r)
{
	drop_orphans(r);
	free(r->late);
	r->late = NULL;
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
