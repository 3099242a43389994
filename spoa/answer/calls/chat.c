/* Calls of chat completions: elements of tool_calls, which a stream says in pieces by their
 * index, and the older function_call. One that is taken out leaves its index to those after it:
 * a hole crashes openai-node. The reason is text of the choice.
 * https://platform.openai.com/docs/api-reference/chat-streaming */
#include "answer/calls/calls_private.h"
#include "base/err.h"

enum { OLDER = UINT32_MAX }; /* the index of a function_call */

/* Where a choice says something. */
static struct node *
message_of(const struct calls *c, const struct node *choice)
{
	return tree_member(choice, c->whole ? "message" : "delta");
}

/* Of a choice or a call. A whole answer says all of each: two with one number are two. */
static uint32_t
chat_number_of(
	const struct calls *c, const struct tree *t, const struct node *n, uint32_t place)
{
	return c->whole ? place : calls_number(t, tree_member(n, "index"), place);
}

/* ---- read ---- */

static int
read_chat_call(struct calls *c, const struct tree *t, const struct node *n, uint32_t choice,
	uint32_t index)
{
	const struct node *function = index == OLDER ? n : tree_member(n, "function");
	const struct node *custom = tree_member(n, "custom");
	bool is_new;
	struct held_call *h = calls_at(c, choice, index, &is_new);

	if (!h)
		return calls_failed(c);
	struct span id, name, arguments, other, input;
	int r = calls_text(t, tree_member(n, "id"), &id);
	if (!r)
		r = calls_text(t, tree_member(function, "name"), &name);
	if (!r)
		r = calls_arguments(t, tree_member(function, "arguments"), &arguments);
	if (!r)
		r = calls_text(t, tree_member(custom, "name"), &other);
	if (!r)
		r = calls_arguments(t, tree_member(custom, "input"), &input);
	/* which of the two it is some say by its type, some by what is there */
	if (!r && (name.n || arguments.n) && (other.n || input.n))
		r = CALLS_UNSOUND;
	if (r)
		return r;
	if (index != OLDER)
		h = calls_by_id(c, h, id, name);
	if (!h)
		return calls_failed(c);
	h->any_text |= custom != NULL;
	r = calls_note(h, name, arguments);
	if (!r)
		r = calls_note(h, other, input);
	return r ? r : calls_piece(c, h, n);
}

/* A piece without a number is of the only call there is: of several it is anybody's. */
static bool
is_anybodys(const struct calls *c, const struct tree *t, const struct node *n, uint32_t choice)
{
	const struct node *index = tree_member(n, "index"), *other;
	size_t others = 0;

	if (c->whole || (index && index->tok != JSON_NULL) ||
		tree_text(t, tree_member(tree_member(n, "function"), "name")).n)
		return false;
	other = tree_member(tree_member(n, "custom"), "name");
	for (const struct held_call *h = TAILQ_FIRST(&c->calls); h; h = TAILQ_NEXT(h, all))
		others += h->choice == choice && h->index != OLDER;
	return others > 1 && !tree_text(t, other).n;
}

static bool
says_calls(const struct node *message)
{
	const struct node *older = tree_member(message, "function_call");

	return tree_list(tree_member(message, "tool_calls")) ||
	       (older && older->tok == JSON_OBJECT);
}

static int
read_choice(struct calls *c, const struct tree *t, const struct node *choice, uint32_t number)
{
	const struct node *message = message_of(c, choice);
	const struct node *older = tree_member(message, "function_call");
	const struct node *finish = tree_member(choice, "finish_reason");
	const struct node *content = tree_member(message, "content");
	const struct node *list = tree_member(message, "tool_calls");
	struct call_choice *of = calls_choice(c, number);
	uint32_t place = 0;
	int r = of ? 0 : CALLS_OVER;

	if (!r && says_calls(tree_member(choice, c->whole ? "delta" : "message")))
		r = CALLS_UNSOUND;
	if (of && content && content->tok == JSON_STRING && content->end > content->start + 2)
		of->said = true;
	for (const struct node *n = tree_list(list); n && !r; n = n->next, place++)
		r = is_anybodys(c, t, n, number)
			    ? CALLS_UNSOUND
			    : read_chat_call(c, t, n, number, chat_number_of(c, t, n, place));
	if (!r && older && older->tok == JSON_OBJECT)
		r = read_chat_call(c, t, older, number, OLDER);
	if (!r && tree_text(t, finish).n) /* some say "" until then */
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

/* The reason is text of the choice, after what it says already. */
static int
put_chat_reason(
	const struct tree *t, struct node *message, struct call_choice *of, struct held_call *h)
{
	struct node *content = tree_member(message, "content");
	struct buf b, part;
	bool ok;

	buf_init(&b, 0);
	buf_init(&part, 0);
	buf_str(&b, of->said ? "\n\n" : "");
	buf_span(&b, buf_view(&h->text));
	if (content && content->tok == JSON_ARRAY) {
		buf_str(&part, "{\"type\":\"text\",\"text\":");
		buf_json_str(&part, buf_view(&b));
		buf_putc(&part, '}');
		struct span json = arena_dup(t->a, buf_view(&part));
		ok = !buf_failed(&part) && json.p && tree_add(t, content, "", json);
	} else if (content) {
		ok = tree_append_text(t, content, buf_view(&b));
	} else {
		ok = tree_add_text(t, message, "content", buf_view(&b));
	}
	ok &= !buf_failed(&b);
	buf_free(&b);
	buf_free(&part);
	of->said = h->said = true;
	return ok ? 0 : ERR_NOMEM;
}

/* All of the new ones where the first piece has its place, and nothing in the others. */
static int
put_chat_arguments(const struct tree *t, struct node *call, struct held_call *h)
{
	static const char *const members[] = { "arguments", "input" };
	struct node *of[] = { tree_member(call, "function"), tree_member(call, "custom"),
		call };

	for (size_t i = 0; i < COUNT_OF(of); i++)
		for (size_t k = 0; k < COUNT_OF(members); k++) {
			struct node *n = tree_member(of[i], members[k]);
			if (!n || n->tok == JSON_NULL)
				continue;
			struct span now = h->said ? SPAN_LIT("") : calls_first(h);
			h->said = true;
			if (n->tok != JSON_STRING && !h->any_text && now.n) {
				struct span json = arena_dup(t->a, now);
				if (!json.p)
					return ERR_NOMEM;
				tree_put(n, json);
			} else if (!tree_put_text(t, n, now)) {
				return ERR_NOMEM;
			}
		}
	return 0;
}

static int
say_call(struct calls *c, const struct tree *t, struct node *message, struct node *call,
	struct call_choice *of)
{
	struct held_call *h = calls_of(c, call);
	struct node *index = tree_member(call, "index");

	if (!h)
		return 0;
	if (h->is == CALL_DENIED) {
		tree_cut(call);
		return h->said ? 0 : put_chat_reason(t, message, of, h);
	}
	if (h->place - h->less != h->index && h->index != OLDER) {
		if (!index && !c->whole && tree_add(t, call, "index", SPAN_LIT("0")))
			index = call->last;
		if (index && !tree_put_number(t, index, h->place - h->less))
			return ERR_NOMEM;
	}
	return h->is == CALL_EDITED ? put_chat_arguments(t, call, h) : 0;
}

static int
say_finish(const struct tree *t, struct node *finish, const struct call_choice *of)
{
	int err = calls_end(of, t, finish, "tool_calls", SPAN_LIT("stop"));

	return err ? err : calls_end(of, t, finish, "function_call", SPAN_LIT("stop"));
}

/* *empty: nothing is left of what it said. */
static int
say_choice(struct calls *c, const struct tree *t, struct node *choice, uint32_t number,
	bool *empty)
{
	struct node *message = message_of(c, choice);
	struct node *list = tree_member(message, "tool_calls");
	struct node *older = tree_member(message, "function_call");
	struct node *finish = tree_member(choice, "finish_reason");
	struct call_choice *of = calls_choice(c, number);
	int r = 0;

	if (!of)
		return CALLS_OVER;
	for (struct node *n = tree_elements(list); n && !r; n = n->next)
		r = say_call(c, t, message, n, of);
	if (list && list->changed && tree_is_empty(list))
		tree_cut(list);
	if (!r && older)
		r = say_call(c, t, message, older, of);
	*empty = message && message->changed && tree_is_empty(message) &&
		 !(finish && finish->tok == JSON_STRING);
	return r ? r : say_finish(t, finish, of);
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

const struct calls_dialect calls_chat = { formats, chat_read, chat_say, .keeps = false,
	.renumbers = true, .joins_names = true };
