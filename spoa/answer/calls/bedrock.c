/* Calls of Bedrock's Converse: content blocks with a toolUse, which begin, grow and stop.
 *
 * A removed call is replaced by text with the same number, without a start event, since blocks
 * of text have none here. Tools that the provider runs itself are not calls. Source:
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html */
#include "answer/calls/calls_private.h"

/* Returns true if the frame's type is `type` or unknown. Frames that wrap other frames carry no
 * type. */
static bool
is_event(const struct calls *c, const char *type)
{
	return c->wrap || !c->now->frame.type.n || span_is(c->now->frame.type, type);
}

static void
bedrock_read(struct calls *c)
{
	const struct node *number = calls_member(c, "contentBlockIndex");
	struct node *begins = calls_next(c, c->root, NULL);
	struct node *goes_on = tree_member(calls_member(c, "delta"), "toolUse");
	uint32_t index = calls_number(c, number, 0);
	struct held_call *h = calls_find(c, 0, index);
	struct call_choice *of = calls_choice(c, 0);

	if (calls_member(c, "stopReason"))
		calls_over(c, CALL_ALL);
	if ((begins && !is_event(c, "contentBlockStart")) ||
		(goes_on && !is_event(c, "contentBlockDelta")) || (begins && (goes_on || h)))
		calls_fail(c, CALLS_UNSOUND);
	/* clients add a delta to the block that began last, even if the provider runs that
	 * tool */
	if (tree_member(calls_member(c, "start"), "toolUse"))
		of->blocks = index + 1;
	if (!begins && goes_on && of->blocks && of->blocks != index + 1)
		calls_fail(c, CALLS_UNSOUND);
	if (begins)
		calls_read(c, calls_at(c, 0, index), begins, c->root);
	else if (h && calls_member(c, "delta"))
		calls_read(c, h, goes_on, c->root);
	else if (h && calls_member(c, "start"))
		calls_fail(c, CALLS_AGAIN);
	else if (number)
		calls_end(c, h);
}

static bool
bedrock_say(struct calls *c)
{
	struct held_call *h = calls_of(c, c->root);
	bool said = h && h->said;

	if (h && h->is == CALL_DENIED) {
		if (!said)
			calls_say(c, "contentBlockDelta",
				"{'contentBlockIndex':%u,'delta':{'text':%t}}",
				(uint64_t)h->index, buf_view(&h->text));
		h->said = true;
		return calls_member(c, "delta") || calls_member(c, "start");
	}
	if (!h || h->is == CALL_GOES || !calls_parts(c->root).arguments[0])
		return false;
	if (!said)
		calls_put_arguments(h, c->root);
	return said;
}

const struct calls_dialect calls_bedrock = { bedrock_read, bedrock_say, .blocks = true,
	.in_place = "{'text':%t}", .finish = { "tool_use" }, .none = "end_turn" };
