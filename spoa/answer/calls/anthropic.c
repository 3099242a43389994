/* Calls of Anthropic's messages: content blocks of type tool_use, which begin, grow and stop.
 * In the place of one is a block of text with the same index: after a gap the SDK runs the next
 * call with empty input. Tools that the provider runs itself are none of these. A model of
 * Bedrock's invoke that answers so is read so, too.
 * https://docs.anthropic.com/en/api/messages-streaming */
#include "answer/calls/calls_private.h"
#include "base/err.h"

static bool
is_call(const struct tree *t, const struct node *block)
{
	return tree_is(t, tree_member(block, "type"), "tool_use");
}

static uint32_t
anthropic_index_of(const struct tree *t)
{
	return calls_number(t, tree_member(t->root, "index"), UINT64_MAX);
}

/* ---- read ---- */

static int
read_block(struct calls *c, const struct tree *t, const struct node *block, uint32_t index)
{
	bool is_new;
	struct held_call *h = calls_at(c, 0, index, &is_new);
	struct span name, input;

	if (!h)
		return calls_failed(c);
	int r = calls_text(t, tree_member(block, "name"), &name);
	if (!r)
		r = calls_arguments(t, tree_member(block, "input"), &input);
	if (r)
		return r;
	/* a stream's begins with an empty one, which is no part of what comes */
	if (!c->whole && span_is(input, "{}"))
		input = SPAN_LIT("");
	h->begun_with = input.n > 0;
	r = calls_note(h, name, input);
	return r ? r : calls_piece(c, h, c->whole ? block : t->root);
}

/* The SDKs count blocks as they begin, and look one up by what an event says: both are the same
 * here. */
static int
read_start(struct calls *c, const struct tree *t, const struct node *block,
	const struct held_call *h)
{
	struct call_choice *of = calls_choice(c, 0);
	unsigned place = of->blocks++;

	if (!is_call(t, block))
		return h ? CALLS_AGAIN : 0;
	return place == anthropic_index_of(t) ? read_block(c, t, block, place) : CALLS_UNSOUND;
}

static int
read_delta(struct calls *c, const struct tree *t, struct held_call *h)
{
	const struct node *delta = tree_member(t->root, "delta");
	const struct node *partial = tree_member(delta, "partial_json");
	struct span part;

	int r = calls_text(t, partial, &part);
	if (r || (!h && anthropic_index_of(t) <= INT32_MAX))
		return r;
	if (part.n && (!h || h->begun_with ||
			      !tree_is(t, tree_member(delta, "type"), "input_json_delta")))
		return CALLS_UNSOUND;
	if (!h)
		return 0;
	r = calls_note(h, SPAN_LIT(""), part);
	return r ? r : calls_piece(c, h, t->root);
}

static int
anthropic_read(struct calls *c, const struct tree *t)
{
	const struct node *type = tree_member(t->root, "type");
	const struct node *block = tree_member(t->root, "content_block");
	const struct node *list = tree_member(t->root, "content");
	struct held_call *h = calls_find(c, 0, anthropic_index_of(t));
	uint32_t place = 0;
	int r = 0;

	if (c->whole) {
		for (const struct node *n = tree_list(list); n && !r; n = n->next, place++)
			r = is_call(t, n) ? read_block(c, t, n, place) : 0;
		return r;
	}
	/* what is said before it begins */
	list = tree_member(tree_member(t->root, "message"), "content");
	for (const struct node *n = tree_list(list); n; n = n->next)
		if (is_call(t, n))
			return CALLS_UNSOUND;
	if (tree_is(t, type, "content_block_start"))
		return read_start(c, t, block, h);
	if (is_call(t, block))
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

/* A block of text in its place. */
static int
put_text_block(const struct tree *t, struct node *block, struct span text)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, "{\"type\":\"text\",\"text\":");
	buf_json_str(&b, text);
	buf_putc(&b, '}');
	return tree_put_made(t, block, &b) ? 0 : ERR_NOMEM;
}

static int
put_input(const struct tree *t, struct node *block, struct held_call *h)
{
	struct node *input = tree_member(block, "input");
	struct buf b;

	if (!input)
		return 0;
	buf_init(&b, 0);
	buf_span(&b, buf_view(&h->text));
	h->said = true;
	return tree_put_made(t, input, &b) ? 0 : ERR_NOMEM;
}

static int
say_reason(struct calls *c, struct held_call *h)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
		"{\"type\":\"content_block_delta\",\"index\":%u,\"delta\":{\"type\":\"text_"
		"delta\",\"text\":",
		h->index);
	buf_json_str(&b, buf_view(&h->text));
	buf_str(&b, "}}");
	int r = buf_failed(&b) ? ERR_NOMEM
			       : calls_say(c, SPAN_LIT("content_block_delta"), buf_view(&b));
	buf_free(&b);
	return r;
}

/* An event of a call's block. */
static int
say_anthropic_part(struct calls *c, const struct tree *t, struct held_call *h, bool *drop)
{
	struct node *block = tree_member(t->root, "content_block");
	struct node *delta = tree_member(t->root, "delta");
	struct node *partial = tree_member(delta, "partial_json");

	if (h->is == CALL_DENIED) {
		*drop = delta != NULL;
		return block   ? put_text_block(t, block, SPAN_LIT(""))
		       : delta ? 0
			       : say_reason(c, h);
	}
	if (h->is != CALL_EDITED || !(block || partial))
		return 0;
	if (block) {
		struct node *input = tree_member(block, "input");
		return input && input->first ? put_input(t, block, h) : 0;
	}
	*drop = h->said;
	h->said = true;
	return *drop || tree_put_text(t, partial, calls_first(h)) ? 0 : ERR_NOMEM;
}

static int
say_stop(struct calls *c, const struct tree *t, struct node *reason)
{
	return calls_end(calls_choice(c, 0), t, reason, "tool_use", SPAN_LIT("end_turn"));
}

static int
anthropic_say(struct calls *c, const struct tree *t, bool *drop)
{
	struct node *of = c->whole ? t->root : tree_member(t->root, "delta");
	int r = 0;

	for (struct node *n = tree_elements(tree_member(t->root, "content"));
		c->whole && n && !r; n = n->next) {
		struct held_call *h = calls_of(c, n);
		r = !h			   ? 0
		    : h->is == CALL_DENIED ? put_text_block(t, n, buf_view(&h->text))
		    : h->is == CALL_EDITED ? put_input(t, n, h)
					   : 0;
	}
	struct held_call *part = c->whole ? NULL : calls_of(c, t->root);
	if (part)
		return say_anthropic_part(c, t, part, drop);
	return r ? r : say_stop(c, t, tree_member(of, "stop_reason"));
}

static const struct answer_format *const formats[] = { &answer_anthropic, &answer_invoke,
	NULL };

const struct calls_dialect calls_anthropic = { formats, anthropic_read, anthropic_say,
	.keeps = false };
