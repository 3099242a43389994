/* Calls of responses that the provider keeps with the turn: Gemini's interactions, Mistral's
 * conversations, and sessions of Gemini's Live. The provider expects their output in the next
 * request, so no call is removed: a denied one denies the response. Their arguments may be
 * redacted. Sources: https://ai.google.dev/api/interactions-api (steps; content of older
 * revisions), https://docs.mistral.ai/api/endpoint/beta/conversations,
 * https://ai.google.dev/api/live */
#include "answer/calls/calls_private.h"

enum { OF_LIST = 1 << 16 }; /* numbers items of `outputs` apart from those of other lists */

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
		/* a delta belongs to a call by its type, or if its item is one */
		if (!of && span_is(n->key, "delta") && !h && !calls_parts(n).kind->type)
			continue;
		uint32_t at =
			!of ? index : calls_place(n) + span_is(of->key, "outputs") * OF_LIST;
		calls_read(c, calls_at(c, 0, at), n, n);
	}
	struct span is = tree_text(c->t, type ? type : calls_member(c, "type"));
	if (h && span_ends(is, SPAN_LIT(".stop")))
		h->over = true;
	/* a conversation's call has no end of its own, and the next item does not end it */
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

/* Live sends each call whole, in one event. */
static void
live_calls_read(struct calls *c)
{
	CALLS_EACH (n, c, c->root) {
		calls_read(c, calls_at(c, 0, (uint32_t)c->ncalls), n, n);
		calls_over(c, CALL_ALL);
	}
}

const struct calls_dialect calls_live = { live_calls_read, kept_say, .keeps = true };
