/* The facts that rules read about a response, and their verdicts. Also keeps the calls and
 * texts that rules read, and the data of the completion record: an entry for each call, the
 * texts, the finish reason and the model. guard_text.c edits.
 *
 * guard_found() notes each finding. guard_judge() collects the facts and asks the policy; the
 * verdict stays valid until the next one. Verdicts add up in report.sum.
 *
 * The record's entry of a call (struct guard_called) has its name, the size and keyed hash of its
 * arguments, and the verdicts of rules with `phase: tool`. The entry stays until the end, and is
 * made even if nothing is inspected; at most GUARD_CALLS entries. The content for the rules
 * (struct kept_text) is kept only as long as they need it.
 *
 * Each run of text (a choice, a block, a call) has a keyed hash of the provider's text, which
 * does not depend on its pieces (struct transcript). If the route states it, the text is kept
 * too, after redaction and before placeholders are restored. */
#include "answer/guard/guard_private.h"

#include <stdlib.h>

#include "answer/wrapped.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/push.h"
#include "base/sha256.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/verdict/tool.h"
#include "scan/inject/inject.h"

/* ---- calls ---- */

enum {
	NAMED_MAX = 4 * GUARD_NAME_BYTES,
	WRAPS_BYTES = 16 << 10, /* bytes of arguments that may name another tool */
};
/* The place of a call that was judged before it was read. */
static const uint32_t nobodys[ANSWER_SLOTS] = { UINT32_MAX, UINT32_MAX, UINT32_MAX };

/* Returns true if the place belongs to the call. The last number may differ, since name and
 * arguments are in different members. */
static bool
is_in_place_of(const struct guard_called *c, const uint32_t slot[ANSWER_SLOTS])
{
	uint32_t a = c->slot[ANSWER_NUMBERS], b = slot[ANSWER_NUMBERS];

	return (a == b || !a || !b) && !memcmp(c->slot, slot, ANSWER_NUMBERS * sizeof(*slot));
}

/* Returns the newest call in the place, since a new call may take the place of a complete one.
 * NULL: none. */
static struct guard_called *
find_called(const struct guard *g, const uint32_t slot[ANSWER_SLOTS])
{
	for (size_t i = g->report.ncalled; i; i--)
		if (is_in_place_of(&g->called[i - 1], slot))
			return &g->called[i - 1];
	return NULL;
}

static void
begin_called_arguments(const struct guard *g, struct guard_called *c)
{
	c->bytes = 0;
	buf_clear(&c->wraps);
	if (g->plan.keep_key)
		hmac_begin(&c->hash, g->plan.keep_key);
}

static void
begin_call(const struct guard *g, struct guard_called *c, const uint32_t slot[ANSWER_SLOTS])
{
	memcpy(c->slot, slot, sizeof(c->slot));
	c->named = (struct span){ NULL, 0 };
	c->expected = c->whole = false;
	begin_called_arguments(g, c);
}

/* Adds an entry. Calls that were judged before they are read are taken in their order
 * instead. */
static struct guard_called *
add_call(struct guard *g, const uint32_t slot[ANSWER_SLOTS])
{
	struct guard_report *r = &g->report;
	struct guard_called *v = g->called, *c;

	INVARIANT(r->ncalled <= GUARD_CALLS && r->ncalled <= g->called_room);
	for (size_t i = 0; slot != nobodys && i < r->ncalled; i++)
		if (v[i].expected) {
			begin_call(g, &v[i], slot);
			return &v[i];
		}
	if (r->ncalled == GUARD_CALLS)
		return NULL;
	c = ARENA_PUSH(&g->life, g->called, r->ncalled, g->called_room, 4,
		(struct guard_called){ .whole = false });
	if (!c) {
		guard_no_memory(g);
		return NULL;
	}
	r->called = g->called;
	buf_init(&c->wraps, WRAPS_BYTES);
	begin_call(g, c, slot);
	return c;
}

/* ---- names, calls and errors for the record ---- */

/* Copies a word of the provider for records: printable, cut to `size`, and redacted if it has a
 * finding. */
static void
guard_word(struct guard *g, char *to, size_t size, struct span word)
{
	if (g->plan.rules && !detect_is_clean(g->plan.rules, g->plan.scratch, word, &g->work))
		word = SPAN_LIT("<redacted>");
	size_t n = word.n < size - 1 ? word.n : size - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = (char)(word.p[i] > ' ' && word.p[i] < 0x7f ? word.p[i] : '_');
	to[n] = '\0';
}

/* Notes the name of a tool for the record. */
static void
guard_note_tool(struct guard *g, struct span name)
{
	struct guard_report *r = &g->report;
	size_t i = 0;

	while (i < r->ntools && !span_is(name, r->tools[i]))
		i++;
	if (i < r->ntools || i == GUARD_TOOLS || !name.n)
		return;
	char *to = arena_alloc(&g->life, GUARD_NAME_BYTES);
	if (to) {
		guard_word(g, to, GUARD_NAME_BYTES, name);
		r->tools[r->ntools++] = to;
	}
}

/* Adds a piece of the name. */
static void
add_name(struct guard *g, struct guard_called *c, struct span name)
{
	size_t n = c->named.n + name.n;

	if (span_eq(c->named, name) || n > NAMED_MAX)
		return;
	char *p = arena_alloc(&g->life, n);
	if (!p) {
		guard_no_memory(g);
		return;
	}
	if (c->named.n)
		memcpy(p, c->named.p, c->named.n);
	memcpy(p + c->named.n, name.p, name.n);
	c->named = span_of(p, n);
	guard_word(g, c->name, sizeof(c->name), c->named);
}

static void
add_arguments(const struct guard *g, struct guard_called *c, struct span text)
{
	c->bytes += text.n;
	if (guard_wrapped(g, c->named))
		buf_span(&c->wraps, span_cut(text, 0, WRAPS_BYTES - c->wraps.n));
	if (g->plan.keep_key)
		sha256_add(&c->hash, text);
}

/* Returns the value with the arguments of call i, or NULL. In some formats all calls have the
 * same place and are distinguished by their order. */
static const struct answer_input *
input_of(const struct answer_document *d, size_t i)
{
	size_t before = 0;

	for (size_t k = 0; k < i; k++)
		before += !memcmp(d->calls[k].slot, d->calls[i].slot, sizeof(d->calls[i].slot));
	for (size_t k = 0; k < d->ninputs; k++)
		if (!memcmp(d->inputs[k].slot, d->calls[i].slot, sizeof(d->inputs[k].slot)) &&
			before-- == 0)
			return &d->inputs[k];
	return NULL;
}

/* Notes the calls of a document whose arguments are JSON values. */
static void
guard_called_note(struct guard *g, const struct answer_document *d)
{
	for (size_t i = 0; i < d->ncalls; i++) {
		const struct answer_input *in = input_of(d, i);
		struct guard_called *c = find_called(g, d->calls[i].slot);
		/* a piece of a name has no arguments beside it */
		if (!c || c->whole || (in && c->named.n) || c->empty)
			c = d->calls[i].name.n || in ? add_call(g, d->calls[i].slot) : NULL;
		if (!c) {
			g->report.called_over += g->report.ncalled == GUARD_CALLS;
			continue;
		}
		if (d->calls[i].name.n)
			add_name(g, c, d->calls[i].name);
		/* Anthropic's blocks begin with an empty value, and their arguments follow */
		c->empty = in && g->report.streamed && span_is(in->json, "{}");
		c->whole = in && !c->empty;
		if (in)
			add_arguments(g, c, in->json);
	}
}

/* Returns the newest call to which the text belongs, or NULL. If the type of the call names the
 * tool, several texts of one item belong to it, and the call may have been judged before. */
static struct guard_called *
called_of(const struct guard *g, const struct answer_text *t)
{
	if (!t->tool)
		return find_called(g, t->slot);
	for (size_t i = g->report.ncalled; i; i--) {
		struct guard_called *c = &g->called[i - 1];
		if (span_is(c->named, answer_own_name(t->tool)) &&
			(c->slot[0] == t->slot[0] || c->slot[0] == nobodys[0]))
			return c;
	}
	return NULL;
}

/* Returns true if the text of an item, or a piece of one, counts for its call. A stream has an
 * item up to three times: the last one counts, unless the texts arrived in pieces. */
static bool
item_counts(struct guard *g, struct guard_called *c, const struct answer_text *t)
{
	uint64_t at = t->copy ? g->report.events + 1 : UINT64_MAX;

	if (c->item_at == at || c->item_at == UINT64_MAX)
		return c->item_at == at;
	c->item_at = at;
	for (size_t i = 0; i < LEFT_REASONS; i++) {
		g->report.left_in_calls[i] -= c->left[i];
		c->left[i] = 0;
	}
	if (c->whole)
		return true;
	begin_called_arguments(g, c);
	return true;
}

/* Adds a piece of arguments that are text. */
static void
guard_called_more(struct guard *g, const struct answer_text *t)
{
	struct guard_called *c = called_of(g, t);

	/* a complete call repeats nothing new */
	if (t->deep || (c && (c->whole || (t->copy && c->bytes && !t->tool))))
		return;
	if (!c)
		c = add_call(g, t->slot);
	if (c && !c->named.n && t->tool) {
		add_name(g, c, span_str(answer_own_name(t->tool)));
		guard_note_tool(g, c->named);
	}
	if (!c || !t->text.n || (t->tool && !item_counts(g, c, t)))
		return;
	if (c->empty) {
		c->empty = false;
		begin_called_arguments(g, c);
	}
	add_arguments(g, c, t->text);
}

void
guard_called_left(struct guard *g, const struct answer_text *t, const size_t left[LEFT_REASONS])
{
	struct guard_called *c = called_of(g, t);

	/* a stream repeats the arguments at their end */
	if (t->tool ? c && !item_counts(g, c, t) : t->copy && g->report.streamed)
		return;
	for (size_t i = 0; i < LEFT_REASONS; i++) {
		g->report.left_in_calls[i] += left[i];
		if (c)
			c->left[i] += (uint32_t)left[i];
	}
}

void
guard_called_denied(struct guard *g, size_t entry, const size_t left[LEFT_REASONS])
{
	for (size_t i = 0; entry < g->report.ncalled && i < LEFT_REASONS; i++)
		g->called[entry].left[i] = (uint32_t)left[i];
}

/* Counts text that the model made. */
static void
guard_count(struct guard *g, struct span text)
{
	struct guard_report *r = &g->report;

	r->output_bytes += text.n;
	if (r->streamed || !text.n)
		return;
	buf_span(&g->heard, text);
	buf_putc(&g->heard, '\0');
	r->heard = buf_failed(&g->heard) ? (struct span){ NULL, 0 } : buf_view(&g->heard);
}

/* ---- verdicts on calls ---- */

static void
judged(struct guard *g, struct guard_called *c, const struct tool_verdict *v, bool piece)
{
	size_t n = g->plan.policy->ntool_rules;

	if (c->judged &&
		effect_strength(c->ruled.effect) + piece > effect_strength(v->ruled.effect))
		return;
	if (!c->outcomes && !(c->outcomes = arena_alloc(&g->life, n + 1))) {
		guard_no_memory(g);
		return;
	}
	for (size_t i = 0; i < n; i++)
		c->outcomes[i] = explain_letters[v->ruled.trace[i].fate];
	c->outcomes[n] = '\0';
	if (v->origins.type == CEL_MAP) {
		SCOPED_BUF(text, CAP_ORIGIN_RECORD);
		cel_json(&v->origins, &text);
		c->origins = buf_failed(&text) ? (struct span){ NULL, 0 }
					       : arena_dup(&g->life, buf_view(&text));
	}
	c->judged = true;
	c->ruled = v->ruled;
	c->ruled.trace = NULL;
	c->ruled.tags = NULL;
	c->ruled.ntags = 0;
}

size_t
guard_called_asked(struct guard *g, const struct call *c, const struct tool_verdict *v,
	bool goes, struct span went)
{
	struct guard_called *own = add_call(g, nobodys);

	if (!goes) {
		guard_note_tool(g, c->names[0]);
		guard_count(g, c->names[0]);
		guard_count(g, c->arguments);
	}
	g->report.called_over += !own && !goes && g->report.ncalled == GUARD_CALLS;
	if (!own)
		return SIZE_MAX;
	add_name(g, own, c->names[0]);
	add_arguments(g, own, c->arguments);
	own->whole = true;
	own->let_go = goes;
	own->expected = goes && !c->apart;
	if (goes) {
		own->went_name = own->named;
		own->went_any = c->by_name;
		own->went_bytes = went.n;
		sha256(went, own->went);
	}
	judged(g, own, v, false);
	return (size_t)(own - g->called);
}

void
guard_called_went_on(struct guard *g, size_t entry, struct span arguments)
{
	guard_count(g, arguments);
	if (entry < g->report.ncalled)
		add_arguments(g, &g->called[entry], arguments);
}

/* Returns true if rules with `phase: tool` permitted a call with this name and these arguments
 * when it ended. Equal calls get equal verdicts. */
static bool
guard_called_was(const struct guard *g, struct span name, const struct kept_text *arguments)
{
	unsigned char hash[SHA256_BYTES];
	bool made = false;

	for (size_t i = 0; i < g->report.ncalled; i++) {
		const struct guard_called *c = &g->called[i];
		if (!c->let_go || !span_eq(c->went_name, name))
			continue;
		if (c->went_any || (!arguments->bytes && !arguments->parts))
			return true;
		if (arguments->parts || c->went_bytes != arguments->bytes)
			continue;
		if (!made) {
			struct sha256 all = arguments->hash;
			sha256_end(&all, hash);
		}
		made = true;
		if (!memcmp(hash, c->went, sizeof(hash)))
			return true;
	}
	return false;
}

/* Notes the verdicts of the rules, v[i] about tool i. The strongest one counts. The verdict on a
 * piece of a name belongs to the call that has the piece. */
static void
guard_called_judged(
	struct guard *g, const struct answer_facts *f, const struct tool_verdict *const *v)
{
	bool used[GUARD_CALLS] = { false };

	for (size_t i = 0; v && i < f->ntools; i++) {
		const struct answer_tool *t = &f->tools[i];
		size_t k = 0, n = g->report.ncalled;
		if (!v[i] || !t->slot)
			continue;
		while (k < n && (used[k] || !is_in_place_of(&g->called[k], t->slot) ||
					!span_eq(g->called[k].named, t->name)))
			k++;
		if (k < n)
			used[k] = true;
		struct guard_called *c = k < n ? &g->called[k] : find_called(g, t->slot);
		if (c)
			judged(g, c, v[i], k == n);
	}
}

const char *
guard_called_wraps(struct guard *g, const struct guard_called *c)
{
	struct wrapped_call inner;
	char *to = NULL;

	if (!c->wraps.n)
		return NULL;
	SCOPED_ARENA(a, 0, true);
	wrapped_call(buf_view(&c->wraps), &a, &inner); /* false if the arguments are cut */
	if (inner.name.n && (to = arena_alloc(&g->life, GUARD_NAME_BYTES)))
		guard_word(g, to, GUARD_NAME_BYTES, inner.name);
	return to;
}

void
guard_called_free(struct guard *g)
{
	for (size_t i = 0; i < g->report.ncalled; i++)
		buf_free(&g->called[i].wraps);
}

void
guard_called_hash(
	const struct guard *g, const struct guard_called *c, unsigned char out[SHA256_BYTES])
{
	struct sha256 hash = c->hash;

	hmac_end(&hash, g->plan.keep_key, out);
}

/* ---- texts ---- */

enum {
	/* runs that are kept; if there are more, the record states that texts are missing */
	TRANSCRIPTS_MAX = 64,
	TRANSCRIPT_BYTES = 1 << 20, /* bytes of all kept texts; the rest is not kept */
};

/* The kept data of one run. */
struct transcript {
	STAILQ_ENTRY(transcript) all;
	const struct run *run;
	uint64_t bytes;
	struct sha256 hash;
	struct buf text;
};

/* Returns true if the text is complete in its event and not a part of a longer text. */
static bool
stands_alone(const struct answer_text *t)
{
	return t->copy || t->deep || t->kind == KIND_OTHER;
}

/* Returns true if a stream repeats the text when it is done. */
static bool
is_again(const struct guard *g, const struct answer_text *t)
{
	return g->report.streamed && t->copy && t->kind != KIND_OTHER &&
	       g->grown >> t->kind & 1;
}

static struct transcript *
transcript_of(struct guard *g, const struct answer_text *t)
{
	struct run *r = guard_run(g, t->kind, 0, t->slot);

	if (r && r->transcript)
		return r->transcript;
	struct transcript *s =
		r && g->ntranscripts < TRANSCRIPTS_MAX ? calloc(1, sizeof(*s)) : NULL;
	if (!s) {
		g->transcript_cut = true;
		return NULL;
	}
	g->ntranscripts++;
	s->run = r;
	r->transcript = s;
	hmac_begin(&s->hash, g->plan.keep_key);
	buf_init(&s->text, TRANSCRIPT_BYTES);
	STAILQ_INSERT_TAIL(&g->transcripts, s, all);
	return s;
}

void
guard_heard(struct guard *g, const struct answer_text *t)
{
	if (!t->text.n || t->aside || is_again(g, t))
		return;
	if (!stands_alone(t))
		g->grown |= 1u << t->kind;
	guard_count(g, t->text);
	if (kind_is_call(t->kind) || t->tool)
		guard_called_more(g, t);
	if (g->plan.keeps == GUARD_KEEPS_NOTHING)
		return;
	struct transcript *s = transcript_of(g, t);
	if (!s)
		return;
	if (s->bytes && stands_alone(t))
		sha256_add(&s->hash, SPAN_LIT("\n"));
	sha256_add(&s->hash, t->text);
	s->bytes += t->text.n;
}

void
guard_transcribe(struct guard *g, const struct answer_text *t, struct span text)
{
	if (g->plan.keeps_raw)
		text = t->text;
	if (g->plan.keeps != GUARD_KEEPS_TEXT || !text.n || t->aside || is_again(g, t))
		return;
	struct transcript *s = transcript_of(g, t);
	if (!s)
		return;
	size_t room = TRANSCRIPT_BYTES - g->transcript_bytes;
	bool line = s->text.n && stands_alone(t) && room;
	if (line)
		buf_putc(&s->text, '\n');
	room -= line;
	struct span kept = span_cut(text, 0, text.n < room ? text.n : room);
	buf_span(&s->text, kept);
	g->transcript_bytes += kept.n + line;
	g->transcript_cut |= kept.n < text.n || buf_failed(&s->text);
}

void
guard_transcripts_free(struct guard *g)
{
	struct transcript *s;

	while ((s = STAILQ_FIRST(&g->transcripts))) {
		STAILQ_REMOVE_HEAD(&g->transcripts, all);
		buf_free(&s->text);
		free(s);
	}
}

bool
guard_transcript(const struct guard *g, size_t i, struct guard_transcript *out)
{
	const struct transcript *s;

	STAILQ_FOREACH(s, &g->transcripts, all)
	if (i-- == 0) {
		struct sha256 hash = s->hash;
		*out = (struct guard_transcript){ .kind = s->run->kind,
			.choice = s->run->slot[0],
			.part = s->run->slot[1],
			.bytes = s->bytes,
			.text = buf_view(&s->text) };
		hmac_end(&hash, g->plan.keep_key, out->hmac);
		return true;
	}
	return false;
}

struct span
guard_called_text(const struct guard *g, const struct guard_called *c)
{
	const struct transcript *s;

	STAILQ_FOREACH(s, &g->transcripts, all)
	if (kind_is_call(s->run->kind) &&
		!memcmp(s->run->slot, c->slot, ANSWER_NUMBERS * sizeof(*c->slot)))
		return buf_view(&s->text);
	return (struct span){ NULL, 0 };
}

bool
guard_transcript_cut(const struct guard *g)
{
	return g->transcript_cut;
}

enum {
	KEPT_MAX = 64,			 /* calls and texts kept for rules */
	/* names of one kept call at most: the joined one, its pieces, and a tool that it calls */
	TOOLS_OF_KEPT = NAME_PIECES + 2,
	KEPT_BYTES = 64 << 10,		 /* bytes of each text that are kept */
	OVERLAP_BYTES = 4 << 10,	 /* bytes by which two windows overlap */
	BYTES_A_TOKEN = 3,
};

/* ---- facts ---- */

static enum seg_role
role_of(enum answer_kind kind)
{
	return kind_is_call(kind) ? ROLE_TOOL_CALL : ROLE_ASSISTANT;
}

bool
guard_found(struct guard *g, size_t entity, enum answer_kind kind)
{
	struct guard_report *r = &g->report;
	size_t i = 0;

	if (!g->roles)
		g->roles = arena_array(&g->life, DETECT_ENTITIES_MAX, sizeof(*g->roles));
	if (!g->roles) {
		guard_no_memory(g);
		return true;
	}
	bool is_new = !(g->roles[entity] >> role_of(kind) & 1);
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

/* Collects the complete calls; nothing can be decided about half a call. If a name arrived in
 * pieces, each piece is a call too, since clients may join the pieces or take one of them.
 * Returns their number. */
static size_t
kept_calls(struct guard *g, struct answer_tool *tools)
{
	bool over = g->report.when == ANSWER_WHOLE || g->report.when == ANSWER_END;
	struct kept_text *k;
	size_t n = 0;

	LIST_FOREACH (k, &g->kept, all) {
		struct answer_tool t = { .name = buf_view(&k->name),
			.arguments = buf_view(&k->text),
			.lost = buf_failed(&k->text),
			.slot = k->slot };
		size_t left[LEFT_REASONS];
		if (k->kind != KIND_ARGUMENTS || !t.name.n || !(over || k->over || k->whole))
			continue;
		struct span all = t.name;
		t.left = guard_left(g, &all, 1, t.arguments, left);
		t.meant = guard_meant(g, t.arguments, &g->judged);
		t.let_go = guard_called_was(g, t.name, k);
		tools[n++] = t;
		for (size_t i = 0, from = 0; k->nnames > 1 && i < k->nnames; i++) {
			t.name = span_cut(all, from, k->name_ends[i]);
			t.let_go = guard_called_was(g, t.name, k);
			from = k->name_ends[i];
			tools[n++] = t;
		}
		struct wrapped_call inner;
		if (guard_wrapped(g, all) && wrapped_call(t.arguments, &g->judged, &inner)) {
			t.name = inner.name;
			t.arguments = inner.arguments;
			t.let_go = tools[n - 1].let_go;
			tools[n++] = t;
		}
	}
	/* the list has the newest call first, so the tools are reversed */
	for (size_t i = 0; i < n / 2; i++) {
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

/* Returns the facts, in the memory of the verdict. NULL: out of memory. */
static const struct answer_facts *
facts(struct guard *g)
{
	const struct guard_report *r = &g->report;
	struct answer_tool *tools =
		arena_array(&g->judged, g->nkept * TOOLS_OF_KEPT + 1, sizeof(*tools));
	struct answer_facts *f = arena_new(&g->judged, struct answer_facts);
	struct span *media = arena_array(&g->judged, MEDIAS, sizeof(*media));
	size_t nmedia = 0;

	if (!tools || !f || !media)
		return NULL;
	size_t ntools = kept_calls(g, tools);
	if (g->denied_call.name.n)
		tools[ntools++] = g->denied_call;
	for (unsigned m = 0; m < MEDIAS; m++)
		if (g->media >> m & 1)
			media[nmedia++] = span_str(answer_media_names[m]);
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
		.media = media,
		.nmedia = nmedia,
		.speech = g->speech.words,
		.nspeech = g->speech.nwords,
		.tools = tools,
		.ntools = ntools,
	};
	return f;
}

/* ---- verdicts ---- */

/* Adds an outcome to a sum. `effect` is what happened to the response. */
static void
sum_outcome(struct guard *g, struct guard_sum *s, const struct rule_outcome *o,
	enum rule_effect effect)
{
	struct rule_outcome *all = &s->ruled;

	if (!s->any || effect_strength(effect) > effect_strength(all->effect)) {
		all->effect = effect;
		all->rule = o->rule;
	}
	if (o->shadowed && (!all->shadowed || effect_strength(o->shadow_effect) >
						      effect_strength(all->shadow_effect))) {
		all->shadowed = true;
		all->shadow_effect = o->shadow_effect;
		all->shadow_rule = o->shadow_rule;
	}
	if (o->ntags && !all->tags)
		all->tags = arena_array(&g->life, GUARD_TAGS, sizeof(*all->tags));
	if (all->tags)
		all->ntags = tags_join(all->tags, all->ntags, GUARD_TAGS, o->tags, o->ntags);
	else if (o->ntags)
		guard_no_memory(g);
	s->any = true;
}

void
guard_sum_call(struct guard *g, const struct tool_verdict *v, enum call_verdict is)
{
	sum_outcome(g, &g->report.sum, &v->ruled, is == CALL_GOES ? RULE_PERMIT : RULE_REDACT);
}

static void
sum_up(struct guard *g, struct guard_sum *s, const struct answer_verdict *v)
{
	sum_outcome(g, s, &v->ruled, v->ruled.effect);
	bool redacts = entities_any(&v->redact.of);
	if (redacts && !s->redact)
		s->redact = arena_new(&g->life, struct redactions);
	if (redacts && !s->redact) {
		guard_no_memory(g);
	} else if (redacts) { /* the latest style applies */
		struct redactions all = v->redact;
		redactions_add(&all, s->redact, NULL);
		*s->redact = all;
	}
	entities_join(&s->classes_hit, &v->classes_hit);
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
		return guard_no_memory(g);
	r->judged = true;
	guard_message_judged(g, &r->verdict);
	sum_up(g, &r->sum, &r->verdict);
	guard_called_judged(g, r->facts, r->verdict.of_tools);
	/* the second policy; if it fails, its verdict is unknown */
	struct answer_verdict *other =
		g->plan.shadow ? arena_new(&g->judged, struct answer_verdict) : NULL;
	struct answer_facts all = *r->facts;
	all.asks_all = true; /* the second policy was not asked about calls before */
	if (other && !policy_answer(g->plan.shadow, g->plan.shadow_asked, &all, when,
			     &g->judged, other))
		sum_up(g, &r->shadow, other);
	if (r->verdict.ruled.effect == RULE_DENY)
		return guard_fail(
			g, GUARD_DENIED, "a rule with phase: response denies the response");
	return g->failed;
}

enum guard_result
guard_deny(struct guard *g, const char *why)
{
	struct answer_verdict *v = &g->report.verdict;

	v->ruled.effect = RULE_DENY;
	v->ruled.status = 403;
	v->ruled.reason = why;
	sum_up(g, &g->report.sum, v);
	return guard_fail(g, GUARD_DENIED, why);
}

/* ---- content kept for the rules ---- */

/* Returns true if text of this kind and place belongs to *k. Name and arguments of a call may
 * be in different members, so the last number may differ. */
static bool
is_kept_as(const struct kept_text *k, enum answer_kind kind, const uint32_t slot[ANSWER_SLOTS])
{
	uint32_t a = k->slot[ANSWER_NUMBERS], b = slot[ANSWER_NUMBERS];
	bool named = kind == KIND_ARGUMENTS && (!a || !b);

	return !k->whole && k->kind == kind && (a == b || named) &&
	       !memcmp(k->slot, slot, ANSWER_NUMBERS * sizeof(*slot));
}

/* Copies the name of the same call from another member. */
static void
keep_other_name(const struct guard *g, struct kept_text *k)
{
	const struct kept_text *o;

	LIST_FOREACH (o, &g->kept, all)
		if (o != k && !o->whole && o->kind == KIND_ARGUMENTS && k->kind == o->kind &&
			!memcmp(o->slot, k->slot, ANSWER_NUMBERS * sizeof(*k->slot))) {
			buf_span(&k->name, buf_view(&o->name));
			memcpy(k->name_ends, o->name_ends, sizeof(k->name_ends));
			k->nnames = o->nnames;
			return;
		}
}

static struct kept_text *
kept_of(struct guard *g, enum answer_kind kind, const uint32_t slot[ANSWER_SLOTS])
{
	struct kept_text *k;

	LIST_FOREACH (k, &g->kept, all)
		if (is_kept_as(k, kind, slot)) {
			if (slot[ANSWER_NUMBERS])
				k->slot[ANSWER_NUMBERS] = slot[ANSWER_NUMBERS];
			k->over = false;
			return k;
		}
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
	sha256_begin(&k->hash);
	LIST_INSERT_HEAD(&g->kept, k, all);
	keep_other_name(g, k);
	return k;
}

/* Keeps text for the injection score in a window. A full window is scored, and its end
 * stays. */
static void
keep_scored(struct guard *g, struct kept_text *k, struct span text)
{
	while (text.n) {
		size_t room = KEPT_BYTES - k->text.n, n = text.n < room ? text.n : room;
		buf_span(&k->text, span_cut(text, 0, n));
		k->scored = false;
		if (buf_failed(&k->text)) {
			guard_no_memory(g);
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
guard_keep_ended(struct guard *g, const struct answer_document *d)
{
	struct kept_text *k;

	LIST_FOREACH (k, &g->kept, all)
		k->over |= !d || answer_ends(d, k->slot);
}

static void
keep_arguments(struct kept_text *k, struct span text)
{
	buf_span(&k->text, text);
	sha256_add(&k->hash, text);
	k->bytes += text.n;
}

void
guard_keep(struct guard *g, const struct answer_text *t, struct span text)
{
	bool call = kind_is_call(t->kind);
	struct kept_text *k;

	/* arguments that arrive as values with paths are not JSON, so a rule that reads them
	 * fails */
	if (t->piece && guard_inspects(g)) {
		LIST_FOREACH (k, &g->kept, all)
			if (k->kind == KIND_ARGUMENTS && !k->whole && k->slot[0] == t->slot[0])
				k->parts = k->text.failed = true;
		return;
	}
	if (!guard_inspects(g) || t->aside || t->deep || !(call || g->plan.scores))
		return;
	k = kept_of(g, call ? KIND_ARGUMENTS : t->kind, t->slot);
	if (k && !call)
		keep_scored(g, k, text);
	else if (k)
		keep_arguments(k, text);
	else if (!k && !call)
		/* there are more texts than are kept, so each piece is scored alone */
		score_text(g, text);
}

/* Adds a piece of the name. Returns false if there is no room. */
static bool
keep_name(struct kept_text *k, struct span name)
{
	struct span all = buf_view(&k->name);
	size_t last = k->nnames > 1 ? k->name_ends[k->nnames - 2] : 0;

	if (!name.n || (k->nnames && (span_eq(name, all) ||
					     span_eq(name, span_cut(all, last, all.n)))))
		return true;
	if (k->nnames == NAME_PIECES)
		return false;
	buf_span(&k->name, name);
	k->name_ends[k->nnames++] = k->name.n;
	return !buf_failed(&k->name);
}

static void
keep_call(struct guard *g, const struct answer_call *c)
{
	struct kept_text *k = guard_inspects(g) ? kept_of(g, KIND_ARGUMENTS, c->slot) : NULL;

	guard_count(g, c->name);
	guard_restore_call(g, c);
	bool kept = k != NULL;
	LIST_FOREACH (k, &g->kept, all)
		if (kept && is_kept_as(k, KIND_ARGUMENTS, c->slot))
			kept = keep_name(k, c->name);
	/* the rules cannot see this call */
	if (!kept && g->plan.reads_calls && c->name.n)
		guard_unread(g, c->name.n,
			"the response has more tool calls, or longer tool names, than rules "
			"can read");
	guard_note_tool(g, c->name);
}

/* Keeps arguments that are a JSON value and therefore complete. The next event may have another
 * call with the same numbers. */
static void
guard_keep_input(struct guard *g, const struct answer_input *in)
{
	struct kept_text *k = guard_inspects(g) ? kept_of(g, KIND_ARGUMENTS, in->slot) : NULL;

	/* Anthropic's blocks begin with an empty value, and their arguments follow */
	if (g->report.streamed && span_is(in->json, "{}"))
		return;
	guard_restore_input(g, in);
	if (!k)
		return;
	keep_arguments(k, in->json);
	k->whole = true;
}

/* Keeps each call with the arguments of its object. Gemini's calls have no numbers and are
 * distinguished in this way only. */
static void
keep_calls(struct guard *g, const struct answer_document *d)
{
	size_t done = 0;

	if (d->odd_call && g->plan.asked && g->plan.asked->route &&
		g->plan.asked->route->uses.calls)
		guard_fail(g, GUARD_BROKEN, "the name of a tool call is not a string");
	for (size_t i = 0; i < d->ncalls; i++) {
		keep_call(g, &d->calls[i]);
		for (; done < d->ninputs && d->inputs[done].object <= d->calls[i].object;
			done++)
			guard_keep_input(g, &d->inputs[done]);
	}
	for (; done < d->ninputs; done++)
		guard_keep_input(g, &d->inputs[done]);
	/* calls of one document with the same place stay one call */
	for (size_t i = 0; i < d->ninputs; i++)
		if (!g->report.streamed || !span_is(d->inputs[i].json, "{}"))
			guard_restore_over(g, KIND_ARGUMENTS, d->inputs[i].slot);
}

void
guard_note_error(struct guard *g, struct span document, struct span type)
{
	if (g->error.n)
		return;
	struct span data = span_cut(document, 0, GUARD_ERROR_MAX);
	buf_span(&g->error, data);
	buf_span(&g->error, span_cut(type, 0, GUARD_ERROR_TYPE_MAX));
	struct span all = buf_view(&g->error);
	g->report.error = span_cut(all, 0, data.n);
	g->report.error_type = span_cut(all, data.n, all.n);
}

void
guard_note(struct guard *g, const struct answer_document *d)
{
	struct guard_report *r = &g->report;

	if (d->finish.n)
		guard_word(g, r->finish, sizeof(r->finish), d->finish);
	if (d->model.n && !r->model[0])
		guard_word(g, r->model, sizeof(r->model), d->model);
	bool says = d->ncalls > 0, made = d->opaque_bytes || d->ncalls;
	for (size_t i = 0; (d->error || !r->content) && i < d->ntexts; i++) {
		says |= !d->texts[i].aside;
		made |= d->texts[i].kind != KIND_OTHER && d->texts[i].text.n;
	}
	r->content |= made && !d->error;
	for (size_t i = 0; i < d->ntexts; i++)
		r->refused |= d->texts[i].kind == KIND_REFUSAL && d->texts[i].text.n;
	/* generated content is charged, even beside an error */
	r->provider_error |= d->error && (r->streamed || !made);
	r->opaque_bytes += d->opaque_bytes;
	r->sealed_bytes += d->sealed_bytes;
	g->media |= d->media;
	guard_speech_missed(g, d);
	guard_called_note(g, d);
	keep_calls(g, d);
	if (!r->first_text_us && says)
		r->first_text_us = clock_mono_us();
	for (size_t i = 0; !guard_reads(g) && i < d->ntexts; i++) {
		if (d->texts[i].aside)
			continue;
		r->text_bytes += d->texts[i].text.n;
		guard_heard(g, &d->texts[i]);
		guard_transcribe(g, &d->texts[i], d->texts[i].text);
	}
}
