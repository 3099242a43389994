/* Calls of Ollama's chat: elements of tool_calls in a line, each whole. The reason becomes text
 * of the same line's message. Source: https://github.com/ollama/ollama/blob/main/docs/api.md */
#include "answer/calls/calls_private.h"

static void
ollama_read(struct calls *c)
{
	const struct node *content = tree_member(calls_member(c, "message"), "content");

	calls_choice(c, 0)->said |= content && content->end > content->start + 2;
	CALLS_EACH (n, c, c->root) {
		calls_read(c, calls_at(c, 0, (uint32_t)c->ncalls), n, n);
		calls_over(c, CALL_ALL);
	}
}

static bool
ollama_say(struct calls *c)
{
	calls_say_whole(c);
	return false;
}

const struct calls_dialect calls_ollama = { ollama_read, ollama_say,
	.put_reason = calls_put_reason };
