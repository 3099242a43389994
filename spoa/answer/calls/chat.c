/* Calls of chat completions: elements of tool_calls, which a stream sends in pieces by index,
 * and the older function_call.
 *
 * If a call is removed, later calls get a lower index, since a hole crashes openai-node. The
 * reason becomes text of the choice. Source:
 * https://platform.openai.com/docs/api-reference/chat-streaming */
#include "answer/calls/calls_private.h"

/* Returns the number of a choice or a call. In a whole response the place in the list counts,
 * since two elements with one index are two calls. */
static uint32_t
chat_number_of(const struct calls *c, const struct node *n)
{
	uint32_t place = calls_place(n);

	return c->whole ? place : calls_number(c, tree_member(n, "index"), place);
}

/* ---- reading ---- */

/* Returns true if a piece has no index and no name although the choice has several calls, so
 * that clients could add it to any of them. */
static bool
is_anybodys(const struct calls *c, struct node *n, uint32_t choice)
{
	const struct node *index = tree_member(n, "index");
	struct call_parts p = calls_parts(n);
	const struct held_call *h;
	size_t others = 0;

	if (c->whole || (index && index->tok != JSON_NULL) || tree_text(c->t, p.name[0]).n ||
		tree_text(c->t, p.name[1]).n)
		return false;
	TAILQ_FOREACH (h, &c->calls, all)
		others += h->choice == choice && h->index != CALL_OLDER;
	return others > 1;
}

static void
chat_read(struct calls *c)
{
	for (struct node *of = tree_list(calls_member(c, "choices")); of; of = of->next) {
		const struct node *content =
			tree_member(tree_member(of, c->whole ? "message" : "delta"), "content");
		uint32_t choice = chat_number_of(c, of);
		calls_choice(c, choice)->said |= content && content->tok == JSON_STRING &&
						 content->end > content->start + 2;
		CALLS_EACH (n, c, of) {
			bool listed = n->up->tok == JSON_ARRAY;
			if (listed && is_anybodys(c, n, choice))
				calls_fail(c, CALLS_UNSOUND);
			uint32_t index = listed ? chat_number_of(c, n) : CALL_OLDER;
			calls_read(c, calls_at(c, choice, index), n, n);
		}
		/* some providers send "" until the end */
		if (tree_text(c->t, tree_member(of, "finish_reason")).n)
			calls_over(c, choice);
	}
}

/* ---- writing ---- */

static void
say_call(struct calls *c, struct node *call)
{
	struct held_call *h = calls_of(c, call);
	struct node *index = tree_member(call, "index");

	if (!h)
		return;
	uint32_t number = h->place - h->less;
	if (h->is != CALL_DENIED && number != h->index && h->index != CALL_OLDER) {
		if (!index && !c->whole)
			index = tree_add(c->t, call, "index", SPAN_LIT("0"));
		tree_put_form(index, "%u", (uint64_t)number);
	}
	calls_say_element(c, h, call);
}

/* Returns true if nothing of the choice is left to send. */
static bool
say_choice(struct calls *c, struct node *choice)
{
	const struct node *message = tree_member(choice, c->whole ? "message" : "delta");
	const struct node *finish = tree_member(choice, "finish_reason");

	CALLS_EACH (n, c, choice)
		say_call(c, n);
	calls_say_end(c, choice, chat_number_of(c, choice));
	return message && message->changed && tree_is_empty(message) &&
	       !(finish && finish->tok == JSON_STRING);
}

static bool
chat_say(struct calls *c)
{
	const struct node *usage = calls_member(c, "usage");
	struct node *first = tree_elements(calls_member(c, "choices"));
	bool all = !c->whole && first && !(usage && usage->tok != JSON_NULL);

	for (struct node *n = first; n; n = n->next)
		all &= say_choice(c, n);
	return all;
}

const struct calls_dialect calls_chat = { chat_read, chat_say, .by_id = true,
	.finish = { "tool_calls", "function_call" }, .none = "stop", .renumbers = true,
	.joins_names = true, .put_reason = calls_put_reason };
