/* The step *rewrite*: the body and target to send, as changed by the verdict, the occurrences
 * of redacted values, limits and the route. First it settles reasoning that a provider signed:
 * if a value in it must be replaced, the signature would not match, so a block is sent whole or
 * removed whole, as on_failure.signed states. */
#include <stdlib.h>

#include "answer/own_url.h"
#include "answer/translate/answer.h"
#include "base/attr.h"
#include "base/codec/credentials.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "gate/exchange.h"
#include "gate/files/files.h"
#include "gate/files/speech.h"
#include "gate/limits/limits.h"
#include "gate/steps/steps.h"
#include "policy/policy.h"
#include "policy/rule.h"
#include "scan/text/sealed.h"

/* ---- signed reasoning ---- */

/* Returns the signed block that contains the segment; NULL: none. */
static struct signed_block *
block_of(const struct request *r, const struct segment *s)
{
	size_t low = 0, high = r->in.body.nreasoning;

	if (request_in_target(r, s))
		return NULL;
	size_t at = (size_t)(s - r->in.body.segments);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct signed_block *b = &r->in.body.reasoning[mid];
		if (at >= b->first && at < b->last)
			return b;
		if (at < b->first)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* Marks the signed blocks in which a value would be replaced. */
static void
mark_signed_blocks(struct request *r, const struct hit *v, size_t n, bool *credential)
{
	for (size_t i = 0; i < n; i++) {
		struct signed_block *b = block_of(r, v[i].segment);
		if (b && !b->written_here) {
			b->dropped = true;
			*credential |= v[i].kind == HIT_CREDENTIAL;
		}
	}
}

/* Removes hits inside marked blocks, which are not edited. */
static void
remove_block_hits(const struct request *r, struct hit *v, size_t *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		const struct signed_block *b = block_of(r, v[i].segment);
		if (!b || !b->dropped)
			v[kept++] = v[i];
	}
	*n = kept;
}

/* Removes all signed blocks of turns with a marked one, because the others would not match
 * without it. Turns are in rising order. Returns false if the provider requires them. */
static bool
drop_turns(struct request *r)
{
	struct signed_block *v = r->in.body.reasoning;
	size_t n = r->in.body.nreasoning;

	for (size_t i = 0, end; i < n; i = end) {
		bool drop = false;
		for (end = i; end < n && v[end].turn == v[i].turn; end++)
			drop |= v[end].dropped && !v[end].written_here;
		if (drop && v[i].pending)
			return false;
		for (size_t k = i; drop && k < end; k++) {
			r->found.reasoning_dropped += !v[k].written_here;
			v[k].dropped = true;
		}
	}
	return true;
}

/* Returns true if the block's member `signature` is the one that a translation writes. In a
 * quotation, backslashes precede the quotes. */
static bool
is_signed_here(struct span block)
{
	static const char key[] = "\"signature\"", value[] = "\"" TRANSLATED_SIGNATURE "\"";
	const char *at;

	while ((at = memmem(block.p, block.n, key, sizeof(key) - 1))) {
		block = span_cut(block, (size_t)(at - block.p) + sizeof(key) - 1, block.n);
		struct span rest = block;
		while (rest.n && strchr(" \t\r\n:", rest.p[0]))
			rest = span_cut(rest, 1, rest.n);
		if (span_starts(rest, span_str(value)))
			return true;
	}
	return false;
}

/* Removes reasoning that a translation gave to the caller as signed. No provider signed it, so
 * none accepts or requires it. Returns how many blocks. */
static size_t
drop_translated(struct request *r)
{
	size_t n = 0;

	for (size_t i = 0; r->found.route->translates && i < r->in.body.nreasoning; i++) {
		struct signed_block *b = &r->in.body.reasoning[i];
		struct span raw = span_cut(r->in.raw, b->start, b->end);
		b->written_here = is_signed_here(raw);
		b->dropped |= b->written_here;
		n += b->written_here;
	}
	r->found.reasoning_dropped += n;
	return n;
}

/* Decides which signed blocks are removed, as body.reasoning[].dropped, and removes hits in
 * them from the overlay. Returns 0, or ERR_BAD_STATE if the request must not be sent. */
static int
request_settle_reasoning(struct request *r)
{
	enum signed_reasoning says = request_on_failure(r)->signed_reasoning;
	struct overlay *o = &r->scan.overlay;
	bool credential = false;
	size_t marked = 0;

	if (!r->in.have_body || r->in.body.nreasoning == 0)
		return 0;
	size_t translated = drop_translated(r);
	for (size_t i = 0; r->found.pin.drops && i < r->in.body.nreasoning; i++)
		r->in.body.reasoning[i].dropped = true;
	mark_signed_blocks(r, o->hits, o->nhits, &credential);
	mark_signed_blocks(r, o->wholes, o->nwholes, &credential);
	for (size_t i = 0; i < r->in.body.nreasoning; i++)
		marked += r->in.body.reasoning[i].dropped &&
			  !r->in.body.reasoning[i].written_here;
	if (marked == 0 && translated == 0)
		return 0;
	if (marked == 0) {
		remove_block_hits(r, o->hits, &o->nhits);
		remove_block_hits(r, o->wholes, &o->nwholes);
		return 0;
	}
	/* credentials are never sent, whatever the policy states */
	if (says == SIGNED_DENY || (says == SIGNED_LEAVE && credential) ||
		(says == SIGNED_DROP && !drop_turns(r)))
		return ERR_BAD_STATE;
	remove_block_hits(r, o->hits, &o->nhits);
	remove_block_hits(r, o->wholes, &o->nwholes);
	if (says == SIGNED_LEAVE) {
		r->found.reasoning_left = marked;
		for (size_t i = 0; i < r->in.body.nreasoning; i++)
			r->in.body.reasoning[i].dropped = r->in.body.reasoning[i].written_here;
	}
	return 0;
}

/* ---- edits ---- */

/* Edits of the body and of the target are collected separately. */
struct edits {
	struct span raw; /* the bytes that they edit */
	struct splice *v;
	size_t n, size;
	bool keys; /* a key is edited */
	bool ids;  /* a list of token ids is edited */
};

/* Makes room for n more edits at v + n; NULL: out of memory. */
static struct splice *
edits_room(struct edits *e, size_t n)
{
	return mem_room(&e->v, &e->size, e->n + n, sizeof(*e->v)) ? &e->v[e->n] : NULL;
}

/* Adds all edits of one segment. An escaped text is walked once for all findings, and a number
 * is replaced as a whole. */
static int
edit_segment(struct request *r, struct edits *e, const struct segment *s,
	const struct text_edit *edits, size_t n)
{
	struct splice *sp = edits_room(e, n);
	size_t made = 0;

	if (!sp)
		return ERR_NOMEM;
	if (s->reserved || s->identifier || (s->sealed && sealed_is_coded(s->text)))
		return ERR_BAD_STATE;
	int err = segment_splices(s, e->raw, edits, n, &r->arena, sp, &made);
	e->n += err ? 0 : made;
	e->keys = e->keys || s->role == ROLE_KEY;
	if (s->form == SEG_TOKENS) {
		e->ids = true;
		r->in.body.segments[s - r->in.body.segments].candidate = true;
	}
	return err;
}

/* Returns true if the request's values are restored in its response. */
static bool
is_restored(const struct request *r)
{
	return r->found.route->response & RESP_RESTORE;
}

/* Opens the object that assigns placeholders. Returns false if memory ran out. */
static bool
open_redactor(struct request *r)
{
	const unsigned char *key = r->snap->hash_key_set ? r->snap->hash_key : NULL;
	struct placeholders *of = r->out.placeholders;

	r->out.redactor =
		of ? redactor_new_in(&r->arena, key, of) : redactor_new(&r->arena, key);
	if (!r->out.redactor)
		return false;
	if (is_restored(r))
		redactor_by_spelling(r->out.redactor);
	if (r->snap->policy->plain_placeholders)
		redactor_plain_form(r->out.redactor);
	return request_number_hits(r);
}

/* ---- kinds of edits ---- */

static void
note_url(void *arg, struct span url)
{
	redactor_url(arg, url);
}

/* Returns true if the hit is in an identifier, which is never edited. */
static bool
is_in_identifier(struct request *r, const struct hit *h)
{
	struct span name;

	return h->segment->identifier || named_at(&r->in.body, h->segment, h->f.start, h->f.end,
						 &r->arena, &r->scan.named, &name);
}

/* Makes the edits for the hits of one segment. If the segment holds JSON, it stays JSON. */
static int
hits_edits(struct request *r, const struct hit *h, size_t n, struct text_edit *out)
{
	for (size_t i = 0; i < n; i++)
		if (is_in_identifier(r, &h[i]))
			return ERR_BAD_STATE;
	struct inner in;
	int err = inner_open(
		&in, h->segment->text, h->segment->role == ROLE_TOOL_CALL, &r->arena);
	struct inner_place at = inner_begin(&in);

	for (size_t i = 0; !err && i < n; i++)
		out[i] = (struct text_edit){ h[i].f.start, h[i].f.end, h[i].with };
	if (!err && is_restored(r))
		own_urls_each(h->segment->text, out, n, note_url, r->out.redactor);
	for (size_t i = 0; !err && in.n && i < n; i++) {
		out[i].with = inner_with(&at, &out[i].from, &out[i].to, out[i].with, &r->arena);
		err = out[i].with.p ? 0 : ERR_NOMEM;
	}
	return err;
}

/* Returns true if the edits leave nothing of a text that a model reads. */
static bool
edits_empty(const struct segment *s, const struct text_edit *v, size_t n)
{
	size_t at = 0;

	if (s->form != SEG_JSON || s->role == ROLE_KEY)
		return false;
	for (size_t i = 0; i <= n; i++) {
		size_t to = i < n ? v[i].from : s->text.n;
		if (span_past(s->text, at, is_space) < to || (i < n && v[i].with.n))
			return false;
		at = i < n ? v[i].to : to;
	}
	return true;
}

/* Providers refuse a part or a message without text. If the edits leave nothing, the first hit
 * gets the text that stands for its value once more. */
static int
keep_filled(struct request *r, const struct hit *h, size_t n, struct text_edit *v)
{
	bool model = dialect_has_model(r->found.endpoint.family);

	if ((!model && h->piece != PIECE_FURTHER) || h->kind != HIT_SPAN ||
		!edits_empty(h->segment, v, n))
		return 0;
	v->with = redactor_get(r->out.redactor,
		(enum redact_style)r->found.verdict.redact.with[h->f.entity],
		span_str(detect_entity_name(r->snap->rules, h->f.entity)), hit_value(h),
		detect_entity_folds(r->snap->rules, h->f.entity), true);
	return v->with.p ? 0 : ERR_NOMEM;
}

/* Edits all hits. Those of one segment are adjacent. */
static int
edit_hits(struct request *r, struct edits *body, struct edits *target)
{
	const struct overlay *o = &r->scan.overlay;
	int err = 0;

	for (size_t i = 0, n; err == 0 && i < o->nhits; i += n) {
		const struct hit *h = &o->hits[i];
		for (n = 1; i + n < o->nhits && h[n].segment == h->segment; n++)
			;
		if (request_file_hit(r, h))
			continue; /* the file is removed as a whole */
		struct text_edit *te = arena_array(&r->arena, n, sizeof(*te));
		if (!te)
			return ERR_NOMEM;
		err = hits_edits(r, h, n, te);
		if (!err)
			err = keep_filled(r, h, n, te);
		if (!err)
			err = edit_segment(r, h->in_target ? target : body, h->segment, te, n);
	}
	return err;
}

/* Replaces segments that are redacted as a whole. */
static int
edit_wholes(struct request *r, struct edits *body, struct edits *target)
{
	const struct overlay *o = &r->scan.overlay;
	int err = 0;

	for (size_t i = 0; err == 0 && i < o->nwholes; i++) {
		const struct hit *h = &o->wholes[i];
		const struct segment *s = h->segment;
		if (request_file_hit(r, h))
			continue;
		struct text_edit all = { 0, s->text.n, h->with };
		err = edit_segment(r, h->in_target ? target : body, s, &all, 1);
	}
	return err;
}

/* Sets the model and the output limit. The dialect reads these members, so redaction never
 * changes them. */
static int
edit_members(struct request *r, struct edits *body, struct edits *target)
{
	struct amendment am;
	struct splice *sp;
	int made;

	if (!request_amendment(r, &am))
		return 0;
	if (r->in.have_body) {
		if (!(sp = edits_room(body, dialect_amend_max(&r->in.body))))
			return ERR_NOMEM;
		made = dialect_amend(&r->in.body, &am, &r->arena, sp);
		if (made < 0)
			return made;
		body->n += (size_t)made;
	}
	if (!(sp = edits_room(target, 1)))
		return ERR_NOMEM;
	made = endpoint_amend(&r->found.endpoint, r->in.head.path, am.model, &r->arena, sp);
	if (made < 0)
		return made;
	target->n += (size_t)made;
	return 0;
}

/* Converts token ids to text: if one list became text, all do, because a body has ids or texts.
 * Also if another model with another vocabulary is sent. */
static int
edit_ids(struct request *r, struct edits *e, struct edits *target UNUSED)
{
	const struct body *b = &r->in.body;
	struct amendment am;
	int err = 0;

	if (!r->in.have_body || !b->nids)
		return 0;
	bool other = request_amendment(r, &am) && am.model.n &&
		     request_own_ranks(r, am.model) != request_own_ranks(r, b->model);
	for (size_t i = 0; (e->ids || other) && i < b->nsegments && !err; i++) {
		const struct segment *s = &b->segments[i];
		struct text_edit none = { 0, 0, SPAN_LIT("") };
		if (s->form == SEG_TOKENS && s->text.n && !s->candidate)
			err = edit_segment(r, e, s, &none, 1);
	}
	return err;
}

static int
drop_reasoning(struct request *r, struct edits *e, struct edits *target UNUSED)
{
	struct splice *sp;

	if (r->found.reasoning_dropped == 0)
		return 0;
	if (!(sp = edits_room(e, r->in.body.nreasoning)))
		return ERR_NOMEM;
	e->n += body_drop_reasoning(&r->in.body, r->in.raw, sp);
	return 0;
}

/* Changes URLs of the gateway, which an earlier response contained, to the provider's. A URL
 * with another edit stays. */
static int
return_urls(struct request *r, struct edits *e, struct edits *target UNUSED)
{
	struct url_lead l = { .family = r->found.endpoint.family,
		.endpoint = r->found.endpoint.name,
		.path = r->in.head.path };
	struct splice *led, *sp;

	if (!r->in.have_body || r->in.body.format != BODY_JSON || request_is_mcp(r))
		return 0;
	http_field_one(&r->in.head, "host", &l.host);
	int n = url_lead_back(&l, r->in.raw, &r->arena, &led);
	if (n <= 0)
		return n;
	if (!(sp = edits_room(e, (size_t)n)))
		return ERR_NOMEM;
	for (int i = 0; i < n; i++) {
		bool other = false;
		for (size_t k = 0; k < e->n; k++)
			other |= e->v[k].start < led[i].end && e->v[k].end > led[i].start;
		if (!other)
			e->v[e->n++] = led[i];
	}
	return 0;
}

/* Asks the provider for the usage of a metered stream. A translated stream asks when it is
 * written. */
static int
ask_usage(struct request *r, struct edits *e, struct edits *target UNUSED)
{
	struct splice *sp;

	if (!r->in.have_body || !(r->found.route->response & RESP_METER) ||
		request_translates(r))
		return 0;
	if (!(sp = edits_room(e, 1)))
		return ERR_NOMEM;
	int asked = dialect_ask_usage(&r->in.body, sp);
	if (asked <= 0)
		return asked;
	e->n++;
	r->out.ask_usage = true;
	return 0;
}

static int
cut_stripped(struct request *r, struct edits *e, struct edits *target UNUSED)
{
	if (!request_stripped(r))
		return 0;
	return edits_room(e, r->in.nfiles) ? request_cut_files(r, e->v, &e->n) : ERR_NOMEM;
}

static int
offered_by_start(const void *x, const void *y)
{
	const struct splice *a = x, *b = y;

	return a->start != b->start ? (a->start < b->start ? -1 : 1)
				    : (a->end > b->end) - (a->end < b->end);
}

/* Adds found.offer's cuts to the n edits of the body, which need room for ncuts more, and
 * removes edits inside a cut. Returns the number of edits. */
static size_t
request_cut_offered(struct request *r, struct splice *edits, size_t n)
{
	struct found_offer *f = &r->found.offer;
	struct splice *cut = arena_array(&r->arena, f->ncuts, sizeof(*cut));
	size_t kept = 0, k = 0;

	if (!f->ncuts || !cut)
		return n;
	memcpy(cut, f->cut, f->ncuts * sizeof(*cut));
	qsort(cut, f->ncuts, sizeof(*cut), offered_by_start);
	if (n)
		qsort(edits, n, sizeof(*edits), offered_by_start);
	for (size_t i = 0; i < n; i++) {
		while (k < f->ncuts && cut[k].end <= edits[i].start)
			k++;
		const struct splice *e = &edits[i];
		if (k == f->ncuts || cut[k].start > e->start)
			edits[kept++] = *e;
		else if (e->start == e->end && e->start == cut[k].start)
			/* text inserted where a cut begins becomes the cut's replacement */
			cut[k].with = arena_printf(&r->arena, "%.*s%.*s", SPAN_ARG(cut[k].with),
				SPAN_ARG(e->with));
	}
	memcpy(edits + kept, cut, f->ncuts * sizeof(*cut));
	return kept + f->ncuts;
}

/* Removes the tools that the caller may not use. */
static int
cut_offered(struct request *r, struct edits *e, struct edits *target UNUSED)
{
	if (!r->found.offer.ncuts)
		return 0;
	if (!edits_room(e, r->found.offer.ncuts))
		return ERR_NOMEM;
	e->n = request_cut_offered(r, e->v, e->n);
	return 0;
}

/* All changes of a request, in this order. Each adds its edits and returns 0 or a negative
 * error. */
static int (*const edit_steps[])(struct request *, struct edits *body, struct edits *target) = {
	edit_hits,
	edit_wholes,
	edit_ids,
	drop_reasoning,
	edit_members,
	return_urls,
	ask_usage,
	cut_stripped,
	cut_offered,
};

/* Reads the edited body again: a rewritten key may equal another one, and a request may need
 * the tools that were removed. Then the result is ambiguous. */
static int
still_reads(struct request *r)
{
	struct body again;
	struct body_refusal why = { 0 };
	struct span type = { NULL, 0 };

	http_field_one(&r->in.head, "content-type", &type);
	int err = body_read(r->found.endpoint.table, type, buf_view(&r->out.rewritten),
		&r->arena, &again, &why);
	return err && why.status ? ERR_BAD_STATE : err;
}

/* Reserves exactly the size of the result. */
static bool
room_for(const struct edits *e, struct buf *out)
{
	size_t n = e->raw.n;

	for (size_t i = 0; i < e->n; i++)
		n += e->v[i].with.n - (e->v[i].end - e->v[i].start);
	return buf_reserve(out, n) != NULL;
}

/* ---- the rewritten request ---- */

static int
apply_edits(struct request *r, const struct edits *body, const struct edits *target)
{
	int err = 0;

	if (body->n && !room_for(body, &r->out.rewritten))
		return ERR_NOMEM;
	if (body->n)
		err = splice_apply(body->raw, body->v, body->n, &r->out.rewritten);
	if (!err && target->n)
		err = splice_apply(target->raw, target->v, target->n, &r->out.new_target);
	if (!err && body->n)
		r->out.sends = SENDS_REWRITTEN;
	return err;
}

/* Builds `rewritten` and `new_target`. Returns 0 or a negative error. */
static int
rewrite_request(struct request *r)
{
	struct edits body = { .raw = r->in.raw }, target = { 0 };
	int err = 0;

	target.raw = span_of(r->in.head.path.p,
		r->in.head.path.n + (r->in.head.has_query ? 1 + r->in.head.query.n : 0));
	r->out.redacted = r->scan.overlay.nhits || r->scan.overlay.nwholes;
	if (is_restored(r) || r->out.redacted)
		r->out.placeholders = r->in.placeholders;
	if (!request_kept_open(r))
		return ERR_NOMEM;
	if ((r->out.redacted || r->out.placeholders) && !open_redactor(r))
		return ERR_NOMEM;
	for (size_t i = 0; !err && i < COUNT_OF(edit_steps); i++)
		err = edit_steps[i](r, &body, &target);
	if (!err)
		err = apply_edits(r, &body, &target);
	if (buf_failed(&r->out.rewritten) || buf_failed(&r->out.new_target) ||
		arena_failed(&r->arena))
		err = ERR_NOMEM;
	if (!err && (body.keys || r->found.offer.ncuts))
		err = still_reads(r);
	free(body.v);
	free(target.v);
	return err;
}

const char *
request_redacted_with(const struct request *r, size_t entity)
{
	if (r->out.decision.kind != D_REDACT || !r->found.verdict.redacts ||
		!entity_in(&r->found.verdict.redact.of, entity))
		return NULL;
	return style_names[r->found.verdict.redact.with[entity]];
}

/* ---- whether the relay must send the request ---- */

/* Returns true if the API key has a limit of concurrent requests. Then the gateway must see the
 * end of the response. */
static bool
key_holds_room(const struct identity *id)
{
	for (size_t i = 0; i < id->nlimits; i++)
		if (id->limits[i].of == LIMIT_CONCURRENT)
			return true;
	return false;
}

/* Returns true if the request that is sent differs from the one that HAProxy has. */
static bool
sends_other(const struct request *r)
{
	return r->out.sends != SENDS_RECEIVED || r->out.new_target.n ||
	       r->in.body_state == BODY_STATE_PARTIAL || r->snap->policy->unusual_credential ||
	       credential_query(r->in.head.query) || head_must_change(r);
}

/* Returns true if the gateway reads the response, or waits for its end. */
static bool
waits_for_answer(const struct request *r)
{
	return request_reads_answer(r) || r->found.route->told_of_end ||
	       key_holds_room(&r->found.identity) || r->found.verdict.changes.nrules ||
	       request_lists_models(r) || dialect_is_of_mcp(r->found.endpoint.family);
}

static bool
must_relay(const struct request *r)
{
	if (r->in.message == MESSAGE_ALONE)
		return false; /* a message of a session is not sent by itself */
	return r->run.resumed || r->in.socket || waits_for_answer(r) ||
	       request_target(r)->relay || request_repeats(r) || r->attempt.of ||
	       sends_other(r);
}

/* After the rewrite: notes the model and the tokens that are sent. */
static void
note_amended(struct request *r)
{
	struct amendment am;

	if (!request_amendment(r, &am))
		return;
	if (am.model.n && !span_eq(am.model, r->in.body.model)) {
		if (!r->in.asked_model.p)
			r->in.asked_model =
				r->in.body.model.p ? r->in.body.model : SPAN_LIT("");
		r->in.body.model = am.model;
	}
	r->found.target_cap = am.ceiling_tokens;
	int64_t missing = dialect_amended_cap(&am, -1);
	r->found.default_cap = am.missing_tokens && missing > 0 ? (uint64_t)missing : 0;
	request_estimate_tokens(r);
}

/* ---- denials after the rewrite ---- */

/* Denies data in a file that cannot be redacted. */
static enum step_result
deny_file(struct request *r, const struct file *f)
{
	const struct rule *rule = r->found.verdict.ruled.rule;
	struct file_place at = { 0 };
	bool metadata = false;

	for (size_t i = 0; i < r->scan.overlay.nhits && !at.page && !at.spoken && !at.places.n;
		i++) {
		const struct hit *h = &r->scan.overlay.hits[i];
		if (request_file_hit(r, h) != f)
			continue;
		request_file_of(r, h, &at);
		metadata |= request_hit_metadata(r, f, h);
	}
	SCOPED_BUF(place, 0);
	file_place_put(r, &at, &place);
	struct span why =
		place.n ? arena_printf(&r->arena,
				  "data that must be redacted is in a file (%s): %.*s", f->kind,
				  SPAN_ARG(buf_view(&place)))
		: at.spoken
			? arena_printf(&r->arena,
				  "data that must be redacted is spoken at %u:%02u of a sound (%s)",
				  (unsigned)(at.ms / 60000), (unsigned)(at.ms / 1000 % 60), f->kind)
		: at.page
			? arena_printf(&r->arena,
				  "data that must be redacted is on page %u of a file (%s)%s",
				  at.page, f->kind,
				  at.uncertain ? "; OCR may have misread it" : "")
		: metadata ? arena_printf(&r->arena,
				     "data that must be redacted is in the metadata of a file "
				     "(%s): remove the metadata",
				     f->kind)
			   : SPAN_LIT("data that must be redacted is in a file");
	return request_deny(r, 403, "content_policy_violation", rule ? rule->name : "", why);
}

/* Returns true if the policy changes a session's model, which is in the URL of the handshake.
 */
static bool
changes_session(const struct request *r)
{
	struct amendment am;

	return (r->in.socket || r->in.message) && request_amendment(r, &am) && am.model.n &&
	       !span_eq(am.model, r->in.body.model);
}

static const char *
ruled_by(const struct request *r)
{
	const struct rule *rule = r->found.verdict.ruled.rule;

	return rule ? rule->name : "";
}

/* Returns the first identifier or sealed text of the body in which something would be replaced,
 * other than a key; NULL: there is none. */
static const struct segment *
found_unchangeable(struct request *r)
{
	const struct overlay *o = &r->scan.overlay;

	for (size_t i = 0; i < o->nhits + o->nwholes; i++) {
		const struct hit *h = i < o->nhits ? &o->hits[i] : &o->wholes[i - o->nhits];
		if (!h->in_target && h->segment->role != ROLE_KEY &&
			(h->segment->sealed || is_in_identifier(r, h)))
			return h->segment;
	}
	return NULL;
}

static enum step_result
deny_rewrite(struct request *r, int err)
{
	const struct segment *s = err == ERR_BAD_STATE ? found_unchangeable(r) : NULL;

	if (s && s->sealed)
		return request_deny(r, 403, "content_policy_violation", ruled_by(r),
			arena_printf(&r->arena,
				"data that must be redacted is readable in %s, which cannot be "
				"changed because the provider made it; remove it",
				segment_path(
					r->in.body.segments, s, (char[SEGMENT_PATH]){ 0 })));
	if (s)
		return request_deny(r, 403, "content_policy_violation", ruled_by(r),
			arena_printf(&r->arena,
				"data that must be redacted is in a name, id or word of the "
				"protocol (role %s), which cannot be changed; remove it",
				role_name(s->role)));
	if (err == ERR_BAD_STATE)
		return request_deny(r, 403, "content_policy_violation", ruled_by(r),
			SPAN_LIT("data that must be redacted is where it cannot be changed (a "
				 "key, "
				 "the model's name, the path); remove it"));
	if (err == ERR_UNSUPPORTED)
		return request_deny(r, 400, "cap_missing", "",
			SPAN_LIT("the policy limits the output, so the body must state its own "
				 "output limit"));
	return request_overload(r);
}

/* Checks all bytes that are sent once more for credentials: opaque parts, escapes and headers,
 * too. Returns STEP_NEXT, or denies. */
static enum step_result
check_sent(struct request *r)
{
	struct span body =
		r->out.sends == SENDS_REWRITTEN ? buf_view(&r->out.rewritten) : r->in.raw;
	/* a message uses the target of its handshake */
	struct span target = r->in.message ? SPAN_LIT("") : request_target_sent(r);

	if (arena_failed(&r->arena))
		return request_overload(r);
	if ((r->in.have_body && request_credential_escaped_in(r, body)) ||
		request_credential_escaped_in(r, target))
		return request_deny(r, 403, "content_policy_violation", "",
			SPAN_LIT("the request contains a credential where it cannot be "
				 "replaced; remove it"));
	if (!request_params_may_go(r))
		return request_deny(r, 403, "content_policy_violation", ruled_by(r),
			SPAN_LIT("data that must be redacted is where it cannot be changed (a "
				 "header Mcp-Param-); remove it"));
	if (changes_session(r))
		return request_deny(r, 501, "not_implemented", ruled_by(r),
			SPAN_LIT("the policy requires another model; connect with that model"));
	return STEP_NEXT;
}

/* Returns true if a value is removed because a rule or a failure demands it. */
static bool
is_redacted(const struct request *r)
{
	const struct policy_verdict *v = &r->found.verdict;

	return (v->redacts && v->ruled.effect == RULE_REDACT) ||
	       (r->found.search != SEARCH_WHOLE && r->found.unclassified == OUT_REDACT) ||
	       (r->out.redacted && request_silence(r, OUT_REDACT)) || request_stripped(r) ||
	       r->found.ncredentials || r->found.reasoning_dropped;
}

/* ---- the step ---- */

static void
note_decision(struct request *r)
{
	const struct rule *rule = r->found.verdict.ruled.rule;
	bool redacted = is_redacted(r);
	const struct rule *hides = redacted ? NULL : r->found.offer.by;

	request_decide(r, redacted || r->found.offer.ncuts ? D_REDACT : D_PERMIT,
		must_relay(r) ? VIA_RELAY : VIA_DIRECT,
		hides  ? hides->name
		: rule ? rule->name
		       : "default");
}

enum step_result
step_rewrite(struct request *r)
{
	const struct file *bad;

	if (r->in.body_state == BODY_STATE_PARTIAL)
		return STEP_NEXT;
	if (auth_asks_caller(request_auth(r, request_target(r))) && !r->found.caller_token.n)
		return request_deny(r, 401, NULL, "",
			SPAN_LIT("this server is called with the caller's own rights: log in, so "
				 "that the request has a token; a key, a signature or a "
				 "certificate has none"));
	if (request_settle_reasoning(r) < 0)
		return request_deny(r, 403, "signed_content", ruled_by(r),
			SPAN_LIT("reasoning that the provider signed contains data that must "
				 "not "
				 "be sent; begin a new conversation without it"));
	if (request_filter_offered(r) == STEP_DECIDED)
		return STEP_DECIDED;
	limits_expect(r);
	if (!request_strip_files(r, &r->scan.overlay, &bad))
		return deny_file(r, bad);
	if (r->in.sound == SOUND_WRITTEN && !r->found.verdict.strips &&
		r->scan.overlay.nhits + r->scan.overlay.nwholes > 0)
		return request_deny(r, 403, "content_policy_violation", ruled_by(r),
			SPAN_LIT("data that must be redacted was spoken"));
	int err = rewrite_request(r);
	if (err < 0)
		return deny_rewrite(r, err);
	enum step_result sent = check_sent(r);
	if (sent != STEP_NEXT)
		return sent;
	note_amended(r);
	if (r->found.route->uses.speech && speech_of_answer_plan(r))
		return request_overload(r);
	if (request_translate(r))
		return request_overload(r);
	note_decision(r);
	return request_hold_work(r);
}
