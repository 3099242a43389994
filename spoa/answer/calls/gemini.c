/* Calls of Gemini's generateContent: parts with a functionCall, each whole in its part, or on
 * Vertex in pieces that are values of paths. In the place of one is a part of text. The
 * provider signs the first of several only and takes no others without it: where that one is
 * denied, all are. https://ai.google.dev/gemini-api/docs/thought-signatures
 * https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling */
#include "answer/calls/calls_private.h"
#include "base/err.h"

/* Readers of protocol buffers take either spelling. Both: which of them counts is anybody's. */
static struct node *
either(const struct node *of, const char *camel, const char *snake)
{
	struct node *n = tree_member(of, camel), *other = tree_member(of, snake);

	if (n && other)
		of->of->odd = true;
	return n ? n : other;
}

static struct node *
parts_of(const struct node *candidate)
{
	return tree_list(tree_member(tree_member(candidate, "content"), "parts"));
}

enum part_kind { PART_CALL, PART_CODE }; /* code: that the model wrote to be run */

/* The object that the part has; NULL: it is of another kind. */
static struct node *
part_object(const struct node *part, enum part_kind kind)
{
	static const char *const keys[][2] = { { "functionCall", "function_call" },
		{ "executableCode", "executable_code" } };
	struct node *n = either(part, keys[kind][0], keys[kind][1]);

	return n && n->tok == JSON_OBJECT ? n : NULL;
}

/* ---- read ---- */

/* The last one of the choice; *n: how many there are. */
static struct held_call *
last_of(const struct calls *c, uint32_t choice, uint32_t *n)
{
	struct held_call *h, *last = NULL;

	*n = 0;
	TAILQ_FOREACH (h, &c->calls, all)
		if (h->choice == choice) {
			last = h;
			++*n;
		}
	return last;
}

static int
read_code(struct calls *c, const struct tree *t, const struct node *part, uint32_t choice)
{
	uint32_t n;

	if (part_object(part, PART_CALL))
		return CALLS_UNSOUND;
	last_of(c, choice, &n);
	struct held_call *h = calls_at(c, choice, n);
	if (!h)
		return calls_failed(c);
	h->over = h->apart = true;
	h->also = "codeExecution";
	struct span code = tree_raw(t, part_object(part, PART_CODE));
	int r = calls_note(h, SPAN_LIT("code_execution"), code);
	return r ? r : calls_piece(c, h, part);
}

static int
read_gemini_call(
	struct calls *c, const struct tree *t, const struct node *part, uint32_t choice)
{
	const struct node *call = part_object(part, PART_CALL);
	const struct node *partial = either(call, "partialArgs", "partial_args");
	const struct node *signature = either(part, "thoughtSignature", "thought_signature");
	struct span name, args;
	bool is_signed;
	uint32_t n;
	struct held_call *h = last_of(c, choice, &n);

	int r = calls_text(t, tree_member(call, "name"), &name);
	if (!r)
		r = calls_arguments(t, tree_member(call, "args"), &args);
	if (r)
		return r;
	is_signed = tree_text(t, signature).n > 0;
	/* arguments of no call are added by some to the last one */
	if (!name.n && (!h || h->over) && (args.n > 2 || tree_elements(partial)))
		return CALLS_UNSOUND;
	if (!h || h->over || name.n) {
		calls_over(c, choice, NULL);
		struct held_call *first = calls_find(c, choice, 0);
		h = calls_at(c, choice, n);
		if (!h)
			return calls_failed(c);
		h->is_signed = is_signed;
		/* one with a signature of its own can go alone */
		h->with = first && first->is_signed && !is_signed ? first : NULL;
	}
	h->lost |= tree_elements(partial) != NULL;
	h->begun |= h->lost;
	r = calls_note(h, name, args);
	/* values of paths: no JSON that could be read, but as long */
	for (const struct node *v = tree_elements(partial); v && !r; v = v->next)
		r = calls_note(h, SPAN_LIT(""),
			tree_text(t, either(v, "stringValue", "string_value")));
	const struct node *more = either(call, "willContinue", "will_continue");
	h->over |= !more || more->tok != JSON_TRUE;
	return r ? r : calls_piece(c, h, part);
}

static int
read_candidate(
	struct calls *c, const struct tree *t, const struct node *candidate, uint32_t number)
{
	const struct node *finish = either(candidate, "finishReason", "finish_reason");
	uint32_t n;
	int r = 0;

	for (const struct node *p = parts_of(candidate); p && !r; p = p->next)
		if (part_object(p, PART_CODE))
			r = read_code(c, t, p, number);
		else if (part_object(p, PART_CALL))
			r = read_gemini_call(c, t, p, number);
	/* Vertex may say one in each event, also while a call goes on */
	struct held_call *last = last_of(c, number, &n);
	if (!r && last)
		last->may_end = tree_text(t, finish).n > 0;
	return r;
}

static int
gemini_read(struct calls *c, const struct tree *t)
{
	uint32_t place = 0;
	int r = 0;

	for (const struct node *n = tree_list(tree_member(t->root, "candidates")); n && !r;
		n = n->next, place++)
		r = read_candidate(c, t, n, calls_number(t, tree_member(n, "index"), place));
	return r;
}

/* ---- said ---- */

/* One part in the place of all of its pieces. */
static int
say_call(const struct tree *t, struct node *part, struct held_call *h)
{
	struct node *code = part_object(part, PART_CODE);
	struct node *args = code ? code : tree_member(part_object(part, PART_CALL), "args");

	if (!h || h->is == CALL_GOES)
		return 0;
	if (h->is == CALL_EDITED)
		return args ? tree_put_json(t, args, buf_view(&h->text)) : 0;
	if (h->said) {
		tree_cut(part);
		return 0;
	}
	h->said = true;
	return tree_put_with(t, part, "{\"text\":", buf_view(&h->text), "}");
}

/* *empty: nothing is left of what it said. */
static int
say_candidate(struct calls *c, const struct tree *t, struct node *candidate, bool *empty)
{
	struct node *parts = tree_member(tree_member(candidate, "content"), "parts");
	const struct node *finish = either(candidate, "finishReason", "finish_reason");
	int r = 0;

	for (struct node *p = parts_of(candidate); p && !r; p = p->next)
		r = say_call(t, p, calls_of(c, p));
	*empty = !r && parts && parts->changed && tree_is_empty(parts) && !finish;
	/* an end without parts is one that the SDK's chats do not keep */
	if (!r && parts && parts->changed && tree_is_empty(parts) && finish)
		tree_put(parts, SPAN_LIT("[{\"text\":\"\"}]"));
	return r;
}

static int
gemini_say(struct calls *c, const struct tree *t, bool *drop)
{
	bool any = false, all = true, empty;
	int r = 0;

	for (struct node *n = tree_elements(tree_member(t->root, "candidates")); n && !r;
		n = n->next) {
		r = say_candidate(c, t, n, &empty);
		any = true;
		all &= empty;
	}
	*drop = !c->whole && any && all;
	return r;
}

static const struct answer_format *const formats[] = { &answer_gemini, NULL };

const struct calls_dialect calls_gemini = { formats, gemini_read, gemini_say, .keeps = false };
