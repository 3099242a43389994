/* Writes responses as OpenAI's Responses API: items, whole or as a stream that sends each item
 * when it begins, in pieces and when it is done, and all items at the end. Source:
 * https://platform.openai.com/docs/api-reference/responses-streaming */
#include "answer/translate/answer_private.h"
#include "base/clock.h"
#include "base/json_put.h"

/* ITEMS: the items that are done, as elements of a list. SO_FAR: text of a stream's open
 * item. */
#define ITEMS(t)  (&(t)->choice->parts[0])
#define SO_FAR(t) (&(t)->choice->parts[1])

/* clang-format off */
/* Items by kind: type and id prefix; the list of its one part, the part's type and member; the
 * names of the part's and the list's events, and their number. Reasoning is a summary, which
 * clients show. */
static const struct {
	const char *type, *id, *list, *part, *member, *event, *parts, *index;
} items[SAID_KINDS + 1] = {
	[SAID_TEXT]      = { "message", "msg_", "content", "output_text", "text",
			     "output_text", "content_part", "content_index" },
	[SAID_REASONING] = { "reasoning", "rs_", "summary", "summary_text", "text",
			     "reasoning_summary_text", "reasoning_summary_part", "summary_index" },
	[SAID_REFUSAL]   = { "message", "msg_", "content", "refusal", "refusal",
			     "refusal", "content_part", "content_index" },
	[SAID_CALL]      = { "function_call", "fc_", NULL, NULL, "arguments",
			     "function_call_arguments", NULL, NULL },
	[SAID_KINDS]     = { "custom_tool_call", "ctc_", NULL, NULL, "input",
			     "custom_tool_call_input", NULL, NULL },
};
#define ITEM(b) items[is_custom_call(b) ? SAID_KINDS : (b)->is]
/* clang-format on */

/* ---- objects ---- */

static void
put_item_id(const struct translator *t, const char *name, const struct answer_block *b,
	struct buf *out)
{
	json_put_name(out, name);
	buf_printf(out, "\"%s", ITEM(b).id);
	buf_json(out, t->plan.id);
	buf_printf(out, "_%u\"", t->blocks);
}

static void
put_item_part(const char *name, const struct answer_block *b, struct span text, struct buf *out)
{
	json_put_open(out, name, '{');
	json_put_str(out, "type", ITEM(b).part);
	json_put_text(out, ITEM(b).member, text);
	if (b->is == SAID_TEXT)
		json_put_raw(out, "annotations", SPAN_LIT("[]"));
	json_put_close(out, '}');
}

/* `done`: with its text; else as the item begins. */
static void
put_item(const struct translator *t, const char *name, const struct answer_block *b, bool done,
	struct span text, struct buf *out)
{
	json_put_open(out, name, '{');
	put_item_id(t, "id", b, out);
	json_put_form(out, "'type':%s,'status':%s", ITEM(b).type,
		!done		  ? "in_progress"
		: b->half_written ? "incomplete"
				  : "completed");
	if (b->is == SAID_CALL) {
		json_put_form(
			out, "'call_id':%t,'name':%t", buf_view(&b->id), buf_view(&b->name));
		json_put_text(out, ITEM(b).member, text);
		if (b->as && b->as->space.n)
			json_put_text(out, "namespace", b->as->space);
		json_put_close(out, '}');
		return;
	}
	if (b->is != SAID_REASONING)
		json_put_str(out, "role", "assistant");
	json_put_open(out, ITEM(b).list, '[');
	if (done)
		put_item_part(NULL, b, text, out);
	json_put_form(out, "]}");
}

/* Returns the status; "in_progress" for a stream that has begun. */
static const char *
response_status(const struct translator *t)
{
	if (!t->choice->stop)
		return "in_progress";
	return strcmp(translator_stop_word(t), "completed") ? "incomplete" : "completed";
}

static void
put_response(const struct translator *t, const char *name, struct buf *b)
{
	const char *status = response_status(t);

	json_put_open(b, name, '{');
	json_put_form(b, "'id':%t,'object':'response'", buf_view(&t->id));
	json_put_int(b, "created_at", clock_wall_ns() / 1000000000);
	json_put_form(b, "'status':%s,'error':null", status);
	if (!strcmp(status, "incomplete"))
		json_put_form(b, "'incomplete_details':{'reason':%s}", translator_stop_word(t));
	else
		json_put_null(b, "incomplete_details");
	json_put_form(b, "'model':%t,'output':[%j],'store':false", buf_view(&t->model),
		buf_view(ITEMS(t)));
	if (t->in.usage.known)
		translator_put_usage(t, &t->in.usage, b);
	json_put_close(b, '}');
}

static void
responses_whole_block(struct translator *t, const struct answer_block *b)
{
	put_item(t, NULL, b, true, buf_view(&b->text), ITEMS(t));
}

static void
responses_whole(struct translator *t)
{
	put_response(t, NULL, t->out);
}

/* ---- streams ---- */

static void
open_response_event(struct translator *t, const char *of, const char *type)
{
	struct buf *b = t->out;

	buf_printf(b, "event: response.%s%s\ndata: ", of, type);
	json_put_open(b, NULL, '{');
	json_put_printf(b, "type", "\"response.%s%s\"", of, type);
	json_put_uint(b, "sequence_number", t->events++);
}

static void
close_response_event(struct translator *t)
{
	buf_str(t->out, "}\n\n");
}

static void
say_response(struct translator *t, const char *type)
{
	open_response_event(t, type, "");
	put_response(t, "response", t->out);
	close_response_event(t);
}

static void
responses_begin(struct translator *t)
{
	say_response(t, "created");
	say_response(t, "in_progress");
}

/* Begins an event of the item's part. */
static void
open_part_event(
	struct translator *t, const struct answer_block *b, const char *of, const char *type)
{
	open_response_event(t, of, type);
	put_item_id(t, "item_id", b, t->out);
	json_put_uint(t->out, "output_index", t->blocks);
	if (b->is != SAID_CALL)
		json_put_uint(t->out, ITEM(b).index, 0);
}

static void
say_item_event(struct translator *t, const struct answer_block *b, bool done)
{
	open_response_event(t, "output_item", done ? ".done" : ".added");
	json_put_uint(t->out, "output_index", t->blocks);
	put_item(t, "item", b, done, done ? buf_view(SO_FAR(t)) : SPAN_LIT(""), t->out);
	close_response_event(t);
}

static void
say_item_part(struct translator *t, const struct answer_block *b, bool done)
{
	if (b->is == SAID_CALL)
		return;
	open_part_event(t, b, ITEM(b).parts, done ? ".done" : ".added");
	put_item_part("part", b, done ? buf_view(SO_FAR(t)) : SPAN_LIT(""), t->out);
	close_response_event(t);
}

static void
responses_open(struct translator *t, const struct answer_block *b)
{
	buf_clear(SO_FAR(t));
	say_item_event(t, b, false);
	say_item_part(t, b, false);
}

static void
responses_text(struct translator *t, const struct answer_block *b, struct span text)
{
	buf_span(SO_FAR(t), text);
	open_part_event(t, b, ITEM(b).event, ".delta");
	json_put_text(t->out, "delta", text);
	if (b->is == SAID_TEXT)
		json_put_raw(t->out, "logprobs", SPAN_LIT("[]"));
	close_response_event(t);
}

static void
responses_close(struct translator *t, const struct answer_block *b)
{
	open_part_event(t, b, ITEM(b).event, ".done");
	json_put_text(t->out, ITEM(b).member, buf_view(SO_FAR(t)));
	if (b->is == SAID_CALL && !is_custom_call(b))
		json_put_text(t->out, "name", buf_view(&b->name));
	close_response_event(t);
	say_item_part(t, b, true);
	say_item_event(t, b, true);
	put_item(t, NULL, b, true, buf_view(SO_FAR(t)), ITEMS(t));
}

static void
responses_end(struct translator *t)
{
	say_response(t, response_status(t));
}

const struct answer_writer answer_write_responses = {
	.media_type = "text/event-stream",
	.message_id = "resp_",
	.call_id = "call_",
	.usage = "'usage':{'input_tokens':%i,'input_tokens_details':{'cached_tokens':%c},"
		 "'output_tokens':%o,'output_tokens_details':{'reasoning_tokens':%r},"
		 "'total_tokens':%t}",
	.begin = responses_begin,
	.open = responses_open,
	.text = responses_text,
	.close = responses_close,
	.end = responses_end,
	.whole_block = responses_whole_block,
	.whole = responses_whole,
	.joins = true,
	.refusals = true,
	.text_arguments = true,
};
