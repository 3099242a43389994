/* Calls of Ollama's chat: elements of a line's tool_calls, each whole. The reason is text of
 * the same line's message. https://github.com/ollama/ollama/blob/main/docs/api.md */
#include "answer/calls/calls_private.h"
#include "base/attr.h"

static int
ollama_read(struct calls *c, const struct tree *t)
{
	const struct node *content = tree_member(tree_member(t->root, "message"), "content");
	struct call_choice *of = calls_choice(c, 0);
	int r = 0;

	of->said |= content && content->end > content->start + 2;
	for (struct node *n = calls_next(c, t->root, t->root); n && !r;
		n = calls_next(c, t->root, n)) {
		struct held_call *h = calls_at(c, 0, (uint32_t)c->ncalls);
		r = calls_read(c, t, h, n, n);
		if (h)
			h->over = true;
	}
	return r;
}

static int
put_ollama_reason(
	struct calls *c, const struct tree *t, struct node *message, struct held_call *h)
{
	return calls_put_reason(t, message, calls_choice(c, 0), h);
}

static int
ollama_say(struct calls *c, const struct tree *t, bool *drop UNUSED)
{
	return calls_say_listed(c, t, put_ollama_reason);
}

static const struct answer_format *const formats[] = { &answer_ollama, NULL };

const struct calls_dialect calls_ollama = { formats, ollama_read, ollama_say, .keeps = false };
