/* Texts as wholes: scanned, judged, replaced, put back. Shared by whole answers and by what a
 * stream says in one piece. */
#include <stdlib.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/err.h"
#include "guard/guard_private.h"
#include "text/style.h"

enum {
	KEPT_MAX = 64,		 /* calls and texts kept for rules */
	KEPT_BYTES = 64 << 10,	 /* of each */
	OVERLAP_BYTES = 4 << 10, /* of one window in the next */
	KNOWN_BYTES = 64 << 10,	 /* of values that were replaced */
	BYTES_A_TOKEN = 3,
	NAME_BYTES = 65,
};

enum guard_result
guard_fail(struct guard *g, enum guard_result result, const char *why)
{
	if (!g->failed) {
		g->failed = result;
		g->report.why = why;
	}
	return g->failed;
}

enum guard_result
guard_unread(struct guard *g, size_t bytes, const char *why)
{
	if (!bytes)
		return g->failed;
	g->report.unread_bytes += bytes;
	if (!g->report.unread_why)
		g->report.unread_why = why;
	if (guard_inspects(g) && g->plan.unread != OUT_PERMIT)
		return guard_fail(g, GUARD_UNREAD, why);
	return g->failed;
}

/* ---- what the rules know ---- */

static bool
is_call(enum answer_kind kind)
{
	return kind == KIND_ARGUMENTS || kind == KIND_INPUT;
}

static enum seg_role
role_of(enum answer_kind kind)
{
	return is_call(kind) ? ROLE_TOOL_CALL : ROLE_ASSISTANT;
}

bool
guard_found(struct guard *g, size_t entity, enum answer_kind kind)
{
	struct guard_report *r = &g->report;
	bool is_new =
		!entity_in(&g->entities, entity) || !(g->roles[entity] >> role_of(kind) & 1);
	size_t i = 0;

	entity_add(&g->entities, entity);
	g->roles[entity] |= (uint16_t)(1u << role_of(kind));
	while (i < r->nfound && r->found[i].entity != entity)
		i++;
	if (i == r->nfound && i < GUARD_ENTITIES)
		r->found[r->nfound++] = (struct guard_count){ (uint16_t)entity, 0 };
	if (i < r->nfound)
		r->found[i].n++;
	return is_new;
}

static size_t
kept_calls(struct guard *g, struct answer_tool tools[KEPT_MAX])
{
	struct kept_text *k;
	size_t n = 0;

	LIST_FOREACH (k, &g->kept, all)
		if (k->kind == KIND_ARGUMENTS && k->name.n)
			tools[n++] = (struct answer_tool){ .name = buf_view(&k->name),
				.arguments = buf_view(&k->text),
				.lost = buf_failed(&k->text) };
	for (size_t i = 0; i < n / 2; i++) { /* the newest is first in the list */
		struct answer_tool last = tools[n - 1 - i];
		tools[n - 1 - i] = tools[i];
		tools[i] = last;
	}
	return n;
}

static void
score_text(struct guard *g, struct span text)
{
	struct inject_result got = inject_score(
		g->plan.policy->inject, text, INJECT_TOOL, g->plan.policy->inject_off);

	if (got.score > g->report.injection)
		g->report.injection = got.score;
}

static void
score(struct guard *g)
{
	struct kept_text *k;

	if (!g->plan.scores)
		return;
	LIST_FOREACH (k, &g->kept, all)
		if (k->kind != KIND_ARGUMENTS && !k->scored) {
			score_text(g, buf_view(&k->text));
			k->scored = true;
		}
}

/* In the arena of the verdict, and as long. NULL: out of memory. */
static const struct answer_facts *
facts(struct guard *g)
{
	static const struct span opaque[] = { SPAN_LIT("unknown") };
	const struct guard_report *r = &g->report;
	struct answer_tool *tools = arena_array(&g->judged, KEPT_MAX, sizeof(*tools));
	struct answer_facts *f = arena_new(&g->judged, struct answer_facts);

	if (!tools || !f)
		return NULL;
	*f = (struct answer_facts){
		.rules = g->plan.rules,
		.entities = g->entities,
		.roles = g->roles,
		.injection = r->injection,
		.bytes = (int64_t)r->text_bytes,
		.tokens = r->usage.known || r->usage.output_seen
				  ? r->usage.output_tokens
				  : (int64_t)r->text_bytes / BYTES_A_TOKEN,
		.finish_reason = span_str(r->finish),
		.model = span_str(r->model),
		.status = g->status,
		.streamed = r->streamed,
		.evasion = g->evasion,
		.media = opaque,
		.nmedia = g->media ? 1 : 0,
		.tools = tools,
		.ntools = kept_calls(g, tools),
	};
	return f;
}

enum guard_result
guard_judge(struct guard *g, enum answer_when when)
{
	struct guard_report *r = &g->report;

	if (!guard_inspects(g) || g->failed)
		return g->failed;
	if (when != ANSWER_NEW)
		score(g);
	arena_reset(&g->judged);
	r->judged = false;
	r->when = when;
	r->facts = facts(g);
	if (!r->facts || policy_answer(g->plan.policy, g->plan.asked, r->facts, when,
				 &g->judged, &r->verdict))
		return guard_fail(g, GUARD_NO_MEMORY, "out of memory");
	r->judged = true;
	if (r->verdict.effect == RULE_DENY)
		return guard_fail(g, GUARD_DENIED, "a rule on answers denies it");
	return GUARD_PASS;
}

/* ---- what is kept for the rules ---- */

static struct kept_text *
kept_of(struct guard *g, enum answer_kind kind, const uint32_t slot[ANSWER_SLOTS])
{
	struct kept_text *k;

	LIST_FOREACH (k, &g->kept, all)
		if (!k->whole && k->kind == kind && !memcmp(k->slot, slot, sizeof(k->slot)))
			return k;
	if (g->nkept == KEPT_MAX)
		return NULL;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	g->nkept++;
	k->kind = kind;
	memcpy(k->slot, slot, sizeof(k->slot));
	buf_init(&k->name, 256);
	buf_init(&k->text, KEPT_BYTES);
	LIST_INSERT_HEAD(&g->kept, k, all);
	return k;
}

/* What is scored goes through a window: when it is full it is scored, and its end stays. */
static void
keep_scored(struct guard *g, struct kept_text *k, struct span text)
{
	while (text.n) {
		size_t room = KEPT_BYTES - k->text.n, n = text.n < room ? text.n : room;
		buf_span(&k->text, span_cut(text, 0, n));
		k->scored = false;
		if (buf_failed(&k->text)) {
			guard_fail(g, GUARD_NO_MEMORY, "out of memory");
			return;
		}
		text = span_cut(text, n, text.n);
		if (text.n) {
			score_text(g, buf_view(&k->text));
			buf_consume(&k->text, k->text.n - OVERLAP_BYTES);
		}
	}
}

void
guard_keep(struct guard *g, const struct answer_text *t, struct span text)
{
	bool call = is_call(t->kind);

	if (!guard_inspects(g) || t->aside || t->deep || !(call || g->plan.scores))
		return;
	struct kept_text *k = kept_of(g, call ? KIND_ARGUMENTS : t->kind, t->slot);
	if (k && !call)
		keep_scored(g, k, text);
	else if (k && !buf_failed(&k->text))
		buf_span(&k->text, text);
	else if (!k && !call)
		score_text(g, text); /* more texts than are kept: each piece for itself */
}

/* Words of the provider in records: printable, no more than fit, and no values. */
static void
note_word(struct guard *g, char *to, size_t size, struct span word)
{
	const struct detect_options all = { 0 };
	struct findings found = { 0 };

	if (g->plan.rules &&
		(detect_scan(g->plan.rules, g->plan.scratch, word, &all, &g->work, &found) ||
			found.n))
		word = SPAN_LIT("<redacted>");
	size_t n = word.n < size - 1 ? word.n : size - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = (char)(word.p[i] > ' ' && word.p[i] < 0x7f ? word.p[i] : '_');
	to[n] = '\0';
}

void
guard_keep_call(struct guard *g, const struct answer_call *c)
{
	struct guard_report *r = &g->report;
	struct kept_text *k = guard_inspects(g) ? kept_of(g, KIND_ARGUMENTS, c->slot) : NULL;
	size_t i = 0;

	g->report.output_bytes += c->name.n;
	if (k && !k->name.n)
		buf_span(&k->name, c->name);
	/* A call that its rules cannot see. */
	if (g->plan.reads_calls && c->name.n && (!k || buf_failed(&k->name)))
		guard_unread(g, c->name.n, "more tool calls, or longer names, than rules read");
	while (i < r->ntools && !span_is(c->name, r->tools[i]))
		i++;
	if (i < r->ntools || i == GUARD_TOOLS || !c->name.n)
		return;
	char *name = arena_alloc(&g->life, NAME_BYTES);
	if (name) {
		note_word(g, name, NAME_BYTES, c->name);
		r->tools[r->ntools++] = name;
	}
}

/* Arguments that are a value, and so come whole: another call may have the same place in the
 * next event. */
static void
guard_keep_input(struct guard *g, const struct answer_input *in)
{
	struct kept_text *k = guard_inspects(g) ? kept_of(g, KIND_ARGUMENTS, in->slot) : NULL;

	/* Anthropic's blocks begin with an empty one, and their arguments come after it. */
	if (!k || (g->report.streamed && span_is(in->json, "{}")))
		return;
	buf_span(&k->text, in->json);
	k->whole = true;
}

/* What was made is charged, whatever stands beside it. */
static bool
says_something(const struct answer_document *d)
{
	for (size_t i = 0; i < d->ntexts; i++)
		if (d->texts[i].kind != KIND_OTHER && d->texts[i].text.n)
			return true;
	return d->opaque_bytes || d->ncalls;
}

static bool
says_anything(const struct answer_document *d)
{
	for (size_t i = 0; i < d->ntexts; i++)
		if (!d->texts[i].aside)
			return true;
	return d->ncalls > 0;
}

void
guard_note(struct guard *g, const struct answer_document *d)
{
	struct guard_report *r = &g->report;

	if (d->finish.n)
		note_word(g, r->finish, sizeof(r->finish), d->finish);
	if (d->model.n && !r->model[0])
		note_word(g, r->model, sizeof(r->model), d->model);
	r->provider_error |= d->error && (r->streamed || !says_something(d));
	r->opaque_bytes += d->opaque_bytes;
	r->sealed_bytes += d->sealed_bytes;
	g->media |= d->opaque_bytes > 0;
	for (size_t i = 0; i < d->ncalls; i++)
		guard_keep_call(g, &d->calls[i]);
	for (size_t i = 0; i < d->ninputs; i++)
		guard_keep_input(g, &d->inputs[i]);
	if (!r->first_text_us && says_anything(d))
		r->first_text_us = clock_mono_us();
	for (size_t i = 0; !guard_reads(g) && i < d->ntexts; i++) {
		if (d->texts[i].aside)
			continue;
		r->text_bytes += d->texts[i].text.n;
		guard_heard(g, &d->texts[i]);
		guard_says(g, &d->texts[i], d->texts[i].text);
	}
}

/* ---- one text ---- */

/* True where this byte closes the outermost bracket. */
static bool
json_place_step(struct json_place *p, char c)
{
	if (p->escape)
		p->escape = false;
	else if (p->string && c == '\\')
		p->escape = true;
	else if (c == '"')
		p->string = !p->string;
	else if (!p->string && (c == '{' || c == '['))
		p->depth++;
	else if (!p->string && p->depth && (c == '}' || c == ']'))
		return --p->depth == 0;
	return false;
}

void
json_place_walk(struct json_place *p, struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		json_place_step(p, text.p[i]);
}

size_t
json_place_close(struct json_place *p, struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (json_place_step(p, text.p[i]))
			return i + 1;
	return 0;
}

/* A stream says its names and keys in each event. */
static bool
was_clean(const struct guard *g, struct span text)
{
	for (size_t i = 0; i < g->nclean; i++)
		if (span_eq(g->clean[i], text))
			return true;
	return false;
}

static void
note_clean(struct guard *g, struct span text)
{
	if (g->nclean == CLEAN_MAX || text.n > CLEAN_BYTES)
		return;
	g->clean[g->nclean] = arena_dup(&g->life, text);
	if (g->clean[g->nclean].p)
		g->nclean++;
}

enum guard_result
guard_scan(struct guard *g, const struct answer_text *t, struct findings *out, bool *is_new)
{
	struct span text = t->text;

	*out = (struct findings){ 0 };
	*is_new = false;
	if (!t->aside)
		g->report.text_bytes += text.n;
	if (!guard_inspects(g) || !text.n || (t->aside && was_clean(g, text)))
		return g->failed;
	int err = detect_scan(
		g->plan.rules, g->plan.scratch, text, &g->plan.options, &g->work, out);
	if (err == ERR_NOMEM)
		return guard_fail(g, GUARD_NO_MEMORY, "out of memory");
	g->evasion |= out->evasion;
	for (size_t i = 0; i < out->n; i++)
		*is_new |= guard_found(g, out->v[i].entity, t->kind);
	if (t->aside && !err && !out->n)
		note_clean(g, text);
	return err ? guard_unread(g, text.n, "the detectors gave up") : g->failed;
}

static void
remember(struct guard *g, struct span value, struct span with)
{
	struct known *k;

	if (!g->report.streamed || value.n < 4 ||
		g->known_bytes + value.n + with.n > KNOWN_BYTES)
		return;
	SLIST_FOREACH(k, &g->known, all)
	if (span_eq(k->value, value))
		return;
	k = arena_new(&g->life, struct known);
	if (!k)
		return;
	k->value = arena_dup(&g->life, value);
	k->with = arena_dup(&g->life, with);
	g->known_bytes += value.n + with.n;
	if (!g->known_least || value.n < g->known_least)
		g->known_least = value.n;
	SLIST_INSERT_HEAD(&g->known, k, all);
}

bool
guard_cuts_signed(struct guard *g, size_t entity)
{
	if (!g->report.judged || !entity_in(&g->report.verdict.redact, entity) ||
		g->plan.signed_reasoning == SIGNED_LEAVE)
		return false;
	if (g->plan.signed_reasoning == SIGNED_DENY)
		guard_fail(g, GUARD_UNREAD,
			"reasoning under the provider's signature holds what "
			"would be replaced");
	return g->plan.signed_reasoning == SIGNED_DROP;
}

bool
guard_replacement(
	struct guard *g, size_t entity, struct span value, bool named, struct span *with)
{
	const struct answer_verdict *v = &g->report.verdict;

	if (!g->report.judged || !entity_in(&v->redact, entity))
		return false;
	const unsigned char *key = g->plan.hash_key;
	struct redactor *r = redactor_new_plain(&g->work, key);
	*with = (struct span){ NULL, 0 };
	if (r)
		*with = redactor_get(r, (enum redact_style)v->with[entity],
			span_str(detect_entity_name(g->plan.rules, entity)), value,
			detect_entity_folds(g->plan.rules, entity), named);
	g->report.redactions++;
	if (with->p)
		remember(g, value, *with);
	return true;
}

void
json_place_put(struct buf *out, const struct json_place *at, bool json, struct span with)
{
	if (json && !at->string)
		buf_json_str(out, with);
	else if (json)
		buf_json(out, with);
	else
		buf_span(out, with);
}

static void
put_text(struct buf *out, struct json_place *at, bool json, struct span text)
{
	if (json)
		json_place_walk(at, text);
	buf_span(out, text);
}

/* Values that were replaced before, in a text that the stream says again. */
static size_t
known_at(struct guard *g, struct span text, size_t from, const struct known **which)
{
	struct known *k;
	size_t at = text.n;

	SLIST_FOREACH(k, &g->known, all)
	{
		if (k->next < from || !from) {
			struct span rest = span_cut(text, from, text.n);
			const char *p = rest.n >= k->value.n
						? memmem(rest.p, rest.n, k->value.p, k->value.n)
						: NULL;
			k->next = p ? (size_t)(p - text.p) : text.n;
		}
		if (k->next < at) {
			at = k->next;
			*which = k;
		}
	}
	return at;
}

static void
put_known(struct guard *g, struct buf *out, struct json_place *at, bool json, struct span text)
{
	const struct known *k = NULL;
	size_t from = 0, to;

	while (!SLIST_EMPTY(&g->known) && text.n - from >= g->known_least &&
		(to = known_at(g, text, from, &k)) < text.n) {
		put_text(out, at, json, span_cut(text, from, to));
		json_place_put(out, at, json, k->with);
		g->report.redactions++;
		from = to + k->value.n;
	}
	put_text(out, at, json, span_cut(text, from, text.n));
}

static enum guard_result
put_back(struct guard *g, bool json, bool value, struct span text, struct span *out)
{
	struct restorer *r = restorer_new(g->plan.vault, json ? RESTORE_JSON : RESTORE_TEXT);
	struct buf b;
	int err = r ? 0 : ERR_NOMEM;

	buf_init(&b, 0);
	if (r && value)
		restorer_value(r);
	if (!err)
		err = restorer_feed(r, text, &b);
	if (!err)
		err = restorer_end(r, &b);
	if (!err)
		g->report.left_in_urls += restorer_left(r);
	if (!err && restorer_count(r)) {
		g->report.restorations += restorer_count(r);
		*out = arena_dup(&g->work, buf_view(&b));
	}
	buf_free(&b);
	restorer_free(&r);
	return err || !out->p ? guard_fail(g, GUARD_NO_MEMORY, "out of memory") : GUARD_PASS;
}

/* As a whole or not at all; nothing is put back into it. */
static enum guard_result
edit_signed(struct guard *g, const struct answer_text *t, const struct findings *found,
	struct span *out)
{
	for (size_t i = 0; i < found->n; i++)
		if (guard_cuts_signed(g, found->v[i].entity)) {
			g->report.signed_dropped++;
			*out = SPAN_LIT("");
			break;
		}
	guard_says(g, t, *out);
	return g->failed;
}

/* Findings and known values replaced: *out is in g->work, or the text itself. */
static enum guard_result
replace(struct guard *g, const struct answer_text *t, const struct findings *found,
	struct span *out)
{
	bool json = t->kind == KIND_ARGUMENTS && !t->deep;
	struct json_place at = { 0 };
	struct buf b;
	size_t from = 0, redactions = g->report.redactions;

	if (!found->n && SLIST_EMPTY(&g->known))
		return g->failed;
	buf_init(&b, 0);
	buf_reserve(&b, t->text.n + t->text.n / 8);
	for (size_t i = 0; i < found->n; i++) {
		const struct finding *f = &found->v[i];
		struct span with;
		struct span value = span_cut(t->text, f->start, f->end);
		if (f->start < from ||
			!guard_replacement(g, f->entity, value, t->aside || t->key, &with))
			continue;
		put_known(g, &b, &at, json, span_cut(t->text, from, f->start));
		json_place_put(&b, &at, json, with);
		from = f->end;
		if (!with.p)
			guard_fail(g, GUARD_NO_MEMORY, "out of memory");
	}
	put_known(g, &b, &at, json, span_cut(t->text, from, t->text.n));
	if (g->report.redactions != redactions)
		*out = b.n ? arena_dup(&g->work, buf_view(&b)) : SPAN_LIT("");
	if (buf_failed(&b) || !out->p)
		guard_fail(g, GUARD_NO_MEMORY, "out of memory");
	buf_free(&b);
	return g->failed;
}

enum guard_result
guard_edit(struct guard *g, const struct answer_text *t, const struct findings *found,
	struct span *out)
{
	bool json = t->kind == KIND_ARGUMENTS && !t->deep;

	*out = t->text;
	if (!t->text.n)
		return g->failed;
	if (t->kind == KIND_SIGNED)
		return edit_signed(g, t, found, out);
	if (replace(g, t, found, out))
		return g->failed;
	guard_says(g, t, *out);
	return g->plan.vault && out->n && !t->aside ? put_back(g, json, t->deep, *out, out)
						    : g->failed;
}

/* True where nothing but the findings changes, and each of them is written like any string. */
static bool
edits_in_place(const struct guard *g, const struct answer_text *t)
{
	return !t->number && t->kind != KIND_SIGNED && (t->kind != KIND_ARGUMENTS || t->deep) &&
	       !g->plan.vault && SLIST_EMPTY(&g->known) && g->plan.keeps != GUARD_KEEPS_TEXT;
}

/* A long text with few findings is not written anew. */
static enum guard_result
splice_findings(struct guard *g, const struct answer_text *t, const struct findings *found,
	struct span raw, struct splice *out, size_t *n)
{
	struct segment s = { .form = SEG_JSON,
		.escaped = t->text.p != raw.p + t->start,
		.start = (uint32_t)t->start,
		.end = (uint32_t)t->end,
		.text = t->text };
	struct text_edit *v = arena_array(&g->work, found->n, sizeof(*v));
	size_t nv = 0, from = 0;

	for (size_t i = 0; v && i < found->n; i++) {
		const struct finding *f = &found->v[i];
		struct span with, value = span_cut(t->text, f->start, f->end);
		if (f->start < from ||
			!guard_replacement(g, f->entity, value, t->aside || t->key, &with))
			continue;
		v[nv++] = (struct text_edit){ f->start, f->end, with };
		from = f->end;
		if (!with.p)
			v = NULL;
	}
	if (!v || (nv && segment_splices(&s, raw, v, nv, &g->work, out, n)))
		return guard_fail(g, GUARD_NO_MEMORY, "out of memory");
	return g->failed;
}

enum guard_result
guard_edit_whole(struct guard *g, const struct answer_text *t, const struct findings *found,
	struct span raw, struct splice *out, size_t *n, bool *gone)
{
	struct span now;

	*n = 0;
	*gone = false;
	if (edits_in_place(g, t))
		return found->n ? splice_findings(g, t, found, raw, out, n) : g->failed;
	if (guard_edit(g, t, found, &now) || span_eq(now, t->text))
		return g->failed;
	*gone = !now.n;
	*n = 1;
	return guard_splice(g, t, now, out) ? g->failed
					    : guard_fail(g, GUARD_NO_MEMORY, "out of memory");
}

enum guard_result
guard_edit_alone(struct guard *g, const struct answer_text *t, struct span *out)
{
	struct findings found;
	bool is_new;

	if (guard_scan(g, t, &found, &is_new) || (is_new && guard_judge(g, ANSWER_NEW)))
		return g->failed;
	return guard_edit(g, t, &found, out);
}

size_t
guard_withhold(const struct answer_document *d, struct splice *out)
{
	for (size_t i = 0; i < d->nwithheld; i++)
		out[i] = (struct splice){ d->withheld[i].start, d->withheld[i].end,
			SPAN_LIT("null") };
	return d->nwithheld;
}

bool
guard_splice(struct guard *g, const struct answer_text *t, struct span with, struct splice *out)
{
	struct buf b;

	buf_init(&b, 0);
	buf_reserve(&b, with.n + with.n / 16);
	if (t->number)
		buf_json_str(&b, with);
	else
		buf_json(&b, with);
	*out = (struct splice){ t->start, t->end, SPAN_LIT("") };
	if (b.n)
		out->with = arena_dup(&g->work, buf_view(&b));
	bool ok = !buf_failed(&b) && out->with.p;
	buf_free(&b);
	return ok;
}
