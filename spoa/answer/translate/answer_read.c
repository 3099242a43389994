/* Interprets an event or a whole response by the rows of its format, as document.c and calls/
 * do: in the order of the bytes, with the numbers of choices, blocks and calls. Content that no
 * other form can express is an error. A member that no row names, or that only the provider can
 * read, is left out.
 *
 * Also has the finish reasons in each form's words (stops[]). The first row of a reason is
 * written; all rows are read. */
#include "answer/translate/answer_private.h"
#include "base/ascii.h"
#include "base/err.h"
#include "base/push.h"
#include "scan/dialect/usage.h"

enum { CODE_BYTES = 64 };

struct said_reader {
	enum form form;
	const struct answer_format *f;
	bool whole;
	struct arena *a;
	struct tree t;
	struct said_all *out;
	/* the row that has the reasoning here; some providers send it twice */
	const char *reasoning;
	const char *why;
};

struct said_place {
	uint32_t slot[ANSWER_SLOTS];
	unsigned arrays;	/* arrays around it that count */
	bool numbered, unsound; /* has a number; has an invalid one */
	bool aside;		/* a member beside it marks another channel: reasoning */
};

/* Places of a response's id, and of a call's. */
static const char *const answer_ids[] = { "id", "message.id", "response.id", "responseId" };
static const char *const call_ids[] = { "id", "call_id", "tool_use_id", "toolUseId" };

static const char no_place[] =
	"the provider's response has a part without an equivalent in the caller's API";

static const struct answer_row *
said_row(const struct said_reader *r, const struct node *n)
{
	return answer_row_of(n->rows, r->out->type);
}

static uint32_t
said_number_of(const struct said_reader *r, const struct said_place *at)
{
	return at->slot[!r->f->blocks];
}

static void
note_said(struct said_reader *r, const struct said_place *at, struct said s)
{
	struct said_all *out = r->out;

	s.choice = r->f->blocks ? 0 : at->slot[0];
	out->stops += s.is == SAID_STOP;
	struct said *v = ARENA_PUSH(r->a, out->v, out->n, out->room, 8, s);
	for (; v && v > out->v && v[-1].choice == s.choice && v[-1].rank > s.rank; v--) {
		v[0] = v[-1];
		v[-1] = s;
	}
}

static const char item_done[] = "response.output_item.done";

/* Returns true for an event with input of a custom tool's call. */
static bool
is_custom_event(const struct said_reader *r)
{
	return span_starts(r->out->type, SPAN_LIT("response.custom_tool_call_input."));
}

/* Returns whether a stream repeats the text: all of an item, or a part. */
static enum said_copy
said_again(const struct said_reader *r, bool arguments)
{
	static const char *const done[] = { "response.function_call_arguments.done",
		"response.custom_tool_call_input.done" };

	if (r->whole)
		return SAID_ONCE;
	return span_is(r->out->type, item_done) || r->out->last ||
			       (arguments && SPAN_IN(r->out->type, done))
		       ? SAID_AGAIN
		       : SAID_PARTLY;
}

/* ---- calls ---- */

static void
note_said_call(struct said_reader *r, struct node *n, const struct said_place *at)
{
	struct call_parts p = calls_parts(n);
	bool custom = p.name[1] || p.arguments[1];
	struct node *arguments = p.arguments[custom];
	struct said s = { .is = SAID_CALL,
		.custom = custom,
		.rank = r->form == FORM_CHAT ? 2 : 0,
		.copy = r->out->last || span_is(r->out->type, item_done) ? said_again(r, true)
									 : SAID_ONCE,
		.each = !r->f->blocks && r->f->counted < 2,
		.number = n->up && n->up->tok != JSON_ARRAY && !r->f->blocks
				  ? CALL_OLDER
				  : said_number_of(r, at),
		.numbered = at->numbered || r->whole || r->f->blocks,
		.name = tree_text(&r->t, p.name[custom]) };

	for (size_t i = 0; i < COUNT_OF(call_ids); i++) {
		struct span id = tree_text(&r->t, tree_member(n, call_ids[i]));
		s.id = id.n ? id : s.id;
	}
	if (arguments && arguments->tok == JSON_OBJECT && !custom)
		s.text = tree_raw(&r->t, arguments);
	else if (arguments && arguments->tok != JSON_STRING && arguments->tok != JSON_NULL)
		r->why = "the arguments of a tool call are not an object";
	else
		s.text = tree_text(&r->t, arguments);
	if (!r->whole && calls_dialect_of(r->f)->begins_empty && span_is(s.text, "{}"))
		s.text = SPAN_LIT("");
	if (at->unsound)
		r->why = "a tool call in the provider's response has an invalid number";
	if ((custom && (p.name[0] || p.arguments[0])) || tree_member(n, "partialArgs"))
		r->why = no_place;
	note_said(r, at, s);
}

/* Returns true if a block that is not a call of the caller has a text or a sealed value.
 * Otherwise the block is a tool that the provider ran, or its result. */
static bool
says_text(const struct said_reader *r, const struct node *block)
{
	/* items of the Responses API */
	static const char *const items[] = { "message", "reasoning" };

	if (SPAN_IN(tree_text(&r->t, tree_member(block, "type")), items))
		return true;
	for (const struct node *n = block->first; n; n = n->next) {
		const struct answer_row *row = said_row(r, n);
		if (row && (row->read == READ_TEXT || row->read == READ_SEALED))
			return true;
	}
	return false;
}

/* Sets *call if the object is a call. */
static void
see_call(struct said_reader *r, const struct node *n, bool *call)
{
	const struct answer_row *row = n->rows ? n->rows->call : NULL;
	bool unless = row && row->type && *row->type == '!';

	*call = false;
	/* an event that is a piece of a call is read as text */
	if (!row || n->tok != JSON_OBJECT || !n->up)
		return;
	*call = !row->type ||
		tree_is(&r->t, tree_member(n, "type"), row->type + unless) != unless ||
		(row->kinds && tree_is(&r->t, tree_member(n, "type"), "custom_tool_call"));
	if (*call ? row->part == (r->whole ? IN_EVENT : IN_WHOLE) : !says_text(r, n))
		r->why = no_place;
}

/* ---- values ---- */

/* Returns false for kinds that are not translated. */
static bool
said_kind_of(enum answer_kind kind, enum said_kind *is)
{
	switch (kind) {
	case KIND_TEXT: *is = SAID_TEXT; return true;
	case KIND_REASONING:
	case KIND_SIGNED: *is = SAID_REASONING; return true;
	case KIND_REFUSAL: *is = SAID_REFUSAL; return true;
	case KIND_ARGUMENTS: *is = SAID_CALL; return true;
	default: return false;
	}
}

static void
note_said_text(struct said_reader *r, const struct node *n, const struct answer_row *row,
	const struct said_place *at)
{
	struct span so_far = span_str(r->f->so_far);
	/* Members of a chat message have no order, and servers write reasoning last. Reasoning
	 * comes before the text, and the text before the calls. Parts of a text keep their
	 * order. */
	struct said s = { .rank = r->form == FORM_CHAT && !strstr(row->path, ".reasoning"),
		.numbered = true,
		.text = tree_text(&r->t, n) };

	if (!s.text.n)
		return;
	if (row->read == READ_COPY)
		s.copy = said_again(r, row->kind == KIND_ARGUMENTS || row->kind == KIND_INPUT);
	else if (so_far.n && !r->whole && span_starts(span_str(row->path), so_far))
		s.copy = SAID_PARTLY;
	s.custom = row->kind == KIND_INPUT;
	if (s.custom && !is_custom_event(r))
		r->why = no_place;
	if (row->kind == KIND_REASONING && r->reasoning && r->reasoning != row->path)
		return;
	r->reasoning = row->kind == KIND_REASONING ? row->path : r->reasoning;
	if (s.custom)
		s.is = SAID_CALL;
	else if (!said_kind_of(row->kind, &s.is))
		return;
	if (at->aside && s.is == SAID_TEXT)
		s.is = SAID_REASONING;
	s.number = said_number_of(r, at);
	s.number = s.is == SAID_CALL || r->f->blocks ? s.number : 0;
	note_said(r, at, s);
}

/* Returns false if nothing below the value is read. */
static bool
note_said_value(struct said_reader *r, const struct node *n, const struct answer_row *row,
	const struct said_place *at)
{
	struct span text;

	switch (row->read) {
	case READ_TEXT:
	case READ_COPY: note_said_text(r, n, row, at); return true;
	case READ_FINISH:
		text = tree_text(&r->t, n);
		/* the prompt was blocked, whatever the reason */
		if (text.n && span_ends(span_str(row->path), SPAN_LIT("blockReason")))
			text = SPAN_LIT("SAFETY");
		if (text.n && answer_stop_of(r->form, text) != STOP_NOT_YET)
			note_said(r, at, (struct said){ .is = SAID_STOP, .text = text });
		return false;
	case READ_MODEL: r->out->model = tree_text(&r->t, n); return false;
	case READ_ERROR:
		r->out->is_error |= n->tok != JSON_NULL && n->tok != JSON_FALSE &&
				    (n->tok != JSON_STRING || tree_text(&r->t, n).n);
		return false;
	case READ_OPAQUE:
		if (n->tok != JSON_NULL && (n->tok != JSON_STRING || tree_text(&r->t, n).n))
			r->why = no_place;
		return false;
	case READ_OBJECT:
	case READ_WORD:
		if (n->tok == JSON_STRING && SPAN_IN(span_str(row->path), answer_ids))
			r->out->id = tree_text(&r->t, n);
		r->out->is_error |= row->read == READ_OBJECT && tree_is(&r->t, n, "error");
		return true;
	case READ_WITHHELD:
	case READ_SEALED: return false;
	default: return true;
	}
}

/* Takes numbers, which count for everything in the object that has them. */
static void
take_numbers(const struct said_reader *r, const struct node *object, struct said_place *at)
{
	at->numbered = false;
	at->aside |= tree_is(&r->t, tree_member(object, "type"), "reasoning");
	for (const struct node *n = object->first; n; n = n->next) {
		const struct answer_row *row = said_row(r, n);
		at->aside |= row && row->read == READ_FLAG && n->tok == JSON_TRUE;
		if (!row || row->read != READ_INDEX || n->tok == JSON_NULL)
			continue;
		bool is = n->tok == JSON_NUMBER;
		uint32_t number = is ? answer_number(tree_raw(&r->t, n)) : UINT32_MAX;
		at->numbered = true;
		at->unsound |= number == UINT32_MAX;
		if (is)
			at->slot[row->slot] = number;
	}
}

/* Returns true if a part, block or item yielded nothing and has a member that no row names,
 * which would be lost. Sources do not count. */
static bool
is_lost(const struct said_reader *r, const struct node *n)
{
	static const char *const lists[] = { "parts", "content", "output" };
	static const char *const sources[] = { "citation", "citations", "annotations" };
	bool in_list = n->up && n->up->tok == JSON_ARRAY && SPAN_IN(n->up->key, lists);

	if (n->tok != JSON_OBJECT || says_text(r, n) || !(in_list || span_is(n->key, "delta")))
		return false;
	for (const struct node *c = n->first; c; c = c->next)
		if (!c->rows && c->tok != JSON_NULL && !SPAN_IN(c->key, sources))
			return true;
	return false;
}

/* Notes members that state the source of a text, which no other form has. */
static void
note_sources(struct said_reader *r, const struct node *n)
{
	static const struct {
		const char *key;
		enum translate_loss is;
	} sources[] = { { "citation", LOSS_CITATIONS }, { "citations", LOSS_CITATIONS },
		{ "annotation", LOSS_CITATIONS }, { "annotations", LOSS_CITATIONS },
		{ "citationMetadata", LOSS_CITATIONS }, { "groundingMetadata", LOSS_GROUNDING },
		{ "urlContextMetadata", LOSS_GROUNDING },
		{ "search_results", LOSS_GROUNDING } };

	for (size_t i = 0; n->first && i < COUNT_OF(sources); i++)
		if (span_is(n->key, sources[i].key))
			r->out->losses |= 1u << sources[i].is;
}

static void
read_said_value(struct said_reader *r, struct node *n, struct said_place at)
{
	size_t before = r->out->n - r->out->stops;
	const struct answer_row *row = said_row(r, n);
	bool call, counts = false, array = n->tok == JSON_ARRAY;

	if (row && !note_said_value(r, n, row, &at))
		return;
	if (n->tok == JSON_OBJECT)
		take_numbers(r, n, &at);
	see_call(r, n, &call);
	if (call) {
		note_said_call(r, n, &at);
		return;
	}
	counts = array && !n->rows->joined && at.arrays < r->f->counted;
	unsigned slot = at.arrays;
	at.arrays += counts;
	for (struct node *c = n->first; c; c = c->next) {
		if (!array && c->tok != JSON_NULL)
			r->out->counts |= c->rows ? c->rows->counts : usage_key_counts(c->key);
		note_sources(r, c);
		if (c->rows)
			read_said_value(r, c, at);
		if (counts)
			at.slot[slot]++;
	}
	if (r->out->n - r->out->stops == before && is_lost(r, n))
		r->why = no_place;
}

/* Acts on the event's type, which may end a block or the response. */
static void
read_said_type(struct said_reader *r)
{
	struct said_all *out = r->out;
	struct said_place at = { 0 };

	out->is_error |= span_is(out->type, "error");
	for (const char *const *e = r->f->last; e && *e; e++)
		out->last |= answer_type_is(out->type, *e);
	for (const char *const *e = r->f->ends; e && *e && !out->last; e++)
		out->ends |= answer_type_is(out->type, *e);
	/* parts of an item are done before the item */
	out->ends &= !answer_type_is(out->type, "*.done") || span_is(out->type, item_done);
	out->unnumbered = r->form == FORM_RESPONSES && !out->last &&
			  !tree_member(r->t.root, "output_index") &&
			  (answer_type_is(out->type, "response.output_item.added") ||
				  answer_type_is(out->type, "*.done") ||
				  answer_type_is(out->type, "*.delta"));
	if (!out->ends)
		return;
	take_numbers(r, r->t.root, &at);
	out->ended = said_number_of(r, &at);
}

int
answer_said(enum form form, const struct answer_format *f, bool whole, struct span event,
	struct span json, struct arena *a, struct said_all *out, const char **why)
{
	struct said_reader r = { .form = form, .f = f, .whole = whole, .a = a, .out = out };

	*out = (struct said_all){ .type = event };
	int err = tree_read_as(&r.t, a, json, f);
	if (err == ERR_NOMEM)
		return err;
	if (err || r.t.root->tok != JSON_OBJECT) {
		*why = whole ? "the provider's response is not a JSON object"
			     : "an event of the provider's stream is not a JSON object";
		return ERR_SYNTAX;
	}
	const struct node *type = f->type ? tree_member(r.t.root, f->type) : NULL;
	if (type && type->tok == JSON_STRING)
		out->type = tree_text(&r.t, type);
	if (!whole)
		read_said_type(&r);
	read_said_value(&r, r.t.root, (struct said_place){ 0 });
	if (r.t.odd && !r.why)
		r.why = "an event of the provider's stream is ambiguous";
	if (arena_failed(a))
		return ERR_NOMEM;
	*why = r.why;
	return r.why && !out->is_error ? ERR_SYNTAX : 0;
}

bool
answer_said_plain(
	const struct answer_format *f, const struct answer_document *d, struct said *s)
{
	const struct answer_text *t = d->texts;

	if (d->ntexts != 1 || t->copy || t->piece || t->so_far || !t->text.n || d->marked ||
		d->ninputs || d->nseals || d->opaque_bytes || d->odd_call || d->counts ||
		d->ends.any || span_is(d->type, "error"))
		return false;
	*s = (struct said){ .choice = f->blocks ? 0 : t->slot[0],
		.number = f->blocks ? t->slot[0] : 0,
		.numbered = true,
		.text = t->text };
	return said_kind_of(t->kind, &s->is) &&
	       (f->blocks || (!t->slot[1] && s->is != SAID_CALL));
}

/* ---- errors ---- */

/* The error is in "error", beside it, or in the first element of an array, as Gemini sends
 * it. */
int
answer_said_error(struct span json, struct arena *a, struct said_all *out)
{
	static const char *const messages[] = { "message", "Message", "detail" };
	struct tree t;
	int err = tree_read(&t, a, json);

	out->message = SPAN_LIT("the provider returned an error");
	out->code = NULL;
	if (err)
		return err == ERR_NOMEM ? err : 0;
	const struct node *root = t.root->tok == JSON_ARRAY ? t.root->first : t.root;
	const struct node *error = tree_member(root, "error"),
			  *response = tree_member(root, "response");
	error = error ? error : tree_member(response, "error");
	const struct node *of = error && error->tok == JSON_OBJECT ? error : root;
	const struct node *number = tree_member(of, "code");
	struct span code = tree_text(&t, number);
	struct span said = tree_text(&t, error);
	for (size_t i = 0; i < COUNT_OF(messages) && !said.n; i++)
		said = tree_text(&t, tree_member(of, messages[i]));
	if (said.n)
		out->message = said;
	/* written unchanged */
	if (code.n && code.n <= CODE_BYTES && span_is_alnum(code, "_-"))
		out->code = arena_printf(a, "%.*s", SPAN_ARG(code)).p;
	else if (number && tree_number(&t, number, 0) == 429)
		out->code = "rate_limit_exceeded";
	return arena_failed(a) ? ERR_NOMEM : 0;
}

/* ---- finish reasons ---- */

/* clang-format off */
static const struct {
	enum form form;
	const char *word;
	enum answer_stop is;
} stops[] = {
	{ FORM_CHAT,      "stop",              STOP_END },
	{ FORM_CHAT,      "eos",               STOP_END }, /* Together */
	{ FORM_CHAT,      "eos_token",         STOP_END }, /* TGI */
	{ FORM_CHAT,      "length",            STOP_LENGTH },
	{ FORM_CHAT,      "model_length",      STOP_LENGTH }, /* Mistral */
	{ FORM_CHAT,      "tool_calls",        STOP_CALLS },
	{ FORM_CHAT,      "function_call",     STOP_CALLS },
	{ FORM_CHAT,      "content_filter",    STOP_REFUSAL },
	{ FORM_RESPONSES, "completed",         STOP_END },
	{ FORM_RESPONSES, "max_output_tokens", STOP_LENGTH },
	{ FORM_RESPONSES, "content_filter",    STOP_REFUSAL },
	{ FORM_RESPONSES, "queued",            STOP_NOT_YET },
	{ FORM_RESPONSES, "in_progress",       STOP_NOT_YET },
	{ FORM_RESPONSES, "incomplete",        STOP_NOT_YET }, /* the reason is beside it */
	{ FORM_MESSAGES,  "end_turn",          STOP_END },
	{ FORM_MESSAGES,  "stop_sequence",     STOP_SEQUENCE },
	{ FORM_MESSAGES,  "tool_use",          STOP_CALLS },
	{ FORM_MESSAGES,  "max_tokens",        STOP_LENGTH },
	{ FORM_MESSAGES,  "model_context_window_exceeded", STOP_WINDOW },
	{ FORM_MESSAGES,  "refusal",           STOP_REFUSAL },
	{ FORM_GENERATE,  "STOP",              STOP_END },
	{ FORM_GENERATE,  "MAX_TOKENS",        STOP_LENGTH },
	/* one of several continued requests */
	{ FORM_GENERATE,  "CONTINUATION",      STOP_LENGTH },
	{ FORM_GENERATE,  "SAFETY",            STOP_REFUSAL },
	{ FORM_GENERATE,  "RECITATION",        STOP_REFUSAL },
	{ FORM_GENERATE,  "BLOCKLIST",         STOP_REFUSAL },
	{ FORM_GENERATE,  "PROHIBITED_CONTENT", STOP_REFUSAL },
	{ FORM_GENERATE,  "SPII",              STOP_REFUSAL },
	{ FORM_GENERATE,  "LANGUAGE",          STOP_REFUSAL },
	{ FORM_GENERATE,  "IMAGE_SAFETY",      STOP_REFUSAL },
	{ FORM_GENERATE,  "IMAGE_PROHIBITED_CONTENT", STOP_REFUSAL },
	{ FORM_GENERATE,  "IMAGE_RECITATION",  STOP_REFUSAL },
	{ FORM_GENERATE,  "OTHER",             STOP_ODD },
	{ FORM_GENERATE,  "FINISH_REASON_UNSPECIFIED", STOP_ODD },
	{ FORM_GENERATE,  "MALFORMED_FUNCTION_CALL", STOP_MALFORMED },
	{ FORM_GENERATE,  "UNEXPECTED_TOOL_CALL", STOP_ODD },
	{ FORM_GENERATE,  "TOO_MANY_TOOL_CALLS", STOP_ODD },
	{ FORM_GENERATE,  "MISSING_THOUGHT_SIGNATURE", STOP_ODD },
	{ FORM_GENERATE,  "NO_IMAGE",          STOP_ODD },
	{ FORM_GENERATE,  "IMAGE_OTHER",       STOP_ODD },
	{ FORM_CONVERSE,  "end_turn",          STOP_END },
	{ FORM_CONVERSE,  "stop_sequence",     STOP_SEQUENCE },
	{ FORM_CONVERSE,  "tool_use",          STOP_CALLS },
	{ FORM_CONVERSE,  "max_tokens",        STOP_LENGTH },
	{ FORM_CONVERSE,  "model_context_window_exceeded", STOP_WINDOW },
	{ FORM_CONVERSE,  "content_filtered",  STOP_REFUSAL },
	{ FORM_CONVERSE,  "guardrail_intervened", STOP_REFUSAL },
	{ FORM_CONVERSE,  "malformed_tool_use", STOP_MALFORMED },
	{ FORM_CONVERSE,  "malformed_model_output", STOP_MALFORMED },
};
/* clang-format on */

/* The reason that is written if the form has no word for one. Each form has an end, a length
 * and a refusal. */
static const enum answer_stop coarser[] = { [STOP_SEQUENCE] = STOP_END,
	[STOP_CALLS] = STOP_END,
	[STOP_WINDOW] = STOP_LENGTH,
	[STOP_MALFORMED] = STOP_END,
	[STOP_ODD] = STOP_END };

enum answer_stop
answer_stop_of(enum form f, struct span word)
{
	for (size_t i = 0; i < COUNT_OF(stops); i++)
		if (stops[i].form == f && span_is(word, stops[i].word))
			return stops[i].is;
	return STOP_NONE;
}

const char *
answer_stop_word(enum form f, enum answer_stop stop)
{
	for (size_t i = 0; i < COUNT_OF(stops); i++)
		if (stops[i].form == f && stops[i].is == stop)
			return stops[i].word;
	return answer_stop_word(f, coarser[stop]);
}

bool
translator_ended_well(enum form f, struct span finish, bool calls)
{
	enum answer_stop s = answer_stop_of(f, finish);

	return s == STOP_END || (calls && s == STOP_CALLS);
}
