/* Calls of Bedrock's Converse: content blocks with a toolUse, which begin, grow and stop. In
 * the place of one is text with the same number; blocks of text do not begin here. Tools that
 * the provider runs itself are none of these.
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html */
#include "answer/calls/calls_private.h"
#include "base/err.h"
#include "base/json_put.h"

/* ---- read ---- */

/* Frames say what they are apart from what is in them; those around other frames do not. */
static bool
is_event(const struct calls *c, const char *type)
{
	return c->wrap || !c->now->frame.type.n || span_is(c->now->frame.type, type);
}

static int
bedrock_read(struct calls *c, const struct tree *t)
{
	const struct node *number = tree_member(t->root, "contentBlockIndex");
	const struct node *begins = calls_next(c, t->root, t->root);
	const struct node *goes_on = tree_member(tree_member(t->root, "delta"), "toolUse");
	uint32_t index = calls_number(t, number, 0);
	struct held_call *h = calls_find(c, 0, index);
	struct call_choice *of = calls_choice(c, 0);

	if (c->whole)
		return calls_read_whole(c, t);
	if (tree_member(t->root, "stopReason"))
		calls_all_over(c);
	if ((begins && !is_event(c, "contentBlockStart")) ||
		(goes_on && !is_event(c, "contentBlockDelta")) || (begins && (goes_on || h)))
		return CALLS_UNSOUND;
	/* clients add what comes to the one that began last, the provider's own among them */
	if (tree_member(tree_member(t->root, "start"), "toolUse"))
		of->blocks = index + 1;
	if (begins)
		return calls_read(c, t, calls_at(c, 0, index), begins, t->root);
	if (goes_on && of->blocks && of->blocks != index + 1)
		return CALLS_UNSOUND;
	if (h && tree_member(t->root, "delta"))
		return calls_read(c, t, h, goes_on, t->root);
	if (h && tree_member(t->root, "start"))
		return CALLS_AGAIN;
	if (number && h) {
		h->over = true;
		return calls_piece(c, h, t->root);
	}
	return 0;
}

/* ---- said ---- */

static int
say_reason(struct calls *c, struct held_call *h)
{
	struct buf b;

	buf_init(&b, 0);
	json_put_open(&b, NULL, '{');
	json_put_uint(&b, "contentBlockIndex", h->index);
	json_put_open(&b, "delta", '{');
	json_put_text(&b, "text", buf_view(&h->text));
	buf_str(&b, "}}");
	h->said = true;
	return calls_say(c, SPAN_LIT("contentBlockDelta"), &b);
}

static int
bedrock_say(struct calls *c, const struct tree *t, bool *drop)
{
	struct held_call *h = c->whole ? NULL : calls_of(c, t->root);
	int r = c->whole ? calls_say_whole(c, t) : 0;

	/* an event of a call's block */
	if (h && h->is == CALL_DENIED) {
		*drop = tree_member(t->root, "delta") || tree_member(t->root, "start");
		r = h->said ? 0 : say_reason(c, h);
	} else if (h && h->is == CALL_EDITED && calls_parts(t->root).arguments[0]) {
		*drop = h->said;
		r = *drop ? 0 : calls_put_arguments(t, t->root, h);
	}
	return r ? r : calls_say_end(c, t, t->root, calls_choice(c, 0));
}

static const struct answer_format *const formats[] = { &answer_bedrock, NULL };

const struct calls_dialect calls_bedrock = { formats, bedrock_read, bedrock_say,
	.in_place = "{\"text\":", .finish = { "tool_use" }, .none = "end_turn" };
