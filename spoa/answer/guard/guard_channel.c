/* The text of a choice, a block or a call of a stream, which arrives piece by piece.
 *
 * A run (struct run) is text that clients read as one. The table has CAP_ANSWER_RUNS runs at
 * most. A run whose text has ended stays in it, so that later text in it is noticed.
 *
 * A channel scans, replaces and restores the text of a run. The text passes detect_stream,
 * which calls take_piece() for each decided piece. take_text() and take_finding() ask the rules
 * and replace. channel_put() restores placeholders and appends to `out`, which guard_stream.c
 * puts into events. Text waits only while a value or a placeholder may continue.
 *
 * Example: the pieces "mail al" and "ice@example.org now" come out as "mail " and "<EMAIL_1>
 * now". */
#include <stdlib.h>

#include "answer/guard/guard_stream.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "scan/detect/stream/stream.h"

/* ---- runs ---- */

enum { RUN_HEADS = 128 };

static struct run **
run_head_of(struct guard *g, enum answer_kind kind, uint64_t path, const uint32_t *slot)
{
	uint64_t h = path ^ kind;

	for (size_t i = 0; i < ANSWER_SLOTS; i++)
		h = (h ^ slot[i]) * 0x9e3779b97f4a7c15u;
	return &g->runs.heads[(h ^ h >> 29) % RUN_HEADS];
}

struct run *
guard_run_find(const struct guard *g, enum answer_kind kind, uint64_t path,
	const uint32_t slot[ANSWER_SLOTS])
{
	struct run *r = g->runs.n ? *run_head_of((struct guard *)g, kind, path, slot) : NULL;

	while (r && (r->kind != kind || r->path != path ||
			    memcmp(r->slot, slot, sizeof(r->slot)) != 0))
		r = r->same;
	return r;
}

/* Removes the oldest run without work in progress and returns it, or NULL. Sets
 * *unread (prose: ok unread) if the run had ended, since that fact is forgotten with it. */
static struct run *
run_forget_one(struct guard *g, bool *unread)
{
	struct run *r, **at;

	TAILQ_FOREACH (r, &g->runs.all, all)
		if (!r->channel && !r->transcript &&
			!(r->member &&
				(r->member->scan || r->member->event == g->members.event)))
			break;
	if (!r)
		return NULL;
	for (at = run_head_of(g, r->kind, r->path, r->slot); *at && *at != r;)
		at = &(*at)->same;
	INVARIANT(*at == r && g->runs.n > 0);
	*at = r->same;
	TAILQ_REMOVE(&g->runs.all, r, all);
	g->runs.n--;
	*unread = r->over;
	return r;
}

struct run *
guard_run(struct guard *g, enum answer_kind kind, uint64_t path,
	const uint32_t slot[ANSWER_SLOTS])
{
	struct run *r = guard_run_find(g, kind, path, slot);
	bool unread = false;

	if (r)
		return r;
	if (g->runs.n >= CAP_ANSWER_RUNS && !(r = run_forget_one(g, &unread)) &&
		kind == KIND_OTHER)
		return NULL;
	if (unread && guard_unread(g, 1,
			      "the response has more choices, items or tool calls than the "
			      "gateway holds"))
		return NULL;
	if (!g->runs.heads)
		g->runs.heads = arena_array(&g->life, RUN_HEADS, sizeof(*g->runs.heads));
	if (!r)
		r = arena_new(&g->life, struct run);
	if (!r || !g->runs.heads) {
		guard_no_memory(g);
		return NULL;
	}
	INVARIANT(!r->channel && !r->transcript);
	struct run **head = run_head_of(g, kind, path, slot);
	if (r->member)
		memset(r->member, 0, sizeof(*r->member));
	if (r->place)
		memset(r->place, 0, sizeof(*r->place));
	*r = (struct run){ .same = *head,
		.kind = kind,
		.path = path,
		.member = r->member,
		.place = r->place };
	memcpy(r->slot, slot, sizeof(r->slot));
	*head = r;
	TAILQ_INSERT_TAIL(&g->runs.all, r, all);
	g->runs.n++;
	return r;
}

/* ---- channels ---- */

enum { CARRIER_MAX = 64 << 10 };

struct channel *
guard_channel_of(struct guard *g, const struct answer_text *t)
{
	struct run *r = guard_run(g, t->kind, 0, t->slot);

	if (!r || r->channel)
		return r ? r->channel : NULL;
	if (guard_inspects(g) && r->over &&
		guard_unread(g, t->text.n, "text follows the end of its choice or block"))
		return NULL;
	if (g->nchannels == CAP_ANSWER_CHANNELS) {
		guard_fail(g, GUARD_BROKEN,
			"the stream has too many choices, items or tool calls");
		return NULL;
	}
	struct channel *c = calloc(1, sizeof(*c));
	if (!c) {
		guard_no_memory(g);
		return NULL;
	}
	c->g = g;
	c->run = r;
	c->of.kind = r->kind;
	memcpy(c->of.slot, r->slot, sizeof(r->slot));
	c->of.tool = t->tool;
	r->channel = c;
	buf_init(&c->out, CAP_SSE_EVENT_BYTES * 2);
	buf_init(&c->carrier, CARRIER_MAX);
	buf_init(&c->spelled.raw, 0);
	buf_init(&c->carrier_type, 256);
	INVARIANT(g->nchannels < CAP_ANSWER_CHANNELS);
	g->nchannels++;
	LIST_INSERT_HEAD(&g->channels, c, all);
	return c;
}

/* Makes the scan and the restorer: at first, and again after an end. */
static enum guard_result
channel_begin(struct channel *c)
{
	struct guard *g = c->g;

	if (guard_inspects(g) && !c->scan) {
		c->scan = detect_stream_new(g->plan.rules, &g->plan.options);
		c->from = g->boundary.total[c->of.kind];
		c->fed = c->gone = 0;
	}
	bool restores = g->plan.vault && c->of.kind != KIND_SIGNED;
	if (restores && !c->restore)
		c->restore = guard_restorer(g, &c->of);
	if ((guard_inspects(g) && !c->scan) || (restores && !c->restore))
		return guard_no_memory(g);
	return g->failed;
}

static void
channel_free(struct channel *c)
{
	INVARIANT(c->run->channel == c && c->g->nchannels > 0);
	LIST_REMOVE(c, all);
	c->run->channel = NULL;
	c->g->nchannels--;
	detect_stream_free(&c->scan);
	restorer_free(&c->restore);
	buf_free(&c->out);
	buf_free(&c->spelled.raw);
	buf_free(&c->carrier);
	buf_free(&c->carrier_type);
	free(c);
}

void
guard_channel_over(struct channel *c)
{
	/* A call may begin without arguments in an event that ends the text before it. */
	c->run->over |= c->seen > 0;
	channel_free(c);
}

void
guard_channels_free(struct guard *g)
{
	while (!LIST_EMPTY(&g->channels))
		channel_free(LIST_FIRST(&g->channels));
}

/* Returns true if escapes are decoded before the scan. */
static bool
is_spelled(const struct channel *c)
{
	return c->of.kind == KIND_ARGUMENTS;
}

/* Returns how many scanned bytes are held back and were not sent, and where they begin. */
static size_t
scan_held(const struct channel *c, size_t *from)
{
	size_t held = c->scan && !is_spelled(c) ? detect_stream_held(c->scan) : 0;

	INVARIANT(held <= c->fed && c->gone <= c->fed);
	*from = c->fed - held;
	return *from < c->gone ? c->fed - c->gone : held;
}

size_t
guard_channel_held(const struct channel *c)
{
	size_t from, held = scan_held(c, &from);

	if (c->spelled.raw.n)
		held = c->spelled.raw.n;

	return held + (c->restore ? restorer_held(c->restore) : 0) +
	       (c->halved.is ? sizeof(c->halved.half) : 0);
}

/* Takes text after the rules and restores its placeholders. */
static int
channel_put(struct channel *c, struct span text)
{
	if (c->cut)
		return 0;
	if (!c->so_far.is)
		guard_transcribe(c->g, &c->of, text);
	if (c->of.kind == KIND_ARGUMENTS)
		json_scan_all(&c->place, text);
	if (c->restore)
		return restorer_feed(c->restore, text, &c->out);
	buf_span(&c->out, text);
	return buf_failed(&c->out) ? ERR_NOMEM : 0;
}

/* Writes a replacement; in arguments it may need quotes. */
static int
channel_replace(struct channel *c, struct span with)
{
	if (!with.p)
		return ERR_NOMEM;
	SCOPED_BUF(b, 0);
	guard_put_json(&b, &c->place, c->of.kind == KIND_ARGUMENTS, with);
	return buf_failed(&b) ? ERR_NOMEM : channel_put(c, buf_view(&b));
}

/* Takes a finding. `text` is the finding as it was written. */
static int
take_finding(struct channel *c, const struct stream_piece *p, struct span text)
{
	struct guard *g = c->g;
	struct span with;

	if (p->more)
		return c->replaced ? 0 : channel_put(c, text);
	if (guard_found(g, p->finding.entity, c->of.kind) && guard_judge(g, ANSWER_NEW))
		return ERR_BAD_STATE;
	if (c->of.kind == KIND_SIGNED) {
		if (!c->cut && guard_cuts_signed(g, p->finding.entity)) {
			c->cut = true;
			g->report.signed_dropped++;
		}
		return g->failed ? ERR_BAD_STATE : channel_put(c, text);
	}
	c->replaced = guard_replacement(g, p->finding.entity, p->text, false, &with);
	return c->replaced ? channel_replace(c, with) : channel_put(c, text);
}

static int
take_text(struct channel *c, const struct stream_piece *p, struct span text)
{
	if (p->kind == PIECE_FINDING)
		return take_finding(c, p, text);
	if (p->kind == PIECE_UNREAD && guard_unread_run(c->g, text.n))
		return ERR_BAD_STATE;
	return channel_put(c, text);
}

/* Takes a finding of one block that begins inside a value over the block's end. The finding is
 * noted, and the part inside the value disappears with the value. */
static int
take_within(struct channel *c, const struct stream_piece *p, const struct crossing *x)
{
	struct guard *g = c->g;
	bool same = p->finding.entity == x->of->entity;
	size_t in = x->end - (c->from + p->start);

	if (x->of->is == SPLIT_STAYS)
		return same ? channel_put(c, p->text) : take_finding(c, p, p->text);
	if (!same && guard_found(g, p->finding.entity, c->of.kind) &&
		guard_judge(g, ANSWER_NEW))
		return ERR_BAD_STATE;
	c->replaced = entity_in(&g->report.verdict.redact.of, p->finding.entity);
	return c->replaced ? 0 : channel_put(c, span_cut(p->text, in, p->text.n));
}

/* Takes a piece without the parts of values over a block's end. */
static int
take_joined(struct channel *c, const struct stream_piece *p)
{
	struct guard *g = c->g;
	size_t at = c->from + p->start, end = at + p->text.n, from = at;
	bool finding = p->kind == PIECE_FINDING && !p->more;
	struct crossing *x;
	int err = 0;

	while (!err && at < end && (x = guard_boundary_at(g, c->of.kind, at, end))) {
		struct stream_piece part = *p;
		if (finding && x->start > at)
			break; /* it began before; the rest of the value disappears */
		part.text = span_cut(
			p->text, at - from, x->start > at ? x->start - from : at - from);
		if (part.text.n)
			err = take_text(c, &part, part.text);
		bool is_new = x->of->is == SPLIT_NEW;
		if (!err && is_new && guard_split_decide(g, x->of))
			err = ERR_BAD_STATE;
		if (!err && is_new && x->of->is == SPLIT_REPLACED)
			err = channel_replace(c, buf_view(&x->of->with));
		if (!err && finding)
			return take_within(c, p, x);
		at = x->start > at ? x->start : at;
		size_t to = x->end < end ? x->end : end;
		if (!err && x->of->is == SPLIT_STAYS)
			err = channel_put(c, span_cut(p->text, at - from, to - from));
		at = to;
	}
	if (err || at == end)
		return err;
	struct stream_piece last = *p;
	last.text = span_cut(p->text, at - from, p->text.n);
	return take_text(c, &last, last.text);
}

/* Takes a piece of which some bytes were sent already: text is sent from there on, and a value
 * is replaced in its rest. */
static int
take_rest(struct channel *c, const struct stream_piece *p)
{
	struct guard *g = c->g;
	size_t gone = c->gone - p->start;

	INVARIANT(p->start < c->gone && c->gone <= c->fed);
	struct stream_piece rest = *p;
	struct span with;

	rest.text = span_cut(p->text, gone, p->text.n);
	rest.start += gone;
	if (p->kind != PIECE_FINDING || p->more)
		return rest.text.n ? take_text(c, &rest, rest.text) : 0;
	bool known = !rest.text.n && entity_in(&g->entities, p->finding.entity);
	if (!known && guard_found(g, p->finding.entity, c->of.kind) &&
		guard_judge(g, ANSWER_NEW))
		return ERR_BAD_STATE;
	if (!rest.text.n)
		return 0;
	c->replaced = guard_replacement(g, p->finding.entity, p->text, false, &with);
	return c->replaced ? channel_replace(c, with) : channel_put(c, rest.text);
}

static int
take_piece(void *arg, const struct stream_piece *p)
{
	struct channel *c = arg;

	if (guard_over(c->g))
		return ERR_BAD_STATE;
	if (p->start < c->gone)
		return take_rest(c, p);
	if (!is_spelled(c))
		return take_joined(c, p);
	struct span text = spelled_next(&c->spelled, p->text.n);
	int err = take_text(c, p, text);
	spelled_drop(&c->spelled, text.n);
	return err;
}

/* Measures how long text is held, for the report only. Without held text the clock is not
 * read. */
static void
note_held(struct channel *c)
{
	struct guard_report *r = &c->g->report;
	size_t held = guard_channel_held(c);

	if (!held && !c->held)
		return;
	uint64_t now_us = clock_mono_us();
	r->held_byte_us += c->held * (now_us - c->held_us);
	c->held = held;
	c->held_us = now_us;
	if (held > r->held_max_bytes)
		r->held_max_bytes = held;
}

/* Scans the next piece of text, or ends the scan. */
static int
channel_scan(struct channel *c, struct span text, bool final)
{
	SCOPED_BUF(said, 0);
	int err = 0;

	if (is_spelled(c)) {
		spelled_feed(&c->spelled, text, final, &said);
		text = buf_view(&said);
		err = buf_failed(&said) || buf_failed(&c->spelled.raw) ? ERR_NOMEM : 0;
	}
	if (!err && (text.n || !final))
		err = detect_stream_feed(c->scan, c->g->plan.scratch, text, take_piece, c);
	if (!err && final)
		err = detect_stream_finish(c->scan, c->g->plan.scratch, take_piece, c);
	return err;
}

static enum guard_result
channel_run(struct channel *c, struct span text)
{
	struct guard *g = c->g;
	int err;

	if (channel_begin(c))
		return g->failed;
	INVARIANT(c->run->channel == c && c->gone <= c->fed);
	g->report.text_bytes += text.n;
	c->seen += text.n;
	c->fed += text.n;
	g->boundary.total[c->of.kind] += text.n;
	if (c->scan)
		err = channel_scan(c, text, false);
	else
		err = channel_put(c, text);
	if (c->scan)
		g->evasion |= detect_stream_evasion(c->scan);
	if (c->restore)
		guard_place_note(g, &c->of, c->restore);
	if (c->scan || c->restore)
		g->report.held_of_bytes += text.n;
	note_held(c);
	return guard_scanned(g, err);
}

void
guard_mend_halves(struct answer_text *t)
{
	char *p = (char *)(uintptr_t)t->text.p; /* escaped, so it is the reader's copy */

	for (size_t i = 0; t->halves && i < t->text.n; i++)
		if (utf8_half_at(t->text, i))
			memcpy(p + i, GUARD_NO_HALF, UTF8_HALF);
}

enum guard_result
guard_pair(struct guard *g, struct halved *h, struct answer_text *t)
{
	if (!t->text.n || (!t->halves && !h->is))
		return g->failed;
	SCOPED_BUF(all, 0);
	SCOPED_BUF(whole, 0);
	if (h->is)
		buf_span(&all, span_of(h->half, sizeof(h->half)));
	buf_span(&all, t->text);
	h->is = utf8_join_halves(buf_view(&all), &whole) > 0;
	if (h->is)
		memcpy(h->half, all.p + all.n - UTF8_HALF, UTF8_HALF);
	t->text = whole.n ? arena_dup(&g->work, buf_view(&whole)) : SPAN_LIT("");
	if (buf_failed(&all) || buf_failed(&whole) || !t->text.p)
		guard_no_memory(g);
	return g->failed;
}

/* Moves all text that waits for restoration to `out`. */
static int
restore_end(struct channel *c)
{
	int err = c->restore ? restorer_end(c->restore, &c->out) : 0;

	if (c->restore)
		guard_restored(c->g, &c->of, c->restore);
	restorer_free(&c->restore);
	return err;
}

enum guard_result
guard_channel_finish(struct channel *c)
{
	int err = 0;

	if (c->halved.is && channel_run(c, SPAN_LIT(GUARD_NO_HALF)))
		return c->g->failed;
	c->halved.is = false;
	if (c->scan)
		err = channel_scan(c, SPAN_LIT(""), true);
	if (!err)
		err = restore_end(c);
	guard_restore_over(c->g, c->of.kind, c->of.slot);
	detect_stream_free(&c->scan);
	restorer_free(&c->restore);
	note_held(c);
	return guard_scanned(c->g, err);
}

/* Works once: text that continues a value which was sent this way waits until it is decided. */
enum guard_result
guard_channel_let_go(struct channel *c)
{
	struct detect_stream *copy;
	size_t from, held = scan_held(c, &from);
	int err = 0;

	if (held && from < c->gone)
		return c->g->failed;
	if (held) {
		copy = detect_stream_copy(c->scan);
		err = copy ? detect_stream_finish(copy, c->g->plan.scratch, take_piece, c)
			   : ERR_NOMEM;
		detect_stream_free(&copy);
		c->gone = c->fed;
	}
	if (!err)
		err = restore_end(c);
	note_held(c);
	return guard_scanned(c->g, err);
}

void
guard_channel_so_far(struct channel *c, struct answer_text *t)
{
	struct span all = t->text, before = span_cut(all, 0, c->so_far.n);

	if (!t->so_far || !all.n || c->so_far.pieces)
		return;
	bool goes_on =
		c->so_far.n && before.n == c->so_far.n && span_hash(before) == c->so_far.hash;
	if (goes_on && (c->so_far.is || all.n > before.n)) {
		c->so_far.is = true;
		detect_stream_free(&c->scan);
		restorer_free(&c->restore);
		buf_clear(&c->out);
		buf_clear(&c->spelled.raw);
		c->spelled = (struct spelled){ .raw = c->spelled.raw };
		c->came = c->place = (struct json_scan){ 0 };
		c->halved.is = false;
		t->text = span_cut(all, before.n, all.n);
	} else {
		c->so_far.pieces = c->so_far.n > 0;
	}
	c->so_far.n = all.n;
	c->so_far.hash = span_hash(all);
}

/* Arguments end with their last bracket. Then the channel ends, so that a call which arrives
 * complete in one event is sent in one event; some clients take each event for a call. */
enum guard_result
guard_channel_feed(struct channel *c, struct span text)
{
	while (text.n && !c->g->failed) {
		size_t n = c->of.kind == KIND_ARGUMENTS ? json_scan_close(&c->came, text) : 0;
		if (!channel_run(c, span_cut(text, 0, n ? n : text.n)) && n)
			guard_channel_finish(c);
		text = span_cut(text, n ? n : text.n, text.n);
	}
	return c->g->failed;
}
