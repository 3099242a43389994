/* Writes responses as OpenAI's Chat Completions: one message, or a stream of chunks. Blocks of
 * text are joined; calls have numbers of their own. Sources:
 * https://platform.openai.com/docs/api-reference/chat/object,
 * https://platform.openai.com/docs/api-reference/chat-streaming */
#include "answer/translate/answer_private.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"

static const char *const members[SAID_KINDS] = { [SAID_TEXT] = "content",
	[SAID_REASONING] = "reasoning_content",
	[SAID_REFUSAL] = "refusal" };

static void
put_chat_head(const struct translator *t, const char *object, struct buf *b)
{
	json_put_form(b, "{'id':%t,'object':%s", buf_view(&t->id), object);
	json_put_int(b, "created", clock_wall_ns() / 1000000000);
	json_put_text(b, "model", buf_view(&t->model));
}

static void
put_chat_call(struct buf *out, const struct answer_block *b, struct span text)
{
	json_put_form(out,
		is_custom_call(b) ? "'type':'custom','custom':{'name':%t,'input':%t}"
				  : "'type':'function','function':{'name':%t,'arguments':%t}",
		buf_view(&b->name), text);
}

/* ---- streams ---- */

static void
open_chunk(struct translator *t)
{
	buf_str(t->out, "data: ");
	buf_span(t->out, buf_view(&t->head));
	buf_str(t->out, ",\"choices\":[{\"index\":");
	buf_int(t->out, t->choice->index);
	buf_str(t->out, ",\"delta\":{");
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
}

static void
chat_choice(struct translator *t)
{
	open_chunk(t);
	json_put_form(t->out, "'role':'assistant','content':''");
	close_chunk(t, NULL);
}

static void
chat_open(struct translator *t, const struct answer_block *b)
{
	if (b->is != SAID_CALL)
		return;
	open_chunk(t);
	json_put_form(t->out, "'tool_calls':[{'index':%u,'id':%t", (uint64_t)b->place,
		buf_view(&b->id));
	put_chat_call(t->out, b, SPAN_LIT(""));
	json_put_form(t->out, "}]");
	close_chunk(t, NULL);
}

static void
chat_text(struct translator *t, const struct answer_block *b, struct span text)
{
	open_chunk(t);
	if (b->is == SAID_CALL)
		json_put_form(t->out,
			is_custom_call(b) ? "'tool_calls':[{'index':%u,'custom':{'input':%t}}]"
					  : "'tool_calls':[{'index':%u,'function':{'arguments':%t}}]",
			(uint64_t)b->place, text);
	else
		json_put_text(t->out, members[b->is], text);
	close_chunk(t, NULL);
}

static void
chat_finish(struct translator *t)
{
	open_chunk(t);
	close_chunk(t, translator_stop_word(t));
}

static void
chat_end(struct translator *t)
{
	answer_each_choice(t, chat_finish);
	if (t->plan.wants_usage && t->in.usage.known) {
		buf_str(t->out, "data: ");
		buf_span(t->out, buf_view(&t->head));
		json_put_raw(t->out, "choices", SPAN_LIT("[]"));
		translator_put_usage(t, &t->in.usage, t->out);
		buf_str(t->out, "}\n\n");
	}
	buf_str(t->out, "data: [DONE]\n\n");
}

/* ---- whole responses ---- */

static void
chat_whole_block(struct translator *t, const struct answer_block *b)
{
	struct buf *parts = t->choice->parts;

	/* Reasoning precedes the rest. Reasoning between other blocks would change its place,
	 * so it is left out. */
	if (b->is == SAID_REASONING && t->plan.from != FORM_CHAT &&
		(parts[SAID_TEXT].n || parts[SAID_REFUSAL].n || parts[SAID_CALL].n)) {
		buf_clear(&parts[SAID_REASONING]);
		t->losses |= 1u << LOSS_REASONING;
		return;
	}
	if (b->is != SAID_CALL) {
		buf_span(&parts[b->is], buf_view(&b->text));
		return;
	}
	json_put_form(&parts[SAID_CALL], "{'id':%t", buf_view(&b->id));
	put_chat_call(&parts[SAID_CALL], b, buf_view(&b->text));
	json_put_close(&parts[SAID_CALL], '}');
}

static void
put_chat_choice(struct translator *t)
{
	const struct buf *calls = &t->choice->parts[SAID_CALL];
	struct buf *b = t->out;

	json_put_form(
		b, "{'index':%u,'message':{'role':'assistant'", (uint64_t)t->choice->index);
	for (enum said_kind k = SAID_TEXT; k < SAID_CALL; k++) {
		struct span text = buf_view(&t->choice->parts[k]);
		if (text.n || (k == SAID_TEXT && !calls->n))
			json_put_text(b, members[k], text);
		else if (k != SAID_REASONING)
			json_put_null(b, members[k]);
	}
	if (calls->n)
		json_put_form(b, "'tool_calls':[%j]", buf_view(calls));
	json_put_form(b, "},'finish_reason':%s}", translator_stop_word(t));
}

static void
chat_whole(struct translator *t)
{
	struct buf *b = t->out;

	put_chat_head(t, "chat.completion", b);
	json_put_open(b, "choices", '[');
	answer_each_choice(t, put_chat_choice);
	json_put_close(b, ']');
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
	.choice = chat_choice,
	.open = chat_open,
	.text = chat_text,
	.end = chat_end,
	.whole_block = chat_whole_block,
	.whole = chat_whole,
	.joins = true,
	.refusals = true,
	.text_arguments = true,
};
