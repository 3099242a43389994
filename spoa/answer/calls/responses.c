/* Calls of OpenAI's Responses API: items that a client acts on.
 *
 * A stream carries an item up to five times, and all of them must agree: when the item begins,
 * in pieces, when its arguments are complete, when the item is done, and in the final response.
 * A removed call is replaced by a message with the same index, so that reasoning before it
 * still has an item after it. If the provider keeps the turn (`store` is not false), it has the
 * call too and expects its output in the next request. Then nothing is removed, and a denied
 * call denies the response. Source:
 * https://platform.openai.com/docs/api-reference/responses-streaming */
#include "answer/calls/calls_private.h"

static uint32_t
responses_index_of(const struct calls *c)
{
	return calls_number(c, calls_member(c, "output_index"), 0);
}

static void
responses_read(struct calls *c)
{
	const struct node *response = c->whole ? c->root : calls_member(c, "response"),
			  *store = tree_member(response, "store"),
			  *conversation = tree_member(response, "conversation");
	uint32_t index = responses_index_of(c);
	bool item = calls_member(c, "item");

	c->now->number = tree_number(c->t, calls_member(c, "sequence_number"), UINT64_MAX) + 1;
	if (store)
		c->kept = store->tok != JSON_FALSE ||
			  (conversation && conversation->tok != JSON_NULL);
	CALLS_EACH (n, c, c->root) {
		bool listed = n->up && n->up->tok == JSON_ARRAY;
		calls_read(c, calls_at(c, 0, listed ? calls_place(n) : index), n, n);
	}
	struct held_call *h = c->whole ? NULL : calls_find(c, 0, index);
	/* other events of the call's item are for display only */
	if (h && !c->now->npieces && !item && calls_member(c, "output_index"))
		calls_piece(c, h, c->root);
	if (h && item && calls_is(c, "type", "response.output_item.done"))
		h->over = true;
	if (calls_is(c, "type", "response.completed") ||
		calls_is(c, "type", "response.incomplete") ||
		calls_is(c, "type", "response.failed") || calls_is(c, "type", "response.done"))
		calls_over(c, CALL_ALL);
}

/* ---- writing ---- */

/* Returns the id of the message in a call's place: the call's id with the prefix msg_. */
static struct span
message_id(const struct calls *c, const struct node *item)
{
	struct span id = tree_text(c->t, tree_member(item, "id"));
	size_t after = span_chr(id, '_');

	if (!id.n)
		id = tree_text(c->t, tree_member(item, "call_id"));
	id = after < id.n ? span_cut(id, after + 1, id.n) : id;
	return arena_printf(c->t->a, "msg_%.*s", SPAN_ARG(id));
}

#define PART	"{'type':'output_text','text':%t,'annotations':[]}"
#define MESSAGE "{'id':%t,'type':'message','status':%s,'role':'assistant','content':["

/* Sends the events of the message's text, before the event that its item is done. */
static void
say_text(struct calls *c, const struct node *item, const struct held_call *h)
{
#define OWN(type, says)                                                                        \
	{                                                                                      \
		type, "{'type':%s%j,'item_id':%t,'output_index':%u,'content_index':0,'" says   \
	}
	static const struct {
		const char *type, *form;
	} own[] = {
		OWN("response.content_part.added", "part':" PART "}"),
		OWN("response.output_text.delta", "delta':%t}"),
		OWN("response.output_text.done", "text':%t}"),
		OWN("response.content_part.done", "part':" PART "}"),
	};
	bool numbered = calls_member(c, "sequence_number");

	for (size_t i = 0; i < COUNT_OF(own); i++) {
		struct span number =
			numbered ? arena_printf(&c->work, ",\"sequence_number\":%llu",
					   (unsigned long long)c->number++)
				 : SPAN_LIT("");
		calls_say(c, own[i].type, own[i].form, own[i].type, number, message_id(c, item),
			(uint64_t)responses_index_of(c), i ? buf_view(&h->text) : SPAN_LIT(""));
	}
}

/* Numbers the event after the one sent before it. */
static void
say_number(struct calls *c)
{
	struct node *number = calls_member(c, "sequence_number");
	uint64_t said = tree_number(c->t, number, UINT64_MAX) + 1;

	if (!said)
		return;
	c->number = c->number ? c->number + 1 : said;
	if (c->number != said)
		tree_put_form(number, "%u", c->number - 1);
}

static bool
responses_say(struct calls *c)
{
	bool done = calls_is(c, "type", "response.output_item.done"), drop = false;
	bool own = false; /* the event itself is a piece */
	struct held_call *h;

	CALLS_EACH (n, c, c->root) {
		bool listed = n->up && n->up->tok == JSON_ARRAY;
		h = calls_of(c, n);
		own |= n == c->root;
		if (h && h->is == CALL_EDITED)
			calls_put_arguments(h, n);
		if (!h || h->is != CALL_DENIED)
			continue;
		drop |= n == c->root;
		if (done && !listed)
			say_text(c, n, h);
		/* an item in an event or a list: complete, or as it begins */
		if (n != c->root && (done || listed))
			tree_put_form(n, MESSAGE PART "]}", message_id(c, n), "completed",
				buf_view(&h->text));
		else if (n != c->root)
			tree_put_form(n, MESSAGE "]}", message_id(c, n), "in_progress");
	}
	/* an event for display only */
	if (!own && (h = calls_of(c, c->root)))
		drop = h->is != CALL_GOES;
	if (!drop)
		say_number(c);
	return drop;
}

const struct calls_dialect calls_responses = { responses_read, responses_say, .keeps = true,
	.texts = true };
