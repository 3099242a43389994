/* Calls of Cohere's chat (v2): elements of tool_calls, which a stream says as items that start,
 * grow and end. One that is taken out leaves its number to those after it; the reason is text
 * of the answer, in a block after those that it has.
 * https://docs.cohere.com/reference/chat-stream */
#include "answer/calls/calls_private.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/json_put.h"

static struct node *
message_of(const struct tree *t)
{
	struct node *delta = tree_member(t->root, "delta");

	return tree_member(delta ? delta : t->root, "message");
}

/* ---- read ---- */

static int
read_event(struct calls *c, const struct tree *t)
{
	const struct node *type = tree_member(t->root, "type");
	const struct node *call = tree_member(message_of(t), "tool_calls");
	uint32_t index = calls_number(t, tree_member(t->root, "index"), 0);
	struct call_choice *of = calls_choice(c, 0);
	struct held_call *h = calls_find(c, 0, index);

	if (tree_is(t, type, "content-start") && of->blocks <= index)
		of->blocks = index + 1;
	bool begins = tree_is(t, type, "tool-call-start");
	bool goes_on = tree_is(t, type, "tool-call-delta");
	/* some clients go by what is there, whatever its event is called; a message begins with
	 * an empty list */
	bool odd = call && call->first && ((!begins && !goes_on) || call->tok == JSON_ARRAY);
	if (odd || (begins && h) || (goes_on && !h))
		return CALLS_UNSOUND;
	if (begins)
		h = calls_at(c, 0, index);
	if (begins || goes_on)
		return calls_read(c, t, h, call, t->root);
	if (tree_is(t, type, "tool-call-end") && h) {
		h->over = true;
		return calls_piece(c, h, t->root);
	}
	if (tree_is(t, type, "message-end"))
		calls_all_over(c);
	return 0;
}

static int
cohere_read(struct calls *c, const struct tree *t)
{
	return c->whole ? calls_read_whole(c, t) : read_event(c, t);
}

/* ---- said ---- */

/* A block of text more; its content may be missing or null. */
static int
put_cohere_reason(
	struct calls *c UNUSED, const struct tree *t, struct node *message, struct held_call *h)
{
	struct node *content = tree_member(message, "content");

	if (content && content->tok == JSON_STRING)
		return tree_append_text(t, content, buf_view(&h->text));
	if (!content && !tree_add(t, message, "content", SPAN_LIT("null")))
		content = message->last;
	if (!content)
		return ERR_NOMEM;
	if (content->tok != JSON_ARRAY) {
		content->tok = JSON_ARRAY;
		content->with = (struct span){ NULL, 0 };
	}
	return tree_add_with(
		t, content, "{\"type\":\"text\",\"text\":", buf_view(&h->text), "}");
}

/* A block of its own. */
static int
say_reason(struct calls *c, struct held_call *h)
{
	static const char *const events[] = { "content-start", "content-delta", "content-end" };
	struct call_choice *of = calls_choice(c, 0);
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(events) && !r; i++) {
		struct buf b;
		buf_init(&b, 0);
		json_put_open(&b, NULL, '{');
		json_put_str(&b, "type", events[i]);
		json_put_uint(&b, "index", of->blocks);
		if (i < 2) {
			json_put_open(&b, "delta", '{');
			json_put_open(&b, "message", '{');
			json_put_open(&b, "content", '{');
		}
		if (i == 0)
			json_put_str(&b, "type", "text");
		if (i < 2)
			json_put_text(&b, "text", i ? buf_view(&h->text) : SPAN_LIT(""));
		buf_str(&b, i < 2 ? "}}}}" : "}");
		r = calls_say(c, span_str(events[i]), &b);
	}
	of->blocks++;
	h->said = true;
	return r;
}

/* An event of a call's item. */
static int
say_cohere_part(struct calls *c, const struct tree *t, struct held_call *h, bool *drop)
{
	struct node *index = tree_member(t->root, "index");
	struct node *call = tree_member(message_of(t), "tool_calls");
	struct node *arguments = calls_parts(call).arguments[0];
	bool delta = tree_is(t, tree_member(t->root, "type"), "tool-call-delta");

	if (h->is == CALL_DENIED) {
		*drop = true;
		return h->said ? 0 : say_reason(c, h);
	}
	if (h->less && index && tree_put_number(t, index, h->index - h->less))
		return ERR_NOMEM;
	if (h->is != CALL_EDITED || !arguments)
		return 0;
	/* all of the new ones in its first piece */
	*drop = delta && h->said;
	if (delta && !*drop)
		return calls_put_arguments(t, call, h);
	return tree_put_text(t, arguments, SPAN_LIT(""));
}

static int
cohere_say(struct calls *c, const struct tree *t, bool *drop)
{
	struct held_call *h = c->whole ? NULL : calls_of(c, t->root);
	int r = c->whole ? calls_say_listed(c, t, put_cohere_reason)
		: h	 ? say_cohere_part(c, t, h, drop)
			 : 0;

	return r ? r : calls_say_end(c, t, t->root, calls_choice(c, 0));
}

static const struct answer_format *const formats[] = { &answer_cohere, NULL };

const struct calls_dialect calls_cohere = { formats, cohere_read, cohere_say, .renumbers = true,
	.texts = true, .finish = { "TOOL_CALL" }, .none = "COMPLETE" };
