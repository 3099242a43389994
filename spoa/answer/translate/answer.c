/* Translates a response while its bytes arrive: frames are cut, each document is read
 * (answer_read.c), put in order (answer_order.c) and written. The provider's own error is
 * written in the caller's form; it ends a stream, and nothing follows. */
#include <stdlib.h>

#include "answer/document.h"
#include "answer/translate/answer_private.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "scan/dialect/refusal.h"

enum { NAME_BYTES = 1024 }; /* limit of an id or a model, which each event repeats */

static const struct answer_writer *const writers[FORMS] = {
	[FORM_CHAT] = &answer_write_chat,
	[FORM_RESPONSES] = &answer_write_responses,
	[FORM_MESSAGES] = &answer_write_messages,
	[FORM_GENERATE] = &answer_write_generate,
	[FORM_CONVERSE] = &answer_write_converse,
};

struct translator *
translator_new(const struct translate_plan *p, bool streamed, enum frames_kind kind, int status)
{
	struct translator *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->plan = *p;
	t->writer = writers[p->to];
	t->in.streamed = streamed && t->writer; /* vectors do not stream */
	t->streamed = p->other_way ? !t->in.streamed : t->in.streamed;
	t->status = status;
	arena_init(&t->work, CAP_ANSWER_WORK, true);
	frames_init(&t->in.frames, kind, CAP_CALL_EVENT);
	event_template_init(&t->in.like);
	buf_init(&t->in.body, CAP_ANSWER_BYTES);
	buf_init(&t->id, NAME_BYTES);
	buf_init(&t->model, NAME_BYTES);
	t->nchoices = p->choices ? p->choices : 1;
	t->choices = calloc(t->nchoices, sizeof(*t->choices));
	if (!t->choices)
		translator_drop(&t);
	for (size_t i = 0; t && i < t->nchoices; i++) {
		t->choices[i].index = (unsigned)i;
		TAILQ_INIT(&t->choices[i].blocks);
		for (size_t k = 0; k < SAID_KINDS; k++)
			buf_init(&t->choices[i].parts[k], CAP_ANSWER_BYTES);
	}
	if (t)
		t->choice = t->choices;
	return t;
}

void
translator_drop(struct translator **tp)
{
	struct translator *t = *tp;

	if (!t)
		return;
	answer_order_free(t);
	arena_reset(&t->work);
	frames_free(&t->in.frames);
	event_template_free(&t->in.like);
	buf_free(&t->in.body);
	buf_free(&t->id);
	buf_free(&t->model);
	buf_free(&t->head);
	free(t);
	*tp = NULL;
}

const char *
translator_id_begins(enum form f)
{
	return writers[f] ? writers[f]->message_id : "";
}

const char *
translator_media_type(const struct translator *t)
{
	return t->streamed && !t->plan.array ? t->writer->media_type : "application/json";
}

static uint64_t
usage_count(const struct usage *u, char place)
{
	struct price_usage s = usage_split(u);
	uint64_t input = (uint64_t)u->input_tokens, output = (uint64_t)u->output_tokens;
	uint64_t written = s.n[PRICE_WRITE] + s.n[PRICE_WRITE_1H];

	if (!u->known)
		return 0;
	switch (place) {
	case 'i': return input;
	case 'o': return output;
	case 't': return input + output;
	case 'c': return (uint64_t)u->cached_tokens;
	case 'w': return u->details.n[PRICE_WRITE];
	case 'r': return u->details.n[PRICE_REASONING];
	case 'I': return input - written - s.n[PRICE_CACHED];
	case 'C': return s.n[PRICE_CACHED];
	case 'W': return written;
	default: return output - u->details.n[PRICE_REASONING];
	}
}

void
translator_put_usage(const struct translator *t, const struct usage *u, struct buf *b)
{
	json_put_name(b, NULL);
	for (const char *form = t->writer->usage; *form; form++) {
		if (*form == '[' && !usage_count(u, strchr(form, ']')[-1]))
			form = strchr(form, ']');
		else if (*form == '%')
			buf_int(b, (int64_t)usage_count(u, *++form));
		else if (*form != '[' && *form != ']')
			buf_putc(b, *form == '\'' ? '"' : *form);
	}
}

const char *
translator_stop_word(const struct translator *t)
{
	const struct answer_choice *c = t->choice;
	enum answer_stop stop = c->stop;

	if (c->refused && !t->writer->refusals)
		stop = STOP_REFUSAL;
	else if (stop == STOP_CALLS && c->calls == c->hidden)
		stop = STOP_END;
	return answer_stop_word(t->plan.to, stop);
}

const char translator_again[] = "the provider's response continues after its end";

int
translator_fail(struct translator *t, int err, const char *why)
{
	if (t->state != TRANSLATOR_ENDED)
		t->state = TRANSLATOR_FAILED;
	t->err = err;
	t->why = why;
	return err;
}

static bool
translator_is_over(const struct translator *t)
{
	return t->err || t->state == TRANSLATOR_FAILED;
}

/* Keeps the connection alive with a comment, if the caller's form is an event stream whose clients
 * skip comments. Google's clients take a comment for an event. */
static void
say_nothing(struct translator *t)
{
	if (t->plan.to != FORM_GENERATE &&
		!strcmp(translator_media_type(t), "text/event-stream"))
		buf_str(t->out, ":\n\n");
}

/* ---- one document ---- */

/* Writes the beginning, with id and model as far as they are known. */
static int
begin_answer(struct translator *t, const struct said_all *all)
{
	if (t->state != TRANSLATOR_NEW || (!all->n && !all->model.n))
		return 0;
	t->state = TRANSLATOR_BEGUN;
	bool own = t->plan.own_id || !all->id.n;
	if (!own)
		buf_span(&t->id, all->id);
	else
		buf_printf(&t->id, "%s%.*s", t->writer->message_id, SPAN_ARG(t->plan.id));
	buf_span(&t->model, all->model.n ? all->model : t->plan.model);
	if (t->streamed && t->writer->begin)
		t->writer->begin(t);
	return buf_failed(&t->id) || buf_failed(&t->model) || buf_failed(&t->head)
		       ? translator_fail(
				 t, ERR_LIMIT, "a name in the provider's response is too long")
		       : answer_choose(t, 0);
}

static int
count_usage(struct translator *t, struct span type, struct span json)
{
	struct answer_document d;
	const char *why;
	int err = answer_read(NULL, t->plan.sent, type, json, &t->work, &d, &why);

	if (err)
		return translator_fail(
			t, err, "the usage in the provider's response is malformed");
	if (t->in.streamed)
		usage_event(d.usage, type, &t->in.usage);
	else
		usage_whole(d.usage, &t->in.usage);
	/* the parts must not exceed the whole */
	struct usage *u = &t->in.usage;
	if (u->known && u->cached_tokens > u->input_tokens)
		u->cached_tokens = u->input_tokens;
	if (u->known && u->details.n[PRICE_REASONING] > (uint64_t)u->output_tokens)
		u->details.n[PRICE_REASONING] = (uint64_t)u->output_tokens;
	return 0;
}

/* Writes the provider's error after the response began. */
static int
say_said_error(struct translator *t, struct span type, struct span json)
{
	struct said_all e;

	if (answer_said_error(json, &t->work, &e))
		return translator_fail(t, ERR_NOMEM, NULL);
	if (!e.code && dialect_refusal(0, type, json, &t->work) == REFUSAL_RATE)
		e.code = "rate_limit_exceeded"; /* its name depends on the code */
	translator_say_error(t, e.code, e.message, t->plan.id, t->out);
	return 0;
}

/* Reads an event that is like the last one except for its text, which most events are. */
static bool
is_like_the_last(struct translator *t, struct span type, struct span json, struct said *s)
{
	struct answer_document d;
	const char *why;

	if (!t->in.streamed || t->state != TRANSLATOR_BEGUN ||
		t->in.misses == TRANSLATOR_MISSES)
		return false;
	bool plain = !event_template_read(&t->in.like, t->plan.format, NULL, type, json,
			     &t->work, &d, &why) &&
		     answer_said_plain(t->plan.format, &d, s);
	t->in.misses = plain ? 0 : t->in.misses + 1;
	return plain;
}

static int
translate_document(struct translator *t, struct span type, struct span json)
{
	struct said_all all;
	const char *why = NULL;
	struct said s;
	int err;

	if (t->state == TRANSLATOR_ENDED)
		return span_is(type, "ping") ? 0
					     : translator_fail(t, ERR_SYNTAX, translator_again);
	if (is_like_the_last(t, type, json, &s))
		return answer_order(t, &s);
	err = answer_said(t->plan.from, t->plan.format, !t->in.streamed, type, json, &t->work,
		&all, &why);
	if (err)
		return translator_fail(t, err, why);
	if (all.is_error && !t->in.streamed)
		return translator_fail(t, ERR_SYNTAX, "the provider's response is an error");
	if (all.is_error)
		return say_said_error(t, type, json);
	t->losses |= all.losses;
	if (span_is(all.type, "ping")) {
		say_nothing(t);
		return 0;
	}
	answer_order_event(t, &all);
	err = begin_answer(t, &all);
	if (!err && all.counts)
		err = count_usage(t, all.type, json);
	for (size_t i = 0; i < all.n && !err; i++)
		err = all.v[i].is == SAID_STOP ? 0 : answer_order(t, &all.v[i]);
	if (!err && all.ends)
		err = answer_order_ended(t, all.ended);
	for (size_t i = 0; i < all.n && !err && all.stops; i++)
		err = all.v[i].is == SAID_STOP ? answer_order_stop(t, &all.v[i]) : 0;
	if (!err && (all.last || !t->in.streamed))
		err = answer_order_last(t);
	return err;
}

/* ---- a stream ---- */

static int
translate_frame(struct translator *t, int r, const struct frame *f)
{
	bool sse = t->in.frames.kind == FRAMES_SSE;
	struct span data = span_trim(f->data, " \t\r\n"), raw = span_trim(f->raw, "\r\n");
	int err = 0;

	if (r == FRAME_OVER)
		return translator_fail(
			t, ERR_LIMIT, "an event of the provider's stream is too long");
	if (f->exception)
		err = say_said_error(t, f->type, f->data);
	else if (sse && !data.n && span_starts(raw, SPAN_LIT(":")))
		say_nothing(t);
	else if (f->has_data && data.n && !(sse && span_is(data, "[DONE]")))
		err = translate_document(t, f->type, f->data);
	/* otherwise [DONE] belongs to another form */
	else if (f->has_data && data.n && !t->plan.format->last)
		err = answer_order_last(t);
	arena_reset(&t->work);
	return err;
}

/* Returns true if all requested choices ended. A refused prompt has one reason for all. */
static bool
all_choices_ended(const struct translator *t)
{
	const struct answer_choice *first = t->choices;

	for (size_t i = 0; i < t->nchoices; i++)
		if (!first[i].stop && (first[i].begun || first->stop != STOP_REFUSAL))
			return false;
	return true;
}

/* Reads frames; `bytes` NULL: ends the stream. */
static int
translate_frames(struct translator *t, struct span *bytes)
{
	struct frame f;
	int r = 0;

	while (!translator_is_over(t) && (r = bytes ? frames_next(&t->in.frames, bytes, &f)
						    : frames_end(&t->in.frames, &f)) > 0)
		(void)translate_frame(t, r, &f);
	if (!translator_is_over(t) && r < 0)
		return translator_fail(
			t, r, "the framing of the provider's stream is malformed");
	if (bytes || translator_is_over(t) || t->state == TRANSLATOR_ENDED)
		return t->err;
	/* without a last event, the finish reason is the end */
	if (t->plan.format->last || !all_choices_ended(t))
		return translator_fail(
			t, ERR_TRUNCATED, "the provider's stream ends too early");
	return answer_order_last(t);
}

/* ---- the whole response ---- */

static int
translate_whole(struct translator *t)
{
	struct said_all e;
	int err = 0;

	if (t->status < 400 && !t->writer) {
		err = count_usage(t, SPAN_LIT(""), buf_view(&t->in.body));
		if (!err)
			err = answer_vectors(t, buf_view(&t->in.body));
	} else if (t->status < 400) {
		err = translate_document(t, SPAN_LIT(""), buf_view(&t->in.body));
	} else if (answer_said_error(buf_view(&t->in.body), &t->work, &e)) {
		err = translator_fail(t, ERR_NOMEM, NULL);
	} else {
		dialect_error(t->plan.asked, t->status, e.code, e.message, t->plan.id, t->out);
		t->state = TRANSLATOR_ENDED;
	}
	arena_reset(&t->work);
	return err;
}

int
translator_feed(struct translator *t, struct span bytes, struct buf *out, const char **why)
{
	int err = t->err;

	t->out = out;
	if (t->in.streamed) {
		err = translate_frames(t, &bytes);
	} else if (!err) {
		buf_span(&t->in.body, bytes);
		if (buf_failed(&t->in.body))
			err = translator_fail(
				t, ERR_LIMIT, "the provider's response is too long");
	}
	*why = t->why;
	return err;
}

int
translator_end(struct translator *t, struct buf *out, const char **why)
{
	int err = t->err;

	t->out = out;
	if (!translator_is_over(t))
		err = t->in.streamed ? translate_frames(t, NULL) : translate_whole(t);
	*why = t->why;
	return err;
}

void
answer_number_error(struct span event, uint64_t number, struct buf *out)
{
	static const char first[] = "\"sequence_number\":0";
	const char *at = memmem(event.p, event.n, first, sizeof(first) - 1);
	size_t n = at ? (size_t)(at - event.p) + sizeof(first) - 2 : event.n;

	buf_span(out, span_cut(event, 0, n));
	if (at)
		buf_printf(out, "%llu", (unsigned long long)number);
	buf_span(out, span_cut(event, n + (at != NULL), event.n));
}

void
translator_say_error(struct translator *t, const char *code, struct span message,
	struct span id, struct buf *out)
{
	bool said = t->error_said || t->state == TRANSLATOR_ENDED;

	t->error_said = true;
	t->state = TRANSLATOR_FAILED;
	if (!said && t->streamed && t->plan.array) {
		buf_str(out, t->events ? ",\n" : "[");
		dialect_stream_error_data(
			t->plan.asked, form_name(t->plan.to), code, message, id, out);
		buf_str(out, "]\n");
	} else if (!said) {
		SCOPED_BUF(event, 0);
		dialect_stream_error(
			t->plan.asked, form_name(t->plan.to), code, message, id, &event);
		answer_number_error(buf_view(&event), t->events, out);
	}
}

const char *const translate_losses[LOSSES] = { [LOSS_CITATIONS] = "citations",
	[LOSS_GROUNDING] = "grounding",
	[LOSS_CALL] = "call",
	[LOSS_REASONING] = "reasoning" };

unsigned
translator_losses(const struct translator *t)
{
	return t->losses;
}

size_t
translator_held(const struct translator *t)
{
	size_t n = t->held + t->in.body.n + frames_kept(&t->in.frames);

	for (size_t i = 0; i < t->nchoices * SAID_KINDS; i++)
		n += t->choices[i / SAID_KINDS].parts[i % SAID_KINDS].n;
	return n;
}
