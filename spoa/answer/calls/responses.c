/* Calls of OpenAI's responses: items that a client acts on. A stream says
 * an item when it begins, in pieces, when its arguments are there, when it is done, and in the
 * response at the end: all of them agree. In the place of one is a message, at its index, so
 * that reasoning before it still has an item after it. Where the provider keeps the turn
 * (`store` is not false) it has the call, too, and asks for its output in the next request:
 * then nothing is taken out, the answer is denied.
 * https://platform.openai.com/docs/api-reference/responses-streaming */
#include "answer/calls/calls_private.h"
#include "base/err.h"
#include "base/json_put.h"

/* The first two are said in pieces. The others are whole in their item: what it says when it is
 * done is what counts, and events between are for display. docs/tools.md lists them. */
enum { FUNCTION, CUSTOM, PIECES };
#define SEARCH "tool_search_call" /* the provider's, where it says so */
static const struct item_kind {
	const char *type, *name, *also; /* as rules know it; NULL: by its member `name` */
	const char *arguments[2];	/* one of these members has them */
} kinds[] = {
	{ "function_call", NULL, NULL, { "arguments" } },
	{ "custom_tool_call", NULL, NULL, { "input" } },
	{ "mcp_approval_request", NULL, NULL, { "arguments" } },
	{ "local_shell_call", "local_shell", NULL, { "action" } },
	{ "shell_call", "shell", NULL, { "action" } },
	{ "apply_patch_call", "apply_patch", NULL, { "operation" } },
	{ "computer_call", "computer", "computer_use_preview", { "action", "actions" } },
	{ SEARCH, "tool_search", NULL, { "arguments" } },
};
/* Calls of a type that is not known here have its name, and are their own arguments. */
enum { UNKNOWN = COUNT_OF(kinds), NO_KIND };
/* Those that the provider has run. */
static const char *const providers[] = { "web_search_call", "file_search_call",
	"code_interpreter_call", "image_generation_call", "mcp_call" };
static const char *const deltas[] = { "response.function_call_arguments.delta",
	"response.custom_tool_call_input.delta" };
static const char *const dones[] = { "response.function_call_arguments.done",
	"response.custom_tool_call_input.done" };

/* Which of them a text is; PIECES: none. */
static size_t
kind_of(const struct tree *t, const struct node *n, const char *const words[PIECES])
{
	return n && n->tok == JSON_STRING ? span_find(tree_text(t, n), words, PIECES) : PIECES;
}

static size_t
item_kind(const struct tree *t, const struct node *item)
{
	struct span type = tree_text(t, tree_member(item, "type"));

	if (span_is(type, SEARCH) && tree_is(t, tree_member(item, "execution"), "server"))
		return NO_KIND;
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (span_is(type, kinds[i].type))
			return i;
	return span_ends(type, SPAN_LIT("_call")) && !SPAN_IN(type, providers) ? UNKNOWN
									       : NO_KIND;
}

/* The node that has its arguments, or NULL. */
static struct node *
item_arguments(struct node *item, size_t kind)
{
	struct node *found = NULL;

	for (size_t i = 0; kind < UNKNOWN && i < 2 && kinds[kind].arguments[i]; i++) {
		struct node *n = tree_member(item, kinds[kind].arguments[i]);
		if (n && n->tok != JSON_NULL) {
			item->of->odd |= found != NULL;
			found = n;
		}
	}
	return kind == UNKNOWN ? item : found;
}

static const struct node *
event_type(const struct tree *t)
{
	return tree_member(t->root, "type");
}

static uint32_t
responses_index_of(const struct tree *t)
{
	return calls_number(t, tree_member(t->root, "output_index"), 0);
}

/* The response of the event, or of a whole answer. */
static struct node *
response_of(const struct calls *c, const struct tree *t)
{
	return c->whole ? t->root : tree_member(t->root, "response");
}

/* ---- read ---- */

/* What says all of the arguments: what came in pieces is the same, or it is two calls. */
static int
note_all(struct held_call *h, struct span name, struct span arguments)
{
	struct span had = buf_view(&h->arguments);
	bool same;

	/* a name is said whole */
	if (h->nnames && name.n && !span_eq(name, buf_view(&h->name)))
		return CALLS_UNSOUND;
	if (h->settled && arguments.n && !calls_same(h, arguments))
		return CALLS_UNSOUND;
	if (calls_joins(had, arguments, &same))
		return ERR_NOMEM;
	if (h->settled || h->lost || (had.n && same))
		return calls_note(h, name, SPAN_LIT(""));
	if (had.n && arguments.n)
		return CALLS_UNSOUND;
	return calls_note(h, name, arguments);
}

/* What is whole in its item: until the call is over another one may say more. */
static int
note_whole(struct held_call *h, struct span name, struct span arguments)
{
	if (h->nnames && !span_eq(name, buf_view(&h->name)))
		return CALLS_UNSOUND;
	if (h->settled)
		return calls_same(h, arguments) ? 0 : CALLS_UNSOUND;
	buf_clear(&h->arguments);
	return calls_note(h, name, arguments);
}

static int
item_name(const struct tree *t, const struct node *item, size_t kind, struct span *out)
{
	struct span type = tree_text(t, tree_member(item, "type"));

	if (kind < UNKNOWN && !kinds[kind].name)
		return calls_text(t, tree_member(item, "name"), out);
	*out = kind == UNKNOWN ? span_cut(type, 0, type.n - strlen("_call"))
			       : span_str(kinds[kind].name);
	return 0;
}

/* Whether it is of the kind that it was: a call does not become another one. */
static bool
is_still(struct held_call *h, size_t kind)
{
	bool is = !h->kind || h->kind == kind + 1;

	h->kind = (uint8_t)(kind + 1);
	h->any_text |= kind == CUSTOM;
	h->also = kind < UNKNOWN ? kinds[kind].also : NULL;
	h->apart = kind == UNKNOWN || kinds[kind].name;
	return is;
}

static int
read_item(struct calls *c, const struct tree *t, struct node *item, uint32_t index)
{
	size_t kind = item_kind(t, item);

	if (kind == NO_KIND)
		return 0;
	struct held_call *h = calls_at(c, 0, index);
	if (!h)
		return calls_failed(c);
	struct span name, said;
	int r = is_still(h, kind) ? item_name(t, item, kind, &name) : CALLS_UNSOUND;
	const struct node *n = item_arguments(item, kind);
	if (!r && kind < PIECES)
		r = calls_text(t, n, &said);
	else if (n)
		said = n->tok == JSON_STRING ? tree_text(t, n) : tree_raw(t, n);
	else
		said = SPAN_LIT("");
	if (!r)
		r = kind < PIECES ? note_all(h, name, said) : note_whole(h, name, said);
	return r ? r : calls_piece(c, h, item);
}

/* An event that says some of the arguments, or all of them. */
static int
read_piece(struct calls *c, const struct tree *t, size_t kind, bool all)
{
	struct held_call *h = calls_at(c, 0, responses_index_of(t));
	struct span name, said;

	if (!h)
		return calls_failed(c);
	const char *at = all ? kinds[kind].arguments[0] : "delta";
	int r = is_still(h, kind) ? calls_text(t, tree_member(t->root, at), &said)
				  : CALLS_UNSOUND;
	if (!r)
		r = calls_text(t, tree_member(t->root, "name"), &name);
	if (r)
		return r;
	r = all ? note_all(h, name, said) : calls_note(h, SPAN_LIT(""), said);
	return r ? r : calls_piece(c, h, t->root);
}

static int
responses_read(struct calls *c, const struct tree *t)
{
	const struct node *type = event_type(t), *response = response_of(c, t);
	const struct node *number = tree_member(t->root, "sequence_number"),
			  *store = tree_member(response, "store"),
			  *conversation = tree_member(response, "conversation");
	struct node *item = c->whole ? NULL : tree_member(t->root, "item");
	struct held_call *h;
	uint32_t place = 0;
	size_t kind;
	int r = 0;

	c->now->number = tree_number(t, number, UINT64_MAX) + 1;
	if (store)
		c->kept = store->tok != JSON_FALSE ||
			  (conversation && conversation->tok != JSON_NULL);
	if (!c->whole && (kind = kind_of(t, type, deltas)) < PIECES)
		r = read_piece(c, t, kind, false);
	else if (!c->whole && (kind = kind_of(t, type, dones)) < PIECES)
		r = read_piece(c, t, kind, true);
	else if (!c->whole && !item && tree_member(t->root, "output_index") &&
		 (h = calls_find(c, 0, responses_index_of(t))))
		r = calls_piece(c, h, t->root); /* it is for display */
	for (struct node *n = tree_list(tree_member(response, "output")); n && !r;
		n = n->next, place++)
		r = read_item(c, t, n, place);
	if (!r && item) {
		r = read_item(c, t, item, responses_index_of(t));
		h = calls_find(c, 0, responses_index_of(t));
		if (h && tree_is(t, type, "response.output_item.done"))
			h->over = true;
	}
	if (tree_is(t, type, "response.completed") || tree_is(t, type, "response.incomplete") ||
		tree_is(t, type, "response.failed"))
		calls_all_over(c);
	return r;
}

/* ---- said ---- */

/* Of the message in a call's place: the call's own with the other prefix. */
static void
put_id(const struct tree *t, const struct node *item, struct buf *out)
{
	struct span id = tree_text(t, tree_member(item, "id"));
	size_t after = span_chr(id, '_');
	struct buf b;

	if (!id.n)
		id = tree_text(t, tree_member(item, "call_id"));
	buf_init(&b, 0);
	buf_str(&b, "msg_");
	buf_span(&b, after < id.n ? span_cut(id, after + 1, id.n) : id);
	buf_json_str(out, buf_view(&b));
	out->failed |= b.failed;
	buf_free(&b);
}

static void
put_part(struct span text, struct buf *out)
{
	buf_str(out, "{\"type\":\"output_text\"");
	json_put_text(out, "text", text);
	json_put_raw(out, "annotations", SPAN_LIT("[]"));
	buf_putc(out, '}');
}

static int
put_message(const struct tree *t, struct node *item, struct span text, bool done)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, "{\"id\":");
	put_id(t, item, &b);
	buf_printf(&b,
		",\"type\":\"message\",\"status\":\"%s\",\"role\":\"assistant\",\"content\":[",
		done ? "completed" : "in_progress");
	if (done)
		put_part(text, &b);
	buf_str(&b, "]}");
	return tree_put_made(t, item, &b);
}

static int
put_responses_arguments(const struct tree *t, struct node *n, struct span text)
{
	/* what begins says none of them yet */
	if (!n || n->tok != JSON_STRING || n->end == n->start + 2)
		return 0;
	return tree_put_text(t, n, text);
}

/* An item, wherever it is. `done`: it says all of it. */
static int
say_item(const struct tree *t, struct node *item, struct held_call *h, bool done)
{
	if (h->is == CALL_DENIED)
		return put_message(t, item, buf_view(&h->text), done);
	size_t kind = item_kind(t, item);
	if (h->is != CALL_EDITED || kind == NO_KIND)
		return 0;
	struct node *n = item_arguments(item, kind);
	if (n && n->tok != JSON_STRING)
		return tree_put_json(t, n, buf_view(&h->text));
	return put_responses_arguments(t, n, buf_view(&h->text));
}

/* What our own events have alike. */
static void
put_event(struct calls *c, const struct tree *t, const char *type, struct buf *out)
{
	const struct node *number = tree_member(t->root, "sequence_number");

	json_put_open(out, NULL, '{');
	json_put_str(out, "type", type);
	if (number)
		json_put_uint(out, "sequence_number", c->number++);
	json_put_name(out, "item_id");
	put_id(t, tree_member(t->root, "item"), out);
	json_put_uint(out, "output_index", responses_index_of(t));
	json_put_uint(out, "content_index", 0);
}

/* The message's text, before its item is done. */
static int
say_text(struct calls *c, const struct tree *t, const struct held_call *h)
{
	static const char *const own[] = { "response.content_part.added",
		"response.output_text.delta", "response.output_text.done",
		"response.content_part.done" };
	struct span text = buf_view(&h->text);
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(own) && !r; i++) {
		struct buf b;
		buf_init(&b, 0);
		put_event(c, t, own[i], &b);
		if (i == 0 || i == 3) {
			json_put_name(&b, "part");
			put_part(i ? text : SPAN_LIT(""), &b);
		} else {
			json_put_text(&b, i == 1 ? "delta" : "text", text);
		}
		buf_putc(&b, '}');
		r = calls_say(c, span_str(own[i]), &b);
	}
	return r;
}

/* A piece of its arguments, or all of them. */
static int
say_piece(const struct tree *t, struct held_call *h, bool *drop)
{
	size_t all = kind_of(t, event_type(t), dones);
	bool delta = kind_of(t, event_type(t), deltas) < PIECES,
	     other = !delta && all == PIECES;
	struct span text = h->said ? SPAN_LIT("") : calls_first(h);

	*drop = h->is == CALL_DENIED || (other && h->is == CALL_EDITED);
	if (*drop || h->is != CALL_EDITED)
		return 0;
	if (!delta)
		return put_responses_arguments(
			t, tree_member(t->root, kinds[all].arguments[0]), buf_view(&h->text));
	h->said = true;
	return put_responses_arguments(t, tree_member(t->root, "delta"), text);
}

/* Events count on from the one that went before. */
static int
say_number(struct calls *c, const struct tree *t)
{
	struct node *number = tree_member(t->root, "sequence_number");
	uint64_t said = tree_number(t, number, UINT64_MAX) + 1;

	if (!said)
		return 0;
	c->number = c->number ? c->number + 1 : said;
	return c->number == said ? 0 : tree_put_number(t, number, c->number - 1);
}

static int
responses_say(struct calls *c, const struct tree *t, bool *drop)
{
	struct node *item = c->whole ? NULL : tree_member(t->root, "item");
	bool done = tree_is(t, event_type(t), "response.output_item.done");
	struct held_call *h;
	int r = 0;

	for (struct node *n = tree_elements(tree_member(response_of(c, t), "output")); n && !r;
		n = n->next)
		if ((h = calls_of(c, n)))
			r = say_item(t, n, h, true);
	if (!r && (h = calls_of(c, item))) {
		if (done && h->is == CALL_DENIED)
			r = say_text(c, t, h);
		if (!r)
			r = say_item(t, item, h, done);
	}
	if (!r && !c->whole && (h = calls_of(c, t->root)))
		r = say_piece(t, h, drop);
	return r || *drop ? r : say_number(c, t);
}

static const struct answer_format *const formats[] = { &answer_openai_responses, NULL };

const struct calls_dialect calls_responses = { formats, responses_read, responses_say,
	.keeps = true };
