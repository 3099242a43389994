/* Calls of answers that the provider keeps with the turn, and asks for the output of in the
 * next request: Gemini's interactions and Mistral's conversations, and sessions of Gemini's
 * Live. None is taken out: one that is denied denies the answer. Their arguments may be
 * redacted. https://ai.google.dev/api/interactions-api (steps; content of older revisions),
 * https://docs.mistral.ai/api/endpoint/beta/conversations, https://ai.google.dev/api/live */
#include "answer/calls/calls_private.h"

enum { OF_LIST = 1 << 16 }; /* items of one list and of the next are not the same */

static void
kept_read(struct calls *c)
{
	static const char *const ends[] = { "interaction.complete", "interaction.completed",
		"conversation.response.done" };
	const struct node *number = calls_member(c, "index"),
			  *type = calls_member(c, "event_type"), *of;
	uint32_t index = calls_number(c, number ? number : calls_member(c, "output_index"), 0);
	struct held_call *h = calls_find(c, 0, index);

	CALLS_EACH (n, c, c->root) {
		of = n->up && n->up->tok == JSON_ARRAY ? n->up : NULL;
		/* what an item grows by is a call's by its type, or where there is one */
		if (!of && span_is(n->key, "delta") && !h && !calls_parts(n).kind->type)
			continue;
		uint32_t at =
			!of ? index : calls_place(n) + span_is(of->key, "outputs") * OF_LIST;
		calls_read(c, calls_at(c, 0, at), n, n);
	}
	struct span is = tree_text(c->t, type ? type : calls_member(c, "type"));
	if (h && span_ends(is, SPAN_LIT(".stop")))
		h->over = true;
	/* a call of a conversation has no end of its own; nor is it over with another item */
	if (SPAN_IN(is, ends))
		calls_over(c, CALL_ALL);
}

static bool
kept_say(struct calls *c)
{
	CALLS_EACH (n, c, c->root) {
		struct held_call *h = calls_of(c, n);
		if (h && h->is == CALL_EDITED)
			calls_put_arguments(h, n);
	}
	return false;
}

const struct calls_dialect calls_kept = { kept_read, kept_say, .keeps = true,
	.begins_empty = true };

/* Each is whole in its event, and one after another. */
static void
live_calls_read(struct calls *c)
{
	CALLS_EACH (n, c, c->root) {
		calls_read(c, calls_at(c, 0, (uint32_t)c->ncalls), n, n);
		calls_over(c, CALL_ALL);
	}
}

const struct calls_dialect calls_live = { live_calls_read, kept_say, .keeps = true };
