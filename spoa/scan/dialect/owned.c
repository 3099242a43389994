/* What belongs to one provider, in requests and in answers. In requests by the names of
 * members, which these APIs share; a member that only looks like one costs a look-up that finds
 * nothing. */
#include "scan/dialect/owned.h"

#include "base/among.h"
#include "base/codec/json_strings.h"
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
/* Objects whose `id` is one. */
static const char *const holders[] = { "conversation", "container" };

enum { NAME, SEAL };
static const struct json_place places[] = {
	{ "id",                                                         NAME }, /* a response, a message, a file, a thread, … */
	{ "name",                                                       NAME }, /* Gemini's files, caches, batches */
	{ "file.name",                                                  NAME },
	{ "file.uri",                                                   NAME },
	{ "uri",                                                        NAME },
	{ "conversation.id",                                            NAME },
	{ "conversation_id",                                            NAME }, /* Mistral */
	{ "container.id",                                               NAME }, /* Anthropic */
	{ "delta.container.id",                                         NAME },
	{ "message.id",                                                 NAME },
	{ "message.container.id",                                       NAME },
	{ "response.id",                                                NAME },
	{ "response.conversation.id",                                   NAME },
	{ "interaction.id",                                             NAME },
	{ "thread_id",                                                  NAME },
	{ "container_id",                                               NAME },
	{ "output.container_id",                                        NAME },
	{ "item.container_id",                                          NAME },
	{ "response.output.container_id",                               NAME },
	{ "output_file_id",                                             NAME },
	{ "error_file_id",                                              NAME },
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

static const struct segment *
owned_key_of(const struct body *b, const struct segment *s)
{
	return s && s->key < b->nsegments ? &b->segments[s->key] : NULL;
}

/* In what the model calls a tool with, and what that says, they are anybody's. */
static bool
names_one(const struct body *b, const struct segment *s)
{
	const struct segment *key = owned_key_of(b, s), *holder = owned_key_of(b, key);

	if (!key || s->role == ROLE_KEY || s->role == ROLE_TOOL_CALL || !s->text.n)
		return false;
	return SPAN_IN(key->text, names) ||
	       (holder && span_is(key->text, "id") && SPAN_IN(holder->text, holders));
}

/* A segment of a path that is a name, and no word of an API: v1, files, chat. */
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

struct making {
	struct file_name *v;
	size_t *n;
};

/* Text in these places is no name; and each event of some streams says the same again. */
static void
note_owned(void *arg, int what, struct span text)
{
	struct making *m = arg;

	if (!text.n || (what == NAME && (text.n > 512 || span_chr(text, ' ') < text.n)))
		return;
	struct file_name f = file_name_of(text);
	for (size_t i = 0; i < *m->n; i++)
		if (!memcmp(&m->v[i], &f, sizeof(f)))
			return;
	if (*m->n < OWNED_MAX)
		m->v[(*m->n)++] = f;
	else /* the last ones are what the next turn brings */
		memmove(m->v, m->v + 1, (OWNED_MAX - 1) * sizeof(*m->v)),
			m->v[OWNED_MAX - 1] = f;
}

void
dialect_makes(struct span document, struct arena *a, struct file_name v[OWNED_MAX], size_t *n)
{
	struct file_name made[OWNED_MAX];
	size_t k = *n;
	struct making m = { made, &k };

	memcpy(made, v, *n * sizeof(*made));
	if (!json_strings(document, places, COUNT_OF(places), true, a, note_owned, &m))
		return;
	memcpy(v, made, k * sizeof(*made));
	*n = k;
}

bool
dialect_may_make(struct span event)
{
	static const char *const tells[] = { "ignature", "encrypted_content", "container",
		"redacted" };

	return SPAN_AMONG(event, tells, span_holds);
}
