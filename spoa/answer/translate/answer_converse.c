/* Writes responses as Bedrock's Converse: blocks in their order, whole or as AWS frames.
 * Source:
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html */
#include "answer/frame_write.h"
#include "answer/translate/answer_private.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/json_put.h"

/* ---- streams ---- */

static void
say_converse(struct translator *t, const char *type)
{
	struct frame_writer w;
	struct buf *made = &t->choice->parts[0];

	frame_writer_init(&w, FRAMES_EVENTSTREAM);
	json_put_close(made, '}');
	if (frame_write(&w, span_str(type), buf_view(made), t->out))
		(void)translator_fail(t, ERR_LIMIT, "an event of the response is too long");
	buf_clear(made);
}

/* Begins an event, which say_converse() ends. */
static struct buf *
open_converse(struct translator *t, bool block)
{
	struct buf *b = &t->choice->parts[0];

	buf_clear(b);
	json_put_open(b, NULL, '{');
	if (block)
		json_put_uint(b, "contentBlockIndex", t->blocks);
	return b;
}

static void
converse_begin(struct translator *t)
{
	json_put_str(open_converse(t, false), "role", "assistant");
	say_converse(t, "messageStart");
}

static void
converse_open(struct translator *t, const struct answer_block *block)
{
	if (block->is != SAID_CALL)
		return;
	struct buf *b = open_converse(t, true);
	json_put_form(b, "'start':{'toolUse':{'toolUseId':%t,'name':%t}}", buf_view(&block->id),
		buf_view(&block->name));
	say_converse(t, "contentBlockStart");
}

static void
converse_text(struct translator *t, const struct answer_block *block, struct span text)
{
	static const char *const deltas[SAID_KINDS] = { [SAID_TEXT] = "'delta':{'text':%t}",
		[SAID_REASONING] = "'delta':{'reasoningContent':{'text':%t}}",
		[SAID_REFUSAL] = "'delta':{'text':%t}",
		[SAID_CALL] = "'delta':{'toolUse':{'input':%t}}" };

	json_put_form(open_converse(t, true), deltas[block->is], text);
	say_converse(t, "contentBlockDelta");
}

static void
converse_close(struct translator *t, const struct answer_block *b UNUSED)
{
	open_converse(t, true);
	say_converse(t, "contentBlockStop");
}

static void
converse_end(struct translator *t)
{
	json_put_str(open_converse(t, false), "stopReason", translator_stop_word(t));
	say_converse(t, "messageStop");
	translator_put_usage(t, &t->in.usage, open_converse(t, false));
	say_converse(t, "metadata");
}

/* ---- whole responses ---- */

static void
converse_whole_block(struct translator *t, const struct answer_block *block)
{
	struct buf *b = &t->choice->parts[0];
	struct span text = buf_view(&block->text);

	if (block->is == SAID_CALL)
		json_put_form(b, "{'toolUse':{'toolUseId':%t,'name':%t,'input':%j}}",
			buf_view(&block->id), buf_view(&block->name), text);
	else
		json_put_form(b,
			block->is == SAID_REASONING
				? "{'reasoningContent':{'reasoningText':{'text':%t}}}"
				: "{'text':%t}",
			text);
}

static void
converse_whole(struct translator *t)
{
	struct buf *b = t->out;

	json_put_form(b,
		"{'output':{'message':{'role':'assistant','content':[%j]}},'stopReason':%s",
		buf_view(&t->choice->parts[0]), translator_stop_word(t));
	translator_put_usage(t, &t->in.usage, b);
	json_put_close(b, '}');
}

const struct answer_writer answer_write_converse = {
	.media_type = "application/vnd.amazon.eventstream",
	.message_id = "",
	.call_id = "tooluse_",
	.usage = "'usage':{'inputTokens':%I,'outputTokens':%o,'totalTokens':%t,"
		 "'cacheReadInputTokens':%C,'cacheWriteInputTokens':%W},"
		 "'metrics':{'latencyMs':0}",
	.begin = converse_begin,
	.open = converse_open,
	.text = converse_text,
	.close = converse_close,
	.end = converse_end,
	.whole_block = converse_whole_block,
	.whole = converse_whole,
};
