/* The measurement of fidelity_run.h. It calls the same functions as the gate and `tollgate
 * redact`: detect_scan and the mentions of its findings, a redactor, a vault and a restorer,
 * and detect_stream. The guard of responses reads each document too and must redact the same
 * bytes. */
#include "support/fidelity_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/guard/guard.h"
#include "answer/restore.h"
#include "base/codec/json_text.h"
#include "gate/overlay.h"
#include "scan/detect/stream/stream.h"
#include "scan/text/style.h"
#include "support/policy_fix.h"

const char *const fidelity_ways[WAYS] = { "whole", "stream" };

enum { HITS_MAX = 65536, CUTS = 2, SHOWN_AROUND = 60 };

/* Bytes that redaction removes from a document. */
struct taken {
	size_t start, end;
	size_t entity;
};

struct taken_list {
	struct taken v[HITS_MAX];
	size_t n;
};

static struct taken_list taken[WAYS], again;
static unsigned shown[WAYS][3][DETECT_ENTITIES_MAX + DOCS_VALUES_MAX];

/* ---- the text of a request ---- */

/* Returns what is redacted: findings, and further mentions of their values between them. */
static struct hit *
hits_of(struct detect_fix *f, const struct segment *whole, size_t *n)
{
	struct findings found;
	struct mention_scan scan = { 0 };
	enum mention_how how;
	struct mention_set *set = mention_set_new();

	if (!set || detect_scan(f->rules, f->scratch, whole->text, NULL, &f->arena, &found))
		abort();
	struct hit *own = arena_array(&f->arena, found.n, sizeof(*own));
	for (size_t i = 0; i < found.n; i++) {
		own[i] = (struct hit){ .segment = whole, .f = found.v[i] };
		if (detect_value_spreads(f->rules, found.v[i].entity, hit_value(&own[i]), &how) &&
			mention_add(set, hit_value(&own[i]), how, (uint32_t)i))
			abort();
	}
	if (mention_build(set, SIZE_MAX))
		abort();
	mention_begin(&scan, set, whole->text);
	if (mention_next(&scan, SIZE_MAX))
		abort();
	struct hit *more = arena_array(&f->arena, scan.n, sizeof(*more)),
		   *out = arena_array(&f->arena, 2 * found.n + scan.n, sizeof(*out));
	for (size_t i = 0; i < scan.n; i++) {
		more[i] = own[scan.v[i].tag];
		more[i].of = &own[scan.v[i].tag];
		more[i].f.start = scan.v[i].start;
		more[i].f.end = scan.v[i].end;
	}
	*n = hits_lay_over(own, found.n, more, scan.n, out);
	mention_scan_free(&scan);
	mention_set_free(&set);
	return out;
}

static void
into_vault(void *vault, struct span placeholder, struct span value)
{
	if (vault_add(vault, placeholder, value))
		abort();
}

/* Feeds the redacted text in pieces and restores its values. */
static void
put_back(const struct redactor *r, struct span redacted, uint64_t *random, struct buf *out)
{
	struct vault *vault = vault_new();
	struct restorer *restorer = NULL;

	redactor_each(r, into_vault, vault);
	vault_allow_urls(vault);
	restorer = restorer_new(vault, RESTORE_TEXT);
	for (size_t at = 0; at < redacted.n;) {
		size_t to = at + 1 + docs_random(random) % 40;
		if (restorer_feed(restorer, span_cut(redacted, at, to), out))
			abort();
		at = to;
	}
	if (restorer_end(restorer, out))
		abort();
	restorer_free(&restorer);
	vault_free(&vault);
}

/* Returns true if restoring the placeholders gives the original document. */
static bool
redact_whole(struct detect_fix *f, struct span text, uint64_t *random, struct taken_list *out)
{
	const struct segment whole = { .text = text };
	struct redactor *r = redactor_new(&f->arena, NULL);
	struct buf redacted, restored;
	size_t n, at = 0;
	struct hit *hits = hits_of(f, &whole, &n);

	buf_init(&redacted, 0);
	buf_init(&restored, 0);
	redactor_by_spelling(r); /* as with `restore` in a policy */
	redactor_taken(r, text);
	out->n = 0;
	for (size_t i = 0; i < n && i < HITS_MAX; i++) {
		const struct finding *at_hit = &hits[i].f;
		const struct hit *named = hits[i].of ? hits[i].of : &hits[i];
		buf_span(&redacted, span_cut(text, at, at_hit->start));
		buf_span(&redacted,
			redactor_get(r, STYLE_PLACEHOLDER,
				span_str(detect_entity_name(f->rules, at_hit->entity)),
				hit_value(named), detect_entity_folds(f->rules, at_hit->entity),
				false));
		at = at_hit->end;
		out->v[out->n++] = (struct taken){ at_hit->start, at_hit->end, at_hit->entity };
	}
	buf_span(&redacted, span_cut(text, at, text.n));
	put_back(r, buf_view(&redacted), random, &restored);
	bool same = span_eq(buf_view(&restored), text);
	buf_free(&redacted);
	buf_free(&restored);
	return same;
}

/* ---- the text of a streamed response ---- */

static int
take_piece(void *arg, const struct stream_piece *p)
{
	struct taken_list *l = arg;
	size_t end = p->start + p->text.n;

	if (p->kind == PIECE_TEXT)
		return 0;
	if (p->more && l->n && l->v[l->n - 1].end == p->start)
		l->v[l->n - 1].end = end;
	else if (l->n < HITS_MAX)
		l->v[l->n++] = (struct taken){ p->start, end,
			p->kind == PIECE_FINDING ? p->finding.entity : DETECT_ENTITIES_MAX };
	return 0;
}

/* In deltas of 1 to `most` bytes, like the tokens of a model. */
static void
redact_stream(struct detect_fix *f, struct span text, size_t most, uint64_t *random,
	struct taken_list *out)
{
	struct detect_stream *s = detect_stream_new(f->rules, &(struct detect_options){ 0 });

	out->n = 0;
	for (size_t at = 0; at < text.n;) {
		size_t to = at + 1 + docs_random(random) % most;
		if (detect_stream_feed(s, f->scratch, span_cut(text, at, to), take_piece, out))
			abort();
		at = to;
	}
	if (detect_stream_finish(s, f->scratch, take_piece, out))
		abort();
	detect_stream_free(&s);
}

static bool
taken_same(const struct taken_list *a, const struct taken_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].start != b->v[i].start || a->v[i].end != b->v[i].end ||
			a->v[i].entity != b->v[i].entity)
			return false;
	return true;
}

/* ---- the guard of responses ---- */

static const char policy_text[] =
	POLICY_HEAD "rules:\n"
		    "  - {name: out, phase: response, redact: {classes: [pii, phi, secret]}}\n"
		    "default: permit\n";

/* Writes the document as the content of a chat completion: whole, or as the events of a stream
 * with a few bytes each. */
static void
put_response(struct span text, bool streamed, uint64_t *random, struct buf *out)
{
	if (!streamed) {
		buf_str(out, "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
			     "\"content\":\"");
		buf_json(out, text);
		buf_str(out, "\"},\"finish_reason\":\"stop\"}]}");
		return;
	}
	for (size_t at = 0; at < text.n;) {
		size_t to = at + 1 + docs_random(random) % 12;
		buf_str(out, "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{"
			     "\"index\":0,\"delta\":{\"content\":\"");
		buf_json(out, span_cut(text, at, to));
		buf_str(out, "\"},\"finish_reason\":null}]}\n\n");
		at = to;
	}
	buf_str(out,
		"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
		"\n\ndata: [DONE]\n\n");
}

/* Appends the decoded "content" strings of a response. */
static void
put_content(struct span response, struct buf *out)
{
	static const char key[] = "\"content\":\"";
	const char *p = response.p, *end = p + response.n;

	while ((p = memmem(p, (size_t)(end - p), key, sizeof(key) - 1))) {
		const char *from = (p += sizeof(key) - 1) - 1; /* includes its quotes */
		while (p < end && *p != '"')
			p += *p == '\\' ? 2 : 1;
		json_t *j = json_loadb(from, (size_t)(p + 1 - from), JSON_DECODE_ANY, NULL);
		if (!j)
			abort();
		buf_span(out, json_span(j));
		json_decref(j);
	}
}

/* Appends the part of the document that passes the guard. */
static void
pass_guard(struct detect_fix *f, struct span text, bool streamed, uint64_t *random,
	struct buf *out)
{
	static struct policy_fix fix;
	static struct answer_request asked;
	static struct arena life;
	struct buf response, passed;

	if (!fix.p) {
		struct identity id = { .verified = true };
		fix_must_load(&fix, policy_text);
		arena_init(&life, 0, false);
		struct policy_facts facts = { .identity = &id,
			.route = &fix.p->routes[0],
			.whole = true,
			.rules = f->rules };
		if (policy_answer_request(fix.p, &facts, &life, &asked))
			abort();
	}
	struct guard_plan plan = {
		.format = answer_format_find(
			SPAN_LIT("openai"), SPAN_LIT("/v1/chat/completions")),
		.dialect = dialect_find(SPAN_LIT("openai")),
		.path = SPAN_LIT("/v1/chat/completions"),
		.rules = f->rules,
		.scratch = f->scratch,
		.inspects = true,
		.policy = fix.p,
		.options = policy_detect_options(fix.p),
		.asked = &asked,
		.unread = OUT_DENY,
	};
	struct guard_head head = { .status = 200,
		.content_type = streamed ? SPAN_LIT("text/event-stream")
					 : SPAN_LIT("application/json") };
	struct guard *g = guard_new(&plan, &head);
	buf_init(&response, 0);
	buf_init(&passed, 0);
	put_response(text, streamed, random, &response);
	enum guard_result got = g ? GUARD_PASS : GUARD_NO_MEMORY;
	for (size_t at = 0, to; at < response.n && !got; at = to) {
		to = at + 1 + docs_random(random) % 4000;
		got = guard_feed(g, span_cut(buf_view(&response), at, to), &passed);
	}
	if (!got)
		got = guard_end(g, &passed);
	if (got)
		abort();
	put_content(buf_view(&passed), out);
	guard_drop(&g);
	buf_free(&response);
	buf_free(&passed);
}

/* Appends what the guard must let pass: the document without the removed bytes. */
static void
put_expected(
	struct detect_fix *f, struct span text, const struct taken_list *t, struct buf *out)
{
	size_t at = 0;

	for (size_t i = 0; i < t->n; i++) {
		const char *class = t->v[i].entity < DETECT_ENTITIES_MAX
					    ? detect_entity_class(f->rules, t->v[i].entity)
					    : "";
		if (!strcmp(class, "network"))
			continue;
		buf_span(out, span_cut(text, at, t->v[i].start));
		buf_printf(out, "<%s>", detect_entity_name(f->rules, t->v[i].entity));
		at = t->v[i].end;
	}
	buf_span(out, span_cut(text, at, text.n));
}

static bool
guard_agrees(struct detect_fix *f, struct span text, bool streamed, uint64_t *random,
	const struct taken_list *t, const char *kind, unsigned most)
{
	struct buf is, expected;

	buf_init(&is, 0);
	buf_init(&expected, 0);
	pass_guard(f, text, streamed, random, &is);
	put_expected(f, text, t, &expected);
	bool same = span_eq(buf_view(&is), buf_view(&expected));
	if (!same && most) {
		size_t k = 0;
		while (k < is.n && k < expected.n &&
			buf_view(&is).p[k] == buf_view(&expected).p[k])
			k++;
		size_t from = k > 60 ? k - 60 : 0;
		printf("guard differs %s %s: %.*s\n    instead of: %.*s\n", kind,
			streamed ? "stream" : "whole",
			SPAN_ARG(span_cut(buf_view(&is), from, k + 60)),
			SPAN_ARG(span_cut(buf_view(&expected), from, k + 60)));
	}
	buf_free(&is);
	buf_free(&expected);
	return same;
}

/* ---- scoring ---- */

static void
show(const char *fault, const char *kind, enum fidelity_way way, const char *entity,
	struct span text, size_t start, size_t end)
{
	size_t from = start > SHOWN_AROUND ? start - SHOWN_AROUND : 0;

	printf("%s %s %s %s: ", fault, fidelity_ways[way], kind, entity);
	for (size_t i = from; i < text.n && i < end + SHOWN_AROUND; i++) {
		unsigned char c = (unsigned char)text.p[i];
		printf("%s", i == start ? "[[" : i == end ? "]]" : "");
		if (c < ' ')
			printf("%s", c == '\n'	 ? "\\n"
				     : c == '\r' ? "\\r"
				     : c == '\t' ? "\\t"
						 : "\\e");
		else
			putchar(c);
	}
	printf("%s\n", end >= text.n ? "]]" : "");
}

static bool
may_show(unsigned most, enum fidelity_way way, unsigned fault, size_t entity)
{
	return shown[way][fault][entity]++ < most;
}

/* Returns how many bytes of the value are removed. */
static size_t
covered(const struct docs_label *l, const struct taken_list *t, size_t *from)
{
	size_t n = 0;

	while (*from < t->n && t->v[*from].end <= l->start)
		(*from)++;
	for (size_t i = *from; i < t->n && t->v[i].start < l->end; i++) {
		size_t a = t->v[i].start > l->start ? t->v[i].start : l->start,
		       b = t->v[i].end < l->end ? t->v[i].end : l->end;
		n += b - a;
	}
	return n;
}

/* Returns how many of the removed bytes belong to no value. */
static size_t
outside(const struct taken *t, const struct docs_document *d, size_t *from)
{
	size_t n = t->end - t->start;

	while (*from < d->n && d->labels[*from].end <= t->start)
		(*from)++;
	for (size_t i = *from; i < d->n && d->labels[i].start < t->end; i++) {
		size_t a = t->start > d->labels[i].start ? t->start : d->labels[i].start,
		       b = t->end < d->labels[i].end ? t->end : d->labels[i].end;
		n -= b - a;
	}
	return n;
}

static void
score(const struct detect_fix *f, size_t kind, const struct docs_document *d, unsigned most,
	struct fidelity_result *r)
{
	struct span text = buf_view(&d->text);
	struct fidelity_count *k = &r->kind[kind];
	size_t seen[WAYS] = { 0 };

	r->all.bytes += text.n;
	k->bytes += text.n;
	for (size_t i = 0; i < d->n; i++) {
		const struct docs_label *l = &d->labels[i];
		struct fidelity_count *counts[] = { &r->all, k, &r->entity[l->entity] };
		bool whole = false;
		for (enum fidelity_way w = 0; w < WAYS; w++) {
			size_t n = covered(l, &taken[w], &seen[w]);
			bool missed = !n, cut = n && n < l->end - l->start;
			for (size_t c = 0; c < 3; c++) {
				counts[c]->values += !w;
				counts[c]->missed[w] += missed;
				counts[c]->cut[w] += cut;
			}
			if (w == WAY_WHOLE)
				whole = !missed && !cut;
			else
				r->stream_only_missed += whole && (missed || cut);
			if ((missed || cut) && (w == WAY_WHOLE || whole) &&
				may_show(most, w, cut, l->entity))
				show(cut ? "cut" : "missed", docs_kind(kind), w,
					docs_entity(l->entity), text, l->start, l->end);
		}
	}
	for (enum fidelity_way w = 0; w < WAYS; w++)
		for (size_t i = 0, from = 0; i < taken[w].n; i++) {
			const struct taken *t = &taken[w].v[i];
			size_t n = outside(t, d, &from);
			k->over[w] += n;
			r->all.over[w] += n;
			if (n && may_show(most, w, 2, t->entity))
				show("over", docs_kind(kind), w,
					t->entity < DETECT_ENTITIES_MAX
						? detect_entity_name(f->rules, t->entity)
						: "UNREAD",
					text, t->start, t->end);
		}
}

void
fidelity_run(uint64_t seed, size_t bytes, unsigned most, struct fidelity_result *r)
{
	struct detect_fix *f = detect_fix();
	struct docs_document d = { .labels = NULL };
	uint64_t random = seed;

	memset(r, 0, sizeof(*r));
	while (r->all.bytes < bytes) {
		size_t kind = 0; /* the kind with the fewest bytes so far */
		for (size_t i = 1; i < docs_kinds(); i++)
			if (r->kind[i].bytes < r->kind[kind].bytes)
				kind = i;
		r->documents++;
		docs_make(kind, docs_random(&random), &d);
		struct span text = buf_view(&d.text);
		bool same = redact_whole(f, text, &random, &taken[WAY_WHOLE]);
		r->restored += same;
		r->not_restored += !same;
		if (!same && most)
			printf("not restored %s: %.*s\n", docs_kind(kind),
				(int)(text.n < 400 ? text.n : 400), text.p);
		redact_stream(f, text, 12, &random, &taken[WAY_STREAM]);
		redact_stream(f, text, 200, &random, &again);
		if (!taken_same(&taken[WAY_STREAM], &again)) {
			r->cuts_differ++;
			if (most)
				printf("cuts differ %s: %.*s\n", docs_kind(kind),
					(int)(text.n < 400 ? text.n : 400), text.p);
		}
		for (int streamed = 0; streamed < 2; streamed++)
			r->guard_differs += !guard_agrees(f, text, streamed, &random,
				&taken[streamed ? WAY_STREAM : WAY_WHOLE], docs_kind(kind),
				most);
		score(f, kind, &d, most, r);
		detect_scratch_wipe(f->scratch);
		arena_reset(&f->arena);
	}
	docs_document_free(&d);
}
