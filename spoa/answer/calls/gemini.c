/* Calls of Gemini's generateContent: parts with a functionCall.
 *
 * A call is whole in its part. On Vertex it may also arrive in pieces, which are values with
 * paths. A removed call is replaced by a part of text. The provider signs only the first of
 * several calls and does not accept the others without it, so if the signed call is denied, the
 * unsigned ones are too. Sources: https://ai.google.dev/gemini-api/docs/thought-signatures
 * https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling */
#include "answer/calls/calls_private.h"

/* Returns the member in either spelling, since readers of protocol buffers accept both. If both
 * are present, readers differ in which one counts, and the tree is odd. */
static struct node *
either(const struct node *of, const char *camel, const char *snake)
{
	struct node *n = tree_member(of, camel), *other = tree_member(of, snake);

	if (n && other)
		of->of->odd = true;
	return n ? n : other;
}

/* ---- reading ---- */

/* Returns the last call of the choice, or NULL. */
static struct held_call *
last_of(const struct calls *c, uint32_t choice)
{
	struct held_call *h;

	TAILQ_FOREACH_REVERSE(h, &c->calls, held_calls, all)
	if (h->choice == choice)
		return h;
	return NULL;
}

static void
read_part(struct calls *c, struct node *call, uint32_t choice)
{
	struct call_parts p = calls_parts(call);
	const struct node *partial = tree_elements(either(call, "partialArgs", "partial_args"));
	const struct node *more = either(call, "willContinue", "will_continue");
	struct node *part = calls_element(call);
	bool code = p.arguments[0] == call, named = code || tree_text(c->t, p.name[0]).n;
	struct held_call *h = last_of(c, choice);

	/* some clients add arguments without a call to the previous call */
	if (!named && (!h || h->over) &&
		(partial || calls_arguments(c, p.arguments[0]).n > strlen("{}")))
		calls_fail(c, CALLS_UNSOUND);
	if (!h || h->over || named) {
		const struct node *signature =
			either(part, "thoughtSignature", "thought_signature");
		struct held_call *first = calls_find(c, choice, 0);
		if (!code)
			calls_over(c, choice);
		h = calls_at(c, choice, h ? h->index + 1 : 0);
		if (!h)
			return;
		h->is_signed = !code && tree_text(c->t, signature).n;
		/* a call with a signature of its own can be sent alone */
		h->with = !code && first && first->is_signed && !h->is_signed ? first : NULL;
	}
	h->lost |= partial != NULL;
	h->begun |= h->lost;
	calls_read(c, h, call, part);
	/* values with paths: not JSON that rules could read, but their length counts */
	for (const struct node *v = partial; v; v = v->next) {
		const struct node *text = either(v, "stringValue", "string_value");
		calls_note(h, SPAN_LIT(""), tree_text(c->t, text), SAYS_MORE);
		calls_said_at(c, text);
	}
	h->over |= !more || more->tok != JSON_TRUE;
}

static void
gemini_read(struct calls *c)
{
	uint32_t choice, place = 0;

	for (struct node *of = tree_list(calls_member(c, "candidates")); of; of = of->next) {
		const struct node *finish = either(of, "finishReason", "finish_reason");
		const struct node *before = NULL;
		choice = calls_number(c, tree_member(of, "index"), place++);
		CALLS_EACH (n, c, of) {
			if (calls_element(n) == before)
				calls_fail(c, CALLS_UNSOUND);
			before = calls_element(n);
			read_part(c, n, choice);
		}
		/* Vertex may send a finish reason in each event, even while a call continues */
		struct held_call *last = last_of(c, choice);
		if (last)
			last->may_end = tree_text(c->t, finish).n > 0;
	}
}

/* ---- writing ---- */

/* Returns true if nothing of the candidate is left to send. */
static bool
say_candidate(struct calls *c, struct node *candidate)
{
	struct node *parts = tree_member(tree_member(candidate, "content"), "parts");
	const struct node *finish = either(candidate, "finishReason", "finish_reason");

	/* one part replaces all pieces of a call */
	CALLS_EACH (n, c, candidate) {
		struct node *part = calls_element(n);
		struct held_call *h = calls_of(c, part);
		if (h && h->is == CALL_EDITED)
			calls_put_arguments(h, n);
		else if (h && h->is == CALL_DENIED && h->said)
			tree_cut(part);
		else if (h && h->is == CALL_DENIED)
			tree_put_form(part, "{'text':%t}", buf_view(&h->text));
		if (h)
			h->said = true;
	}
	if (!parts || !parts->changed || !tree_is_empty(parts))
		return false;
	/* the SDK's chats do not keep a final event without parts */
	if (finish)
		tree_put(parts, SPAN_LIT("[{\"text\":\"\"}]"));
	return !finish;
}

static bool
gemini_say(struct calls *c)
{
	struct node *first = tree_elements(calls_member(c, "candidates"));
	bool all = !c->whole && first;

	for (struct node *n = first; n; n = n->next)
		all &= say_candidate(c, n);
	return all;
}

const struct calls_dialect calls_gemini = { gemini_read, gemini_say, .keeps = false };
