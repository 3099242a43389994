/* The step *mentions*: finds other occurrences of values that are redacted because they are
 * secrets or identifiers. The detectors found such a value by its context, which another
 * occurrence may lack. Also finds the caller's credential and anything that looks like a tg_
 * key, which are redacted whatever the policy states. All values are searched for in one pass
 * over the segments, in turns of 10 ms.
 *
 *   SEEK_KEYS → ADD_VALUES → BUILD → READ → DONE
 *                              └──(no value)──↑
 *
 * The first section combines what is redacted (gate/overlay.h): findings of the detectors and of
 * external recognizers, and segments that are redacted as a whole. Where two sources overlap, the
 * detectors' findings keep their places. */
#include <sodium.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/mem.h"
#include "gate/memo.h"
#include "gate/steps/steps.h"
#include "policy/identity/apikeys.h"

/* ---- what is redacted ---- */

const struct segment *
request_segment(const struct request *r, size_t i)
{
	if (i < r->in.ntarget)
		return &r->in.target[i];
	i -= r->in.ntarget;
	return r->in.have_body && i < r->in.body.nsegments ? &r->in.body.segments[i] : NULL;
}

bool
request_in_target(const struct request *r, const struct segment *s)
{
	return s >= r->in.target && s < r->in.target + r->in.ntarget;
}

bool
request_segment_before(
	const struct request *r, const struct segment *a, const struct segment *b)
{
	bool a_target = request_in_target(r, a), b_target = request_in_target(r, b);

	return a_target != b_target ? a_target : a < b;
}

int
request_order_hits(const void *x, const void *y, void *arg)
{
	const struct hit *a = x, *b = y;

	if (a->segment != b->segment)
		return request_segment_before(arg, a->segment, b->segment) ? -1 : 1;
	if (a->f.start != b->f.start)
		return a->f.start < b->f.start ? -1 : 1;
	if (a->f.end != b->f.end)
		return a->f.end > b->f.end ? -1 : 1; /* the longer one first */
	return (int)a->f.entity - (int)b->f.entity;
}

/* Returns true if the verdict redacts the hit. */
static bool
request_goes(const struct request *r, const struct hit *h)
{
	return h->kind >= HIT_POSSIBLE ||
	       (r->found.verdict.redacts &&
		       entity_in(&r->found.verdict.redact.of, h->f.entity));
}

/* Fills in the segments that are redacted as a whole, once each: a recognizer judged the whole
 * segment or did not reply, or the detectors could not search it. */
static int
collect_wholes(struct request *r, bool failed, struct overlay *o)
{
	size_t most = (failed ? r->scan.nfailed : 0) + r->scan.nextra, k = 0, n = 0;
	struct hit *v = arena_array(&r->arena, most, sizeof(*v));

	o->wholes = v;
	if (!v)
		return ERR_NOMEM;
	for (size_t i = 0; i < r->scan.nextra; i++)
		if ((r->scan.extra[i].kind == HIT_WHOLE ||
			    r->scan.extra[i].kind == HIT_UNKNOWN) &&
			request_goes(r, &r->scan.extra[i]))
			v[n++] = r->scan.extra[i];
	for (k = 0; failed && k < r->scan.nfailed; k++) {
		const struct segment *s = r->scan.failed[k];
		v[n++] = (struct hit){ .segment = s,
			.in_target = request_in_target(r, s),
			.f.end = s->text.n,
			.kind = HIT_UNKNOWN };
	}
	qsort_r(v, n, sizeof(*v), request_order_hits, r);
	for (size_t i = 0; i < n; i++)
		if (!o->nwholes || v[o->nwholes - 1].segment != v[i].segment)
			v[o->nwholes++] = v[i];
	return 0;
}

/* Example: own = [4,8), extra = [2,6) and [7,12): the result is [2,4) of extra, [4,8) of own,
 * [8,12) of extra. */
size_t
hits_lay_over(const struct hit *own, size_t nown, const struct hit *extra, size_t nextra,
	struct hit *out)
{
	size_t n = 0, k = 0, free_from = 0;

	for (size_t i = 0; i < nextra; i++) {
		size_t at = extra[i].f.start > free_from ? extra[i].f.start : free_from,
		       end = extra[i].f.end;
		while (k < nown && own[k].f.end <= at)
			out[n++] = own[k++];
		while (k < nown && own[k].f.start < end) {
			if (own[k].f.start > at) {
				out[n] = extra[i];
				out[n].f.start = at;
				out[n++].f.end = own[k].f.start;
			}
			if (own[k].f.end > at)
				at = own[k].f.end;
			out[n++] = own[k++];
		}
		if (at < end) {
			out[n] = extra[i];
			out[n++].f.start = at;
		}
		free_from = end > at ? end : at;
	}
	while (k < nown)
		out[n++] = own[k++];
	return n;
}

/* Copies the hits of segment s from *at on that are parts to redact, and returns their number. */
static size_t
copy_segment_hits(const struct request *r, const struct hit *list, size_t n, size_t *at,
	const struct segment *s, struct hit *out)
{
	size_t made = 0;

	for (; *at < n && list[*at].segment == s; (*at)++)
		if ((list[*at].kind == HIT_SPAN || list[*at].kind == HIT_POSSIBLE) &&
			request_goes(r, &list[*at]))
			out[made++] = list[*at];
	return made;
}

/* Returns the earlier one of s and the segment of the list's first hit; s may be NULL. */
static const struct segment *
earlier_segment(const struct request *r, const struct segment *s, const struct hit *list,
	size_t n)
{
	return n && (!s || request_segment_before(r, list->segment, s)) ? list->segment : s;
}

/* Fills in the parts to redact, from the findings of all sources. A finding over a border keeps
 * its place, then a finding of a segment, then those of recognizers. `failed`: also segments that
 * the detectors could not search. In the arena. Returns 0 or ERR_NOMEM. */
static int
request_overlay(struct request *r, bool failed, struct overlay *o)
{
	const struct request_scan *c = &r->scan;
	size_t n = c->nhits + c->nborder, most = n + c->nextra, i = 0, b = 0, k = 0, w = 0;
	struct hit *own = arena_array(&r->arena, c->nhits, sizeof(*own)),
		   *over = arena_array(&r->arena, c->nborder, sizeof(*over)),
		   *extra = arena_array(&r->arena, c->nextra, sizeof(*extra)),
		   /* each hit can cut one of the next source in two */
		*both = c->nborder ? arena_array(&r->arena, 2 * n, sizeof(*both)) : own;

	*o = (struct overlay){ 0 };
	o->hits = arena_array(&r->arena, 4 * most, sizeof(*o->hits));
	if (!own || !over || !extra || !both || !o->hits || collect_wholes(r, failed, o) < 0)
		return ERR_NOMEM;
	while (i < c->nhits || b < c->nborder || k < c->nextra) {
		const struct segment *s =
			earlier_segment(r, NULL, c->hits + i, c->nhits - i);
		s = earlier_segment(r, s, c->border + b, c->nborder - b);
		s = earlier_segment(r, s, c->extra + k, c->nextra - k);
		size_t nown = copy_segment_hits(r, c->hits, c->nhits, &i, s, own),
		       nover = copy_segment_hits(r, c->border, c->nborder, &b, s, over),
		       nextra = copy_segment_hits(r, c->extra, c->nextra, &k, s, extra);
		if (c->nborder)
			nown = hits_lay_over(over, nover, own, nown, both);
		while (w < o->nwholes && request_segment_before(r, o->wholes[w].segment, s))
			w++;
		if (w < o->nwholes && o->wholes[w].segment == s)
			continue;
		o->nhits += hits_lay_over(both, nown, extra, nextra, o->hits + o->nhits);
	}
	return 0;
}

/* ---- other occurrences ---- */

enum {
	STEP_BYTES = 128 << 10, /* bytes searched between two looks at the clock */
	SEGMENT_COST = 64,	/* bytes that a segment of any length counts for */
};
#define TAG_CREDENTIAL UINT32_MAX

/* owner: the request, on its worker or helper thread. */
struct mention_job {
	enum { SEEK_KEYS, ADD_VALUES, BUILD, READ, DONE } phase;
	struct mention_set *set; /* NULL: no value yet */
	/* in SEEK_KEYS the hash of the caller's credentials, then that of the values in `set` */
	bool hashes; /* the memo is on */
	crypto_generichash_state hashing;
	unsigned char sought[MEMO_KEY];
	struct mention_scan scan;
	bool scanning;		 /* a segment is partly searched */
	bool remembers;		 /* `key`: of the segment that is searched */
	unsigned char key[MEMO_KEY];
	size_t ncredentials;	 /* places of credentials */
	unsigned known;		 /* forms of the caller's credential that are in `set` */
	struct overlay found;	 /* the hits without other occurrences */
	size_t at;		 /* next segment, or next value */
	size_t at_hit, at_whole; /* position in `found` */
	size_t nmentions, hits_size;
	struct hit *pieces; /* hits of one segment */
	size_t pieces_size, held;
	struct turn turn;
};

/* ---- credentials ---- */

static int
add_value(struct mention_job *j, struct span value, enum mention_how how, uint32_t tag)
{
	const unsigned char head[] = { (unsigned char)how, (unsigned char)(tag == TAG_CREDENTIAL) };
	uint64_t n = value.n;

	if (!j->set && !(j->set = mention_set_new()))
		return ERR_NOMEM;
	if (j->hashes) {
		crypto_generichash_update(&j->hashing, head, sizeof(head));
		crypto_generichash_update(&j->hashing, (const unsigned char *)&n, sizeof(n));
		crypto_generichash_update(
			&j->hashing, (const unsigned char *)value.p, value.n);
	}
	return mention_add(j->set, value, how, tag);
}

static int
add_credential(void *arg, struct span credential)
{
	struct mention_job *j = arg;

	j->ncredentials++;
	return add_value(arg, credential, MENTION_ANYWHERE, TAG_CREDENTIAL);
}

/* Adds each form in which the credential is written once. */
static int
add_needle(void *arg, const struct needle *which, struct span at)
{
	struct mention_job *j = arg;
	bool known = j->known & 1u << which->way;

	j->ncredentials++;
	j->known |= 1u << which->way;
	return known ? 0 : add_credential(j, at);
}

/* ---- values ---- */

static const struct hit *
hit_at(const struct request *r, size_t i)
{
	const struct request_scan *c = &r->scan;

	if (i < c->nhits)
		return &c->hits[i];
	i -= c->nhits;
	return i < c->nextra ? &c->extra[i] : &c->border[i - c->nextra];
}

/* Adds values that spread. Returns 1 if the turn is over. */
static int
add_values(struct request *r)
{
	struct mention_job *j = r->scan.mentions;
	enum mention_how how;

	for (; j->at < r->scan.nhits + r->scan.nextra + r->scan.nborder; j->at++) {
		const struct hit *h = hit_at(r, j->at);
		if (h->kind != HIT_SPAN || (h->f.flags & FINDING_RUN) || !hit_counts(h) ||
			!request_goes(r, h))
			continue;
		struct span value = hit_value(h);
		enum spreads spreads =
			detect_value_spreads(r->snap->rules, h->f.entity, value, &how);
		if (!spreads ||
			(spreads == SPREADS_DISTINCT && j->set && mention_set_crowded(j->set)))
			continue;
		int err = add_value(j, value, how, (uint32_t)j->at);
		if (err)
			return err;
		if (turn_over(r, &j->turn, value.n + SEGMENT_COST)) {
			j->at++;
			return 1;
		}
	}
	return 0;
}

static int
build_mention_set(struct request *r)
{
	struct mention_job *j = r->scan.mentions;
	int err;

	while ((err = mention_build(j->set, STEP_BYTES)) > 0)
		if (turn_over(r, &j->turn, STEP_BYTES))
			break;
	if (j->held == 0 && r->gate) {
		size_t n = mention_set_bytes(j->set);
		if (!request_hold(r, n))
			return ERR_FULL;
		j->held = n;
	}
	return err;
}

/* ---- the segments ---- */

/* Makes room for n more hits in the overlay. */
static struct hit *
overlay_room(struct request *r, size_t n)
{
	struct mention_job *j = r->scan.mentions;

	if (!mem_room(&r->scan.overlay.hits, &j->hits_size, r->scan.overlay.nhits + n,
		    sizeof(struct hit)))
		return NULL;
	return r->scan.overlay.hits + r->scan.overlay.nhits;
}

/* Returns true if the segment's words belong to the protocol: an identifier, a tool definition,
 * the address of an image. */
static bool
is_protocols(const struct segment *s)
{
	return s->reserved || s->identifier || s->media || s->role == ROLE_TOOL_DEFINITION;
}

/* Removes occurrences that are only likely to be the found value (SPREADS_DISTINCT) if the
 * protocol may use the same word: a user may have the name of a model or tool, or of a tool's
 * parameter. */
static void
leave_protocols_words(struct request *r, const struct segment *s)
{
	struct mention_job *j = r->scan.mentions;
	bool protocols = is_protocols(s);
	struct span name;
	size_t n = 0;

	for (size_t i = 0; i < j->scan.n; i++) {
		const struct mention *m = &j->scan.v[i];
		if (m->tag == TAG_CREDENTIAL ||
			!(protocols || named_at(&r->in.body, s, m->start, m->end, &r->arena,
					       &r->scan.named, &name)) ||
			detect_entity_spreads(r->snap->rules, hit_at(r, m->tag)->f.entity))
			j->scan.v[n++] = *m;
	}
	j->scan.n = n;
}

/* Converts the occurrences in the segment to hits; NULL: out of memory. */
static struct hit *
pieces_of(struct request *r, const struct segment *s)
{
	struct mention_job *j = r->scan.mentions;

	if (!mem_room(&j->pieces, &j->pieces_size, j->scan.n, sizeof(*j->pieces)))
		return NULL;
	for (size_t i = 0; i < j->scan.n; i++) {
		const struct mention *m = &j->scan.v[i];
		const struct hit *of = m->tag == TAG_CREDENTIAL ? NULL : hit_at(r, m->tag);
		j->pieces[i] = (struct hit){ .segment = s,
			.in_target = request_in_target(r, s),
			.f = of ? of->f : (struct finding){ 0 },
			.kind = of ? HIT_SPAN : HIT_CREDENTIAL,
			.of = of };
		j->pieces[i].f.start = m->start;
		j->pieces[i].f.end = m->end;
	}
	return j->pieces;
}

/* Combines the segment's hits of `found` with its new occurrences. */
static int
finish_segment(struct request *r, const struct segment *s)
{
	struct mention_job *j = r->scan.mentions;
	const struct hit *own = j->found.hits + j->at_hit;
	size_t nown = 0;

	leave_protocols_words(r, s);
	while (j->at_hit + nown < j->found.nhits && own[nown].segment == s)
		nown++;
	j->at_hit += nown;
	if (nown + j->scan.n == 0)
		return 0;
	const struct hit *pieces = j->scan.n ? pieces_of(r, s) : NULL;
	struct hit *out = overlay_room(r, 2 * nown + j->scan.n);
	if (!out || (j->scan.n && !pieces))
		return ERR_NOMEM;
	r->scan.overlay.nhits += hits_lay_over(own, nown, pieces, j->scan.n, out);
	for (size_t i = 0; i < j->scan.n; i++)
		r->found.ncredentials += pieces[i].kind == HIT_CREDENTIAL;
	j->nmentions += j->scan.n;
	return j->nmentions > CAP_MENTIONS ? ERR_LIMIT : 0;
}

/* Returns true if the segment is searched: not if it is redacted as a whole, and not if it is a
 * key of the dialect. */
static bool
is_read(struct request *r, const struct segment *s)
{
	struct mention_job *j = r->scan.mentions;

	while (j->at_whole < j->found.nwholes &&
		request_segment_before(r, j->found.wholes[j->at_whole].segment, s))
		j->at_whole++;
	return !(j->at_whole < j->found.nwholes && j->found.wholes[j->at_whole].segment == s) &&
	       !(s->reserved && s->role == ROLE_KEY);
}

/* As memo_key(), for a text in which nothing of j->sought may be. */
static bool
memo_of_sought(struct request *r, const struct segment *s, enum memo_what what,
	unsigned char key[MEMO_KEY])
{
	const struct mention_job *j = r->scan.mentions;
	const struct memo_of of = { .what = what,
		.before = span_of(j->sought, sizeof(j->sought)),
		.text = s->text };

	return memo_key(r, s, &of, key);
}

static int
read_segments(struct request *r)
{
	struct mention_job *j = r->scan.mentions;
	const struct segment *s;
	int err = 0;

	for (; (s = request_segment(r, j->at)); j->at++) {
		if (!j->scanning) {
			bool reads = is_read(r, s);
			j->remembers = reads && memo_of_sought(r, s, MEMO_MENTIONS, j->key);
			reads = reads && !(j->remembers && memo_is_clean(r, j->key));
			mention_begin(&j->scan, j->set,
				reads ? s->text : (struct span){ NULL, 0 });
		}
		j->scanning = true;
		while (j->scan.at < j->scan.text.n) {
			size_t before = j->scan.at;
			err = mention_next(&j->scan, STEP_BYTES);
			if (err)
				return err;
			if (turn_over(r, &j->turn, j->scan.at - before))
				return 1;
		}
		j->scanning = false;
		if (j->remembers && j->scan.n == 0)
			memo_is_now_clean(r, j->key);
		err = finish_segment(r, s);
		if (err)
			return err;
		if (turn_over(r, &j->turn, SEGMENT_COST)) {
			j->at++;
			return 1;
		}
	}
	return 0;
}

/* Hashes the caller's credentials, with the ways in which they are sought. */
static void
hash_credentials(const struct request *r, unsigned char out[MEMO_KEY])
{
	const struct needles *c = &r->in.credentials;
	crypto_generichash_state h;

	crypto_generichash_init(&h, r->snap->memo_key, sizeof(r->snap->memo_key), MEMO_KEY);
	for (size_t i = 0; i < c->n; i++) {
		const uint64_t head[] = { c->v[i].way, c->v[i].value.n };
		crypto_generichash_update(&h, (const unsigned char *)head, sizeof(head));
		crypto_generichash_update(
			&h, (const unsigned char *)c->v[i].value.p, c->v[i].value.n);
	}
	crypto_generichash_final(&h, out, MEMO_KEY);
}

/* Adds the credentials in a segment. */
static int
seek_keys(struct request *r, const struct segment *s)
{
	struct mention_job *j = r->scan.mentions;
	struct span rest = s->text, key;
	size_t before = j->ncredentials;
	unsigned char memo[MEMO_KEY];
	bool remembers = memo_of_sought(r, s, MEMO_CREDENTIALS, memo);

	if (remembers && memo_is_clean(r, memo))
		return 0;
	int err = needles_each(&r->in.credentials, s->text, add_needle, j);
	while (!err && apikey_next(&rest, &key))
		err = add_credential(j, key);
	err = err ? err : request_credentials_hidden(r, s->text, add_credential, j);
	if (!err && remembers && j->ncredentials == before)
		memo_is_now_clean(r, memo);
	return err;
}

static int
seek_all_keys(struct request *r)
{
	struct mention_job *j = r->scan.mentions;
	const struct segment *s;

	for (; (s = request_segment(r, j->at)); j->at++) {
		int err = seek_keys(r, s);
		if (err)
			return err;
		if (turn_over(r, &j->turn, s->text.n / 16 + SEGMENT_COST)) {
			j->at++;
			return 1;
		}
	}
	return 0;
}

/* ---- the step ---- */

static int
open_job(struct request *r)
{
	struct mention_job *j = r->scan.mentions = calloc(1, sizeof(*j));
	bool failed = r->found.search != SEARCH_WHOLE && r->found.unclassified == OUT_REDACT;

	if (!j)
		return ERR_NOMEM;
	j->hashes = memo_on(r);
	if (j->hashes) {
		crypto_generichash_init(
			&j->hashing, r->snap->memo_key, sizeof(r->snap->memo_key), MEMO_KEY);
		hash_credentials(r, j->sought);
	}
	if (!r->found.verdict.redacts && !failed && !request_silence(r, OUT_REDACT))
		return 0;
	int err = request_overlay(r, failed, &j->found);
	r->scan.overlay.wholes = j->found.wholes;
	r->scan.overlay.nwholes = j->found.nwholes;
	return err;
}

/* Keeps the overlay as it is, because there is nothing to look for. */
static int
keep_found(struct request *r)
{
	const struct overlay *found = &r->scan.mentions->found;

	if (found->nhits == 0)
		return 0;
	struct hit *to = overlay_room(r, found->nhits);
	if (!to)
		return ERR_NOMEM;
	memcpy(to, found->hits, found->nhits * sizeof(*to));
	r->scan.overlay.nhits = found->nhits;
	return 0;
}

/* Runs the phases. Returns 1 if the turn is over. */
static int
step_mentions_run(struct request *r)
{
	struct mention_job *j = r->scan.mentions;
	int err = 0;

	while (err == 0 && j->phase != DONE) {
		if (j->phase == BUILD && (!j->set || mention_set_empty(j->set))) {
			j->phase = DONE;
			return keep_found(r);
		}
		switch (j->phase) {
		case SEEK_KEYS: err = seek_all_keys(r); break;
		case ADD_VALUES: err = add_values(r); break;
		case BUILD: err = build_mention_set(r); break;
		case READ: err = read_segments(r); break;
		case DONE: break;
		}
		if (err == 0) {
			j->phase++;
			j->at = 0;
			if (j->phase == BUILD && j->hashes)
				crypto_generichash_final(&j->hashing, j->sought, MEMO_KEY);
		}
	}
	return err;
}

static void
close_job(struct request *r)
{
	struct mention_job *j = r->scan.mentions;

	if (!j)
		return;
	if (j->held)
		request_unhold(r, j->held);
	mention_set_free(&j->set);
	mention_scan_free(&j->scan);
	free(j->pieces);
	free(j);
	r->scan.mentions = NULL;
}

void
request_drop_mentions(struct request *r)
{
	if (r->scan.mentions)
		r->scan.mentions->held = 0; /* request_free() gives all held bytes back */
	close_job(r);
	free(r->scan.overlay.hits);
	r->scan.overlay = (struct overlay){ 0 };
}

enum step_result
step_mentions(struct request *r)
{
	int err = 0;

	if (r->in.body_state == BODY_STATE_PARTIAL)
		return STEP_NEXT;
	/* a body that could not be read cannot be rewritten either */
	if (!r->in.have_body && r->in.raw.n && request_credential_escaped_in(r, r->in.raw))
		return request_deny(r, 403, "content_policy_violation", "",
			SPAN_LIT("the request contains a credential where it cannot be "
				 "replaced; remove it"));
	if (r->scan.credential_over_border)
		return request_deny(r, 403, "content_policy_violation", "",
			SPAN_LIT("a credential lies over two parts of a message, where it cannot "
				 "be replaced; remove it"));
	if (!r->scan.mentions)
		err = open_job(r);
	if (err == 0) {
		r->scan.mentions->turn = turn_begin(r);
		err = step_mentions_run(r);
	}
	if (err == 1)
		return turn_next(r);
	bool many = r->scan.mentions && r->scan.mentions->phase == READ;
	close_job(r);
	if (err == ERR_FULL)
		return request_overheld(r);
	if (err == ERR_LIMIT)
		return request_too_complex(
			r, many ? "1,000,000 further mentions of values that are replaced"
				: "2 MB of different values that are replaced, with their "
				  "encoded spellings");
	return err ? request_overload(r) : STEP_NEXT;
}
