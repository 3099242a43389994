/* The mentions step. What a redaction replaces because it is a secret or an identifier
 * is replaced wherever else it is: detectors found it by what is around it, and
 * around its second mention there may be nothing. The credential that the caller
 * showed, and anything in the form of our API keys, is replaced whatever the policy
 * says. All of it is one pass over the segments, in turns. */
#include "gate/steps/steps.h"

#include <stdlib.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/mem.h"
#include "policy/identity/apikeys.h"

enum {
	STEP_BYTES = 128 << 10, /* at a time */
	SEGMENT_COST = 64,	/* bytes that a segment of any length counts as */
};
#define TAG_CREDENTIAL UINT32_MAX

struct mention_job {
	enum { SEEK_KEYS, ADD_VALUES, BUILD, READ, DONE } phase;
	struct mention_set *set; /* NULL: no value yet */
	struct mention_scan scan;
	bool scanning;		 /* a segment is under way */
	unsigned known;		 /* ways of the caller's credential that are in `set` */
	struct overlay found;	 /* without further mentions */
	size_t at;		 /* segment, or value, that is next */
	size_t at_hit, at_whole; /* of `found` */
	size_t nmentions, hits_size;
	struct hit *pieces; /* of one segment */
	size_t pieces_size, held;
	struct turn turn;
};

/* ---- credentials ---- */

static int
add_value(struct mention_job *j, struct span value, enum mention_how how, uint32_t tag)
{
	if (!j->set && !(j->set = mention_set_new()))
		return ERR_NOMEM;
	return mention_add(j->set, value, how, tag);
}

static int
add_credential(void *arg, struct span credential)
{
	return add_value(arg, credential, MENTION_ANYWHERE, TAG_CREDENTIAL);
}

/* Each way that it is written once, wherever that is. */
static int
add_needle(void *arg, const struct needle *which, struct span at)
{
	struct mention_job *j = arg;
	bool known = j->known & 1u << which->way;

	j->known |= 1u << which->way;
	return known ? 0 : add_credential(j, at);
}

/* ---- values ---- */

static const struct hit *
hit_at(const struct request *r, size_t i)
{
	return i < r->scan.nhits ? &r->scan.hits[i] : &r->scan.extra[i - r->scan.nhits];
}

/* 1: the turn is over. */
static int
add_values(struct request *r)
{
	struct mention_job *j = r->scan.mentions;
	enum mention_how how;

	for (; j->at < r->scan.nhits + r->scan.nextra; j->at++) {
		const struct hit *h = hit_at(r, j->at);
		if (h->kind != HIT_SPAN || (h->f.flags & FINDING_RUN) || !request_goes(r, h))
			continue;
		struct span value = hit_value(h);
		enum spreads spreads =
			detect_value_spreads(r->snap->rules, h->f.entity, value, &how);
		if (!spreads || (spreads == SPREADS_DISTINCT && j->set && mention_set_crowded(j->set)))
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
build(struct request *r)
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

/* Room for n more hits of the overlay. */
static struct hit *
overlay_room(struct request *r, size_t n)
{
	struct mention_job *j = r->scan.mentions;

	if (!mem_room(&r->scan.overlay.hits, &j->hits_size, r->scan.overlay.nhits + n,
		    sizeof(struct hit)))
		return NULL;
	return r->scan.overlay.hits + r->scan.overlay.nhits;
}

/* A place whose words belong to the protocol: the model, a tool's definition, the address of a picture. */
static bool
is_protocols(const struct segment *s)
{
	return s->reserved || s->media || s->role == ROLE_TOOL_DEFINITION;
}

/* Leaves out what is only likely to be the value that was found (SPREADS_DISTINCT), where the
 * protocol may have the same word: a user may be called as a model or a tool is. */
static void
leave_protocols_words(struct request *r, const struct segment *s)
{
	struct mention_job *j = r->scan.mentions;
	size_t n = 0;

	if (!is_protocols(s))
		return;
	for (size_t i = 0; i < j->scan.n; i++) {
		const struct mention *m = &j->scan.v[i];
		if (m->tag == TAG_CREDENTIAL ||
			detect_entity_spreads(r->snap->rules, hit_at(r, m->tag)->f.entity))
			j->scan.v[n++] = *m;
	}
	j->scan.n = n;
}

/* The mentions of the segment as hits. */
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

/* The segment's part of `found`, and what was found in it now, laid over each other. */
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

/* What goes whole has no mentions; of the keys that a dialect reads the words are its own. */
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

static int
read_segments(struct request *r)
{
	struct mention_job *j = r->scan.mentions;
	const struct segment *s;
	int err = 0;

	for (; (s = request_segment(r, j->at)); j->at++) {
		if (!j->scanning)
			mention_begin(&j->scan, j->set,
				is_read(r, s) ? s->text : (struct span){ NULL, 0 });
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

static int
seek_all_keys(struct request *r)
{
	struct mention_job *j = r->scan.mentions;
	const struct segment *s;

	for (; (s = request_segment(r, j->at)); j->at++) {
		struct span rest = s->text, key;
		int err = needles_each(&r->in.credentials, s->text, add_needle, j);
		while (!err && apikey_next(&rest, &key))
			err = add_credential(j, key);
		err = err ? err : request_credentials_hidden(r, s->text, add_credential, j);
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
	bool failed = r->found.classifier_failed && r->found.unclassified == OUT_REDACT;

	if (!j)
		return ERR_NOMEM;
	if (!r->found.verdict.redacts && !failed && !request_silence(r, OUT_REDACT))
		return 0;
	int err = request_overlay(r, failed, &j->found);
	r->scan.overlay.wholes = j->found.wholes;
	r->scan.overlay.nwholes = j->found.nwholes;
	return err;
}

/* Nothing else is looked for. */
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

/* 1: the turn is over. */
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
		case BUILD: err = build(r); break;
		case READ: err = read_segments(r); break;
		case DONE: break;
		}
		if (err == 0) {
			j->phase++;
			j->at = 0;
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
		r->scan.mentions->held = 0; /* given back with the request's all */
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
	/* A body that was not read cannot be rewritten either. */
	if (!r->in.have_body && r->in.raw.n && request_credential_escaped_in(r, r->in.raw))
		return request_deny(r, 403, "content_policy_violation", "",
			SPAN_LIT("a credential stands where it cannot be replaced"));
	if (!r->scan.mentions)
		err = open_job(r);
	if (err == 0) {
		r->scan.mentions->turn = turn_begin(r);
		err = step_mentions_run(r);
	}
	if (err == 1)
		return turn_next(r);
	close_job(r);
	if (err == ERR_FULL)
		return request_overheld(r);
	return err ? request_overload(r) : STEP_NEXT;
}
