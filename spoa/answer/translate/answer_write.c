/* Writes responses in each form, in the order of answer.c: whole, or as a stream. A section for
 * each form has a writer (struct answer_writer), which answer_writer_of() returns. */
#include "answer/frames.h"
#include "answer/translate/answer_private.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"

/* ---- OpenAI's Chat Completions ---- */

/* Writes responses as OpenAI's Chat Completions: one message, or a stream of chunks. Blocks of
 * text are joined; calls have numbers of their own. Sources:
 * https://platform.openai.com/docs/api-reference/chat/object,
 * https://platform.openai.com/docs/api-reference/chat-streaming */

static const char *const chat_text_members[SAID_KINDS] = { [SAID_TEXT] = "content",
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
			is_custom_call(b)
				? "'tool_calls':[{'index':%u,'custom':{'input':%t}}]"
				: "'tool_calls':[{'index':%u,'function':{'arguments':%t}}]",
			(uint64_t)b->place, text);
	else
		json_put_text(t->out, chat_text_members[b->is], text);
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
			json_put_text(b, chat_text_members[k], text);
		else if (k != SAID_REASONING)
			json_put_null(b, chat_text_members[k]);
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

static const struct answer_writer answer_write_chat = {
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

/* ---- OpenAI's Responses API ---- */

/* Writes responses as OpenAI's Responses API: items, whole or as a stream that sends each item
 * when it begins, in pieces and when it is done, and all items at the end. Source:
 * https://platform.openai.com/docs/api-reference/responses-streaming */

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

static const struct answer_writer answer_write_responses = {
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

/* ---- Anthropic's Messages API ---- */

/* Writes responses as Anthropic's Messages API: blocks in their order, whole or as a stream in
 * which each block begins, grows and stops before the next one. Reasoning has no signature, so
 * the caller cannot send it back. Source:
 * https://docs.anthropic.com/en/api/messages-streaming */

/* Blocks by their kind: type and members, and the delta. */
static const struct {
	const char *type, *member, *more, *delta, *grows;
} messages_blocks[SAID_KINDS] = {
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
	json_put_str(b, "type", messages_blocks[block->is].type);
	if (block->is == SAID_CALL) {
		json_put_form(b, "'id':%t,'name':%t,'input':%j", buf_view(&block->id),
			buf_view(&block->name), text);
	} else {
		json_put_text(b, messages_blocks[block->is].member, text);
	}
	buf_str(b, messages_blocks[block->is].more);
	json_put_close(b, '}');
}

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

/* The first event states the input's tokens: as the provider reported them so far, or as the
 * gateway counted them. The last event states the provider's final usage. */
static void
messages_begin(struct translator *t)
{
	struct usage u = t->in.usage;

	u.output_tokens = 0;
	u.details.n[PRICE_REASONING] = 0;
	if (!u.known && t->plan.input_tokens > 0)
		u = (struct usage){ .known = true, .input_tokens = t->plan.input_tokens };
	open_event(t, "message_start");
	json_put_name(t->out, "message");
	put_message(t, SPAN_LIT(""), NULL, &u, t->out);
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
	buf_str(t->out, messages_blocks[b->is].delta);
	buf_str(t->out, "\",\"");
	buf_str(t->out, messages_blocks[b->is].grows);
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

static void
messages_whole_block(struct translator *t, const struct answer_block *b)
{
	put_messages_block(NULL, b, buf_view(&b->text), &t->choice->parts[0]);
}

static void
messages_whole(struct translator *t)
{
	put_message(t, buf_view(&t->choice->parts[0]), translator_stop_word(t), &t->in.usage,
		t->out);
}

static const struct answer_writer answer_write_messages = {
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

/* ---- Gemini's generateContent ---- */

/* Writes responses as Gemini's. Each event of a stream is a small response whose parts continue
 * those of the previous event; a call is written complete. Source:
 * https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse */

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

static const struct answer_writer answer_write_generate = {
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

/* ---- Bedrock's Converse ---- */

/* Writes responses as Bedrock's Converse: blocks in their order, whole or as AWS frames.
 * Source:
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html */

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

static const struct answer_writer answer_write_converse = {
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

/* ---- the writer of a form ---- */

static const struct answer_writer *const writers[FORMS] = {
	[FORM_CHAT] = &answer_write_chat,
	[FORM_RESPONSES] = &answer_write_responses,
	[FORM_MESSAGES] = &answer_write_messages,
	[FORM_GENERATE] = &answer_write_generate,
	[FORM_CONVERSE] = &answer_write_converse,
};

const struct answer_writer *
answer_writer_of(enum form f)
{
	return writers[f];
}
