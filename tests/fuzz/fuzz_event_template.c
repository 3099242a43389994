/* Events of a stream, each parsed after the previous ones and alone: both results must be
 * equal. The first byte selects the format. Each line is an event; the type from its framing
 * may precede it with a tab. Each event is also parsed after itself with every text removed,
 * and doubled. */
#include <stdlib.h>
#include <string.h>

#include "answer/event_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct answer_format *const formats[] = { &answer_openai, &answer_openai_responses,
	&answer_anthropic, &answer_invoke, &answer_conversations, &answer_transcriptions,
	&answer_gemini, &answer_bedrock, &answer_cohere, &answer_ollama, &answer_tgi,
	&answer_any };

static void
must(bool alike)
{
	if (!alike)
		abort();
}

static void
must_slots(const uint32_t a[ANSWER_SLOTS], const uint32_t b[ANSWER_SLOTS])
{
	must(memcmp(a, b, ANSWER_SLOTS * sizeof(*a)) == 0);
}

/* Whether a value is present must agree too. */
static void
must_spans(struct span a, struct span b)
{
	must(span_eq(a, b) && !a.p == !b.p);
}

static void
must_texts(const struct answer_text *a, const struct answer_text *b)
{
	must(a->kind == b->kind && a->copy == b->copy && a->number == b->number);
	must(a->key == b->key && a->deep == b->deep && a->halves == b->halves);
	must(a->aside == b->aside && a->unnamed == b->unnamed && a->worded == b->worded);
	must(a->path == b->path && a->start == b->start && a->end == b->end);
	must_slots(a->slot, b->slot);
	must_spans(a->text, b->text);
}

static void
must_ends(const struct answer_ends *a, const struct answer_ends *b)
{
	must(a->any == b->any && a->all == b->all && a->choices == b->choices);
	for (size_t i = 0; i < ANSWER_SLOTS; i++)
		must(a->numbered[i] == b->numbered[i]);
	must_slots(a->slot, b->slot);
}

static void
must_parts(const struct answer_document *a, const struct answer_document *b)
{
	must(a->ncalls == b->ncalls && a->ninputs == b->ninputs);
	must(a->nwithheld == b->nwithheld && a->nseals == b->nseals);
	for (size_t i = 0; i < a->ncalls; i++) {
		must_spans(a->calls[i].name, b->calls[i].name);
		must_slots(a->calls[i].slot, b->calls[i].slot);
	}
	for (size_t i = 0; i < a->ninputs; i++) {
		must_spans(a->inputs[i].json, b->inputs[i].json);
		must_slots(a->inputs[i].slot, b->inputs[i].slot);
	}
	for (size_t i = 0; i < a->nwithheld; i++)
		must(a->withheld[i].start == b->withheld[i].start &&
			a->withheld[i].end == b->withheld[i].end);
	for (size_t i = 0; i < a->nseals; i++) {
		must(a->seals[i].at.start == b->seals[i].at.start &&
			a->seals[i].at.end == b->seals[i].at.end);
		must_slots(a->seals[i].slot, b->seals[i].slot);
	}
}

static void
must_documents(const struct answer_document *a, const struct answer_document *b)
{
	must_spans(a->type, b->type);
	must_spans(a->finish, b->finish);
	must_spans(a->model, b->model);
	must(a->error == b->error && a->marked == b->marked && a->counts == b->counts);
	must(a->opaque_bytes == b->opaque_bytes && a->sealed_bytes == b->sealed_bytes);
	must(a->media == b->media);
	must(a->hidden.at.start == b->hidden.at.start && a->hidden.at.end == b->hidden.at.end);
	must(a->hidden.counts == b->hidden.counts &&
		a->hidden.no_choices == b->hidden.no_choices);
	struct usage ua = { 0 }, ub = { 0 };
	must(!a->counts ||
		usage_event(a->usage, a->type, &ua) == usage_event(b->usage, b->type, &ub));
	must(!memcmp(&ua, &ub, sizeof(ua)));
	must_ends(&a->ends, &b->ends);
	must(a->ntexts == b->ntexts);
	for (size_t i = 0; i < a->ntexts; i++)
		must_texts(&a->texts[i], &b->texts[i]);
	must_parts(a, b);
}

struct stream {
	struct event_template t;
	const struct answer_format *f;
	struct arena a;
};

/* The event and its result are freed afterwards, as in a stream. */
static void
read_event(struct stream *s, struct span type, struct span event)
{
	const struct dialect *d = dialect_find(span_str(s->f->name));
	struct answer_document after, alone;
	const char *why = NULL, *why_alone = NULL;
	char *copy = memcpy(malloc(type.n + event.n + 1), event.p, event.n);

	memcpy(copy + event.n, type.p, type.n);
	struct span json = span_of(copy, event.n), name = span_of(copy + event.n, type.n);
	int err = event_template_read(&s->t, s->f, d, name, json, &s->a, &after, &why);
	must(err == answer_read(s->f, d, name, json, &s->a, &alone, &why_alone));
	if (!err)
		must_documents(&after, &alone);
	else
		must(why == why_alone);
	arena_reset(&s->a);
	free(copy);
}

/* Parses the event with other bytes from `start` to `end`. */
static void
read_changed(struct stream *s, struct span type, struct span event, size_t start, size_t end,
	struct span with)
{
	struct buf b;

	buf_init(&b, 0);
	buf_span(&b, span_cut(event, 0, start));
	buf_span(&b, with);
	buf_span(&b, span_cut(event, end, event.n));
	read_event(s, type, buf_view(&b));
	buf_free(&b);
}

/* Parses the event with other strings, one at a time: empty, and doubled. */
static void
read_others(struct stream *s, struct span type, struct span event)
{
	size_t start = 0, strings = 0;

	for (size_t i = 0; i < event.n && strings < 64; i++) {
		if (event.p[i] == '\\')
			i++;
		else if (event.p[i] == '"' && !start)
			start = i + 1;
		else if (event.p[i] == '"') {
			struct span was = span_cut(event, start, i);
			read_changed(s, type, event, start, i, SPAN_LIT(""));
			read_changed(s, type, event, i, i, was);
			read_event(s, type, event);
			strings++;
			start = 0;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream s = { .f = NULL };

	if (size < 1)
		return 0;
	s.f = formats[data[0] % (sizeof(formats) / sizeof(formats[0]))];
	event_template_init(&s.t);
	arena_init(&s.a, 0, true);
	struct span in = span_of(data + 1, size - 1);
	for (size_t events = 0; in.n && events < 32; events++) {
		size_t end = span_chr(in, '\n');
		struct span line = span_cut(in, 0, end);
		size_t tab = span_chr(line, '\t');
		bool typed = tab < line.n;
		struct span type = typed ? span_cut(line, 0, tab) : SPAN_LIT("");
		struct span event = typed ? span_cut(line, tab + 1, line.n) : line;
		read_event(&s, type, event);
		read_event(&s, type, event);
		read_others(&s, type, event);
		in = span_cut(in, end + 1, in.n);
	}
	event_template_free(&s.t);
	arena_reset(&s.a);
	return 0;
}
