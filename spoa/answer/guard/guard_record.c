/* Keeps the data of a response for the completion record: an entry for each call, and the
 * texts.
 *
 * The entry of a call has its name, the size and keyed hash of its arguments, and the verdicts
 * of rules with `phase: tool`. guard_judge.c keeps what rules read, only as long as they need
 * it. An entry stays until the end, and is made even if nothing is inspected. At most
 * GUARD_CALLS entries.
 *
 * Each run of text (a choice, a block, a call) has a keyed hash of the provider's text, which
 * does not depend on its pieces (struct transcript). If the route states it, the text is kept
 * too, after redaction and before placeholders are restored. */
#include <stdlib.h>

#include "answer/guard/guard_private.h"
#include "base/err.h"
#include "base/push.h"
#include "base/sha256.h"
#include "policy/policy.h"
#include "policy/verdict/tool.h"

/* ---- calls ---- */

enum { NAMED_MAX = 4 * GUARD_NAME_BYTES };
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
begin_call(const struct guard *g, struct guard_called *c, const uint32_t slot[ANSWER_SLOTS])
{
	memcpy(c->slot, slot, sizeof(c->slot));
	c->named = (struct span){ NULL, 0 };
	c->bytes = 0;
	c->expected = c->whole = false;
	if (g->plan.keep_key)
		hmac_begin(&c->hash, g->plan.keep_key);
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
	begin_call(g, c, slot);
	return c;
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

void
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

/* Adds a piece of arguments that are text. */
static void
guard_called_more(struct guard *g, const struct answer_text *t)
{
	struct guard_called *c = find_called(g, t->slot);

	/* a complete call repeats nothing new */
	if (t->deep || (c && (c->whole || (t->copy && c->bytes))))
		return;
	if (!c)
		c = add_call(g, t->slot);
	if (!c || !t->text.n)
		return;
	if (c->empty) {
		c->empty = false;
		c->bytes = 0;
		if (g->plan.keep_key)
			hmac_begin(&c->hash, g->plan.keep_key);
	}
	add_arguments(g, c, t->text);
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

/* Returns true if a call with this name and these arguments was permitted when it ended. Equal
 * calls get equal verdicts. */
bool
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

/* The verdict on a piece of a name belongs to the call that has the piece. */
void
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

void
guard_heard(struct guard *g, const struct answer_text *t)
{
	if (!t->text.n || t->aside || is_again(g, t))
		return;
	if (!stands_alone(t))
		g->grown |= 1u << t->kind;
	guard_count(g, t->text);
	if (kind_is_call(t->kind))
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
