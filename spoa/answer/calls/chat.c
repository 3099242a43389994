/* Calls of chat completions: elements of tool_calls, which a stream says in pieces by their
 * index, and the older function_call. One that is taken out leaves its index to those after it:
 * a hole crashes openai-node. The reason is text of the choice.
 * https://platform.openai.com/docs/api-reference/chat-streaming */
#include "answer/calls/calls_private.h"
#include "base/err.h"

/* Of a choice or a call. A whole answer says all of each: two with one number are two. */
static uint32_t
chat_number_of(
	const struct calls *c, const struct tree *t, const struct node *n, uint32_t place)
{
	return c->whole ? place : calls_number(t, tree_member(n, "index"), place);
}

/* ---- read ---- */

/* A piece without a number is of the only call there is: of several it is anybody's. */
static bool
is_anybodys(const struct calls *c, const struct tree *t, const struct node *n, uint32_t choice)
{
	const struct node *index = tree_member(n, "index");
	struct call_parts p = calls_parts(n);
	const struct held_call *h;
	size_t others = 0;

	if (c->whole || (index && index->tok != JSON_NULL) || tree_text(t, p.name[0]).n ||
		tree_text(t, p.name[1]).n)
		return false;
	TAILQ_FOREACH (h, &c->calls, all)
		others += h->choice == choice && h->index != CALL_OLDER;
	return others > 1;
}

static int
read_choice(struct calls *c, const struct tree *t, const struct node *choice, uint32_t number)
{
	const struct node *message = tree_member(choice, c->whole ? "message" : "delta");
	const struct node *content = tree_member(message, "content");
	struct call_choice *of = calls_choice(c, number);
	int r = of ? 0 : CALLS_OVER;

	if (of && content && content->tok == JSON_STRING && content->end > content->start + 2)
		of->said = true;
	for (struct node *n = calls_next(c, choice, choice); n && !r;
		n = calls_next(c, choice, n)) {
		uint32_t index = CALL_OLDER;
		if (n->up->tok == JSON_ARRAY) {
			index = chat_number_of(c, t, n, calls_place(n));
			r = is_anybodys(c, t, n, number) ? CALLS_UNSOUND : 0;
		}
		if (!r)
			r = calls_read(c, t, calls_at(c, number, index), n, n);
	}
	if (!r && tree_text(t, tree_member(choice, "finish_reason"))
			  .n) /* some say "" until then */
		calls_over(c, number, NULL);
	return r;
}

static int
chat_read(struct calls *c, const struct tree *t)
{
	uint32_t place = 0;
	int r = 0;

	for (const struct node *n = tree_list(tree_member(t->root, "choices")); n && !r;
		n = n->next, place++)
		r = read_choice(c, t, n, chat_number_of(c, t, n, place));
	return r;
}

/* ---- said ---- */

static int
say_call(struct calls *c, const struct tree *t, struct node *call, struct call_choice *of)
{
	struct held_call *h = calls_of(c, call);
	struct node *index = tree_member(call, "index"), *up = call->up;

	if (!h)
		return 0;
	if (h->is == CALL_DENIED) {
		tree_cut(call);
		if (up->tok == JSON_ARRAY && tree_is_empty(up))
			tree_cut(up);
		return calls_put_reason(t, up->tok == JSON_ARRAY ? up->up : up, of, h);
	}
	if (h->place - h->less != h->index && h->index != CALL_OLDER) {
		if (!index && !c->whole && !tree_add(t, call, "index", SPAN_LIT("0")))
			index = call->last;
		if (index && tree_put_number(t, index, h->place - h->less))
			return ERR_NOMEM;
	}
	return h->is == CALL_EDITED ? calls_put_arguments(t, call, h) : 0;
}

/* *empty: nothing is left of what it said. */
static int
say_choice(struct calls *c, const struct tree *t, struct node *choice, uint32_t number,
	bool *empty)
{
	const struct node *message = tree_member(choice, c->whole ? "message" : "delta");
	const struct node *finish = tree_member(choice, "finish_reason");
	struct call_choice *of = calls_choice(c, number);
	int r = of ? 0 : CALLS_OVER;

	for (struct node *n = calls_next(c, choice, choice); n && !r;
		n = calls_next(c, choice, n))
		r = say_call(c, t, n, of);
	*empty = message && message->changed && tree_is_empty(message) &&
		 !(finish && finish->tok == JSON_STRING);
	return r ? r : calls_say_end(c, t, choice, of);
}

static int
chat_say(struct calls *c, const struct tree *t, bool *drop)
{
	const struct node *usage = tree_member(t->root, "usage");
	bool empty = false, all = !c->whole && !(usage && usage->tok != JSON_NULL);
	uint32_t place = 0;
	int r = 0;

	for (struct node *n = tree_elements(tree_member(t->root, "choices")); n && !r;
		n = n->next, place++) {
		r = say_choice(c, t, n, chat_number_of(c, t, n, place), &empty);
		all &= empty;
	}
	*drop = all && place;
	return r;
}

static const struct answer_format *const formats[] = { &answer_openai, NULL };

const struct calls_dialect calls_chat = { formats, chat_read, chat_say, .by_id = true,
	.finish = { "tool_calls", "function_call" }, .none = "stop", .renumbers = true,
	.joins_names = true };
