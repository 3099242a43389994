/* Writes responses as Gemini's. Each event of a stream is a small response whose parts continue
 * those of the previous event; a call is written complete. Source:
 * https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse */
#include "answer/translate/answer_private.h"
#include "base/json_put.h"

/* Removes line breaks between values, which would end a line of the event. Strings have
 * none. */
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

/* Writes a candidate with its parts to t->head; at its end also the finish reason. */
static void
put_candidate(struct translator *t)
{
	struct buf *parts = &t->choice->parts[0];

	json_put_form(&t->head, "{'content':{'parts':[%j],'role':'model'}", buf_view(parts));
	buf_clear(parts);
	if (t->ends)
		json_put_str(&t->head, "finishReason", translator_stop_word(t));
	json_put_form(&t->head, "'index':%u}", (uint64_t)t->choice->index);
}

/* Writes a response, or an event, which is a small response. */
static void
put_candidate_list(struct translator *t)
{
	struct buf *b = &t->head;

	json_put_form(b, "{'candidates':[");
	if (t->ends)
		answer_each_choice(t, put_candidate);
	else
		put_candidate(t);
	json_put_close(b, ']');
	if (t->ends && t->in.usage.known)
		translator_put_usage(t, &t->in.usage, b);
	json_put_form(
		b, "'modelVersion':%t,'responseId':%t}", buf_view(&t->model), buf_view(&t->id));
	buf_span(t->out, buf_view(b));
	buf_clear(b);
}

static void
say_candidates(struct translator *t)
{
	buf_str(t->out, !t->plan.array ? "data: " : t->events++ ? ",\n" : "[");
	put_candidate_list(t);
	buf_str(t->out, !t->plan.array ? "\n\n" : t->ends ? "]\n" : "");
}

static void
generate_text(struct translator *t, const struct answer_block *b, struct span text)
{
	put_candidate_part(b, text, &t->choice->parts[0]);
	say_candidates(t);
}

static void
generate_whole_block(struct translator *t, const struct answer_block *b)
{
	put_candidate_part(b, buf_view(&b->text), &t->choice->parts[0]);
}

const struct answer_writer answer_write_generate = {
	.media_type = "text/event-stream",
	.message_id = "",
	.call_id = "call_",
	/* Google's candidates' tokens do not include reasoning */
	.usage = "'usageMetadata':{'promptTokenCount':%i,'candidatesTokenCount':%O"
		 "[,'cachedContentTokenCount':%c][,'thoughtsTokenCount':%r],'totalTokenCount':%"
		 "t}",
	.text = generate_text,
	.end = say_candidates,
	.whole_block = generate_whole_block,
	.whole = put_candidate_list,
	.joins = true,
	.whole_calls = true,
};
