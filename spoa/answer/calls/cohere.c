/* Calls of Cohere's Chat API (v2): elements of tool_calls, which a stream sends as items that
 * start, grow and end.
 *
 * If a call is removed, later calls get a lower index. The reason becomes text of the response,
 * in a block after the existing ones. Source: https://docs.cohere.com/reference/chat-stream */
#include "answer/calls/calls_private.h"

static struct node *
event_call(const struct calls *c)
{
	return tree_member(tree_member(calls_member(c, "delta"), "message"), "tool_calls");
}

static void
cohere_read(struct calls *c)
{
	struct node *call = event_call(c);
	uint32_t index = calls_number(c, calls_member(c, "index"), 0);
	struct call_choice *of = calls_choice(c, 0);
	struct held_call *h = calls_find(c, 0, index);
	bool begins = calls_is(c, "type", "tool-call-start");
	bool goes_on = calls_is(c, "type", "tool-call-delta");

	if (calls_is(c, "type", "content-start") && of->blocks <= index)
		of->blocks = index + 1;
	/* some clients read tool_calls whatever the event's type; a message begins with an
	 * empty list */
	bool odd = call && call->first && ((!begins && !goes_on) || call->tok == JSON_ARRAY);
	if (odd || (begins && h) || (goes_on && !h))
		calls_fail(c, CALLS_UNSOUND);
	if (begins || goes_on)
		calls_read(c, calls_at(c, 0, index), call, c->root);
	else if (calls_is(c, "type", "tool-call-end"))
		calls_end(c, h);
	else if (calls_is(c, "type", "message-end"))
		calls_over(c, CALL_ALL);
}

/* ---- writing ---- */

/* Adds a block of text to a whole response. Its content may be missing or null. */
static void
put_cohere_reason(struct calls *c, struct node *message, struct held_call *h)
{
	struct node *content = tree_member(message, "content");
	struct span text = buf_view(&h->text);

	if (content && content->tok == JSON_STRING) {
		tree_append_text(content, text);
		return;
	}
	if (!content)
		content = tree_add(c->t, message, "content", SPAN_LIT("null"));
	if (content && content->tok != JSON_ARRAY) {
		content->tok = JSON_ARRAY;
		content->with = (struct span){ NULL, 0 };
	}
	if (content)
		tree_put_form(
			tree_add(c->t, content, "", text), "{'type':'text','text':%t}", text);
}

/* Sends the reason as a block of its own: start, delta and end. */
static void
say_reason(struct calls *c, struct held_call *h)
{
	uint64_t index = calls_choice(c, 0)->blocks++;

	calls_say(c, "content-start",
		"{'type':'content-start','index':%u,'delta':{'message':{'content':"
		"{'type':'text','text':''}}}}",
		index);
	calls_say(c, "content-delta",
		"{'type':'content-delta','index':%u,'delta':{'message':{'content':"
		"{'text':%t}}}}",
		index, buf_view(&h->text));
	calls_say(c, "content-end", "{'type':'content-end','index':%u}", index);
	h->said = true;
}

static bool
cohere_say(struct calls *c)
{
	struct held_call *h = calls_of(c, c->root);
	struct node *call = event_call(c), *arguments = calls_parts(call).arguments[0];
	bool delta = calls_is(c, "type", "tool-call-delta");

	if (!h)
		return false;
	if (h->is == CALL_DENIED && !h->said)
		say_reason(c, h);
	if (h->is == CALL_DENIED)
		return true;
	if (h->less)
		tree_put_form(calls_member(c, "index"), "%u", (uint64_t)h->index - h->less);
	if (h->is != CALL_EDITED || !arguments)
		return false;
	/* the first delta carries all of the new arguments */
	if (!delta)
		tree_put_form(arguments, "''");
	else if (h->said)
		return true;
	else
		calls_put_arguments(h, call);
	return false;
}

const struct calls_dialect calls_cohere = { cohere_read, cohere_say, .blocks = true,
	.renumbers = true, .texts = true, .put_reason = put_cohere_reason,
	.finish = { "TOOL_CALL" }, .none = "COMPLETE" };
