/* Answers as OpenAI's chat completions: one message, or a stream of chunks. Blocks of text are
 * one text; calls have numbers of their own.
 * https://platform.openai.com/docs/api-reference/chat/object,
 * https://platform.openai.com/docs/api-reference/chat-streaming */
#include "answer/translate/answer_private.h"
#include "base/clock.h"
#include "base/json_put.h"

static const char *const members[SAID_KINDS] = { [SAID_TEXT] = "content",
	[SAID_REASONING] = "reasoning_content",
	[SAID_REFUSAL] = "refusal",
	[SAID_CALL] = "tool_calls" };

static void
put_chat_head(const struct translator *t, const char *object, struct buf *b)
{
	json_put_form(b, "{'id':%t,'object':%s", buf_view(&t->id), object);
	json_put_int(b, "created", clock_wall_ns() / 1000000000);
	json_put_text(b, "model", buf_view(&t->model));
}

/* ---- streams ---- */

static void
open_chunk(struct translator *t)
{
	buf_str(t->out, "data: ");
	buf_span(t->out, buf_view(&t->head));
	buf_str(t->out, ",\"choices\":[{\"index\":0,\"delta\":{");
}

static void
close_chunk(struct translator *t, const char *finish)
{
	json_put_close(t->out, '}');
	json_put_opt(t->out, "finish_reason", finish);
	buf_str(t->out, "}]");
	if (t->plan.wants_usage)
		json_put_null(t->out, "usage");
	buf_str(t->out, "}\n\n");
}

static void
chat_begin(struct translator *t)
{
	put_chat_head(t, "chat.completion.chunk", &t->head);
	open_chunk(t);
	json_put_form(t->out, "'role':'assistant','content':''");
	close_chunk(t, NULL);
}

/* A call, or with `begins` false a piece of its arguments, in the list that holds it. */
static void
put_chat_call(const struct answer_block *b, bool begins, bool numbered, struct span arguments,
	struct buf *out)
{
	json_put_open(out, NULL, '{');
	if (numbered)
		json_put_uint(out, "index", b->place);
	if (begins) {
		json_put_form(out, "'id':%t,'type':'function'", buf_view(&b->id));
	}
	json_put_open(out, "function", '{');
	if (begins)
		json_put_text(out, "name", buf_view(&b->name));
	json_put_text(out, "arguments", arguments);
	buf_str(out, "}}");
}

static void
say_chat_call(
	struct translator *t, const struct answer_block *b, bool begins, struct span arguments)
{
	open_chunk(t);
	json_put_open(t->out, members[SAID_CALL], '[');
	put_chat_call(b, begins, true, arguments, t->out);
	json_put_close(t->out, ']');
	close_chunk(t, NULL);
}

static void
chat_open(struct translator *t, const struct answer_block *b)
{
	if (b->is == SAID_CALL)
		say_chat_call(t, b, true, SPAN_LIT(""));
}

static void
chat_text(struct translator *t, const struct answer_block *b, struct span text)
{
	if (b->is == SAID_CALL) {
		say_chat_call(t, b, false, text);
		return;
	}
	open_chunk(t);
	json_put_text(t->out, members[b->is], text);
	close_chunk(t, NULL);
}

static void
chat_end(struct translator *t)
{
	open_chunk(t);
	close_chunk(t, translator_stop_word(t));
	if (t->plan.wants_usage && t->in.usage.known) {
		buf_str(t->out, "data: ");
		buf_span(t->out, buf_view(&t->head));
		json_put_raw(t->out, "choices", SPAN_LIT("[]"));
		translator_put_usage(t, &t->in.usage, t->out);
		buf_str(t->out, "}\n\n");
	}
	buf_str(t->out, "data: [DONE]\n\n");
}

/* ---- whole ---- */

static void
chat_whole_block(struct translator *t, const struct answer_block *b)
{
	if (b->is == SAID_CALL)
		put_chat_call(b, true, false, buf_view(&b->text), &t->parts[SAID_CALL]);
	else
		buf_span(&t->parts[b->is], buf_view(&b->text));
}

static void
chat_whole(struct translator *t)
{
	const struct buf *calls = &t->parts[SAID_CALL];
	struct buf *b = t->out;

	put_chat_head(t, "chat.completion", b);
	json_put_form(b, "'choices':[{'index':0,'message':{'role':'assistant'");
	for (enum said_kind k = SAID_TEXT; k < SAID_CALL; k++) {
		struct span text = buf_view(&t->parts[k]);
		if (text.n || (k == SAID_TEXT && !calls->n))
			json_put_text(b, members[k], text);
		else if (k != SAID_REASONING)
			json_put_null(b, members[k]);
	}
	if (calls->n) {
		json_put_open(b, members[SAID_CALL], '[');
		buf_span(b, buf_view(calls));
		json_put_close(b, ']');
	}
	json_put_form(b, "},'finish_reason':%s", translator_stop_word(t));
	buf_str(b, "}]");
	if (t->in.usage.known)
		translator_put_usage(t, &t->in.usage, b);
	json_put_close(b, '}');
}

const struct answer_writer answer_write_chat = {
	.media_type = "text/event-stream",
	.message_id = "chatcmpl-",
	.call_id = "call_",
	.usage = "'usage':{'prompt_tokens':%i,'completion_tokens':%o,'total_tokens':%t,"
		 "'prompt_tokens_details':{'cached_tokens':%c[,'cache_write_tokens':%w]},"
		 "'completion_tokens_details':{'reasoning_tokens':%r}}",
	.begin = chat_begin,
	.open = chat_open,
	.text = chat_text,
	.end = chat_end,
	.whole_block = chat_whole_block,
	.whole = chat_whole,
	.joins = true,
	.refusals = true,
};
