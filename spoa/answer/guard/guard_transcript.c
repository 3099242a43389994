/* Keeps the response's texts for the completion record. Each run of text (a choice, a block, a
 * call) has a keyed hash of the provider's text, which does not depend on its pieces. If the
 * route states it, the text is kept too, after redaction and before placeholders are
 * restored. */
#include <stdlib.h>

#include "answer/guard/guard_private.h"
#include "base/sha256.h"

enum {
	/* runs; further ones are not kept, and the record states that */
	TRANSCRIPTS_MAX = 64,
	TRANSCRIPT_BYTES = 1 << 20, /* all texts together; the rest is not kept */
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
