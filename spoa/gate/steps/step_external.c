/* The step *external*: asks external recognizers about segments, and adds their findings. It
 * runs between classify and policy: a recognizer's `when` reads the detectors' findings, and
 * rules read the recognizer's.
 *
 * A job has one part for each recognizer and one item for each segment. Cached results are not
 * asked for again; the rest is sent in as few calls as possible. If a recognizer does not reply
 * and on_failure.classifier is redact, everything that could be one of its entities is
 * redacted: the detectors' patterns run without their validators. A segment is redacted as a
 * whole if an entity has no pattern. */
#include "gate/steps/steps.h"

#include <stdlib.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "policy/config/credentials.h"
#include "policy/external.h"
#include "policy/policy.h"
#include "scan/recognizer/recognizer.h"

/* a longer segment is not searched for candidates but redacted as a whole */
enum { SLICE_BYTES = 256 << 10 };

struct item {
	const struct segment *s;
	bool answered;
};

/* One recognizer's part of the job. In the job's arena. */
struct part {
	const struct external *x;
	struct item *items;
	struct findings *found;
	size_t nitems, cached;
	bool overflow; /* more segments than can be asked about; `items` is empty */
	struct ask *asks;
	size_t nasks;
	size_t *order; /* order[i]: the item of the i-th text in `asks` */
	struct span *asked_texts;
	unsigned char (*asked_keys)[SHA256_BYTES];
	struct findings *asked_found;
	enum ask_outcome outcome;
	uint64_t us;
};

/* owner: the request; calls in progress point to it. */
struct external_job {
	struct tag tag;
	struct request *r;
	struct arena arena;
	struct part part[CAP_RECOGNIZERS];
	size_t nparts;	      /* recognizers with segments to ask about */
	unsigned outstanding; /* calls without a result */
	uint64_t began_us;
	size_t held; /* bytes counted as held */
	bool merged;
	size_t at_part, at_segment; /* progress of the search for candidates */
	float *thresholds;
};

void
request_drop_job(struct request *r)
{
	if (!r->scan.job)
		return;
	arena_reset(&r->scan.job->arena);
	TAG_CLEAR(external_job, r->scan.job);
	free(r->scan.job);
	r->scan.job = NULL;
}

/* ---- segments to ask about ---- */

/* Returns true unless the text is only punctuation and spaces. */
static bool
says_something(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (is_letter_or_digit(s.p[i]))
			return true;
	return false;
}

/* Returns true if the recognizer is asked about the segment. Identifiers cannot be rewritten; as
 * the lists of words, recognizers would find names in them. */
static bool
is_asked_about(const struct external *x, const struct segment *s)
{
	return (x->roles & segment_roles(s)) && !s->reserved && !s->identifier &&
	       says_something(s->text) && !s->random;
}

static int
choose_items(struct external_job *j, struct part *p)
{
	const struct segment *s;
	size_t n = 0;

	for (size_t i = 0; (s = request_segment(j->r, i)); i++)
		n += is_asked_about(p->x, s);
	if (n > CAP_RECOGNIZER_ITEMS) {
		p->overflow = true;
		p->outcome = ASK_TOO_LARGE;
		return 0;
	}
	p->items = arena_array(&j->arena, n, sizeof(*p->items));
	p->found = arena_array(&j->arena, n, sizeof(*p->found));
	if (arena_failed(&j->arena))
		return ERR_NOMEM;
	for (size_t i = 0; (s = request_segment(j->r, i)); i++)
		if (is_asked_about(p->x, s))
			p->items[p->nitems++].s = s;
	return 0;
}

/* ---- asking ---- */

static void
note_ask_outcome(struct part *p, enum ask_outcome outcome)
{
	if (p->outcome == ASK_ANSWERED)
		p->outcome = outcome;
}

static void
take_external_part(struct part *p, const struct ask *a)
{
	size_t first = (size_t)(a->texts - p->asked_texts);

	if (a->outcome != ASK_ANSWERED) {
		note_ask_outcome(p, a->outcome);
		return;
	}
	for (size_t i = 0; i < a->n; i++) {
		p->items[p->order[first + i]].answered = true;
		p->found[p->order[first + i]] = a->found[i];
	}
}

static void
ask_done(struct ask *a)
{
	struct external_job *j = TAGGED(external_job, a->arg);
	struct request *r = j->r;

	for (size_t i = 0; i < j->nparts; i++)
		if (j->part[i].x == a->x) {
			take_external_part(&j->part[i], a);
			j->part[i].us = clock_mono_us() - j->began_us;
		}
	INVARIANT(j->outstanding > 0 && r->scan.job == j);
	if (--j->outstanding)
		return;
	r->calls->back(r);
}

/* Returns true if the result is no longer wanted. */
static bool
ask_over(const struct ask *a)
{
	const struct external_job *j = TAGGED(external_job, a->arg);

	return j->r->run.life != LIFE_STEPS;
}

/* Returns the credential that the recognizer names, or NULL if it names none. */
static struct auth *
part_auth(const struct request *r, const struct external *x)
{
	return x->credential && r->snap->auths ? r->snap->auths[x->credential->index] : NULL;
}

/* Divides the texts to ask about into calls. */
static void
cut_calls(struct external_job *j, struct part *p, size_t nasked)
{
	size_t bytes = 0;
	struct ask *a = NULL;

	for (size_t i = 0; i < nasked; i++) {
		size_t n = p->asked_texts[i].n;
		/* `decide` has one given answer for all texts */
		bool full = j->r->gate && a &&
			    (a->n == CAP_RECOGNIZER_TEXTS || bytes + n > p->x->max_bytes);
		bool next = !a || !p->x->rec.batch || full;
		if (next && p->nasks == CAP_RECOGNIZER_CALLS) {
			note_ask_outcome(p, ASK_TOO_LARGE);
			return;
		}
		if (next) {
			a = &p->asks[p->nasks++];
			*a = (struct ask){ .policy = j->r->snap->policy,
				.x = p->x,
				.auth = part_auth(j->r, p->x),
				.texts = &p->asked_texts[i],
				.keys = (const unsigned char(*)[SHA256_BYTES]) &
					p->asked_keys[i],
				.over = ask_over,
				.arena = &j->arena,
				.found = &p->asked_found[i],
				.done = ask_done,
				.arg = j };
			bytes = 0;
		}
		a->n++;
		bytes += n;
	}
}

/* Collects items that are not cached, in the order of the segments. A text that exceeds every
 * call is not asked about. */
static int
prepare_part(struct external_job *j, struct part *p)
{
	struct request *r = j->r;
	struct peer *e =
		r->gate ? recognize_peer(r->gate->recognizers, r->snap->policy, p->x) : NULL;
	size_t n = 0;

	p->order = arena_array(&j->arena, p->nitems, sizeof(*p->order));
	p->asked_texts = arena_array(&j->arena, p->nitems, sizeof(*p->asked_texts));
	p->asked_keys = arena_array(&j->arena, p->nitems, sizeof(*p->asked_keys));
	p->asked_found = arena_array(&j->arena, p->nitems, sizeof(*p->asked_found));
	p->asks = arena_array(&j->arena, CAP_RECOGNIZER_CALLS, sizeof(*p->asks));
	if (arena_failed(&j->arena) || (r->gate && !e))
		return ERR_NOMEM;
	for (size_t i = 0; i < p->nitems; i++) {
		struct span text = p->items[i].s->text;
		if (text.n > p->x->max_bytes) {
			note_ask_outcome(p, ASK_TOO_LARGE);
			continue;
		}
		if (e)
			recognize_key(e, text, p->asked_keys[n]);
		if (e && recognize_known(e, p->asked_keys[n], &j->arena, &p->found[i])) {
			p->items[i].answered = true;
			p->cached++;
			continue;
		}
		p->order[n] = i;
		p->asked_texts[n++] = text;
	}
	cut_calls(j, p, n);
	return 0;
}

/* `tollgate decide`: takes the given answers; without one the recognizer counts as silent. */
static void
read_given(struct part *p, const struct request *r)
{
	for (size_t i = 0; i < p->nasks; i++) {
		struct ask *a = &p->asks[i];
		struct span answer;
		const char *why;
		a->outcome = ASK_MISSING;
		if (r->run.given && r->run.given(r->run.given_arg, p->x->rec.name,
					    p->x->rec.batch ? SIZE_MAX : i, &answer))
			a->outcome = recognize_read(a, answer, &why);
		take_external_part(p, a);
	}
}

static void
send_part(struct external_job *j, struct part *p, uint64_t now)
{
	/* leave a quarter of the time for the outcome of a silent recognizer */
	uint64_t room = gate_cfg(j->r->gate)->agent_deadline_us,
		 gone = j->r->run.resumed ? 0 : now - j->r->begun_us;

	room = gone < room ? (room - gone) / 4 * 3 : 0;
	for (size_t i = 0; i < p->nasks; i++) {
		struct ask *a = &p->asks[i];
		a->deadline_us = now + (p->x->timeout_us < room ? p->x->timeout_us : room);
		if (recognize_ask(j->r->gate->recognizers, a))
			j->outstanding++;
		else
			take_external_part(p, a);
	}
}

/* ---- merging ---- */

/* Makes room for n more findings; NULL: too many, or out of memory. */
static struct hit *
extra_room(struct request *r, size_t n)
{
	struct hit *v = r->scan.nextra + n > CAP_FINDINGS
				? NULL
				: realloc(r->scan.extra, (r->scan.nextra + n) * sizeof(*v));

	if (!v)
		return NULL;
	r->scan.extra = v;
	r->scan.nextra += n;
	return v + r->scan.nextra - n;
}

/* Removes findings in keys that name a tool's parameters, unless they are secrets or numbers. Returns
 * the number of the others. */
static size_t
leave_names(struct request *r, const struct segment *s, struct finding *v, size_t n)
{
	struct span name;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (detect_entity_spreads(r->snap->rules, v[i].entity) ||
			!named_at(&r->in.body, s, v[i].start, v[i].end, &r->arena, &r->scan.named,
				&name))
			v[kept++] = v[i];
	return kept;
}

static int
merge_part(struct request *r, struct part *p)
{
	for (size_t i = 0; i < p->nitems; i++) {
		const struct segment *s = p->items[i].s;
		size_t n = recognizer_whole(&p->x->rec)
				   ? p->found[i].n
				   : leave_names(r, s, p->found[i].v, p->found[i].n);
		if (n == 0)
			continue;
		struct hit *to = extra_room(r, n);
		if (!to)
			return ERR_LIMIT;
		for (size_t k = 0; k < n; k++) {
			const struct finding *f = &p->found[i].v[k];
			to[k] = (struct hit){ .segment = s,
				.in_target = request_in_target(r, s),
				.f = *f,
				.kind = recognizer_whole(&p->x->rec) ? HIT_WHOLE : HIT_SPAN };
			uint16_t roles = marked_roles(
				&r->in.body, s, f->start, f->end, &r->scan.marked);
			if (!request_add_entity(r, f->entity, roles))
				return ERR_NOMEM;
		}
	}
	return 0;
}

/* Returns true if a rule may require the recognizer's reply; then the recognizer's own outcome
 * does not apply. */
static bool
is_required(const struct request *r, const struct external *x)
{
	return r->found.required >> (x - r->snap->policy->externals) & 1;
}

static void
add_recognition(struct request *r, struct part *p)
{
	struct recognition *c = &r->scan.recognitions[r->scan.nrecognitions++];

	*c = (struct recognition){ .x = p->x,
		.outcome = p->outcome,
		.applied = p->x->own_outcome && !is_required(r, p->x) ? p->x->outcome
								      : r->found.unclassified,
		.texts = p->nitems,
		.cached = p->cached,
		.us = p->us };
	if (p->outcome != ASK_ANSWERED && r->gate)
		metric_inc(r->gate->metrics, M_CLASSIFIER_FAILED);
}

bool
request_silence(const struct request *r, enum outcome o)
{
	for (size_t i = 0; i < r->scan.nrecognitions; i++)
		if (r->scan.recognitions[i].outcome != ASK_ANSWERED &&
			r->scan.recognitions[i].applied == o)
			return true;
	return false;
}

/* ---- everything that could match ---- */

static int
whole_text(struct request *r, const struct segment *s)
{
	struct hit *to = extra_room(r, 1);

	if (!to)
		return ERR_LIMIT;
	*to = (struct hit){ .segment = s,
		.in_target = request_in_target(r, s),
		.f.end = s->text.n,
		.kind = HIT_UNKNOWN };
	return 0;
}

/* Selects the patterns of the recognizer's entities only. Returns false if an entity has no
 * pattern. */
static bool
only_entities(struct external_job *j, const struct external *x)
{
	const struct detect_rules *rules = j->r->snap->rules;
	bool all = !recognizer_whole(&x->rec);

	for (size_t e = 0; e < detect_entity_count(rules); e++) {
		bool wanted = entity_in(&x->entities, e);
		j->thresholds[e] = wanted ? 0.0f : 2.0f;
		if (wanted && !detect_entity_by_pattern(rules, e))
			all = false;
	}
	return all;
}

static int
find_candidates(struct external_job *j, const struct segment *s, bool patterns)
{
	struct request *r = j->r;
	struct detect_options opt = { .thresholds = j->thresholds, .all_candidates = true };
	struct snapshot_local *mine = snapshot_mine(r->snap, r->worker);
	struct findings found;
	char names[SEGMENT_NAMES];

	if (!patterns || s->text.n > SLICE_BYTES)
		return whole_text(r, s);
	if (!mine)
		return ERR_NOMEM;
	opt.before = segment_names(
		request_in_target(r, s) ? r->in.target : r->in.body.segments, s, names);
	int err = detect_scan(r->snap->rules, mine->scratch, s->text, &opt, &j->arena, &found);
	if (err == ERR_LIMIT)
		return whole_text(r, s);
	struct hit *to = err || found.n == 0 ? NULL : extra_room(r, found.n);
	if (err || (found.n && !to))
		return err ? err : ERR_LIMIT;
	for (size_t i = 0; i < found.n; i++)
		to[i] = (struct hit){ .segment = s,
			.in_target = request_in_target(r, s),
			.f = found.v[i],
			.kind = HIT_POSSIBLE };
	return 0;
}

/* Returns true if part p has a result for s. Items are in the order of the segments. */
static bool
has_answer(const struct part *p, const struct request *r, const struct segment *s)
{
	size_t low = 0, high = p->nitems;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (p->items[mid].s == s)
			return p->items[mid].answered;
		if (request_segment_before(r, p->items[mid].s, s))
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* Searches the segments without a result from one recognizer. Returns 1 if the turn is over;
 * continues at at_segment. */
static int
search_part(struct external_job *j, struct part *p, struct turn *turn)
{
	struct request *r = j->r;
	bool patterns = only_entities(j, p->x);
	const struct segment *s;

	for (; (s = request_segment(r, j->at_segment)); j->at_segment++) {
		if (!is_asked_about(p->x, s) || has_answer(p, r, s))
			continue;
		int err = find_candidates(j, s, patterns);
		if (err)
			return err;
		if (turn_over(r, turn, s->text.n)) {
			j->at_segment++;
			return 1;
		}
	}
	return 0;
}

/* Does so for each recognizer that failed and whose outcome is redact. Returns 0 when all are
 * done. */
static int
search_unanswered(struct external_job *j)
{
	struct request *r = j->r;
	struct turn turn = turn_begin(r);

	if (!j->thresholds)
		j->thresholds = arena_array(
			&j->arena, detect_entity_count(r->snap->rules), sizeof(float));
	if (!j->thresholds)
		return ERR_NOMEM;
	for (; j->at_part < j->nparts; j->at_part++, j->at_segment = 0) {
		const struct recognition *c = &r->scan.recognitions[j->at_part];
		if (c->outcome == ASK_ANSWERED || c->applied != OUT_REDACT)
			continue;
		int err = search_part(j, &j->part[j->at_part], &turn);
		struct snapshot_local *mine = snapshot_mine(r->snap, r->worker);
		if (mine)
			detect_scratch_wipe(mine->scratch);
		if (err)
			return err;
	}
	return 0;
}

/* ---- the step ---- */

static int
begin_external(struct request *r)
{
	const struct policy *p = r->snap->policy;
	struct external_job *j = r->scan.job = calloc(1, sizeof(*j));
	struct policy_facts f;

	if (!j)
		return ERR_NOMEM;
	TAG(external_job, j);
	j->r = r;
	j->began_us = clock_mono_us();
	arena_init(&j->arena, CAP_REQUEST_ARENA, true);
	request_estimate_tokens(r);
	request_facts(r, &f);
	if (policy_requires(p, &f, &r->arena, &r->found.required) < 0)
		return ERR_NOMEM;
	for (size_t i = 0; i < p->nexternals; i++) {
		struct part *part = &j->part[j->nparts];
		if (!(r->found.required >> i & 1) &&
			!policy_asks(p, &p->externals[i], &f, &r->arena))
			continue;
		r->found.considered |= 1ull << i;
		part->x = &p->externals[i];
		int err = choose_items(j, part);
		if (err == 0 && !part->overflow)
			err = prepare_part(j, part);
		if (err)
			return err;
		j->nparts += part->overflow || part->nitems;
	}
	if (r->gate && !request_hold(r, j->arena.used_bytes))
		return ERR_FULL;
	j->held = r->gate ? j->arena.used_bytes : 0;
	for (size_t i = 0; i < j->nparts; i++)
		if (r->gate)
			send_part(j, &j->part[i], clock_mono_us());
		else
			read_given(&j->part[i], r);
	return 0;
}

static int
merge_findings(struct external_job *j)
{
	struct request *r = j->r;
	int err = 0;

	if (j->merged)
		return 0;
	j->merged = true;
	r->scan.recognitions = arena_array(&r->arena, j->nparts, sizeof(*r->scan.recognitions));
	if (!r->scan.recognitions)
		return ERR_NOMEM;
	for (size_t i = 0; i < j->nparts && !err; i++) {
		err = merge_part(r, &j->part[i]);
		if (err == ERR_LIMIT) { /* too many findings count as no result */
			note_ask_outcome(&j->part[i], ASK_TOO_LARGE);
			err = 0;
		}
		add_recognition(r, &j->part[i]);
	}
	return err;
}

enum step_result
step_external(struct request *r)
{
	int err = 0;

	if (r->snap->policy->nexternals == 0 || r->in.body_state == BODY_STATE_PARTIAL)
		return STEP_NEXT;
	if (!r->scan.job) {
		err = begin_external(r);
		if (err == 0 && r->scan.job->outstanding) {
			request_asked(r);
			return request_waits(r, WAIT_EXTERNAL);
		}
		/* calls in progress hold the job, and the job must not end before them */
		INVARIANT(err == 0 || !r->scan.job || r->scan.job->outstanding == 0);
	}
	request_waited(r);
	if (err == 0)
		err = merge_findings(r->scan.job);
	if (err == 0)
		err = search_unanswered(r->scan.job);
	if (err == 1)
		return turn_next(r);
	/* the job is over */
	if (r->scan.job && r->scan.job->held)
		request_unhold(r, r->scan.job->held);
	request_drop_job(r);
	if (err == ERR_FULL)
		return request_overheld(r);
	if (err)
		return request_overload(r);
	if (r->scan.nextra)
		qsort_r(r->scan.extra, r->scan.nextra, sizeof(*r->scan.extra),
			request_order_hits, r);
	return STEP_NEXT;
}

/* Returns true if the recognizer replied, or had nothing to be asked about. */
static bool
recognizer_answered(const struct request *r, size_t external)
{
	const struct external *x = &r->snap->policy->externals[external];

	for (size_t i = 0; i < r->scan.nrecognitions; i++)
		if (r->scan.recognitions[i].x == x)
			return r->scan.recognitions[i].outcome == ASK_ANSWERED;
	return r->found.considered >> external & 1;
}

static bool
recognizer_unanswered(const struct request *r, size_t external)
{
	return (r->found.verdict.changes.require >> external & 1) &&
	       !recognizer_answered(r, external);
}

bool
request_unanswered(const struct request *r)
{
	for (size_t i = 0; i < r->snap->policy->nexternals; i++)
		if (recognizer_unanswered(r, i))
			return true;
	return false;
}

bool
request_unmet(const struct request *r)
{
	enum outcome says = r->found.unclassified;

	for (size_t i = 0; i < r->snap->policy->nexternals && says != OUT_PERMIT; i++)
		/* if the rule's requirement was known in time, the external step has redacted
		 * for it; otherwise nothing was redacted */
		if (recognizer_unanswered(r, i) &&
			(says == OUT_DENY || !(r->found.required >> i & 1)))
			return true;
	return false;
}
