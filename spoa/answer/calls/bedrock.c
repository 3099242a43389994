/* Calls of Bedrock's Converse: content blocks with a toolUse, which begin, grow and stop. In
 * the place of one is text with the same number; blocks of text do not begin here. Tools that
 * the provider runs itself are none of these.
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html */
#include <stdio.h>

#include "answer/calls/calls_private.h"
#include "base/err.h"

static struct node *
call_of(const struct tree *t, const struct node *block)
{
	struct node *n = tree_member(block, "toolUse");

	return n && !tree_is(t, tree_member(n, "type"), "server_tool_use") ? n : NULL;
}

static struct node *
blocks_of(const struct tree *t)
{
	struct node *message = tree_member(tree_member(t->root, "output"), "message");

	return tree_list(tree_member(message, "content"));
}

/* ---- read ---- */

static int
read_bedrock_call(struct calls *c, const struct tree *t, struct held_call *h,
	const struct node *at, const struct node *call)
{
	struct span name, input;

	if (!h)
		return calls_failed(c);
	int r = calls_text(t, tree_member(call, "name"), &name);
	if (!r)
		r = calls_arguments(t, tree_member(call, "input"), &input);
	if (!r)
		r = calls_note(h, name, input);
	return r ? r : calls_piece(c, h, at);
}

static int
read_whole(struct calls *c, const struct tree *t)
{
	uint32_t place = 0;
	bool is_new;
	int r = 0;

	for (const struct node *n = blocks_of(t); n && !r; n = n->next, place++) {
		const struct node *call = call_of(t, n);
		if (call)
			r = read_bedrock_call(c, t, calls_at(c, 0, place, &is_new), n, call);
	}
	return r;
}

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
	const struct node *begins = call_of(t, tree_member(t->root, "start"));
	const struct node *goes_on = tree_member(tree_member(t->root, "delta"), "toolUse");
	uint32_t index = calls_number(t, number, 0);
	struct held_call *h = calls_find(c, 0, index);
	struct call_choice *of = calls_choice(c, 0);
	bool is_new;

	if (c->whole)
		return read_whole(c, t);
	if (tree_member(t->root, "stopReason"))
		calls_all_over(c);
	if ((begins && !is_event(c, "contentBlockStart")) ||
		(goes_on && !is_event(c, "contentBlockDelta")) || (begins && (goes_on || h)))
		return CALLS_UNSOUND;
	/* clients add what comes to the one that began last, the provider's own among them */
	if (tree_member(tree_member(t->root, "start"), "toolUse"))
		of->blocks = index + 1;
	if (begins)
		return read_bedrock_call(c, t, calls_at(c, 0, index, &is_new), t->root, begins);
	if (goes_on && of->blocks && of->blocks != index + 1)
		return CALLS_UNSOUND;
	if (h && tree_member(t->root, "delta"))
		return read_bedrock_call(c, t, h, t->root, goes_on);
	if (h && tree_member(t->root, "start"))
		return CALLS_AGAIN;
	if (number && h) {
		h->over = true;
		return calls_piece(c, h, t->root);
	}
	return 0;
}

/* ---- said ---- */

/* `json` with what `text` says in the place of its %. */
static struct span
made_bedrock(const struct tree *t, const char *before, struct span text, bool quoted,
	const char *after)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, before);
	if (quoted)
		buf_json_str(&b, text);
	else
		buf_span(&b, text);
	buf_str(&b, after);
	struct span json =
		buf_failed(&b) ? (struct span){ NULL, 0 } : arena_dup(t->a, buf_view(&b));
	buf_free(&b);
	return json;
}

static int
put_node_json(struct node *n, struct span json)
{
	if (!json.p)
		return ERR_NOMEM;
	tree_put(n, json);
	return 0;
}

static int
say_whole(struct calls *c, const struct tree *t)
{
	int r = 0;

	for (struct node *n = blocks_of(t); n && !r; n = n->next) {
		const struct held_call *h = calls_of(c, n);
		struct node *input = tree_member(call_of(t, n), "input");
		if (h && h->is == CALL_DENIED)
			r = put_node_json(n,
				made_bedrock(t, "{\"text\":", buf_view(&h->text), true, "}"));
		else if (h && h->is == CALL_EDITED && input)
			r = put_node_json(
				input, made_bedrock(t, "", buf_view(&h->text), false, ""));
	}
	return r;
}

static int
say_reason(struct calls *c, const struct tree *t, struct held_call *h)
{
	char before[64];

	snprintf(before, sizeof(before),
		"{\"contentBlockIndex\":%u,\"delta\":{\"text\":", h->index);
	struct span json = made_bedrock(t, before, buf_view(&h->text), true, "}}");
	h->said = true;
	return json.p ? calls_say(c, SPAN_LIT("contentBlockDelta"), json) : ERR_NOMEM;
}

/* An event of a call's block. */
static int
say_bedrock_part(struct calls *c, const struct tree *t, struct held_call *h, bool *drop)
{
	struct node *delta = tree_member(t->root, "delta");
	struct node *input = tree_member(tree_member(delta, "toolUse"), "input");

	if (h->is == CALL_DENIED) {
		*drop = delta || tree_member(t->root, "start");
		return h->said ? 0 : say_reason(c, t, h);
	}
	if (h->is != CALL_EDITED || !input)
		return 0;
	*drop = h->said;
	h->said = true;
	return *drop || tree_put_text(t, input, calls_first(h)) ? 0 : ERR_NOMEM;
}

static int
bedrock_say(struct calls *c, const struct tree *t, bool *drop)
{
	const struct call_choice *of = calls_choice(c, 0);
	struct node *reason = tree_member(t->root, "stopReason");

	struct held_call *h = c->whole ? NULL : calls_of(c, t->root);

	int r = c->whole ? say_whole(c, t) : h ? say_bedrock_part(c, t, h, drop) : 0;
	return r ? r : calls_end(of, t, reason, "tool_use", SPAN_LIT("end_turn"));
}

static const struct answer_format *const formats[] = { &answer_bedrock, NULL };

const struct calls_dialect calls_bedrock = { formats, bedrock_read, bedrock_say,
	.keeps = false };
