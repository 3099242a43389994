/* Calls of Ollama's chat: elements of a line's tool_calls, each whole. The reason is text of
 * the same line's message. https://github.com/ollama/ollama/blob/main/docs/api.md */
#include "answer/calls/calls_private.h"
#include "base/err.h"

static struct node *
ollama_calls(const struct tree *t)
{
	return tree_member(tree_member(t->root, "message"), "tool_calls");
}

static int
ollama_read(struct calls *c, const struct tree *t)
{
	const struct node *message = tree_member(t->root, "message");
	const struct node *content = tree_member(message, "content");
	struct call_choice *of = calls_choice(c, 0);
	bool is_new;
	int r = 0;

	of->said |= content && content->end > content->start + 2;
	for (const struct node *n = tree_list(ollama_calls(t)); n && !r; n = n->next) {
		const struct node *function = tree_member(n, "function");
		struct span name, arguments;
		struct held_call *h = calls_at(c, 0, (uint32_t)c->ncalls, &is_new);
		if (!h)
			return calls_failed(c);
		h->over = true;
		r = calls_text(t, tree_member(function, "name"), &name);
		if (!r)
			r = calls_arguments(t, tree_member(function, "arguments"), &arguments);
		if (!r)
			r = calls_note(h, name, arguments);
		if (!r)
			r = calls_piece(c, h, n);
	}
	return r;
}

/* The reason is text of the message, after what it says already. */
static bool
put_ollama_reason(const struct tree *t, struct held_call *h, struct call_choice *of)
{
	struct node *message = tree_member(t->root, "message");
	struct node *content = tree_member(message, "content");
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, of->said ? "\n\n" : "");
	buf_span(&b, buf_view(&h->text));
	of->said = true;
	bool ok = !buf_failed(&b) &&
		  (content ? tree_append_text(t, content, buf_view(&b))
			   : tree_add_text(t, message, "content", buf_view(&b)));
	buf_free(&b);
	return ok;
}

static bool
put_ollama_arguments(const struct tree *t, const struct node *call, const struct held_call *h)
{
	struct node *n = tree_member(tree_member(call, "function"), "arguments");
	struct span text = buf_view(&h->text), json;

	if (!n)
		return true;
	if (n->tok == JSON_STRING)
		return tree_put_text(t, n, text);
	json = arena_dup(t->a, text);
	if (json.p)
		tree_put(n, json);
	return json.p;
}

static int
ollama_say(struct calls *c, const struct tree *t, bool *drop)
{
	struct node *list = ollama_calls(t);
	bool ok = true;

	(void)drop;
	for (struct node *n = tree_elements(list); n && ok; n = n->next) {
		struct held_call *h = calls_of(c, n);
		if (!h)
			continue;
		if (h->is == CALL_DENIED) {
			tree_cut(n);
			ok = put_ollama_reason(t, h, calls_choice(c, 0));
		} else if (h->is == CALL_EDITED) {
			ok = put_ollama_arguments(t, n, h);
		}
	}
	if (list && list->changed && tree_is_empty(list))
		tree_cut(list);
	return ok ? 0 : ERR_NOMEM;
}

static const struct answer_format *const formats[] = { &answer_ollama, NULL };

const struct calls_dialect calls_ollama = { formats, ollama_read, ollama_say, .keeps = false };
