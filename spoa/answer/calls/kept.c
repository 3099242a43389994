/* Calls of answers that the provider keeps with the turn, and asks for the output of in the
 * next request: Gemini's interactions and Mistral's conversations. None is taken out: one that
 * is denied denies the answer. Their arguments may be redacted.
 * https://ai.google.dev/api/interactions-api (steps; content of older revisions),
 * https://docs.mistral.ai/api/endpoint/beta/conversations */
#include "answer/calls/calls_private.h"
#include "base/err.h"

static const char *const lists[] = { "steps", "outputs" };
static const char *const types[] = { "function_call", "function.call" };
/* Where the items that an event says are, and responses. */
static const char *const items[] = { "step", "content" };
static const char *const responses[] = { "interaction", "response" };
static const char *const ends[] = { "interaction.complete", "interaction.completed",
	"conversation.response.done" };

enum { OF_LIST = 1 << 16 }; /* items of one list and of the next are not the same */

static bool
is_call(const struct tree *t, const struct node *item)
{
	return SPAN_IN(tree_text(t, tree_member(item, "type")), types);
}

static uint32_t
kept_index_of(const struct tree *t)
{
	const struct node *n = tree_member(t->root, "index");

	return calls_number(t, n ? n : tree_member(t->root, "output_index"), 0);
}

/* What is whole in its event is there to its end. */
static int
read_kept_call(struct calls *c, const struct tree *t, const struct node *n, uint32_t index)
{
	struct span name, said;
	struct held_call *h = calls_at(c, 0, index);

	if (!h)
		return calls_failed(c);
	int r = calls_text(t, tree_member(n, "name"), &name);
	if (!r)
		r = calls_arguments(t, tree_member(n, "arguments"), &said);
	if (r)
		return r;
	/* it begins with none, or is said again */
	if (h->settled || (!c->whole && span_is(said, "{}")))
		said = SPAN_LIT("");
	r = calls_note(h, name, said);
	return r ? r : calls_piece(c, h, n);
}

static int
read_kept_lists(struct calls *c, const struct tree *t, const struct node *of)
{
	int r = 0;

	for (uint32_t i = 0; i < COUNT_OF(lists); i++) {
		uint32_t place = i * OF_LIST;
		for (const struct node *n = tree_list(tree_member(of, lists[i])); n && !r;
			n = n->next, place++)
			r = is_call(t, n) ? read_kept_call(c, t, n, place) : 0;
	}
	return r;
}

static int
kept_read(struct calls *c, const struct tree *t)
{
	struct span type = tree_text(t, tree_member(t->root, "event_type"));
	const struct node *delta = tree_member(t->root, "delta");
	struct held_call *h = calls_find(c, 0, kept_index_of(t));
	int r = 0;

	if (!type.n)
		type = tree_text(t, tree_member(t->root, "type"));
	if (c->whole)
		return read_kept_lists(c, t, t->root);
	for (size_t i = 0; i < COUNT_OF(responses) && !r; i++)
		r = read_kept_lists(c, t, tree_member(t->root, responses[i]));
	for (size_t i = 0; i < COUNT_OF(items) && !r; i++)
		if (is_call(t, tree_member(t->root, items[i])))
			r = read_kept_call(
				c, t, tree_member(t->root, items[i]), kept_index_of(t));
	if (!r && span_is(type, "function.call.delta"))
		r = read_kept_call(c, t, t->root, kept_index_of(t));
	if (!r && delta && (h || is_call(t, delta)))
		r = read_kept_call(c, t, delta, kept_index_of(t));
	if (h && span_ends(type, SPAN_LIT(".stop")))
		h->over = true;
	/* a call of a conversation has no end of its own; nor is it over with another item */
	if (SPAN_IN(type, ends))
		calls_all_over(c);
	return r;
}

/* ---- said ---- */

/* All of them in the first piece, and what says them again. */
static int
say_call(struct calls *c, const struct tree *t, const struct node *n, bool again)
{
	struct held_call *h = calls_of(c, n);
	struct node *arguments = tree_member(n, "arguments");
	bool first = h && (again || !h->said);

	if (!h || h->is != CALL_EDITED || !arguments || arguments->tok == JSON_NULL ||
		(arguments->tok == JSON_OBJECT && !arguments->first && !again))
		return 0;
	h->said |= !again;
	if (arguments->tok == JSON_STRING)
		return tree_put_text(t, arguments,
			!first	? SPAN_LIT("")
			: again ? buf_view(&h->text)
				: calls_first(h));
	return tree_put_json(t, arguments, first ? buf_view(&h->text) : SPAN_LIT("{}"));
}

static int
say_lists(struct calls *c, const struct tree *t, const struct node *of)
{
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(lists); i++)
		for (const struct node *n = tree_elements(tree_member(of, lists[i])); n && !r;
			n = n->next)
			r = say_call(c, t, n, true);
	return r;
}

static int
kept_say(struct calls *c, const struct tree *t, bool *drop)
{
	const struct node *said[] = { tree_member(t->root, items[0]),
		tree_member(t->root, items[1]) };
	int r = 0;

	*drop = false;
	if (c->whole)
		return say_lists(c, t, t->root);
	for (size_t i = 0; i < COUNT_OF(responses) && !r; i++)
		r = say_lists(c, t, tree_member(t->root, responses[i]));
	for (size_t i = 0; i < COUNT_OF(said) && !r; i++)
		if (said[i])
			r = say_call(c, t, said[i], false);
	if (!r && tree_member(t->root, "delta"))
		r = say_call(c, t, tree_member(t->root, "delta"), false);
	return r ? r : say_call(c, t, t->root, false);
}

static const struct answer_format *const formats[] = { &answer_interactions,
	&answer_conversations, NULL };

const struct calls_dialect calls_kept = { formats, kept_read, kept_say, .keeps = true };
