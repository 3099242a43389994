/* Calls of Cohere's chat (v2): elements of tool_calls, which a stream says as items that start,
 * grow and end. One that is taken out leaves its number to those after it; the reason is text
 * of the answer, in a block after those that it has.
 * https://docs.cohere.com/reference/chat-stream */
#include <stdio.h>

#include "answer/calls/calls_private.h"
#include "base/err.h"

static struct node *
message_of(const struct tree *t)
{
	struct node *delta = tree_member(t->root, "delta");

	return tree_member(delta ? delta : t->root, "message");
}

/* ---- read ---- */

static int
read_cohere_call(struct calls *c, const struct tree *t, const struct node *call,
	struct held_call *h, const struct node *at)
{
	const struct node *function = tree_member(call, "function");
	struct span name, arguments;

	if (!h)
		return calls_failed(c);
	int r = calls_text(t, tree_member(function, "name"), &name);
	if (!r)
		r = calls_text(t, tree_member(function, "arguments"), &arguments);
	if (!r)
		r = calls_note(h, name, arguments);
	return r ? r : calls_piece(c, h, at);
}

static int
read_event(struct calls *c, const struct tree *t)
{
	const struct node *type = tree_member(t->root, "type");
	const struct node *call = tree_member(message_of(t), "tool_calls");
	uint32_t index = calls_number(t, tree_member(t->root, "index"), 0);
	struct call_choice *of = calls_choice(c, 0);
	struct held_call *h = calls_find(c, 0, index);
	bool is_new;

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
		return read_cohere_call(c, t, call, calls_at(c, 0, index, &is_new), t->root);
	if (goes_on)
		return read_cohere_call(c, t, call, h, t->root);
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
	uint32_t place = 0;
	bool is_new;
	int r = 0;

	if (!c->whole)
		return read_event(c, t);
	for (const struct node *n = tree_list(tree_member(message_of(t), "tool_calls"));
		n && !r; n = n->next, place++)
		r = read_cohere_call(c, t, n, calls_at(c, 0, place, &is_new), n);
	return r;
}

/* ---- said ---- */

static struct span
made_cohere(const struct tree *t, const char *before, struct span text, const char *after)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, before);
	buf_json_str(&b, text);
	buf_str(&b, after);
	struct span json =
		buf_failed(&b) ? (struct span){ NULL, 0 } : arena_dup(t->a, buf_view(&b));
	buf_free(&b);
	return json;
}

/* A block of text more; its content may be missing or null. */
static int
put_cohere_reason(const struct tree *t, const struct held_call *h)
{
	struct node *message = message_of(t), *content = tree_member(message, "content");
	struct span json =
		made_cohere(t, "{\"type\":\"text\",\"text\":", buf_view(&h->text), "}");

	if (content && content->tok == JSON_STRING)
		return tree_append_text(t, content, buf_view(&h->text)) ? 0 : ERR_NOMEM;
	if (!json.p || (!content && !tree_add(t, message, "content", SPAN_LIT("null"))))
		return ERR_NOMEM;
	content = content ? content : message->last;
	if (content->tok != JSON_ARRAY) {
		content->tok = JSON_ARRAY;
		content->with = (struct span){ NULL, 0 };
	}
	return tree_add(t, content, "", json) ? 0 : ERR_NOMEM;
}

static int
say_whole(struct calls *c, const struct tree *t)
{
	struct node *list = tree_member(message_of(t), "tool_calls");
	int r = 0;

	for (struct node *n = tree_elements(list); n && !r; n = n->next) {
		const struct held_call *h = calls_of(c, n);
		struct node *arguments = tree_member(tree_member(n, "function"), "arguments");
		if (!h)
			continue;
		if (h->is == CALL_DENIED) {
			tree_cut(n);
			r = put_cohere_reason(t, h);
		} else if (h->is == CALL_EDITED && arguments) {
			r = tree_put_text(t, arguments, buf_view(&h->text)) ? 0 : ERR_NOMEM;
		}
	}
	if (list && list->changed && tree_is_empty(list))
		tree_cut(list);
	return r;
}

/* A block of its own. */
static int
say_reason(struct calls *c, struct held_call *h)
{
	static const struct {
		const char *type, *more;
	} events[] = { { "content-start", ",\"delta\":{\"message\":{\"content\":{\"type\":"
					  "\"text\",\"text\":\"\"}}}" },
		{ "content-delta", ",\"delta\":{\"message\":{\"content\":{\"text\":" },
		{ "content-end", "" } };
	struct call_choice *of = calls_choice(c, 0);
	char before[160];
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(events) && !r; i++) {
		bool says = i == 1;
		snprintf(before, sizeof(before), "{\"type\":\"%s\",\"index\":%u%s",
			events[i].type, of->blocks, events[i].more);
		struct buf b;
		buf_init(&b, 0);
		buf_str(&b, before);
		if (says)
			buf_json_str(&b, buf_view(&h->text));
		buf_str(&b, says ? "}}}}" : "}");
		r = buf_failed(&b) ? ERR_NOMEM
				   : calls_say(c, span_str(events[i].type), buf_view(&b));
		buf_free(&b);
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
	struct node *arguments = tree_member(tree_member(call, "function"), "arguments");
	bool delta = tree_is(t, tree_member(t->root, "type"), "tool-call-delta");

	if (h->is == CALL_DENIED) {
		*drop = true;
		return h->said ? 0 : say_reason(c, h);
	}
	if (h->less && index && !tree_put_number(t, index, h->index - h->less))
		return ERR_NOMEM;
	if (h->is != CALL_EDITED || !arguments)
		return 0;
	/* all of the new ones in its first piece */
	struct span text = delta && !h->said ? calls_first(h) : SPAN_LIT("");
	*drop = delta && h->said;
	h->said |= delta;
	return tree_put_text(t, arguments, text) ? 0 : ERR_NOMEM;
}

static int
cohere_say(struct calls *c, const struct tree *t, bool *drop)
{
	const struct call_choice *of = calls_choice(c, 0);
	struct node *finish = tree_member(
		c->whole ? t->root : tree_member(t->root, "delta"), "finish_reason");

	struct held_call *h = c->whole ? NULL : calls_of(c, t->root);

	int r = c->whole ? say_whole(c, t) : h ? say_cohere_part(c, t, h, drop) : 0;
	return r ? r : calls_end(of, t, finish, "TOOL_CALL", SPAN_LIT("COMPLETE"));
}

static const struct answer_format *const formats[] = { &answer_cohere, NULL };

const struct calls_dialect calls_cohere = { formats, cohere_read, cohere_say, .keeps = false,
	.renumbers = true };
