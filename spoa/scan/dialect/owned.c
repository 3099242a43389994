/* Finds references to things that belong to one provider, in requests and in responses. In
 * requests the names of members identify them; these APIs share the names. A member that only
 * looks like a reference costs a lookup without a result.
 *
 * The last section finds the name by which a body identifies its conversation: an id of the
 * provider or the caller, or the key under which the provider caches the prompt's prefix. A
 * response's id does not count, because it changes with each turn. */
#include "scan/dialect/owned.h"

#include "base/among.h"
#include "base/attr.h"
#include "base/codec/json.h"
#include "scan/dialect/family.h"

/* clang-format off */
static const char *const names[] = {
	"previous_response_id", "conversation", "previous_interaction_id", /* OpenAI, Gemini */
	"file_id", "file_ids", "input_file_id", "input_files", "training_file", "validation_file",
	"fileUri", "file_uri", "fileName", "file_name", "cachedContent", "cached_content",
	"container", "container_id", "vector_store_id", "vector_store_ids",
	"assistant_id", "thread_id", "agent_id",
	"continue", "previous_message_id", /* Anthropic's threads */
};
/* Objects whose member `id` is a reference. */
static const char *const holders[] = { "conversation", "container" };

enum { THING = MADE_THING, TURN = MADE_TURN, ITEM = MADE_ITEM, SEAL = MADE_SEAL };
static const struct json_place places[] = {
	/* a response or a message; also a file, a thread, … */
	{ "id",                                                         TURN },
	{ "name",                                                       THING }, /* Gemini's files, caches, batches */
	{ "file.name",                                                  THING },
	{ "file.uri",                                                   THING },
	{ "uri",                                                        THING },
	{ "conversation.id",                                            THING },
	{ "conversation_id",                                            THING }, /* Mistral */
	{ "container.id",                                               THING }, /* Anthropic */
	{ "delta.container.id",                                         THING },
	{ "message.id",                                                 TURN },
	{ "message.container.id",                                       THING },
	{ "response.id",                                                TURN },
	{ "response.conversation.id",                                   THING },
	/* later requests refer to such an item by item_reference */
	{ "output.id",                                                  ITEM },
	{ "item.id",                                                    ITEM },
	{ "response.output.id",                                         ITEM },
	{ "interaction.id",                                             TURN },
	{ "thread_id",                                                  THING },
	{ "container_id",                                               THING },
	{ "output.container_id",                                        THING },
	{ "item.container_id",                                          THING },
	{ "response.output.container_id",                               THING },
	{ "output_file_id",                                             THING },
	{ "error_file_id",                                              THING },
	{ "output.encrypted_content",                                   SEAL }, /* responses */
	{ "item.encrypted_content",                                     SEAL },
	{ "response.output.encrypted_content",                          SEAL },
	{ "content.signature",                                          SEAL }, /* Anthropic */
	{ "content.data",                                               SEAL },
	{ "content_block.signature",                                    SEAL },
	{ "content_block.data",                                         SEAL },
	{ "delta.signature",                                            SEAL },
	{ "candidates.content.parts.thoughtSignature",                  SEAL }, /* Gemini */
	{ "output.message.content.reasoningContent.reasoningText.signature", SEAL }, /* Bedrock */
	{ "output.message.content.reasoningContent.redactedContent",    SEAL },
	{ "delta.reasoningContent.signature",                           SEAL },
	{ "delta.reasoningContent.redactedContent",                     SEAL },
	{ "choices.message.reasoning_details.data",                     SEAL }, /* servers of OpenAI's form */
	{ "choices.message.reasoning_details.signature",                SEAL },
	{ "choices.message.thinking_blocks.signature",                  SEAL },
	{ "choices.message.thinking_blocks.data",                       SEAL },
	{ "choices.message.tool_calls.extra_content.google.thought_signature", SEAL },
	{ "choices.delta.reasoning_details.data",                       SEAL },
	{ "choices.delta.reasoning_details.signature",                  SEAL },
	{ "choices.delta.thinking_blocks.signature",                    SEAL },
	{ "choices.delta.thinking_blocks.data",                         SEAL },
	{ "choices.delta.tool_calls.extra_content.google.thought_signature", SEAL },
};
/* clang-format on */

/* Returns true if the segment is a reference. Names inside the arguments and results of tools
 * do not count, because any tool may use these names. */
static bool
names_one(const struct body *b, const struct segment *s)
{
	const struct segment *key = body_key_of(b, s), *holder = body_key_of(b, key);

	if (!key || s->role == ROLE_KEY || s->role == ROLE_TOOL_CALL || !s->text.n)
		return false;
	return SPAN_IN(key->text, names) ||
	       (holder && span_is(key->text, "id") && SPAN_IN(holder->text, holders));
}

/* Returns true if a segment of a path is an id, not a word of an API (v1, files, chat). */
static bool
may_name(const struct endpoint *e, const struct segment *s)
{
	struct span t = s->text;
	bool version = t.n > 1 && t.p[0] == 'v' && is_digit(t.p[1]);

	if (s->role != ROLE_PATH ||
		(e->model_end && s->start < e->model_end && s->end > e->model))
		return false;
	return !version &&
	       (span_some(t, is_digit) || span_chr(t, '_') < t.n || span_chr(t, '-') < t.n);
}

size_t
dialect_owned(const struct endpoint *e, const struct body *b, const struct segment *target,
	size_t ntarget, struct owned out[OWNED_MAX])
{
	bool generates = e->table && e->table->cap;
	size_t n = 0, seals = 0;

	for (size_t i = b ? b->nsegments : 0; i-- > 0 && n < OWNED_MAX / 2;)
		if (names_one(b, &b->segments[i]))
			out[n++] = (struct owned){ .id = file_name_of(b->segments[i].text) };
	for (size_t i = ntarget; !generates && i-- > 0 && n < OWNED_MAX / 2;)
		if (may_name(e, &target[i]))
			out[n++] = (struct owned){ .id = file_name_of(target[i].text) };
	for (size_t i = b ? b->nsegments : 0; i-- > 0 && seals < OWNED_MAX / 2;)
		if (b->segments[i].sealed && b->segments[i].text.n) {
			out[n++] = (struct owned){ file_name_of(b->segments[i].text), true };
			seals++;
		}
	return n;
}

/* ---- things that providers keep ---- */

/* clang-format off */
/* Endpoints, by name, that create or change kept objects other than a response. */
static const char *const object_endpoints[] = {
	"conversations", "files", "batches", "batch", "cached", "runs", "threads", "assistants",
	"vector_stores", "file_search_stores", "containers", "skills", "fine_tuning", "evals", "videos",
};
/* Endpoints that only read or delete kept objects. */
static const char *const stored_endpoints[] = { "stored", "stored_response", "stored_chat", "stored_chats", "file" };
/* Words of these paths that look like ids. */
static const char *const path_words[] = {
	"vector_stores", "fine_tuning", "submit_tool_outputs", "file_batches", "input_items", "input_tokens",
	"file_search_stores", "generate-content",
};
static const char *const growing[] = { "conversation", "conversation_id", "thread_id" };
static const char *const turns[] = { "previous_response_id", "previous_interaction_id" };
/* clang-format on */

static bool
says_literal(const struct body *b, const char *name, const char *literal)
{
	for (size_t i = 0; i < b->nparams; i++)
		if (span_is(b->params[i].name, name))
			return span_is(b->params[i].text, literal);
	return false;
}

/* Returns true if the body has this member, not inside another one. */
static bool
body_has_member(const struct body *b, const char *name)
{
	for (size_t i = 0; i < b->nsegments; i++)
		if (b->segments[i].role == ROLE_KEY && span_is(b->segments[i].text, name) &&
			!body_key_of(b, &b->segments[i]))
			return true;
	return false;
}

static bool
endpoint_is_of(const struct endpoint *e, const char *const *list, size_t n)
{
	return e->name && span_find(span_str(e->name), list, n) < n;
}

enum dialect_keeping
dialect_keeps(const struct endpoint *e, const struct body *b)
{
	if (endpoint_is_of(e, object_endpoints, COUNT_OF(object_endpoints)) ||
		e->table == &table_kept)
		return KEEPS_OBJECT;
	if (!b || !e->name)
		return KEEPS_NOTHING;
	/* kept unless the request states `store: false` */
	if (!strcmp(e->name, "responses") || !strcmp(e->name, "interactions"))
		return says_literal(b, "store", "false") &&
					!body_has_member(b, "context_management")
			       ? KEEPS_NOTHING
			       : KEEPS_TURN;
	if (!strcmp(e->name, "compact") || says_literal(b, "store", "true") ||
		(!strcmp(e->name, "messages") && body_has_member(b, "thread")))
		return KEEPS_TURN;
	return KEEPS_NOTHING;
}

/* Returns true if some `type` in the body begins with this word: "compaction" (a summary that
 * replaces turns) or "item_reference". */
static bool
body_says_type(const struct body *b, const char *type)
{
	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i], *key = body_key_of(b, s);
		if (s->role != ROLE_KEY && key && span_is(key->text, "type") &&
			span_starts(s->text, span_str(type)))
			return true;
	}
	return false;
}

/* Returns true for `thread.previous_message_id`. The member of the same name in `diagnostics`
 * refers to a message of the request itself. */
static bool
names_thread_turn(const struct body *b, const struct segment *s)
{
	const struct segment *key = body_key_of(b, s), *holder = body_key_of(b, key);

	return holder && span_is(holder->text, "thread") &&
	       span_is(key->text, "previous_message_id");
}

static void
add_kept_name(struct kept_name *out, size_t *n, struct span id, bool turn, bool grows)
{
	struct kept_name name = { file_name_of(id), turn, grows };

	for (size_t i = 0; i < *n; i++)
		if (!memcmp(&out[i].id, &name.id, sizeof(name.id)))
			return;
	if (*n < OWNED_MAX)
		out[(*n)++] = name;
}

static void
add_body_names(const struct body *b, struct kept_name *out, size_t *n)
{
	bool items = body_says_type(b, "item_reference"), sums = body_says_type(b, "compaction");

	for (size_t i = b->nsegments; i-- > 0;) {
		const struct segment *s = &b->segments[i], *key = body_key_of(b, s);
		if (!key || s->role == ROLE_KEY || !s->text.n)
			continue;
		bool turn = SPAN_IN(key->text, turns) || names_thread_turn(b, s);
		bool other = names_one(b, s) && !span_is(key->text, "previous_message_id");
		const struct segment *holder = body_key_of(b, key);
		bool stands = items && span_is(key->text, "id");
		bool prompt = holder && span_is(holder->text, "prompt") &&
			      span_is(key->text, "id");
		if (turn || other || stands || prompt || (sums && s->sealed))
			add_kept_name(out, n, s->text, turn || stands || (sums && s->sealed),
				SPAN_IN(key->text, growing) ||
					(holder && span_is(holder->text, "conversation")));
	}
}

size_t
dialect_kept_names(const struct endpoint *e, const struct body *b, const struct segment *target,
	size_t ntarget, struct kept_name out[OWNED_MAX])
{
	bool fetched = e->stored || dialect_keeps(e, NULL) == KEEPS_OBJECT ||
		       endpoint_is_of(e, stored_endpoints, COUNT_OF(stored_endpoints));
	size_t n = 0;

	if (b && !e->free)
		add_body_names(b, out, &n);
	for (size_t i = ntarget; fetched && i-- > 0;)
		if (may_name(e, &target[i]) && !SPAN_IN(target[i].text, path_words))
			add_kept_name(out, &n, target[i].text,
				e->name && !strcmp(e->name, "stored_response"), true);
	return n;
}

bool
dialect_turn_is_kept(const struct endpoint *e, const struct body *b)
{
	return e->stored || dialect_keeps(e, b) != KEEPS_NOTHING ||
	       endpoint_is_of(e, stored_endpoints, COUNT_OF(stored_endpoints));
}

struct making {
	struct made_thing *v;
	size_t *n;
};

/* Adds a created thing. Strings with spaces in these places are not ids. Duplicates are
 * skipped, because each event of some streams repeats the ids. */
static void
note_owned(void *arg, int what, struct span text, const struct json_event *at UNUSED)
{
	struct making *m = arg;

	if (!text.n || (what != SEAL && (text.n > 512 || span_chr(text, ' ') < text.n)))
		return;
	struct made_thing f = { file_name_of(text), (enum made_what)what };
	for (size_t i = 0; i < *m->n; i++)
		if (!memcmp(&m->v[i].id, &f.id, sizeof(f.id)))
			return;
	if (*m->n < OWNED_MAX)
		m->v[(*m->n)++] = f;
	/* the list is full: the oldest thing is dropped, because the next turn refers to the
	 * newest ones */
	else
		memmove(m->v, m->v + 1, (OWNED_MAX - 1) * sizeof(*m->v)),
			m->v[OWNED_MAX - 1] = f;
}

void
dialect_made_things(
	struct span document, struct arena *a, struct made_thing v[OWNED_MAX], size_t *n)
{
	struct made_thing made[OWNED_MAX];
	size_t k = *n;
	struct making m = { made, &k };

	memcpy(made, v, *n * sizeof(*made));
	if (!json_strings(document, places, COUNT_OF(places), true, a, note_owned, &m))
		return;
	memcpy(v, made, k * sizeof(*made));
	*n = k;
}

bool
dialect_may_have_made(struct span event)
{
	static const char *const tells[] = { "ignature", "encrypted_content", "container",
		"redacted", "response.completed" };

	return SPAN_AMONG(event, tells, span_holds);
}

/* ---- the name of a conversation ---- */

/* clang-format off */
/* In order of priority: the first non-empty value of at most ID_MAX bytes counts. `holds`: a
 * substring that the value must contain; NULL: none. */
static const struct { const char *name; const char *holds; } conversation_names[] = {
	/* OpenAI responses: an id, or an object with `id` */
	{ "conversation",             NULL },
	{ "conversation.id",          NULL },
	{ "conversation_id",          NULL },      /* Cohere, Mistral */
	{ "metadata.conversation_id", NULL },
	{ "metadata.session_id",      NULL },
	{ "metadata.thread_id",       NULL },
	{ "metadata.user_id",         "session" }, /* Claude Code: "user_…_session_…" */
	{ "session_id",               NULL },      /* OpenRouter */
	{ "prompt_cache_key",         NULL },
	{ "cachedContent",            NULL },      /* Gemini */
	{ "cached_content",           NULL },
};
/* clang-format on */

enum { ID_MAX = 256 };

struct span
dialect_conversation(const struct body *b)
{
	for (size_t i = 0; i < COUNT_OF(conversation_names) && b->marks.nrequests <= 1; i++) {
		size_t k = 0;
		while (k < b->nparams &&
			!(b->params[k].kind == PARAM_STRING &&
				span_is(b->params[k].name, conversation_names[i].name)))
			k++;
		if (k == b->nparams)
			continue;
		struct span id = b->params[k].text;
		if (id.n == 0 || id.n > ID_MAX)
			continue;
		if (!conversation_names[i].holds ||
			memmem(id.p, id.n, conversation_names[i].holds,
				strlen(conversation_names[i].holds)))
			return id;
	}
	return (struct span){ NULL, 0 };
}
