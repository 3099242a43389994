/* Answers as Gemini's: of a stream each event is an answer in small, whose parts go on where
 * those of the last one ended; a call goes whole.
 * https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse */
#include "answer/translate/answer_private.h"
#include "base/json_put.h"

/* Breaks between values, of which there are none in strings, would end a line of the event. */
static void
put_on_one_line(struct span json, struct buf *out)
{
	while (json.n) {
		size_t n = 0;
		while (n < json.n && json.p[n] != '\n' && json.p[n] != '\r')
			n++;
		buf_put(out, json.p, n);
		json = span_cut(json, n + (n < json.n), json.n);
	}
}

static void
put_candidate_part(const struct answer_block *b, struct span text, struct buf *out)
{
	json_put_open(out, NULL, '{');
	if (b->is == SAID_CALL) {
		json_put_form(out,
			"'functionCall':{'id':%t,'name':%t,'args':", buf_view(&b->id),
			buf_view(&b->name));
		put_on_one_line(text, out);
		buf_putc(out, '}');
	} else {
		json_put_text(out, "text", text);
		if (b->is == SAID_REASONING)
			json_put_bool(out, "thought", true);
	}
	json_put_close(out, '}');
}

/* `parts`: elements of a list; `ends`: it says why, and the usage. */
static void
put_candidate(const struct translator *t, struct span parts, bool ends, struct buf *b)
{
	json_put_form(b, "{'candidates':[{'content':{'parts':[%j],'role':'model'}", parts);
	if (ends)
		json_put_str(b, "finishReason", translator_stop_word(t));
	json_put_form(b, "'index':0}]");
	if (ends && t->in.usage.known)
		translator_put_usage(t, &t->in.usage, b);
	json_put_form(
		b, "'modelVersion':%t,'responseId':%t}", buf_view(&t->model), buf_view(&t->id));
}

static void
say_candidate_event(
	struct translator *t, const struct answer_block *b, struct span text, bool ends)
{
	struct buf *part = &t->parts[0];

	buf_clear(part);
	if (b)
		put_candidate_part(b, text, part);
	buf_str(t->out, !t->plan.array ? "data: " : t->events++ ? ",\n" : "[");
	/* the comma is there */
	put_candidate(t, buf_view(part), ends, &t->head);
	buf_span(t->out, buf_view(&t->head));
	buf_clear(&t->head);
	buf_str(t->out, !t->plan.array ? "\n\n" : ends ? "]\n" : "");
}

static void
generate_text(struct translator *t, const struct answer_block *b, struct span text)
{
	if (b->is != SAID_CALL)
		say_candidate_event(t, b, text, false);
}

static void
generate_close(struct translator *t, const struct answer_block *b)
{
	if (b->is == SAID_CALL)
		say_candidate_event(t, b, buf_view(&b->text), false);
}

static void
generate_end(struct translator *t)
{
	say_candidate_event(t, NULL, SPAN_LIT(""), true);
}

static void
generate_whole_block(struct translator *t, const struct answer_block *b)
{
	put_candidate_part(b, buf_view(&b->text), &t->parts[0]);
}

static void
generate_whole(struct translator *t)
{
	put_candidate(t, buf_view(&t->parts[0]), true, t->out);
}

const struct answer_writer answer_write_generate = {
	.media_type = "text/event-stream",
	.message_id = "",
	.call_id = "call_",
	/* what was reasoned is no part of what Google calls candidates' tokens */
	.usage = "'usageMetadata':{'promptTokenCount':%i,'candidatesTokenCount':%O"
		 "[,'cachedContentTokenCount':%c][,'thoughtsTokenCount':%r],'totalTokenCount':%"
		 "t}",
	.text = generate_text,
	.close = generate_close,
	.end = generate_end,
	.whole_block = generate_whole_block,
	.whole = generate_whole,
	.joins = true,
	.whole_calls = true,
};
