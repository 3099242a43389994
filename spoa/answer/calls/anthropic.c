/* Calls of Anthropic's Messages API: content blocks of type tool_use, which begin, grow and
 * stop.
 *
 * A removed call is replaced by a block of text with the same index. With a gap instead, the
 * SDK would run the next call with empty input. Tools that the provider runs itself are not
 * calls here. Bedrock's invoke with an Anthropic model uses this dialect too. Source:
 * https://docs.anthropic.com/en/api/messages-streaming */
#include "answer/calls/calls_private.h"

static uint32_t
anthropic_index_of(const struct calls *c)
{
	return calls_number(c, calls_member(c, "index"), UINT64_MAX);
}

/* ---- reading ---- */

/* A block begins. The SDKs number blocks in the order in which they begin, but look a block up
 * by the event's index. Both numbers must be the same. */
static void
read_start(struct calls *c, struct node *call, const struct held_call *before)
{
	unsigned place = calls_choice(c, 0)->blocks++;

	if (!call && before)
		calls_fail(c, CALLS_AGAIN);
	if (!call)
		return;
	if (place != anthropic_index_of(c))
		calls_fail(c, CALLS_UNSOUND);
	struct held_call *h = calls_at(c, 0, place);
	calls_read(c, h, call, c->root);
	if (h)
		h->begun_with = h->begun;
}

static void
read_delta(struct calls *c, struct held_call *h)
{
	struct node *delta = calls_member(c, "delta");
	struct span part = calls_text(c, calls_parts(delta).arguments[0]);

	if (!h && anthropic_index_of(c) <= INT32_MAX)
		return;
	if (part.n && (!h || h->begun_with ||
			      !tree_is(c->t, tree_member(delta, "type"), "input_json_delta")))
		calls_fail(c, CALLS_UNSOUND);
	calls_read(c, h, delta, c->root);
}

static void
anthropic_read(struct calls *c)
{
	struct held_call *h = calls_find(c, 0, anthropic_index_of(c));
	struct node *call = calls_next(c, c->root, NULL);

	if (calls_is(c, "type", "content_block_start"))
		read_start(c, call, h);
	else if (call)
		calls_fail(c, CALLS_UNSOUND);
	else if (calls_is(c, "type", "content_block_delta"))
		read_delta(c, h);
	else if (calls_is(c, "type", "content_block_stop"))
		calls_end(c, h);
	else if (calls_is(c, "type", "message_delta") || calls_is(c, "type", "message_stop"))
		calls_over(c, CALL_ALL);
}

/* ---- writing ---- */

static bool
anthropic_say(struct calls *c)
{
	struct node *block = calls_member(c, "content_block");
	struct node *delta = calls_member(c, "delta");
	struct held_call *h = calls_of(c, c->root);

	if (!h || h->is == CALL_GOES)
		return false;
	if (h->is == CALL_EDITED && !block && h->said)
		return calls_parts(delta).arguments[0];
	if (h->is == CALL_EDITED)
		calls_put_arguments(h, block ? block : delta);
	else if (block)
		tree_put_form(block, c->d->in_place, SPAN_LIT(""));
	else if (!delta)
		calls_say(c, "content_block_delta",
			"{'type':'content_block_delta','index':%u,'delta':{'type':"
			"'text_delta','text':%t}}",
			(uint64_t)h->index, buf_view(&h->text));
	return h->is == CALL_DENIED && delta;
}

const struct calls_dialect calls_anthropic = { anthropic_read, anthropic_say, .blocks = true,
	.texts = true, .begins_empty = true, .in_place = "{'type':'text','text':%t}",
	.finish = { "tool_use" }, .none = "end_turn" };
