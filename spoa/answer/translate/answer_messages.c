/* Writes responses as Anthropic's Messages API: blocks in their order, whole or as a stream in
 * which each block begins, grows and stops before the next one. Reasoning has no signature, so
 * the caller cannot send it back. Source:
 * https://docs.anthropic.com/en/api/messages-streaming */
#include "answer/translate/answer_private.h"
#include "base/json_put.h"

/* Blocks by their kind: type and members, and the delta. */
static const struct {
	const char *type, *member, *more, *delta, *grows;
} blocks[SAID_KINDS] = {
	[SAID_TEXT] = { "text", "text", "", "text_delta", "text" },
	[SAID_REASONING] = { "thinking", "thinking",
		",\"signature\":\"" TRANSLATED_SIGNATURE "\"", "thinking_delta", "thinking" },
	[SAID_REFUSAL] = { "text", "text", "", "text_delta", "text" },
	[SAID_CALL] = { "tool_use", NULL, "", "input_json_delta", "partial_json" },
};

static void
put_message(const struct translator *t, struct span content, const char *stop,
	const struct usage *u, struct buf *b)
{
	json_put_form(b,
		"{'id':%t,'type':'message','role':'assistant','model':%t,'content':[%j]",
		buf_view(&t->id), buf_view(&t->model), content);
	json_put_opt(b, "stop_reason", stop);
	json_put_null(b, "stop_sequence");
	translator_put_usage(t, u, b);
	json_put_close(b, '}');
}

/* `text` is a call's input as JSON. */
static void
put_messages_block(
	const char *name, const struct answer_block *block, struct span text, struct buf *b)
{
	json_put_open(b, name, '{');
	json_put_str(b, "type", blocks[block->is].type);
	if (block->is == SAID_CALL) {
		json_put_form(b, "'id':%t,'name':%t,'input':%j", buf_view(&block->id),
			buf_view(&block->name), text);
	} else {
		json_put_text(b, blocks[block->is].member, text);
	}
	buf_str(b, blocks[block->is].more);
	json_put_close(b, '}');
}

/* ---- streams ---- */

static void
open_event(struct translator *t, const char *type)
{
	buf_str(t->out, "event: ");
	buf_str(t->out, type);
	buf_str(t->out, "\ndata: {\"type\":\"");
	buf_str(t->out, type);
	buf_putc(t->out, '"');
}

static void
open_block_event(struct translator *t, const char *type)
{
	open_event(t, type);
	buf_str(t->out, ",\"index\":");
	buf_int(t->out, t->blocks);
}

static void
close_event(struct translator *t)
{
	buf_str(t->out, "}\n\n");
}

static void
messages_begin(struct translator *t)
{
	open_event(t, "message_start");
	json_put_name(t->out, "message");
	put_message(t, SPAN_LIT(""), NULL, &(struct usage){ 0 }, t->out);
	close_event(t);
}

static void
messages_open(struct translator *t, const struct answer_block *b)
{
	open_block_event(t, "content_block_start");
	put_messages_block(
		"content_block", b, b->is == SAID_CALL ? SPAN_LIT("{}") : SPAN_LIT(""), t->out);
	close_event(t);
}

static void
messages_text(struct translator *t, const struct answer_block *b, struct span text)
{
	open_block_event(t, "content_block_delta");
	buf_str(t->out, ",\"delta\":{\"type\":\"");
	buf_str(t->out, blocks[b->is].delta);
	buf_str(t->out, "\",\"");
	buf_str(t->out, blocks[b->is].grows);
	buf_str(t->out, "\":");
	buf_json_str(t->out, text);
	json_put_close(t->out, '}');
	close_event(t);
}

static void
messages_close(struct translator *t, const struct answer_block *b)
{
	(void)b;
	open_block_event(t, "content_block_stop");
	close_event(t);
}

static void
messages_end(struct translator *t)
{
	open_event(t, "message_delta");
	json_put_form(t->out, "'delta':{'stop_reason':%s,'stop_sequence':null}",
		translator_stop_word(t));
	translator_put_usage(t, &t->in.usage, t->out);
	close_event(t);
	open_event(t, "message_stop");
	close_event(t);
}

/* ---- whole responses ---- */

static void
messages_whole_block(struct translator *t, const struct answer_block *b)
{
	put_messages_block(NULL, b, buf_view(&b->text), &t->choice->parts[0]);
}

static void
messages_whole(struct translator *t)
{
	put_message(t, buf_view(&t->choice->parts[0]), translator_stop_word(t), &t->in.usage, t->out);
}

const struct answer_writer answer_write_messages = {
	.media_type = "text/event-stream",
	.message_id = "msg_",
	.call_id = "toolu_",
	.usage = "'usage':{'input_tokens':%I,'cache_creation_input_tokens':%W,"
		 "'cache_read_input_tokens':%C,'output_tokens':%o}",
	.begin = messages_begin,
	.open = messages_open,
	.text = messages_text,
	.close = messages_close,
	.end = messages_end,
	.whole_block = messages_whole_block,
	.whole = messages_whole,
};
