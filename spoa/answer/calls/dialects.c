/* How each provider's protocol writes calls.
 *
 * Calls, with their names, arguments and finish reasons, are found by the rows of their format.
 * The rules and guard/ use the same rows, so both read the same places. calls_parts() finds
 * name and arguments in an object; calls_next() finds the objects. calls_read() adds them to
 * the call, and the functions after it write a decided call.
 *
 * A section for each dialect determines which events may follow each other, and what is written
 * in the place of a removed call (struct calls_dialect). calls.c holds the calls. */
#include "answer/calls/calls_private.h"

/* ---- finding the parts of a call ---- */

/* Returns the kind of call that the object's type determines. NULL: it is not a call, or the
 * provider runs it. */
static const struct answer_call_kind *
kind_of_call(const struct answer_call_kind *kinds, const struct node *n)
{
	const struct answer_call_kind *kind =
		answer_kind_of_type(kinds, tree_text(n->of, tree_member(n, "type")));
	bool none = !kind || kind->says == SAYS_NONE ||
		    (kind->runs && tree_is(n->of, tree_member(n, "execution"), "server"));

	return none ? NULL : kind;
}

static void
find_parts(struct node *of, struct call_parts *p)
{
	for (struct node *n = of->first; n; n = n->next) {
		const struct answer_row *row = n->rows ? n->rows->rows : NULL;
		bool any_text = row && row->kind == KIND_INPUT;
		struct node **part = NULL;
		if (row && row->read == READ_TOOL)
			part = &p->name[any_text];
		else if (row &&
			 (row->read == READ_INPUT || row->kind == KIND_ARGUMENTS || any_text))
			part = &p->arguments[any_text];
		if (part) {
			n->of->odd |= *part != NULL;
			*part = n;
		} else if (n->rows && n->rows->calls && n->tok == JSON_OBJECT) {
			find_parts(n, p);
		}
	}
}

struct call_parts
calls_parts(struct node *of)
{
	const struct answer_row *row = of && of->rows ? of->rows->call : NULL;
	struct call_parts p = { 0 };

	if (of && (!row || !row->kinds)) {
		find_parts(of, &p);
		return p;
	}
	p.kind = of ? kind_of_call(row->kinds, of) : NULL;
	if (!p.kind)
		return p;
	struct node **part = &p.arguments[p.kind->any_text];
	p.name[p.kind->any_text] = p.kind->tool ? NULL : tree_member(of, "name");
	for (size_t i = 0; i < 2 && p.kind->arguments[i]; i++) {
		struct node *n = tree_member(of, p.kind->arguments[i]);
		if (n && n->tok != JSON_NULL) {
			of->of->odd |= *part != NULL;
			*part = n;
		}
	}
	if (!p.kind->arguments[0]) {
		p.name[0] = NULL;
		*part = of;
	}
	return p;
}

static bool
is_call(const struct node *n, const struct answer_row *row)
{
	bool unless = row->type && *row->type == '!';

	if (row->kinds)
		return kind_of_call(row->kinds, n) != NULL;
	return !row->type ||
	       tree_is(n->of, tree_member(n, "type"), row->type + unless) != unless;
}

/* Returns the first call within `within`, or the next one after `n`; NULL: none. A call in a
 * place that belongs to the other kind of response (whole or streamed) makes the tree odd and
 * is skipped. */
static struct node *
calls_next(const struct calls *c, struct node *within, const struct node *n)
{
	enum answer_part other = c->whole ? IN_EVENT : IN_WHOLE;
	struct node *next = n ? tree_next(n, within) : within;

	for (; next; next = tree_next(next, within)) {
		const struct answer_row *call = next->rows ? next->rows->call : NULL;
		if (!call || next->tok != JSON_OBJECT || !is_call(next, call))
			continue;
		if (call->part != other)
			return next;
		next->of->odd = true;
	}
	return NULL;
}

#define CALLS_EACH(n, c, within)                                                               \
	for (struct node *n = calls_next(c, within, NULL); n; n = calls_next(c, within, n))

/* Returns the element of a list that `n` is, or is in. Outside of lists: the document. */
static struct node *
calls_element(struct node *n)
{
	while (n->up && n->up->tok != JSON_ARRAY)
		n = n->up;
	return n;
}

/* Returns how many elements of its list precede the node. */
static uint32_t
calls_place(const struct node *n)
{
	uint32_t place = 0;

	for (const struct node *o = n->up ? n->up->first : n; o != n; o = o->next)
		place++;
	return place;
}

/* ---- reading the parts of a call ---- */

struct node *
calls_member(const struct calls *c, const char *key)
{
	return tree_member(c->root, key);
}

bool
calls_is(const struct calls *c, const char *key, const char *word)
{
	return tree_is(c->t, calls_member(c, key), word);
}

/* Returns the number in `n`, or `otherwise` if the node is missing or null. Anything that is no
 * number, and numbers above INT32_MAX, become NO_NUMBER. */
static uint32_t
calls_number(const struct calls *c, const struct node *n, uint64_t otherwise)
{
	bool says = n && n->tok != JSON_NULL;
	uint64_t v = tree_number(c->t, n, says ? NO_NUMBER : otherwise);

	return v > INT32_MAX ? NO_NUMBER : (uint32_t)v;
}

/* Returns the string in `n`, or "" if the node is missing or null. Any other value ends the
 * response, since nobody could judge it. */
static struct span
calls_text_of(struct calls *c, const struct node *n)
{
	if (n && n->tok != JSON_STRING && n->tok != JSON_NULL)
		calls_fail(c, CALLS_UNSOUND);
	return tree_text(c->t, n);
}

/* Likewise, but an object is returned as it is written. */
static struct span
calls_arguments(struct calls *c, const struct node *n)
{
	return n && n->tok == JSON_OBJECT ? tree_raw(c->t, n) : calls_text_of(c, n);
}

/* Notes that the string `n` of the event holds arguments. Other nodes are ignored. */
static void
calls_said_at(struct calls *c, const struct node *n)
{
	if (!n || n->tok != JSON_STRING)
		return;
	c->now->text = n->start;
	c->now->text_end = n->end;
	c->now->texts++;
}

/* Sets the call's kind; a call must not change from one kind to another. Returns the name that
 * the kind determines, or "" if a member holds the name. */
static struct span
read_call_kind(struct calls *c, struct held_call *h, const struct node *of,
	const struct answer_call_kind *kind)
{
	struct span type = tree_text(c->t, tree_member(of, "type"));
	const char *is = kind->of ? kind->of : kind->type, *was = NULL;

	if (h->kind)
		was = h->kind->of ? h->kind->of : h->kind->type;
	if (is && was && strcmp(is, was) != 0)
		calls_fail(c, CALLS_UNSOUND);
	h->kind = is || !h->kind ? kind : h->kind;
	if (kind->tool || kind->arguments[0])
		return kind->tool ? span_str(answer_own_name(kind->tool)) : SPAN_LIT("");
	return span_cut(type, 0, type.n - strlen("_call"));
}

/* Reads name, arguments and type from `of` into the call. `piece` is the node to look up later.
 * h NULL: does nothing. */
static void
calls_read(struct calls *c, struct held_call *h, struct node *of, const struct node *piece)
{
	struct call_parts p = calls_parts(of);
	struct span name[2], said[2];

	if (!h)
		return;
	for (int i = 0; i < 2; i++) {
		const struct node *n = p.arguments[i];
		/* a string is required where only a string is valid */
		bool text = p.kind || (n && n->rows->rows->read == READ_TEXT);
		name[i] = calls_text_of(c, p.name[i]);
		if (p.kind && p.kind->says == SAYS_LAST && n && n->tok != JSON_STRING)
			said[i] = tree_raw(c->t, n);
		else
			said[i] = c->d->texts && text ? calls_text_of(c, n)
						      : calls_arguments(c, n);
	}
	struct span known = p.kind ? read_call_kind(c, h, of, p.kind) : SPAN_LIT("");
	if (known.n)
		name[p.kind->any_text] = known;
	/* some clients take the type, others the members that are present */
	int is = name[1].n || said[1].n;
	if (is && (name[0].n || said[0].n))
		calls_fail(c, CALLS_UNSOUND);
	if (c->d->by_id && h->index != CALL_OLDER)
		h = calls_by_id(c, h, calls_text_of(c, tree_member(of, "id")), name[is]);
	if (!h)
		return;
	h->any_text |= p.name[1] || p.arguments[1];
	if (c->d->begins_empty && !c->whole && span_is(said[is], "{}"))
		said[is] = SPAN_LIT("");
	calls_note(h, name[is], said[is], p.kind ? p.kind->says : SAYS_MORE);
	calls_said_at(c, p.arguments[is]);
	calls_piece(c, h, piece);
}

void
calls_read_whole(struct calls *c)
{
	CALLS_EACH (n, c, c->root) {
		struct node *at = calls_element(n);
		calls_read(c, calls_at(c, 0, calls_place(at)), n, at);
	}
}

/* ---- writing a decided call ---- */

/* Writes the new arguments in the place of the first piece, and empty ones in the others. */
static void
calls_put_arguments(struct held_call *h, struct node *of)
{
	struct call_parts p = calls_parts(of);
	bool all = p.kind && p.kind->says != SAYS_MORE;

	for (int i = 0; i < 2; i++) {
		struct node *n = p.arguments[i];
		bool string = n && n->tok == JSON_STRING;
		/* a stream begins with an empty one */
		if (!n || n->tok == JSON_NULL || (n->tok == JSON_OBJECT && !n->first && !all) ||
			(string && n->end == n->start + 2 && all))
			continue;
		struct span now = all	    ? buf_view(&h->text)
				  : h->said ? SPAN_LIT("")
					    : calls_first(h);
		h->said |= !all;
		tree_put_form(n, string || h->any_text ? "%t" : now.n ? "%j" : "{}", now);
	}
}

/* Appends the reason to the message as text, once per call. */
static void
calls_put_reason(struct calls *c, struct node *message, struct held_call *h)
{
	struct node *content = tree_member(message, "content");
	struct call_choice *of = calls_choice(c, h->choice);
	struct span text = arena_printf(
		&c->work, "%s%.*s", of->said ? "\n\n" : "", SPAN_ARG(buf_view(&h->text)));

	if (h->said)
		return;
	of->said = h->said = true;
	if (content && content->tok == JSON_ARRAY)
		tree_put_form(
			tree_add(c->t, content, "", text), "{'type':'text','text':%t}", text);
	else if (content)
		tree_append_text(content, text);
	else
		tree_put_form(tree_add(c->t, message, "content", text), "%t", text);
}

/* Writes the new arguments, or what replaces a denied call. */
static void
calls_say_element(struct calls *c, struct held_call *h, struct node *n)
{
	struct node *up = n->up;

	if (h->is == CALL_EDITED) {
		calls_put_arguments(h, n);
	} else if (h->is == CALL_DENIED && c->d->in_place) {
		tree_put_form(calls_element(n), c->d->in_place, buf_view(&h->text));
	} else if (h->is == CALL_DENIED) {
		tree_cut(n);
		if (up->tok == JSON_ARRAY && tree_is_empty(up))
			tree_cut(up);
		c->d->put_reason(c, up->tok == JSON_ARRAY ? up->up : up, h);
	}
}

void
calls_say_whole(struct calls *c)
{
	CALLS_EACH (n, c, c->root) {
		struct held_call *h = calls_of(c, calls_element(n));
		if (h)
			calls_say_element(c, h, n);
	}
}

void
calls_say_end(struct calls *c, struct node *within, uint32_t choice)
{
	const struct call_choice *of = calls_choice(c, choice);

	if (!of->denied || of->kept)
		return;
	for (struct node *n = tree_next(within, within); n; n = tree_next(n, within)) {
		const struct answer_row *row = n->rows ? n->rows->rows : NULL;
		for (size_t i = 0; row && row->read == READ_FINISH && i < 2; i++)
			if (c->d->finish[i] && tree_is(c->t, n, c->d->finish[i]))
				tree_put_form(n, "%s", c->d->none);
	}
}

/* ---- chat completions ---- */

/* Calls of chat completions: elements of tool_calls, which a stream sends in pieces by index,
 * and the older function_call.
 *
 * If a call is removed, later calls get a lower index, since a hole crashes openai-node. The
 * reason becomes text of the choice. Source:
 * https://platform.openai.com/docs/api-reference/chat-streaming */

/* Returns the number of a choice or a call. In a whole response the place in the list counts,
 * since two elements with one index are two calls. */
static uint32_t
chat_number_of(const struct calls *c, const struct node *n)
{
	uint32_t place = calls_place(n);

	return c->whole ? place : calls_number(c, tree_member(n, "index"), place);
}

/* Returns true if a piece has no index and no name although the choice has several calls, so
 * that clients could add it to any of them. */
static bool
chat_is_ambiguous(const struct calls *c, struct node *n, uint32_t choice)
{
	const struct node *index = tree_member(n, "index");
	struct call_parts p = calls_parts(n);
	const struct held_call *h;
	size_t others = 0;

	if (c->whole || (index && index->tok != JSON_NULL) || tree_text(c->t, p.name[0]).n ||
		tree_text(c->t, p.name[1]).n)
		return false;
	TAILQ_FOREACH (h, &c->calls, all)
		others += h->choice == choice && h->index != CALL_OLDER;
	return others > 1;
}

static void
chat_read(struct calls *c)
{
	for (struct node *of = tree_list(calls_member(c, "choices")); of; of = of->next) {
		const struct node *content =
			tree_member(tree_member(of, c->whole ? "message" : "delta"), "content");
		uint32_t choice = chat_number_of(c, of);
		calls_choice(c, choice)->said |= content && content->tok == JSON_STRING &&
						 content->end > content->start + 2;
		CALLS_EACH (n, c, of) {
			bool listed = n->up->tok == JSON_ARRAY;
			if (listed && chat_is_ambiguous(c, n, choice))
				calls_fail(c, CALLS_UNSOUND);
			uint32_t index = listed ? chat_number_of(c, n) : CALL_OLDER;
			calls_read(c, calls_at(c, choice, index), n, n);
		}
		/* some providers send "" until the end */
		if (tree_text(c->t, tree_member(of, "finish_reason")).n)
			calls_over(c, choice);
	}
}

static void
chat_say_call(struct calls *c, struct node *call)
{
	struct held_call *h = calls_of(c, call);
	struct node *index = tree_member(call, "index");

	if (!h)
		return;
	uint32_t number = h->place - h->less;
	if (h->is != CALL_DENIED && number != h->index && h->index != CALL_OLDER) {
		if (!index && !c->whole)
			index = tree_add(c->t, call, "index", SPAN_LIT("0"));
		tree_put_form(index, "%u", (uint64_t)number);
	}
	calls_say_element(c, h, call);
}

/* Returns true if nothing of the choice is left to send. */
static bool
chat_say_choice(struct calls *c, struct node *choice)
{
	const struct node *message = tree_member(choice, c->whole ? "message" : "delta");
	const struct node *finish = tree_member(choice, "finish_reason");

	CALLS_EACH (n, c, choice)
		chat_say_call(c, n);
	calls_say_end(c, choice, chat_number_of(c, choice));
	return message && message->changed && tree_is_empty(message) &&
	       !(finish && finish->tok == JSON_STRING);
}

static bool
chat_say(struct calls *c)
{
	const struct node *usage = calls_member(c, "usage");
	struct node *first = tree_elements(calls_member(c, "choices"));
	bool all = !c->whole && first && !(usage && usage->tok != JSON_NULL);

	for (struct node *n = first; n; n = n->next)
		all &= chat_say_choice(c, n);
	return all;
}

static const struct calls_dialect calls_chat = { chat_read, chat_say, .by_id = true,
	.finish = { "tool_calls", "function_call" }, .none = "stop", .renumbers = true,
	.joins_names = true, .put_reason = calls_put_reason };

/* ---- OpenAI's Responses API ---- */

/* Calls of OpenAI's Responses API: items that a client acts on.
 *
 * A stream carries an item up to five times, and all of them must agree: when the item begins,
 * in pieces, when its arguments are complete, when the item is done, and in the final response.
 * A removed call is replaced by a message with the same index, so that reasoning before it
 * still has an item after it. If the provider keeps the turn (`store` is not false), it has the
 * call too and expects its output in the next request. Then nothing is removed, and a denied
 * call denies the response. Source:
 * https://platform.openai.com/docs/api-reference/responses-streaming */

static uint32_t
responses_index_of(const struct calls *c)
{
	return calls_number(c, calls_member(c, "output_index"), 0);
}

static void
responses_read(struct calls *c)
{
	const struct node *response = c->whole ? c->root : calls_member(c, "response"),
			  *store = tree_member(response, "store"),
			  *conversation = tree_member(response, "conversation");
	uint32_t index = responses_index_of(c);
	bool item = calls_member(c, "item");

	c->now->number = tree_number(c->t, calls_member(c, "sequence_number"), UINT64_MAX) + 1;
	if (store)
		c->kept = store->tok != JSON_FALSE ||
			  (conversation && conversation->tok != JSON_NULL);
	CALLS_EACH (n, c, c->root) {
		bool listed = n->up && n->up->tok == JSON_ARRAY;
		calls_read(c, calls_at(c, 0, listed ? calls_place(n) : index), n, n);
	}
	struct held_call *h = c->whole ? NULL : calls_find(c, 0, index);
	/* other events of the call's item are for display only */
	if (h && !c->now->npieces && !item && calls_member(c, "output_index"))
		calls_piece(c, h, c->root);
	if (h && item && calls_is(c, "type", "response.output_item.done"))
		h->over = true;
	if (calls_is(c, "type", "response.completed") ||
		calls_is(c, "type", "response.incomplete") ||
		calls_is(c, "type", "response.failed") || calls_is(c, "type", "response.done"))
		calls_over(c, CALL_ALL);
}

/* Returns the id of the message in a call's place: the call's id with the prefix msg_. */
static struct span
responses_message_id(const struct calls *c, const struct node *item)
{
	struct span id = tree_text(c->t, tree_member(item, "id"));
	size_t after = span_chr(id, '_');

	if (!id.n)
		id = tree_text(c->t, tree_member(item, "call_id"));
	id = after < id.n ? span_cut(id, after + 1, id.n) : id;
	return arena_printf(c->t->a, "msg_%.*s", SPAN_ARG(id));
}

#define PART	"{'type':'output_text','text':%t,'annotations':[]}"
#define MESSAGE "{'id':%t,'type':'message','status':%s,'role':'assistant','content':["

/* Sends the events of the message's text, before the event that its item is done. */
static void
responses_say_text(struct calls *c, const struct node *item, const struct held_call *h)
{
#define OWN(type, says)                                                                        \
	{                                                                                      \
		type, "{'type':%s%j,'item_id':%t,'output_index':%u,'content_index':0,'" says   \
	}
	static const struct {
		const char *type, *form;
	} own[] = {
		OWN("response.content_part.added", "part':" PART "}"),
		OWN("response.output_text.delta", "delta':%t}"),
		OWN("response.output_text.done", "text':%t}"),
		OWN("response.content_part.done", "part':" PART "}"),
	};
	bool numbered = calls_member(c, "sequence_number");

	for (size_t i = 0; i < COUNT_OF(own); i++) {
		struct span number =
			numbered ? arena_printf(&c->work, ",\"sequence_number\":%llu",
					   (unsigned long long)c->number++)
				 : SPAN_LIT("");
		calls_say(c, own[i].type, own[i].form, own[i].type, number,
			responses_message_id(c, item), (uint64_t)responses_index_of(c),
			i ? buf_view(&h->text) : SPAN_LIT(""));
	}
}

/* Numbers the event after the one sent before it. */
static void
responses_say_number(struct calls *c)
{
	struct node *number = calls_member(c, "sequence_number");
	uint64_t said = tree_number(c->t, number, UINT64_MAX) + 1;

	if (!said)
		return;
	c->number = c->number ? c->number + 1 : said;
	if (c->number != said)
		tree_put_form(number, "%u", c->number - 1);
}

static bool
responses_say(struct calls *c)
{
	bool done = calls_is(c, "type", "response.output_item.done"), drop = false;
	bool own = false; /* the event itself is a piece */
	struct held_call *h;

	CALLS_EACH (n, c, c->root) {
		bool listed = n->up && n->up->tok == JSON_ARRAY;
		h = calls_of(c, n);
		own |= n == c->root;
		if (h && h->is == CALL_EDITED)
			calls_put_arguments(h, n);
		if (!h || h->is != CALL_DENIED)
			continue;
		drop |= n == c->root;
		if (done && !listed)
			responses_say_text(c, n, h);
		/* an item in an event or a list: complete, or as it begins */
		if (n != c->root && (done || listed))
			tree_put_form(n, MESSAGE PART "]}", responses_message_id(c, n),
				"completed", buf_view(&h->text));
		else if (n != c->root)
			tree_put_form(
				n, MESSAGE "]}", responses_message_id(c, n), "in_progress");
	}
	/* an event for display only */
	if (!own && (h = calls_of(c, c->root)))
		drop = h->is != CALL_GOES;
	if (!drop)
		responses_say_number(c);
	return drop;
}

static const struct calls_dialect calls_responses = { responses_read, responses_say,
	.keeps = true, .texts = true };

/* ---- Anthropic's Messages API ---- */

/* Calls of Anthropic's Messages API: content blocks of type tool_use, which begin, grow and
 * stop.
 *
 * A removed call is replaced by a block of text with the same index. With a gap instead, the
 * SDK would run the next call with empty input. Tools that the provider runs itself are not
 * calls here. Bedrock's invoke with an Anthropic model uses this dialect too. Source:
 * https://docs.anthropic.com/en/api/messages-streaming */

static uint32_t
anthropic_index_of(const struct calls *c)
{
	return calls_number(c, calls_member(c, "index"), UINT64_MAX);
}

/* A block begins. The SDKs number blocks in the order in which they begin, but look a block up
 * by the event's index. Both numbers must be the same. */
static void
anthropic_read_start(struct calls *c, struct node *call, const struct held_call *before)
{
	unsigned place = calls_choice(c, 0)->blocks++;

	if (!call && before)
		calls_fail(c, CALLS_AGAIN);
	if (!call)
		return;
	if (place != anthropic_index_of(c))
		calls_fail(c, CALLS_UNSOUND);
	struct held_call *h = calls_at(c, 0, place);
	calls_read(c, h, call, c->root);
	if (h)
		h->begun_with = h->begun;
}

static void
anthropic_read_delta(struct calls *c, struct held_call *h)
{
	struct node *delta = calls_member(c, "delta");
	struct span part = calls_text_of(c, calls_parts(delta).arguments[0]);

	if (!h && anthropic_index_of(c) <= INT32_MAX)
		return;
	if (part.n && (!h || h->begun_with ||
			      !tree_is(c->t, tree_member(delta, "type"), "input_json_delta")))
		calls_fail(c, CALLS_UNSOUND);
	calls_read(c, h, delta, c->root);
}

static void
anthropic_read(struct calls *c)
{
	struct held_call *h = calls_find(c, 0, anthropic_index_of(c));
	struct node *call = calls_next(c, c->root, NULL);

	if (calls_is(c, "type", "content_block_start"))
		anthropic_read_start(c, call, h);
	else if (call)
		calls_fail(c, CALLS_UNSOUND);
	else if (calls_is(c, "type", "content_block_delta"))
		anthropic_read_delta(c, h);
	else if (calls_is(c, "type", "content_block_stop"))
		calls_end(c, h);
	else if (calls_is(c, "type", "message_delta") || calls_is(c, "type", "message_stop"))
		calls_over(c, CALL_ALL);
}

static bool
anthropic_say(struct calls *c)
{
	struct node *block = calls_member(c, "content_block");
	struct node *delta = calls_member(c, "delta");
	struct held_call *h = calls_of(c, c->root);

	if (!h || h->is == CALL_GOES)
		return false;
	if (h->is == CALL_EDITED && !block && h->said)
		return calls_parts(delta).arguments[0];
	if (h->is == CALL_EDITED)
		calls_put_arguments(h, block ? block : delta);
	else if (block)
		tree_put_form(block, c->d->in_place, SPAN_LIT(""));
	else if (!delta)
		calls_say(c, "content_block_delta",
			"{'type':'content_block_delta','index':%u,'delta':{'type':"
			"'text_delta','text':%t}}",
			(uint64_t)h->index, buf_view(&h->text));
	return h->is == CALL_DENIED && delta;
}

static const struct calls_dialect calls_anthropic = { anthropic_read, anthropic_say,
	.blocks = true, .texts = true, .begins_empty = true,
	.in_place = "{'type':'text','text':%t}", .finish = { "tool_use" }, .none = "end_turn" };

/* ---- Gemini's generateContent ---- */

/* Calls of Gemini's generateContent: parts with a functionCall.
 *
 * A call is whole in its part. On Vertex it may also arrive in pieces, which are values with
 * paths. A removed call is replaced by a part of text. The provider signs only the first of
 * several calls and does not accept the others without it, so if the signed call is denied, the
 * unsigned ones are too. Sources: https://ai.google.dev/gemini-api/docs/thought-signatures
 * https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling */

/* Returns the member in either spelling, since readers of protocol buffers accept both.
 * If both are present, readers differ in which one counts, and the tree is odd. */
static struct node *
gemini_member(const struct node *of, const char *camel, const char *snake)
{
	struct node *n = tree_member(of, camel), *other = tree_member(of, snake);

	if (n && other)
		of->of->odd = true;
	return n ? n : other;
}

/* Returns the last call of the choice, or NULL. */
static struct held_call *
gemini_last_call(const struct calls *c, uint32_t choice)
{
	struct held_call *h;

	TAILQ_FOREACH_REVERSE(h, &c->calls, held_calls, all)
	if (h->choice == choice)
		return h;
	return NULL;
}

static void
gemini_read_part(struct calls *c, struct node *call, uint32_t choice)
{
	struct call_parts p = calls_parts(call);
	const struct node *partial =
		tree_elements(gemini_member(call, "partialArgs", "partial_args"));
	const struct node *more = gemini_member(call, "willContinue", "will_continue");
	struct node *part = calls_element(call);
	bool code = p.arguments[0] == call, named = code || tree_text(c->t, p.name[0]).n;
	struct held_call *h = gemini_last_call(c, choice);

	/* some clients add arguments without a call to the previous call */
	if (!named && (!h || h->over) &&
		(partial || calls_arguments(c, p.arguments[0]).n > strlen("{}")))
		calls_fail(c, CALLS_UNSOUND);
	if (!h || h->over || named) {
		const struct node *signature =
			gemini_member(part, "thoughtSignature", "thought_signature");
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
		const struct node *text = gemini_member(v, "stringValue", "string_value");
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
		const struct node *finish = gemini_member(of, "finishReason", "finish_reason");
		const struct node *before = NULL;
		choice = calls_number(c, tree_member(of, "index"), place++);
		CALLS_EACH (n, c, of) {
			if (calls_element(n) == before)
				calls_fail(c, CALLS_UNSOUND);
			before = calls_element(n);
			gemini_read_part(c, n, choice);
		}
		/* Vertex may send a finish reason in each event, even while a call continues */
		struct held_call *last = gemini_last_call(c, choice);
		if (last)
			last->may_end = tree_text(c->t, finish).n > 0;
	}
}

/* Returns true if nothing of the candidate is left to send. */
static bool
gemini_say_candidate(struct calls *c, struct node *candidate)
{
	struct node *parts = tree_member(tree_member(candidate, "content"), "parts");
	const struct node *finish = gemini_member(candidate, "finishReason", "finish_reason");

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
		all &= gemini_say_candidate(c, n);
	return all;
}

static const struct calls_dialect calls_gemini = { gemini_read, gemini_say, .keeps = false };

/* ---- Bedrock's Converse ---- */

/* Calls of Bedrock's Converse: content blocks with a toolUse, which begin, grow and stop.
 *
 * A removed call is replaced by text with the same number, without a start event, since blocks
 * of text have none here. Tools that the provider runs itself are not calls. Source:
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html */

/* Returns true if the frame's type is `type` or unknown. Frames that wrap other frames carry no
 * type. */
static bool
bedrock_is_event(const struct calls *c, const char *type)
{
	return c->wrap || !c->now->frame.type.n || span_is(c->now->frame.type, type);
}

static void
bedrock_read(struct calls *c)
{
	const struct node *number = calls_member(c, "contentBlockIndex");
	struct node *begins = calls_next(c, c->root, NULL);
	struct node *goes_on = tree_member(calls_member(c, "delta"), "toolUse");
	uint32_t index = calls_number(c, number, 0);
	struct held_call *h = calls_find(c, 0, index);
	struct call_choice *of = calls_choice(c, 0);

	if (calls_member(c, "stopReason"))
		calls_over(c, CALL_ALL);
	if ((begins && !bedrock_is_event(c, "contentBlockStart")) ||
		(goes_on && !bedrock_is_event(c, "contentBlockDelta")) ||
		(begins && (goes_on || h)))
		calls_fail(c, CALLS_UNSOUND);
	/* clients add a delta to the block that began last, even if the provider runs that
	 * tool */
	if (tree_member(calls_member(c, "start"), "toolUse"))
		of->blocks = index + 1;
	if (!begins && goes_on && of->blocks && of->blocks != index + 1)
		calls_fail(c, CALLS_UNSOUND);
	if (begins)
		calls_read(c, calls_at(c, 0, index), begins, c->root);
	else if (h && calls_member(c, "delta"))
		calls_read(c, h, goes_on, c->root);
	else if (h && calls_member(c, "start"))
		calls_fail(c, CALLS_AGAIN);
	else if (number)
		calls_end(c, h);
}

static bool
bedrock_say(struct calls *c)
{
	struct held_call *h = calls_of(c, c->root);
	bool said = h && h->said;

	if (h && h->is == CALL_DENIED) {
		if (!said)
			calls_say(c, "contentBlockDelta",
				"{'contentBlockIndex':%u,'delta':{'text':%t}}",
				(uint64_t)h->index, buf_view(&h->text));
		h->said = true;
		return calls_member(c, "delta") || calls_member(c, "start");
	}
	if (!h || h->is == CALL_GOES || !calls_parts(c->root).arguments[0])
		return false;
	if (!said)
		calls_put_arguments(h, c->root);
	return said;
}

static const struct calls_dialect calls_bedrock = { bedrock_read, bedrock_say, .blocks = true,
	.in_place = "{'text':%t}", .finish = { "tool_use" }, .none = "end_turn" };

/* ---- Cohere's Chat API (v2) ---- */

/* Calls of Cohere's Chat API (v2): elements of tool_calls, which a stream sends as items that
 * start, grow and end.
 *
 * If a call is removed, later calls get a lower index. The reason becomes text of the response,
 * in a block after the existing ones. Source: https://docs.cohere.com/reference/chat-stream */

static struct node *
cohere_call_of_event(const struct calls *c)
{
	return tree_member(tree_member(calls_member(c, "delta"), "message"), "tool_calls");
}

static void
cohere_read(struct calls *c)
{
	struct node *call = cohere_call_of_event(c);
	uint32_t index = calls_number(c, calls_member(c, "index"), 0);
	struct call_choice *of = calls_choice(c, 0);
	struct held_call *h = calls_find(c, 0, index);
	bool begins = calls_is(c, "type", "tool-call-start");
	bool goes_on = calls_is(c, "type", "tool-call-delta");

	if (calls_is(c, "type", "content-start") && of->blocks <= index)
		of->blocks = index + 1;
	/* some clients read tool_calls whatever the event's type; a message begins with an
	 * empty list */
	bool odd = call && call->first && ((!begins && !goes_on) || call->tok == JSON_ARRAY);
	if (odd || (begins && h) || (goes_on && !h))
		calls_fail(c, CALLS_UNSOUND);
	if (begins || goes_on)
		calls_read(c, calls_at(c, 0, index), call, c->root);
	else if (calls_is(c, "type", "tool-call-end"))
		calls_end(c, h);
	else if (calls_is(c, "type", "message-end"))
		calls_over(c, CALL_ALL);
}

/* Adds a block of text to a whole response. Its content may be missing or null. */
static void
cohere_put_reason(struct calls *c, struct node *message, struct held_call *h)
{
	struct node *content = tree_member(message, "content");
	struct span text = buf_view(&h->text);

	if (content && content->tok == JSON_STRING) {
		tree_append_text(content, text);
		return;
	}
	if (!content)
		content = tree_add(c->t, message, "content", SPAN_LIT("null"));
	if (content && content->tok != JSON_ARRAY) {
		content->tok = JSON_ARRAY;
		content->with = (struct span){ NULL, 0 };
	}
	if (content)
		tree_put_form(
			tree_add(c->t, content, "", text), "{'type':'text','text':%t}", text);
}

/* Sends the reason as a block of its own: start, delta and end. */
static void
cohere_say_reason(struct calls *c, struct held_call *h)
{
	uint64_t index = calls_choice(c, 0)->blocks++;

	calls_say(c, "content-start",
		"{'type':'content-start','index':%u,'delta':{'message':{'content':"
		"{'type':'text','text':''}}}}",
		index);
	calls_say(c, "content-delta",
		"{'type':'content-delta','index':%u,'delta':{'message':{'content':"
		"{'text':%t}}}}",
		index, buf_view(&h->text));
	calls_say(c, "content-end", "{'type':'content-end','index':%u}", index);
	h->said = true;
}

static bool
cohere_say(struct calls *c)
{
	struct held_call *h = calls_of(c, c->root);
	struct node *call = cohere_call_of_event(c),
		    *arguments = calls_parts(call).arguments[0];
	bool delta = calls_is(c, "type", "tool-call-delta");

	if (!h)
		return false;
	if (h->is == CALL_DENIED && !h->said)
		cohere_say_reason(c, h);
	if (h->is == CALL_DENIED)
		return true;
	if (h->less)
		tree_put_form(calls_member(c, "index"), "%u", (uint64_t)h->index - h->less);
	if (h->is != CALL_EDITED || !arguments)
		return false;
	/* the first delta carries all of the new arguments */
	if (!delta)
		tree_put_form(arguments, "''");
	else if (h->said)
		return true;
	else
		calls_put_arguments(h, call);
	return false;
}

static const struct calls_dialect calls_cohere = { cohere_read, cohere_say, .blocks = true,
	.renumbers = true, .texts = true, .put_reason = cohere_put_reason,
	.finish = { "TOOL_CALL" }, .none = "COMPLETE" };

/* ---- Ollama's chat ---- */

/* Calls of Ollama's chat: elements of tool_calls in a line, each whole. The reason becomes text
 * of the same line's message. Source: https://github.com/ollama/ollama/blob/main/docs/api.md */

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

static const struct calls_dialect calls_ollama = { ollama_read, ollama_say,
	.put_reason = calls_put_reason };

/* ---- responses that the provider keeps ---- */

/* Calls of responses that the provider keeps with the turn: Gemini's interactions, Mistral's
 * conversations, and sessions of Gemini's Live. The provider expects their output in the next
 * request, so no call is removed: a denied one denies the response. Their arguments may be
 * redacted. Sources: https://ai.google.dev/api/interactions-api (steps; content of older
 * revisions), https://docs.mistral.ai/api/endpoint/beta/conversations,
 * https://ai.google.dev/api/live */

enum {
	KEPT_OF_LIST = 1 << 16
}; /* numbers items of `outputs` apart from those of other lists */

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
		uint32_t at = !of ? index
				  : calls_place(n) + span_is(of->key, "outputs") * KEPT_OF_LIST;
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

static const struct calls_dialect calls_kept = { kept_read, kept_say, .keeps = true,
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

static const struct calls_dialect calls_live = { live_calls_read, kept_say, .keeps = true };

/* ---- the dialect of a format ---- */

static const struct {
	const struct answer_format *format;
	const struct calls_dialect *is;
} dialects[] = {
	{ &answer_openai, &calls_chat },
	{ &answer_anthropic, &calls_anthropic },
	{ &answer_invoke, &calls_anthropic },
	{ &answer_openai_responses, &calls_responses },
	{ &answer_realtime, &calls_responses },
	{ &answer_gemini, &calls_gemini },
	{ &answer_bedrock, &calls_bedrock },
	{ &answer_cohere, &calls_cohere },
	{ &answer_ollama, &calls_ollama },
	{ &answer_interactions, &calls_kept },
	{ &answer_conversations, &calls_kept },
	{ &answer_live, &calls_live },
};

const struct calls_dialect *
calls_dialect_of(const struct answer_format *f)
{
	for (size_t i = 0; i < COUNT_OF(dialects); i++)
		if (dialects[i].format == f)
			return dialects[i].is;
	return NULL;
}
