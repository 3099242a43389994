/* Calls of Anthropic's messages: content blocks of type tool_use, which begin, grow and stop.
 * In the place of one is a block of text with the same index: after a gap the SDK runs the next
 * call with empty input. Tools that the provider runs itself are none of these. A model of
 * Bedrock's invoke that answers so is read so, too.
 * https://docs.anthropic.com/en/api/messages-streaming */
#include "answer/calls/calls_private.h"
#include "base/err.h"
#include "base/json_put.h"

static uint32_t
anthropic_index_of(const struct tree *t)
{
	return calls_number(t, tree_member(t->root, "index"), UINT64_MAX);
}

/* ---- read ---- */

/* The SDKs count blocks as they begin, and look one up by what an event says: both are the same
 * here. */
static int
read_start(struct calls *c, const struct tree *t, const struct node *call,
	const struct held_call *before)
{
	unsigned place = calls_choice(c, 0)->blocks++;

	if (!call)
		return before ? CALLS_AGAIN : 0;
	if (place != anthropic_index_of(t))
		return CALLS_UNSOUND;
	struct held_call *h = calls_at(c, 0, place);
	int r = calls_read(c, t, h, call, t->root);
	if (!r)
		h->begun_with = h->begun;
	return r;
}

static int
read_delta(struct calls *c, const struct tree *t, struct held_call *h)
{
	const struct node *delta = tree_member(t->root, "delta");
	struct span part;

	int r = calls_text(t, calls_parts(delta).arguments[0], &part);
	if (r || (!h && anthropic_index_of(t) <= INT32_MAX))
		return r;
	if (part.n && (!h || h->begun_with ||
			      !tree_is(t, tree_member(delta, "type"), "input_json_delta")))
		return CALLS_UNSOUND;
	return h ? calls_read(c, t, h, delta, t->root) : 0;
}

static int
anthropic_read(struct calls *c, const struct tree *t)
{
	const struct node *type = tree_member(t->root, "type"), *call;
	struct held_call *h = calls_find(c, 0, anthropic_index_of(t));

	if (c->whole)
		return calls_read_whole(c, t);
	call = calls_next(c, t->root, t->root);
	if (tree_is(t, type, "content_block_start"))
		return read_start(c, t, call, h);
	if (call)
		return CALLS_UNSOUND;
	if (tree_is(t, type, "content_block_delta"))
		return read_delta(c, t, h);
	if (tree_is(t, type, "content_block_stop") && h) {
		h->over = true;
		return calls_piece(c, h, t->root);
	}
	if (tree_is(t, type, "message_delta") || tree_is(t, type, "message_stop"))
		calls_all_over(c);
	return 0;
}

/* ---- said ---- */

static int
say_reason(struct calls *c, struct held_call *h)
{
	struct buf b;

	buf_init(&b, 0);
	json_put_open(&b, NULL, '{');
	json_put_str(&b, "type", "content_block_delta");
	json_put_uint(&b, "index", h->index);
	json_put_open(&b, "delta", '{');
	json_put_str(&b, "type", "text_delta");
	json_put_text(&b, "text", buf_view(&h->text));
	buf_str(&b, "}}");
	return calls_say(c, SPAN_LIT("content_block_delta"), &b);
}

/* An event of a call's block. */
static int
say_anthropic_part(struct calls *c, const struct tree *t, struct held_call *h, bool *drop)
{
	struct node *block = tree_member(t->root, "content_block");
	struct node *delta = tree_member(t->root, "delta");

	if (h->is == CALL_DENIED && !block && !delta)
		return say_reason(c, h);
	if (h->is == CALL_DENIED) {
		*drop = delta != NULL;
		return block ? tree_put_with(t, block, c->d->in_place, SPAN_LIT(""), "}") : 0;
	}
	if (h->is != CALL_EDITED)
		return 0;
	if (block)
		return calls_put_arguments(t, block, h);
	*drop = h->said && calls_parts(delta).arguments[0];
	return *drop ? 0 : calls_put_arguments(t, delta, h);
}

static int
anthropic_say(struct calls *c, const struct tree *t, bool *drop)
{
	struct held_call *part = c->whole ? NULL : calls_of(c, t->root);
	int r = c->whole ? calls_say_whole(c, t)
		: part	 ? say_anthropic_part(c, t, part, drop)
			 : 0;

	return r ? r : calls_say_end(c, t, t->root, calls_choice(c, 0));
}

static const struct answer_format *const formats[] = { &answer_anthropic, &answer_invoke,
	NULL };

const struct calls_dialect calls_anthropic = { formats, anthropic_read, anthropic_say,
	.texts = true, .begins_empty = true,
	.in_place = "{\"type\":\"text\",\"text\":", .finish = { "tool_use" },
	.none = "end_turn" };
