/* The steps *target* and *classify*: find data in path and query, and in the body. They decide
 * nothing; the policy step applies the outcome if a segment could not be searched.
 *
 * Long segments are searched in overlapping windows, in turns of 10 ms. */
#include "gate/steps/steps.h"

#include <stdlib.h>

#include "base/ascii.h"
#include "base/attr.h"
#include "base/caps.h"
#include "base/utf8.h"
#include "base/effort.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/ascii.h"
#include "base/push.h"
#include "base/scoped.h"
#include "gate/memo.h"
#include "policy/identity/apikeys.h"
#include "policy/policy.h"
#include "scan/inject/inject.h"
#include "scan/text/invisible.h"
#include "scan/text/marked.h"
#include "scan/text/mention.h"
#include "scan/text/needles.h"
#include "scan/text/sealed.h"

/* Notes the limit because of which a segment could not be searched. */
static void
note_limit(struct request *r, const char *limit)
{
	if (r->found.search >= SEARCH_LIMITED)
		return;
	r->found.search = SEARCH_LIMITED;
	r->found.search_limit = limit;
}

/* Returns why a finding could not be added: ERR_LIMIT or ERR_NOMEM. */
static int
hit_refused(struct request *r)
{
	if (r->scan.nhits <= CAP_FINDINGS && r->scan.nborder < CAP_FINDINGS)
		return ERR_NOMEM;
	note_limit(r, "100,000 findings");
	return ERR_LIMIT;
}

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
	r->scan.hits[r->scan.nhits++] = (struct hit){
		.segment = s, .in_target = in_target, .f = *f, .kind = HIT_SPAN, .value = value
	};
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

	w.text = span_cut(text, w.base, utf8_begin(text, w.base + WINDOW));
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

/* Returns the roles of the segment for which its text is scored. */
static unsigned
scored_roles(const struct request *r, const struct segment *s)
{
	const struct policy *p = r->snap->policy;
	bool cut = r->in.body_state == BODY_STATE_PARTIAL && s->role == ROLE_OTHER;

	if (!p->scores || cut)
		return 0;
	return segment_roles(s) & (p->inject_roles ? p->inject_roles : UINT16_MAX);
}

static void
score_injection(const struct request *r, unsigned roles, struct span text, struct text_found *got)
{
	const struct policy *p = r->snap->policy;
	unsigned seen = 1u << INJECT_ORIGINS;

	_Static_assert((int)INJECT_ORIGINS <= (int)MEMO_SCORES, "one score for each origin");
	for (; roles; roles &= roles - 1) {
		enum inject_origin o = origins[__builtin_ctz(roles)];
		if (seen >> o & 1)
			continue;
		seen |= 1u << o;
		got->score[got->nscores++] = inject_score(p->inject, text, o, p->inject_off);
	}
}

static void
take_scores(struct request *r, const struct text_found *got)
{
	for (unsigned i = 0; i < got->nscores; i++) {
		if (got->score[i].score <= r->found.injection)
			continue;
		r->found.injection = got->score[i].score;
		r->found.injection_pattern = got->score[i].pattern;
	}
}

/* Returns true if the bytes from start to end are a part of a UUID, not all of it (RFC 9562 4). */
static bool
is_in_uuid(struct span text, size_t start, size_t end)
{
	enum { UUID = 36 };
	size_t first = start > UUID - 1 ? start - (UUID - 1) : 0;

	for (size_t at = first; at <= start && at + UUID <= text.n; at++) {
		size_t i = 0;
		while (i < UUID && (i == 8 || i == 13 || i == 18 || i == 23
						   ? text.p[at + i] == '-'
						   : is_hex(text.p[at + i])))
			i++;
		if (i == UUID && end <= at + UUID)
			return start > at || end < at + UUID;
	}
	return false;
}

/* Returns true for a finding by chance: among 2,000 random ids, a part of one looks like an account
 * number. */
static bool
is_chance(const struct segment *s, const struct finding *f)
{
	return s->identifier && is_in_uuid(s->text, f->start, f->end);
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

/* Returns true if the window has the model's name. Most names have a digit, which most texts
 * lack, and one digit is found faster than the name. */
static bool
holds_model(struct span window, struct span model)
{
	size_t i = 0;

	while (i < model.n && !is_digit(model.p[i]))
		i++;
	return window.n >= model.n && (i == model.n || memchr(window.p, model.p[i], window.n)) &&
	       memmem(window.p, window.n, model.p, model.n);
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
		(model.n && holds_model(window, model)) || may_be_in_path(r, window))
		return NULL;
	return r->snap->used;
}

/* The options of a search that differ from segment to segment. */
static unsigned char
search_kind(const struct detect_options *opt)
{
	return (unsigned char)((opt->used ? 0 : 1) | (opt->identifier ? 2 : 0));
}

/* As detect_scan(). Segments that are equal in most requests (keys, paths, reserved words) are
 * searched once, and their hashes are remembered. */
static int
find_in_segment(const struct request *r, struct snapshot_local *mine, const struct segment *s,
	struct span text, const struct detect_options *opt, struct arena *a,
	struct findings *out)
{
	bool often = (s->reserved || s->identifier || s->role == ROLE_KEY ||
			     s->role == ROLE_PATH) &&
		     opt->before.n + s->text.n <= SEEN_BYTES;
	unsigned char hash[SEEN_HASH];

	if (often && seen_has(mine->clean, search_kind(opt), opt->before, text, hash))
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

/* ---- borders of parts ----
 *
 * A model may read the parts of a message as one text. So the texts of a run (struct text_run) are
 * searched once more around each border, joined without anything between them, and joined with a
 * line end, because providers differ. Borders that are near each other share a stretch of joined
 * text, so each byte is searched at most once more in each way. A finding of a stretch is mapped
 * back to the parts that it covers. */

enum {
	NEAR = 4 << 10,	    /* bytes before and after a border that are searched with it */
	STRETCH = 64 << 10, /* a stretch of several borders is at most this long */
	EDGE = 256, /* so near the cut end of a stretch, only a finding over a border counts */
};

/* A part of the current run. `at`: its offset in the run, which has nothing between its parts. */
struct run_text {
	const struct segment *segment;
	size_t at;
};
/* The place of a part in the joined text. */
struct joint {
	size_t at;   /* offset in the joined text */
	size_t from; /* offset in the run */
	size_t n;
};
/* A finding of the joined text, with offsets in the run. */
struct border_found {
	struct finding f;
	struct span value;
};

/* owner: the request, on its worker or helper thread. In the request's arena. */
struct border_job {
	size_t run;	    /* index of the current run */
	struct run_text *v; /* its parts, without empty ones; NULL: the run is not open */
	size_t n, bytes;
	size_t border; /* the next border: that after part `border` */
	bool seam;     /* a line end is between the parts */
	/* The current stretch: its place in the run, and its text as a segment. */
	size_t left, right;
	struct segment joined;
	char *text;
	size_t text_room;
	struct joint *joint;
	size_t njoints, joints_room;
	struct border_found *found; /* of the current run; the first nplain without line ends */
	size_t nfound, nplain, found_room;
};

/* Returns true if the segment is the text of a stretch. */
static bool
is_stretch(const struct request *r, const struct segment *s)
{
	return r->scan.borders && s == &r->scan.borders->joined;
}

/* Returns the index of the part that holds the byte at an offset of the run. */
static size_t
part_at(const struct border_job *j, size_t offset)
{
	size_t low = 0, high = j->n;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;
		if (j->v[mid].at <= offset)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static size_t
run_part_end(const struct border_job *j, size_t part)
{
	return j->v[part].at + j->v[part].segment->text.n;
}

/* Returns the index of the segment's first hit that ends after `offset`, or of the first hit of a
 * later segment. Hits of a segment do not overlap. */
static size_t
hit_after(const struct request *r, const struct segment *s, size_t offset)
{
	size_t low = 0, high = r->scan.nhits;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct hit *h = &r->scan.hits[mid];
		bool before = h->segment == s ? h->f.end <= offset
					      : request_segment_before(r, h->segment, s);
		if (before)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool
is_hit_of(const struct request *r, size_t i, const struct segment *s)
{
	return i < r->scan.nhits && r->scan.hits[i].segment == s;
}

static int
open_run(struct request *r, struct border_job *j)
{
	const struct body *b = &r->in.body;
	const struct text_run *run = &b->runs[j->run];
	uint32_t at = run->first;

	j->v = arena_array(&r->arena, run->n, sizeof(*j->v));
	if (!j->v)
		return ERR_NOMEM;
	j->n = j->bytes = j->border = j->nfound = 0;
	j->seam = false;
	for (uint32_t i = 0; i < run->n; i++, at = b->parts[at].next) {
		const struct segment *s = &b->segments[b->parts[at].segment];
		if (!s->text.n)
			continue;
		j->v[j->n++] = (struct run_text){ s, j->bytes };
		j->bytes += s->text.n;
	}
	return 0;
}

/* Returns true if the border needs no line end, because there is a space at it. */
static bool
has_space(const struct border_job *j, size_t border)
{
	struct span a = j->v[border].segment->text, b = j->v[border + 1].segment->text;

	return is_space(a.p[a.n - 1]) || is_space(b.p[0]);
}

/* Returns where the text to search with the border begins, as an offset in the run. If a finding
 * reaches the border, it may continue, so the text begins with that finding. */
static size_t
border_begin(const struct request *r, const struct border_job *j, size_t border)
{
	const struct segment *s = j->v[border].segment;
	size_t end = run_part_end(j, border), from = end > NEAR ? end - NEAR : 0;
	size_t after = s->text.n > TO_THE_END ? s->text.n - TO_THE_END : 0;

	for (size_t i = hit_after(r, s, after); is_hit_of(r, i, s); i++) {
		size_t start = r->scan.hits[i].f.start;
		start = j->v[border].at + (start > LEFT ? start - LEFT : 0);
		if (start < from && end - start <= STRETCH / 2)
			from = start;
	}
	return from;
}

/* Sets the next stretch of the run. Returns false after the last one. */
static bool
next_stretch(const struct request *r, struct border_job *j)
{
	bool any = false;

	for (; j->border + 1 < j->n; j->border++) {
		if (j->seam && has_space(j, j->border))
			continue;
		size_t from = border_begin(r, j, j->border);
		size_t to = run_part_end(j, j->border) + NEAR;
		if (any && (from > j->right || to - j->left > STRETCH))
			break;
		if (!any || from < j->left)
			j->left = from;
		j->right = to < j->bytes ? to : j->bytes;
		any = true;
	}
	return any;
}

/* Moves an offset of the run to the beginning of its character. */
static size_t
run_utf8_begin(const struct border_job *j, size_t offset)
{
	if (offset >= j->bytes)
		return j->bytes;
	size_t part = part_at(j, offset);
	return j->v[part].at + utf8_begin(j->v[part].segment->text, offset - j->v[part].at);
}

/* Joins the texts of the stretch into j->joined. Returns 0 or ERR_NOMEM. */
static int
join_stretch(struct request *r, struct border_job *j)
{
	size_t n = 0;

	j->left = run_utf8_begin(j, j->left);
	j->right = run_utf8_begin(j, j->right);
	size_t first = part_at(j, j->left), last = part_at(j, j->right - 1);
	size_t room = j->right - j->left + (last - first);
	if (room > j->text_room) {
		j->text_room = 2 * room;
		j->text = arena_array(&r->arena, j->text_room, 1);
		if (!j->text)
			return ERR_NOMEM;
	}
	j->njoints = 0;
	for (size_t i = first; i <= last; i++) {
		size_t from = i == first ? j->left : j->v[i].at;
		size_t to = i == last ? j->right : run_part_end(j, i);
		if (!ARENA_PUSH(&r->arena, j->joint, j->njoints, j->joints_room, 16,
			    (struct joint){ n, from, to - from }))
			return ERR_NOMEM;
		memcpy(j->text + n, j->v[i].segment->text.p + (from - j->v[i].at), to - from);
		n += to - from;
		if (j->seam && i < last)
			j->text[n++] = '\n';
	}
	j->joined = *j->v[first].segment;
	j->joined.form = SEG_TEXT;
	j->joined.text = span_of(j->text, n);
	return 0;
}

/* Returns the offset in the run of an offset in the joined text. */
static size_t
run_offset(const struct border_job *j, size_t offset)
{
	size_t low = 0, high = j->njoints;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;
		if (j->joint[mid].at <= offset)
			low = mid;
		else
			high = mid;
	}
	size_t in = offset - j->joint[low].at;
	return j->joint[low].from + (in < j->joint[low].n ? in : j->joint[low].n);
}

static int
found_by_place(const void *x, const void *y)
{
	const struct finding *a = &((const struct border_found *)x)->f;
	const struct finding *b = &((const struct border_found *)y)->f;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->end != b->end)
		return a->end < b->end ? -1 : 1;
	return (int)a->entity - (int)b->entity;
}

static bool
is_found_plain(const struct border_job *j, const struct border_found *f)
{
	return j->nplain && bsearch(f, j->found, j->nplain, sizeof(*f), found_by_place);
}

/* Returns true if a part's own validated value ends with its part, and a finding over the border
 * only adds a word to it: "jane@example.com", "Please reply". Tokens of mixed case are no words. */
static bool
adds_word(const struct request *r, const struct border_job *j, const struct finding *f)
{
	size_t part = part_at(j, f->start);
	const struct segment *s = j->v[part].segment;
	size_t at = f->start - j->v[part].at, i = hit_after(r, s, at);
	const struct hit *h = &r->scan.hits[i];

	return is_hit_of(r, i, s) && h->f.start == at && h->f.end == s->text.n &&
	       h->f.entity == f->entity && (h->f.flags & FINDING_VALIDATED) &&
	       strcmp(detect_entity_class(r->snap->rules, f->entity), "secret") != 0 &&
	       is_lower(s->text.p[s->text.n - 1]) &&
	       is_upper(j->v[part + 1].segment->text.p[0]);
}

/* Keeps a finding of the joined text if it is over a border, or has its context beyond one: then
 * the part by itself has no finding there. A line end between the parts is no evasion. Returns
 * false if memory ran out. */
static bool
add_border(struct request *r, const struct finding *f, struct span value)
{
	struct border_job *j = r->scan.borders;
	struct border_found found = { *f, value };

	found.f.start = run_offset(j, f->start);
	found.f.end = run_offset(j, f->end);
	if (found.f.start >= found.f.end)
		return true;
	size_t part = part_at(j, found.f.start);
	if (found.f.end <= run_part_end(j, part)) {
		const struct segment *s = j->v[part].segment;
		size_t at = found.f.start - j->v[part].at, end = found.f.end - j->v[part].at;
		if ((j->left && found.f.start < j->left + EDGE) ||
			(j->right < j->bytes && found.f.end + EDGE > j->right))
			return true;
		size_t i = hit_after(r, s, at);
		if (is_hit_of(r, i, s) && r->scan.hits[i].f.start < end)
			return true;
	} else if (adds_word(r, j, &found.f)) {
		return true;
	} else if (j->seam) {
		found.f.flags &= (uint16_t)~FINDING_EVASION;
	}
	if (j->seam && is_found_plain(j, &found))
		return true;
	if (!value.p)
		found.value =
			arena_dup(&r->arena, span_cut(j->joined.text, f->start, f->end));
	return found.value.p &&
	       ARENA_PUSH(&r->arena, j->found, j->nfound, j->found_room, 8, found);
}

/* Returns the value of a finding of the run: as it was found, or, if another finding cut it, its
 * bytes. */
static struct span
value_in_run(struct request *r, const struct border_job *j, const struct finding *f)
{
	struct border_found want = { *f, { NULL, 0 } }, *same;

	same = bsearch(&want, j->found, j->nfound, sizeof(*j->found), found_by_place);
	if (same)
		return same->value;
	char *p = arena_array(&r->arena, f->end - f->start, 1);
	size_t n = 0;
	for (size_t i = part_at(j, f->start); p && i < j->n && j->v[i].at < f->end; i++) {
		size_t from = f->start > j->v[i].at ? f->start - j->v[i].at : 0;
		struct span piece =
			span_cut(j->v[i].segment->text, from, f->end - j->v[i].at);
		memcpy(p + n, piece.p, piece.n);
		n += piece.n;
	}
	return span_of(p, n);
}

/* Marks the hits that a piece of a finding over a border covers. A validated hit stays if the
 * finding is not validated: both count. */
static void
mark_inside(struct request *r, const struct hit *piece)
{
	const struct segment *s = piece->segment;

	for (size_t i = hit_after(r, s, piece->f.start);
		is_hit_of(r, i, s) && r->scan.hits[i].f.start < piece->f.end; i++) {
		struct hit *h = &r->scan.hits[i];
		h->inside |= (piece->f.flags & FINDING_VALIDATED) ||
			     !(h->f.flags & FINDING_VALIDATED) ||
			     h->f.entity == piece->f.entity;
	}
}

/* Adds the hits of a finding in the run, one in each part. Returns 0, ERR_LIMIT or ERR_NOMEM. */
static int
place_border(struct request *r, const struct border_job *j, const struct finding *f)
{
	size_t first = part_at(j, f->start);
	bool over = f->end > run_part_end(j, first);
	struct span value = value_in_run(r, j, f);

	if (!value.p)
		return ERR_NOMEM;
	r->found.evasion |= (f->flags & FINDING_EVASION) && !j->v[first].segment->spoken;
	for (size_t i = first; i < j->n && j->v[i].at < f->end; i++) {
		const struct run_text *t = &j->v[i];
		size_t end = f->end - t->at;
		struct hit h = { .segment = t->segment,
			.f = *f,
			.kind = HIT_SPAN,
			.value = value,
			.piece = !over ? PIECE_NONE : i == first ? PIECE_FIRST : PIECE_FURTHER };
		h.f.start = i == first ? f->start - t->at : 0;
		h.f.end = end < t->segment->text.n ? end : t->segment->text.n;
		if (r->scan.nborder == CAP_FINDINGS)
			return ERR_LIMIT;
		if (!mem_room(&r->scan.border, &r->scan.border_size, r->scan.nborder + 1,
			    sizeof(h)) ||
			!request_add_entity(r, f->entity,
				marked_roles(&r->in.body, t->segment, h.f.start, h.f.end,
					&r->scan.marked)))
			return ERR_NOMEM;
		r->scan.border[r->scan.nborder++] = h;
		if (over)
			mark_inside(r, &h);
	}
	return 0;
}

/* Notes that a segment, or each part of a stretch, could not be searched. Returns 0 or ERR_NOMEM.
 */
static int
note_unsearched(struct request *r, const struct segment *s)
{
	const struct border_job *j = r->scan.borders;
	bool joined = is_stretch(r, s);
	size_t first = joined ? part_at(j, j->left) : 0,
	       last = joined ? part_at(j, j->right - 1) : 0;

	if (!mem_room((void *)&r->scan.failed, &r->scan.failed_size,
		    r->scan.nfailed + 1 + last - first, sizeof(*r->scan.failed)))
		return ERR_NOMEM;
	for (size_t i = first; i <= last; i++)
		r->scan.failed[r->scan.nfailed++] = joined ? j->v[i].segment : s;
	return 0;
}

/* Makes hits of what was found in the run. */
static int
settle_run(struct request *r, struct border_job *j)
{
	struct finding *v = arena_array(&r->arena, j->nfound, sizeof(*v));
	struct findings out = { 0 };
	int err = v ? 0 : ERR_NOMEM;

	for (size_t i = 0; v && i < j->nfound; i++)
		v[i] = j->found[i].f;
	if (j->nfound > 1)
		qsort(j->found, j->nfound, sizeof(*j->found), found_by_place);
	if (!err && j->nfound)
		err = detect_resolve(r->snap->rules, v, j->nfound, &r->arena, &out);
	for (size_t i = 0; i < out.n && !err; i++)
		err = place_border(r, j, &out.v[i]);
	if (err != ERR_LIMIT)
		return err;
	note_limit(r, "100,000 findings");
	for (size_t i = 0; i < j->n; i++)
		if (note_unsearched(r, j->v[i].segment))
			return ERR_NOMEM;
	return 0;
}

/* Returns true if the finding is inside an identifier of the segment's text, and a search of the
 * identifier alone, which uses no list of words, finds nothing. */
static bool
is_word_in_name(struct request *r, const struct segment *s, const struct finding *f)
{
	struct detect_options opt = policy_detect_options(r->snap->policy);
	struct findings found = { 0 };
	struct span name;

	if (is_stretch(r, s) || !named_at(&r->in.body, s, f->start, f->end, &r->arena,
					&r->scan.named, &name))
		return false;
	opt.identifier = true;
	return !detect_scan(r->snap->rules, snapshot_mine(r->snap, r->worker)->scratch, name, &opt,
		       &r->arena, &found) &&
	       found.n == 0;
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
			(f.start < w->keep && f.end <= w->seen) || is_chance(s, &f) ||
			is_word_in_name(r, s, &f))
			continue;
		begin_with(r, s->text, w, f.start, f.end);
		if (f.start < r->scan.end)
			f.start = r->scan.end;
		r->scan.end = f.end;
		if (r->scan.inner.n)
			value = arena_dup(
				&r->arena, span_cut(said, found->v[i].start, found->v[i].end));
		if (is_stretch(r, s) ? !add_border(r, &f, value)
				    : !add_hit(r, s, in_target, &f, value))
			return hit_refused(r);
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

/* Notes that the detectors stopped in a segment. Returns 0 or ERR_NOMEM. */
static int
unsearched(struct request *r, struct snapshot_local *mine, const struct segment *s, int err)
{
	r->scan.from = 0;
	if (detect_overworked(mine->scratch))
		r->found.search = SEARCH_TOO_DEAR;
	else if (err == ERR_LIMIT)
		note_limit(r, detect_limit(mine->scratch));
	else if (r->found.search == SEARCH_WHOLE)
		r->found.search = SEARCH_FAILED;
	return note_unsearched(r, s);
}

/* Searches a text and scores it. A result that is remembered is used again, unless the text is
 * a part of a longer one. Returns as detect_scan(); the score is there with ERR_LIMIT, too. */
static int
read_text(struct request *r, struct snapshot_local *mine, const struct segment *s,
	struct span text, const struct detect_options *opt, struct text_found *got)
{
	unsigned roles = scored_roles(r, s);
	const struct memo_of of = { .what = MEMO_SEARCH,
		.kind = search_kind(opt),
		.roles = (uint16_t)roles,
		.before = opt->before,
		.text = text };
	unsigned char key[MEMO_KEY];
	bool remembers = !opt->table && memo_key(r, s, &of, key);

	if (remembers && memo_search(r, key, &r->arena, got)) {
		request_text_took(r, text.n, got->units);
		return 0;
	}
	int err = find_in_segment(r, mine, s, text, opt, &r->arena, &got->found);
	got->units = effort.done;
	if (!opt->table)
		got->invisible = invisible_count(text, 0);
	if (!err || err == ERR_LIMIT)
		score_injection(r, roles, text, got);
	if (!err && remembers)
		memo_searched(r, key, got);
	return err;
}

/* Searches one window. Returns 0, ERR_NOMEM, or 1 if the result is no longer wanted. A segment
 * that the detectors could not search is remembered and skipped. */
static int
scan_window(
	struct request *r, struct segment *s, bool in_target, struct span before, size_t *work)
{
	struct detect_options opt = policy_detect_options(r->snap->policy);
	struct snapshot_local *mine = snapshot_mine(r->snap, r->worker);
	struct text_found got = { 0 };
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
	opt.identifier = s->identifier;
	opt.used = detectors_for(r, s, in_target, said);
	if (!err)
		err = read_text(r, mine, s, said, &opt, &got);
	r->found.evasion |= got.found.evasion && !is_stretch(r, s) && !s->spoken;
	/* the text that windows share counts once */
	if (opt.table)
		got.invisible = invisible_count(said, w.base ? w.seen - w.base : 0);
	if (!is_stretch(r, s))
		r->found.invisible += got.invisible;
	take_scores(r, &got);
	if (!err)
		err = take_findings(r, s, in_target, &w, said, &got.found);
	if (!err)
		err = pass_table(r, s, &w);
	*work = w.text.n;
	if (err == ERR_NOMEM)
		return ERR_NOMEM;
	if (err == ERR_CLOSED)
		return 1;
	return err < 0 ? unsearched(r, mine, s, err) : 0;
}

/* Adds the findings in the readable parts of a sealed text, each value once. Their places in the
 * sealed text are made up, because it is never edited. Returns 0, ERR_LIMIT or ERR_NOMEM. */
static int
take_sealed(struct request *r, const struct segment *s, struct span readable,
	const struct findings *found)
{
	size_t first = r->scan.nhits, n = 0;

	for (size_t i = 0; i < found->n; i++) {
		struct finding f = found->v[i];
		struct span value = span_cut(readable, f.start, f.end);
		bool again = false;
		for (size_t k = first; k < r->scan.nhits && !again; k++)
			again = r->scan.hits[k].f.entity == f.entity &&
				span_eq(r->scan.hits[k].value, value);
		if (again)
			continue;
		value = arena_dup(&r->arena, value);
		f.start = n++;
		f.end = n;
		if (!value.p || n > s->text.n || !add_hit(r, s, false, &f, value))
			return hit_refused(r);
	}
	return 0;
}

/* Searches what is readable in a text that a provider sealed and that looks random; usually nothing
 * is. Returns as scan_window(). */
static int
scan_sealed(struct request *r, struct segment *s, size_t *work)
{
	struct detect_options opt = policy_detect_options(r->snap->policy);
	struct snapshot_local *mine = snapshot_mine(r->snap, r->worker);
	struct findings found = { 0 };

	SCOPED_BUF(b, 0);
	bool sealed = sealed_reads(s->text, &b);
	*work = b.n;
	opt.used = detectors_for(r, s, false, buf_view(&b));
	int err = !sealed || buf_failed(&b) ? ERR_NOMEM : 0;
	if (!err && b.n)
		err = find_in_segment(r, mine, s, buf_view(&b), &opt, &r->arena, &found);
	if (!err)
		err = take_sealed(r, s, buf_view(&b), &found);
	if (b.n)
		explicit_bzero(b.p, b.n);
	return err == ERR_NOMEM ? err : err == ERR_CLOSED ? 1 : err ? unsearched(r, mine, s, err) : 0;
}

/* Continues at segment *at. The names of a value are its context, unless the value is an
 * identifier. Returns 1 if the turn is over. */
static int
scan_all(struct request *r, struct segment *v, size_t n, size_t *at)
{
	struct turn t = turn_begin(r);

	while (*at < n) {
		struct segment *s = &v[*at];
		char names[SEGMENT_NAMES];
		struct span before =
			s->identifier ? SPAN_LIT("") : segment_names(v, s, names);
		size_t work = 0;
		int err = s->random ? scan_sealed(r, s, &work)
				    : scan_window(r, s, v == r->in.target, before, &work);
		if (err)
			return err;
		if (r->scan.from == 0)
			(*at)++;
		if (turn_over(r, &t, work))
			return 1;
	}
	return 0;
}

/* A search for credentials in the joined text. */
struct over_border {
	const struct border_job *job;
	bool any;
};

static int
credential_in_joined(void *arg, const struct needle *which UNUSED, struct span at)
{
	struct over_border *o = arg;
	const struct border_job *j = o->job;
	size_t start = (size_t)(at.p - j->text);

	for (size_t i = 1; i < j->njoints && !o->any; i++)
		o->any = start < j->joint[i].at && j->joint[i].at < start + at.n;
	return o->any;
}

/* Returns true if a credential lies over a border of the stretch. Each part is searched alone for
 * whole ones. */
static bool
has_credential_over_border(const struct request *r, const struct border_job *j)
{
	struct span rest = j->joined.text, key;
	struct over_border o = { .job = j };

	needles_each(&r->in.credentials, rest, credential_in_joined, &o);
	while (!o.any && apikey_next(&rest, &key))
		credential_in_joined(&o, NULL, key);
	return o.any;
}

/* Searches the next stretch of the current run, or settles the run after its last one. Returns as
 * scan_window(). */
static int
scan_borders(struct request *r, struct border_job *j, size_t *work)
{
	char names[SEGMENT_NAMES];
	struct span before = SPAN_LIT("");
	int err = j->v ? 0 : open_run(r, j);

	*work = 0;
	if (err)
		return err;
	if (next_stretch(r, j)) {
		if (j->left == 0)
			before = segment_names(r->in.body.segments, j->v[0].segment, names);
		err = join_stretch(r, j);
		if (!err && !j->seam && !r->scan.credential_over_border)
			r->scan.credential_over_border = has_credential_over_border(r, j);
		return err ? err : scan_window(r, &j->joined, false, before, work);
	}
	j->border = 0;
	if (!j->seam) {
		if (j->nfound > 1)
			qsort(j->found, j->nfound, sizeof(*j->found), found_by_place);
		j->nplain = j->nfound;
		j->seam = true;
		return 0;
	}
	err = settle_run(r, j);
	j->v = NULL;
	j->run++;
	return err;
}

/* Searches the borders of all runs. Returns 1 if the turn is over. */
static int
scan_runs(struct request *r)
{
	struct border_job *j = r->scan.borders;
	struct turn t = turn_begin(r);
	size_t work;

	if (!j)
		j = r->scan.borders = arena_new(&r->arena, struct border_job);
	if (!j)
		return ERR_NOMEM;
	while (j->run < r->in.body.nruns) {
		int err = scan_borders(r, j, &work);
		if (err)
			return err;
		if (turn_over(r, &t, work + TO_THE_END))
			return 1;
	}
	if (r->scan.nborder > 1)
		qsort_r(r->scan.border, r->scan.nborder, sizeof(*r->scan.border),
			request_order_hits, r);
	return 0;
}

static enum step_result
classify_segments(struct request *r, struct segment *v, size_t n, size_t *at)
{
	struct snapshot_local *mine = snapshot_mine(r->snap, r->worker);

	if (!mine)
		return request_overload(r);
	int err = scan_all(r, v, n, at);
	if (!err && v != r->in.target && r->in.body.nruns)
		err = scan_runs(r);
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

static size_t
findings_counted(const struct request *r)
{
	size_t n = r->scan.nhits;

	for (size_t i = 0; r->scan.nborder && i < r->scan.nhits; i++)
		n -= r->scan.hits[i].inside;
	for (size_t i = 0; i < r->scan.nborder; i++)
		n += hit_counts(&r->scan.border[i]);
	return n;
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
		metric_add(r->gate->metrics, M_FINDINGS, findings_counted(r));
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
