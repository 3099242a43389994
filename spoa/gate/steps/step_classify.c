/* The steps *target* and *classify*: find data in path and query, and in the body. They decide
 * nothing; the policy step applies the outcome if a segment could not be searched.
 *
 * Long segments are searched in overlapping windows, in turns of 10 ms. */
#include "gate/steps/steps.h"

#include <stdlib.h>

#include "base/caps.h"
#include "base/utf8.h"
#include "base/effort.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "policy/policy.h"
#include "scan/inject/inject.h"
#include "scan/text/marked.h"
#include "scan/text/mention.h"
#include "scan/text/needles.h"
#include "scan/text/opaque.h"

/* Adds a finding. `value`: the text that it spells, if that differs from its bytes; else p is
 * NULL. Returns false if there are too many, or memory ran out. */
static bool
add_hit(struct request *r, const struct segment *s, bool in_target, const struct finding *f,
	struct span value)
{
	if ((r->scan.nhits == r->scan.hits_size && r->scan.hits_size > CAP_FINDINGS) ||
		!mem_room(&r->scan.hits, &r->scan.hits_size, r->scan.nhits + 1,
			sizeof(struct hit)))
		return false;
	r->scan.hits[r->scan.nhits++] = (struct hit){ s, in_target, *f, HIT_SPAN, NULL, value };
	uint16_t roles =
		marked_roles(&r->in.body, s, f->start, f->end, &r->scan.marked);
	return request_add_entity(r, f->entity, roles);
}

/* Long segments are searched in windows that overlap. A finding counts in the window in whose
 * half of the overlap it begins, so that it is seen whole and with its context. If a finding
 * reaches the window's end (a private key may), the next window begins with it. A finding that
 * ends after the previous window's end counts wherever it begins. */
enum { WINDOW = 256 << 10, OVERLAP = 32 << 10, LEFT = 256, TO_THE_END = 64 };

struct window {
	struct span text;
	size_t base, keep, until; /* findings that begin in [keep, until) count, */
	size_t seen;		  /* findings that end after this offset count, too */
};

/* Returns the window of `text` that begins at r->scan.from, and moves that to the next one, or
 * to 0 after the last. */
static struct window
next_window(struct request *r, struct span text)
{
	struct window w = { .base = r->scan.from };

	w.text = span_cut(text, w.base, w.base + WINDOW);
	w.keep = w.base ? r->scan.keep : 0;
	w.seen = w.base ? r->scan.seen : text.n;
	if (text.n - w.base <= WINDOW) {
		w.until = text.n;
		r->scan.from = 0;
	} else {
		r->scan.from = utf8_begin(text, w.base + WINDOW - OVERLAP);
		w.until = r->scan.from + OVERLAP / 2;
	}
	r->scan.keep = w.until;
	r->scan.seen = w.base + w.text.n;
	return w;
}

/* If a finding reaches the end of a window that is not the last, it may continue: the next
 * window begins with it, unless it fills most of this one. */
static void
begin_with(
	struct request *r, struct span text, const struct window *w, size_t start, size_t end)
{
	if (r->scan.from == 0 || end + TO_THE_END < r->scan.seen || start >= r->scan.from ||
		start < w->base + WINDOW / 2)
		return;
	r->scan.from = utf8_begin(text, start - LEFT);
	r->scan.keep = end;
}

/* The author of a segment, for the injection model. The operator's words (system prompts and
 * tool definitions) and the model's own are not scored. */
static const enum inject_origin origins[ROLE_COUNT] = {
	[ROLE_OTHER] = INJECT_USER,
	[ROLE_SYSTEM] = INJECT_ORIGINS,
	[ROLE_USER] = INJECT_USER,
	[ROLE_ASSISTANT] = INJECT_ORIGINS,
	[ROLE_TOOL_CALL] = INJECT_ORIGINS,
	[ROLE_TOOL_RESULT] = INJECT_TOOL,
	[ROLE_TOOL_DEFINITION] = INJECT_ORIGINS,
	[ROLE_DOCUMENT] = INJECT_DOCUMENT,
	[ROLE_KEY] = INJECT_ORIGINS,
	[ROLE_PATH] = INJECT_ORIGINS,
	[ROLE_QUERY] = INJECT_USER,
};

static void
score_injection(struct request *r, const struct segment *s, struct span text)
{
	const struct policy *p = r->snap->policy;
	unsigned roles = segment_roles(s), seen = 1u << INJECT_ORIGINS;
	bool cut = r->in.body_state == BODY_STATE_PARTIAL && s->role == ROLE_OTHER;

	if (!p->scores || cut)
		return;
	roles &= p->inject_roles ? p->inject_roles : UINT16_MAX;
	for (; roles; roles &= roles - 1) {
		enum inject_origin o = origins[__builtin_ctz(roles)];
		if (seen >> o & 1)
			continue;
		seen |= 1u << o;
		struct inject_result got = inject_score(p->inject, text, o, p->inject_off);
		if (got.score <= r->found.injection)
			continue;
		r->found.injection = got.score;
		r->found.injection_pattern = got.pattern;
	}
}

/* Returns true for a finding by chance: in data that a provider sealed, one block in three
 * hundred looks like a name or a postcode. */
static bool
is_chance(const struct request *r, const struct segment *s, const struct finding *f)
{
	return s->sealed && !detect_entity_spreads(r->snap->rules, f->entity) &&
	       opaque_is_sealed(s->text);
}

/* Returns true if the text may share a value with the path, which must then be searched for
 * everything, because a found value must not be recorded in the path. Words that the route
 * matched are the policy's own. */
static bool
may_be_in_path(const struct request *r, struct span text)
{
	struct pieces path;
	bool any = false;

	_Static_assert((int)MENTION_LEAST >= (int)PIECE_BYTES, "each value has a piece");
	for (size_t i = 0; i < r->in.ntarget; i++) {
		const struct segment *s = &r->in.target[i];
		if (s->role != ROLE_PATH || s->reserved || s->text.n < MENTION_LEAST)
			continue;
		if (!any)
			path = (struct pieces){ 0 };
		any = true;
		pieces_add(&path, s->text);
	}
	return any && pieces_meet(&path, text);
}

/* Returns the detectors to use; NULL: all. Path and model name are recorded only if they have
 * no finding at all. In a long segment, the next window begins with any finding that reaches
 * the end. */
static const struct detect_used *
detectors_for(
	const struct request *r, const struct segment *s, bool in_target, struct span window)
{
	struct span model = r->in.body.model;

	if (in_target || s->reserved || s->text.n > WINDOW || r->found.route->find_all ||
		(model.n && window.n >= model.n &&
			memmem(window.p, window.n, model.p, model.n)) ||
		may_be_in_path(r, window))
		return NULL;
	return r->snap->used;
}

/* As detect_scan(). Segments that are equal in most requests (keys, paths, reserved words) are
 * searched once, and their hashes are remembered. */
static int
find_in_segment(const struct request *r, struct snapshot_local *mine, const struct segment *s,
	struct span text, const struct detect_options *opt, struct arena *a,
	struct findings *out)
{
	bool often = (s->reserved || s->role == ROLE_KEY || s->role == ROLE_PATH) &&
		     opt->before.n + s->text.n <= SEEN_BYTES;
	unsigned char hash[SEEN_HASH];

	if (often && seen_has(mine->clean, !opt->used, opt->before, text, hash))
		return 0;
	int err = detect_scan(r->snap->rules, mine->scratch, text, opt, a, out);
	request_text_took(r, text.n, effort.done);
	if (often && !err && out->n == 0 && !out->evasion)
		seen_add(mine->clean, hash);
	return err;
}

/* If the segment is JSON in a string, writes the text that the window spells into `b`. Sets
 * the last argument to that text, or else to the window. Returns 0 or ERR_NOMEM. */
static int
spell_window(struct request *r, const struct segment *s, const struct window *w, struct buf *b,
	struct span *said)
{
	struct inner *in = &r->scan.inner;
	int err = 0;

	*said = w->text;
	if (w->base == 0)
		*in = (struct inner){ .n = 0 };
	if (w->base == 0 && inner_escaped(s->text))
		err = inner_open(in, s->text, s->role == ROLE_TOOL_CALL, &r->arena);
	if (err || !in->n)
		return err;
	inner_said(in, w->base, w->base + w->text.n, b);
	*said = buf_view(b);
	return buf_failed(b) ? ERR_NOMEM : 0;
}

/* Converts offsets in the spelled text to offsets in the segment. */
static void
place_findings(const struct request *r, const struct window *w, struct findings *found)
{
	struct inner_cursor at = inner_at(&r->scan.inner, w->base);

	for (size_t i = 0; i < found->n; i++) {
		struct finding *f = &found->v[i];
		size_t start = f->start, end = f->end;
		if (!r->scan.inner.n) {
			f->start = w->base + start;
			f->end = w->base + end;
			continue;
		}
		f->start = inner_start(&at, start);
		f->end = inner_end(&at, end);
	}
}

/* Turns the findings that count in this window into hits. Returns 0, ERR_LIMIT or ERR_NOMEM. */
static int
take_findings(struct request *r, const struct segment *s, bool in_target,
	const struct window *w, struct span said, struct findings *found)
{
	struct finding *places = arena_array(&r->arena, found->n, sizeof(*places));
	struct span value = { NULL, 0 };

	if (!places)
		return ERR_NOMEM;
	if (found->n)
		memcpy(places, found->v, found->n * sizeof(*places));
	place_findings(r, w, &(struct findings){ .v = places, .n = found->n });
	for (size_t i = 0; i < found->n; i++) {
		struct finding f = places[i];
		if (f.start >= w->until || f.end <= r->scan.end ||
			(f.start < w->keep && f.end <= w->seen) || is_chance(r, s, &f))
			continue;
		begin_with(r, s->text, w, f.start, f.end);
		if (f.start < r->scan.end)
			f.start = r->scan.end;
		r->scan.end = f.end;
		if (r->scan.inner.n)
			value = arena_dup(
				&r->arena, span_cut(said, found->v[i].start, found->v[i].end));
		if (!add_hit(r, s, in_target, &f, value))
			return ERR_LIMIT;
	}
	return 0;
}

/* Moves the table that the windows are parts of to where the next window begins. Returns 0 or
 * ERR_NOMEM. */
static int
pass_table(struct request *r, const struct segment *s, const struct window *w)
{
	size_t to = r->scan.from;

	if (to == 0)
		return 0;
	SCOPED_BUF(b, 0);
	if (r->scan.inner.n)
		inner_said(&r->scan.inner, w->base, to, &b);
	detect_table_pass(r->scan.table,
		r->scan.inner.n ? buf_view(&b) : span_cut(s->text, w->base, to),
		s->text.n - to > WINDOW);
	return buf_failed(&b) ? ERR_NOMEM : 0;
}

/* Searches one window. Returns 0, ERR_NOMEM, or 1 if the result is no longer wanted. A segment
 * that the detectors could not search is remembered and skipped. */
static int
scan_window(
	struct request *r, struct segment *s, bool in_target, struct span before, size_t *work)
{
	struct detect_options opt = policy_detect_options(r->snap->policy);
	struct snapshot_local *mine = snapshot_mine(r->snap, r->worker);
	struct findings found = { 0 };
	struct window w = next_window(r, s->text);
	struct span said;

	SCOPED_BUF(b, 0);
	int err = spell_window(r, s, &w, &b, &said);
	if (w.base == 0) {
		opt.before = before;
		r->scan.end = 0;
		r->scan.table = r->scan.from ? detect_table_new(&r->arena) : NULL;
		if (r->scan.from && !r->scan.table)
			return ERR_NOMEM;
	}
	opt.table = r->scan.table;
	opt.used = detectors_for(r, s, in_target, said);
	if (!err)
		err = find_in_segment(r, mine, s, said, &opt, &r->arena, &found);
	r->found.evasion |= found.evasion;
	if (!err || err == ERR_LIMIT)
		score_injection(r, s, said);
	if (!err)
		err = take_findings(r, s, in_target, &w, said, &found);
	if (!err)
		err = pass_table(r, s, &w);
	*work = w.text.n;
	if (err == ERR_NOMEM)
		return ERR_NOMEM;
	if (err == ERR_CLOSED)
		return 1;
	if (err < 0) {
		r->scan.from = 0;
		if (detect_overworked(mine->scratch))
			r->found.search = SEARCH_TOO_DEAR;
		else if (r->found.search == SEARCH_WHOLE)
			r->found.search = SEARCH_FAILED;
		if (!mem_room((void *)&r->scan.failed, &r->scan.failed_size,
			    r->scan.nfailed + 1, sizeof(*r->scan.failed)))
			return ERR_NOMEM;
		r->scan.failed[r->scan.nfailed++] = s;
	}
	return 0;
}

/* Continues at segment *at. The names of a value are its context. Returns 1 if the turn is
 * over. */
static int
scan_all(struct request *r, struct segment *v, size_t n, size_t *at)
{
	struct turn t = turn_begin(r);

	while (*at < n) {
		struct segment *s = &v[*at];
		char names[SEGMENT_NAMES];
		size_t work;
		int err =
			scan_window(r, s, v == r->in.target, segment_names(v, s, names), &work);
		if (err)
			return err;
		if (r->scan.from == 0)
			(*at)++;
		if (turn_over(r, &t, work))
			return 1;
	}
	return 0;
}

static enum step_result
classify_segments(struct request *r, struct segment *v, size_t n, size_t *at)
{
	struct snapshot_local *mine = snapshot_mine(r->snap, r->worker);

	if (!mine)
		return request_overload(r);
	int err = scan_all(r, v, n, at);
	detect_scratch_wipe(mine->scratch);
	if (err > 0)
		return turn_next(r);
	return err ? request_overload(r) : STEP_NEXT;
}

/* Runs before any decision: the record of a denied request must not hold data from its path. */
enum step_result
step_target(struct request *r)
{
	enum step_result s =
		classify_segments(r, r->in.target, r->in.ntarget, &r->scan.target_done);

	if (s == STEP_NEXT && !r->scan.nfailed)
		r->found.path_state = PATH_CLEAN;
	return s;
}

enum step_result
step_classify(struct request *r)
{
	enum step_result s = STEP_NEXT;

	if (r->in.have_body)
		s = classify_segments(
			r, r->in.body.segments, r->in.body.nsegments, &r->scan.body_done);
	if (s != STEP_NEXT)
		return s;
	r->found.unclassified =
		policy_unclassified(r->snap->policy, request_on_failure(r), &r->found.entities,
			r->found.roles, r->found.injection, &r->found.unclassified_by);
	if (r->gate) {
		metric_add(r->gate->metrics, M_FINDINGS, r->scan.nhits);
		metric_add(r->gate->metrics, M_SCANNED_BYTES,
			r->in.have_body ? r->in.body.inspected_bytes : 0);
		if (r->found.evasion)
			metric_inc(r->gate->metrics, M_EVASIONS);
		if (r->found.injection >= INJECT_SUSPECT)
			metric_inc(r->gate->metrics, r->found.injection >= INJECT_BLOCK
							     ? M_INJECTION_BLOCK
							     : M_INJECTION_SUSPECT);
		if (r->found.search != SEARCH_WHOLE)
			metric_inc(r->gate->metrics, M_CLASSIFIER_FAILED);
		if (r->found.search == SEARCH_TOO_DEAR)
			metric_inc(r->gate->metrics, M_OVERWORKED);
	}
	return STEP_NEXT;
}
