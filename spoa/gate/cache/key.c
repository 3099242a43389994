/* Keys of requests. The tables first list the members of request bodies and how the cache
 * treats each. Sources: the reference of each API. A request with a member that is not listed
 * is not cached, so that a new member of an API cannot be missed. */
#include <math.h>
#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "gate/cache/key.h"

#define KEYED(name)                                                                            \
	{                                                                                      \
		name, MEMBER_KEYED, NULL, NULL                                                 \
	}
#define LEFT(name)                                                                             \
	{                                                                                      \
		name, MEMBER_LEFT, NULL, NULL                                                  \
	}
#define NEVER(name)                                                                            \
	{                                                                                      \
		name, MEMBER_NEVER, NULL, NULL                                                 \
	}
#define BUT(name, only)                                                                        \
	{                                                                                      \
		name, MEMBER_NEVER, only, NULL                                                 \
	}
#define NEEDED(name, only)                                                                     \
	{                                                                                      \
		name, MEMBER_NEEDED, only, NULL                                                \
	}
#define WARMTH                                                                                 \
	{                                                                                      \
		"temperature", MEMBER_WARMTH, NULL, NULL                                       \
	}
#define TOOLS(name)                                                                            \
	{                                                                                      \
		name, MEMBER_TOOLS, NULL, NULL                                                 \
	}
#define WITHIN(name, of)                                                                       \
	{                                                                                      \
		name, MEMBER_WITHIN, NULL, of                                                  \
	}
#define LAST                                                                                   \
	{                                                                                      \
		NULL, MEMBER_NEVER, NULL, NULL                                                 \
	}

/* https://platform.openai.com/docs/api-reference/chat/create, and members that local servers
 * add */
static const struct cache_member chat[] = { KEYED("model"), KEYED("messages"), TOOLS("tools"),
	KEYED("tool_choice"), KEYED("parallel_tool_calls"), KEYED("functions"),
	KEYED("function_call"), KEYED("response_format"), KEYED("max_tokens"),
	KEYED("max_completion_tokens"), WARMTH, KEYED("top_p"), KEYED("top_k"), KEYED("min_p"),
	KEYED("stop"), KEYED("seed"), KEYED("random_seed"), KEYED("frequency_penalty"),
	KEYED("presence_penalty"), KEYED("repetition_penalty"), KEYED("logit_bias"),
	KEYED("reasoning_effort"), KEYED("reasoning"), KEYED("thinking"), KEYED("verbosity"),
	KEYED("prediction"), KEYED("safe_prompt"), KEYED("prompt_mode"), KEYED("service_tier"),
	KEYED("chat_template_kwargs"), KEYED("usage"), LEFT("stream"), LEFT("stream_options"),
	LEFT("user"), LEFT("metadata"), LEFT("safety_identifier"), LEFT("prompt_cache_key"),
	LEFT("prompt_cache_retention"), LEFT("cache_control"), BUT("n", "1"),
	BUT("store", "false"),
	BUT("logprobs", "false"), BUT("modalities", "[\"text\"]"), NEVER("top_logprobs"),
	NEVER("audio"), NEVER("web_search_options"), LAST };

/* https://platform.openai.com/docs/api-reference/responses/create: without `store: false` the
 * provider stores the response, and later requests may refer to its id */
static const struct cache_member responses[] = { KEYED("model"), KEYED("input"),
	KEYED("instructions"), TOOLS("tools"), KEYED("tool_choice"),
	KEYED("parallel_tool_calls"), KEYED("max_tool_calls"), KEYED("max_output_tokens"),
	WARMTH, KEYED("top_p"), KEYED("text"), KEYED("reasoning"), KEYED("truncation"),
	KEYED("service_tier"), KEYED("verbosity"), LEFT("stream"), LEFT("stream_options"),
	LEFT("user"), LEFT("metadata"), LEFT("safety_identifier"), LEFT("prompt_cache_key"),
	LEFT("prompt_cache_retention"), NEEDED("store", "false"), BUT("background", "false"),
	BUT("include", "[]"), NEVER("previous_response_id"), NEVER("conversation"),
	NEVER("prompt"), NEVER("top_logprobs"), LAST };

/* https://docs.anthropic.com/en/api/messages */
static const struct cache_member messages[] = { KEYED("model"), KEYED("messages"),
	KEYED("system"), TOOLS("tools"), KEYED("tool_choice"), KEYED("max_tokens"), WARMTH,
	KEYED("top_p"), KEYED("top_k"), KEYED("stop_sequences"), KEYED("thinking"),
	KEYED("output_config"), KEYED("output_format"), KEYED("context_management"),
	KEYED("service_tier"), KEYED("anthropic_version"), KEYED("anthropic_beta"),
	LEFT("stream"), LEFT("metadata"), LEFT("cache_control"), NEVER("container"),
	NEVER("mcp_servers"), LAST };

/* https://ai.google.dev/api/generate-content: the API accepts both spellings */
static const struct cache_member generation[] = { WARMTH, KEYED("topP"), KEYED("top_p"),
	KEYED("topK"), KEYED("top_k"), KEYED("maxOutputTokens"), KEYED("max_output_tokens"),
	KEYED("stopSequences"), KEYED("stop_sequences"), KEYED("seed"),
	KEYED("presencePenalty"), KEYED("frequencyPenalty"), KEYED("responseMimeType"),
	KEYED("response_mime_type"), KEYED("responseSchema"), KEYED("response_schema"),
	KEYED("responseJsonSchema"), KEYED("thinkingConfig"), KEYED("thinking_config"),
	BUT("candidateCount", "1"), BUT("candidate_count", "1"),
	BUT("responseModalities", "[\"TEXT\"]"), BUT("responseLogprobs", "false"), LAST };
static const struct cache_member generate[] = { KEYED("model"), KEYED("contents"),
	KEYED("systemInstruction"), KEYED("system_instruction"), TOOLS("tools"),
	KEYED("toolConfig"), KEYED("tool_config"), KEYED("safetySettings"),
	KEYED("safety_settings"), WITHIN("generationConfig", generation),
	WITHIN("generation_config", generation), LEFT("labels"), NEVER("cachedContent"),
	NEVER("cached_content"), LAST };

/* https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html */
static const struct cache_member inference[] = { WARMTH, KEYED("topP"), KEYED("maxTokens"),
	KEYED("stopSequences"), LAST };
static const struct cache_member tool_config[] = { TOOLS("tools"), KEYED("toolChoice"), LAST };
static const struct cache_member converse[] = { KEYED("messages"), KEYED("system"),
	KEYED("modelId"), WITHIN("inferenceConfig", inference),
	WITHIN("toolConfig", tool_config), KEYED("additionalModelRequestFields"),
	KEYED("guardrailConfig"), KEYED("performanceConfig"), KEYED("outputConfig"),
	KEYED("serviceTier"), LEFT("requestMetadata"),
	NEVER("additionalModelResponseFieldPaths"), NEVER("promptVariables"), LAST };

const struct cache_member *
cache_members(enum form f)
{
	static const struct cache_member *const of[FORMS] = { [FORM_CHAT] = chat,
		[FORM_RESPONSES] = responses,
		[FORM_MESSAGES] = messages,
		[FORM_GENERATE] = generate,
		[FORM_CONVERSE] = converse };

	return of[f];
}

/* The key of a request: BLAKE2b with a key (RFC 7693) over its members, sorted by name,
 * without the white space between tokens. The body has been checked as strict JSON before. A
 * body that this simple parser cannot read (see members_of()) has no key. */

enum { MEMBERS_MOST = 48, NUMBER_MOST = 32 };

struct member {
	struct span name, value;
	bool blanks; /* white space between the tokens of the value */
};

struct keying {
	crypto_generichash_state hash;
	struct span prompt; /* a copy of ask->prompt */
	unsigned prompts;   /* number of times that the prompt was replaced; must be 1 */
	double temperature;
	const char *why; /* why there is no key; NULL: no reason so far */
};

static size_t
past_json_blanks(struct span s, size_t at)
{
	while (at < s.n && is_space(s.p[at]))
		at++;
	return at;
}

/* Returns the offset after the string that begins at `at`, or 0 if the string does not end.
 */
static size_t
past_string(struct span s, size_t at)
{
	for (at++; at < s.n; at++) {
		const char *q = memchr(s.p + at, '"', s.n - at);
		if (!q)
			return 0;
		size_t end = (size_t)(q - s.p), slashes = 0;
		while (end - slashes > at && s.p[end - slashes - 1] == '\\')
			slashes++;
		at = end;
		if (slashes % 2 == 0)
			return end + 1;
	}
	return 0;
}

/* Returns the offset after the value that begins at `at`, or 0 if the value does not end.
 * Sets `*blanks` if white space stands between its tokens. */
static size_t
past_value(struct span s, size_t at, bool *blanks)
{
	size_t depth = 0;

	*blanks = false;
	while (at < s.n) {
		char c = s.p[at];
		if (c == '"') {
			if (!(at = past_string(s, at)))
				return 0;
			if (!depth)
				return at;
			continue;
		}
		if (!depth && (c == ',' || c == '}' || c == ']' || is_space(c)))
			return at;
		depth += c == '{' || c == '[';
		*blanks |= is_space(c);
		at++;
		if ((c == '}' || c == ']') && --depth == 0)
			return at;
	}
	return 0;
}

static int
member_order(const void *x, const void *y)
{
	const struct member *a = x, *b = y;

	return span_order(a->name, b->name);
}

/* Lists the members of an object, sorted by name, and returns their number. Sets *bad and
 * returns 0 if the text is not an object, has more than MEMBERS_MOST members, two members of
 * one name, or a name with an escape. */
static size_t
members_of(struct span s, struct member v[MEMBERS_MOST], bool *bad)
{
	size_t n = 0, at = past_json_blanks(s, 0);

	*bad = true;
	if (at == s.n || s.p[at] != '{')
		return 0;
	at = past_json_blanks(s, at + 1);
	*bad = !(at < s.n && s.p[at] == '}');
	while (*bad && at < s.n && s.p[at] == '"' && n < MEMBERS_MOST) {
		struct member *m = &v[n++];
		size_t end = past_string(s, at);
		if (!end)
			return 0;
		m->name = span_cut(s, at + 1, end - 1);
		at = past_json_blanks(s, end);
		if (memchr(m->name.p, '\\', m->name.n) || at == s.n || s.p[at] != ':')
			return 0;
		at = past_json_blanks(s, at + 1);
		if (!(end = past_value(s, at, &m->blanks)))
			return 0;
		m->value = span_cut(s, at, end);
		at = past_json_blanks(s, end);
		*bad = !(at < s.n && s.p[at] == '}');
		if (at < s.n && s.p[at] == ',')
			at = past_json_blanks(s, at + 1);
	}
	if (*bad)
		return 0;
	qsort(v, n, sizeof(*v), member_order);
	for (size_t i = 1; i < n; i++)
		*bad |= span_eq(v[i - 1].name, v[i].name);
	return *bad ? 0 : n;
}

bool
cache_member_values(struct span object, const char *const *names, struct span *values)
{
	struct member v[MEMBERS_MOST];
	bool bad;
	size_t n = members_of(object, v, &bad);

	for (; *names; names++, values++) {
		*values = SPAN_LIT("");
		for (size_t i = 0; i < n; i++)
			if (span_is(v[i].name, *names))
				*values = v[i].value;
	}
	return !bad;
}

/* ---- hashing ---- */

/* Hashes the length before the text, so that no part can be read as a piece of another. */
static void
hash_part(struct keying *k, struct span s)
{
	uint64_t n = s.n;

	crypto_generichash_update(&k->hash, (const unsigned char *)&n, sizeof(n));
	crypto_generichash_update(&k->hash, (const unsigned char *)s.p, s.n);
}

static void
hash_bytes_of(struct keying *k, struct span s)
{
	crypto_generichash_update(&k->hash, (const unsigned char *)s.p, s.n);
}

/* Hashes a value without the white space between its tokens. */
static void
hash_tokens(struct keying *k, struct span s, bool blanks)
{
	size_t from = 0, at = 0;

	while (blanks && at < s.n) {
		if (s.p[at] == '"') {
			at = past_string(s, at);
			continue;
		}
		if (!is_space(s.p[at])) {
			at++;
			continue;
		}
		hash_bytes_of(k, span_cut(s, from, at));
		from = at = past_json_blanks(s, at);
	}
	hash_bytes_of(k, span_cut(s, from, s.n));
}

/* Hashes a member. If the value contains the prompt of a similar-prompt key, a NUL is hashed
 * in its place; JSON text never contains a NUL. */
static void
hash_member(struct keying *k, const struct member *m)
{
	struct span v = m->value, prompt = k->prompt;
	size_t at = prompt.n && prompt.p >= v.p ? (size_t)(prompt.p - v.p) : v.n;

	hash_part(k, m->name);
	if (at < v.n) {
		hash_tokens(k, span_cut(v, 0, at), m->blanks);
		hash_bytes_of(k, span_of("", 1));
		k->prompts++;
		at += prompt.n;
		v = span_cut(v, at, v.n);
	}
	hash_tokens(k, v, m->blanks);
	/* no value contains a line feed outside its strings, so the next name is not read as
	 * part of this value */
	hash_bytes_of(k, SPAN_LIT("\n"));
}

/* ---- members with a meaning ---- */

/* Members of tools that the caller runs. */
static const char *const callers_own[] = { "name", "description", "input_schema", "strict",
	"cache_control", "eager_input_streaming", "functionDeclarations",
	"function_declarations", "toolSpec", "cachePoint", NULL };

static bool
is_member_listed(struct span name, const char *const *list)
{
	for (; *list; list++)
		if (span_is(name, *list))
			return true;
	return false;
}

/* Returns true if the caller runs this tool, not the provider. */
static bool
callers_run_it(struct span tool)
{
	struct member v[MEMBERS_MOST];
	bool bad, listed = true;
	size_t n = members_of(tool, v, &bad);

	for (size_t i = 0; i < n; i++) {
		if (span_is(v[i].name, "type"))
			return span_is(v[i].value, "\"function\"") ||
			       span_is(v[i].value, "\"custom\"");
		listed &= is_member_listed(v[i].name, callers_own);
	}
	return !bad && listed;
}

static bool
callers_run_all(struct span tools)
{
	size_t at = past_json_blanks(tools, 0), end;
	bool blanks;

	if (at == tools.n || tools.p[at] != '[')
		return span_is(tools, "null");
	for (at = past_json_blanks(tools, at + 1); at < tools.n && tools.p[at] != ']';) {
		if (!(end = past_value(tools, at, &blanks)) || end == at ||
			!callers_run_it(span_cut(tools, at, end)))
			return false;
		at = past_json_blanks(tools, end);
		if (at < tools.n && tools.p[at] == ',')
			at = past_json_blanks(tools, at + 1);
	}
	return at < tools.n;
}

/* Returns the temperature, or HUGE_VAL, above any route's limit, if the value is not a
 * number. */
static double
warmth_of(struct span value)
{
	char text[NUMBER_MOST], *end;

	if (span_is(value, "null"))
		return 1;
	if (!value.n || value.n >= sizeof(text))
		return HUGE_VAL;
	memcpy(text, value.p, value.n);
	text[value.n] = '\0';
	double t = strtod(text, &end);
	return *end ? HUGE_VAL : t;
}

static void key_members(struct keying *k, struct span object, const struct cache_member *rows);

static void
key_member(struct keying *k, const struct member *m, const struct cache_member *row)
{
	bool only = row->only && span_is(m->value, row->only), null = span_is(m->value, "null");

	switch (row->kind) {
	case MEMBER_LEFT: return;
	case MEMBER_NEVER:
		if (!only && !null)
			k->why = "a member of the body excludes the request from the cache";
		return;
	case MEMBER_NEEDED:
		if (!only)
			k->why = "the provider stores the response, because the request lacks "
				 "`store: false`";
		return;
	case MEMBER_TOOLS:
		if (!callers_run_all(m->value))
			k->why = "the provider runs a tool";
		break;
	case MEMBER_WARMTH: k->temperature = warmth_of(m->value); break;
	case MEMBER_WITHIN:
		hash_part(k, m->name);
		key_members(k, m->value, row->members);
		return;
	case MEMBER_KEYED: break;
	}
	hash_member(k, m);
}

static void
key_members(struct keying *k, struct span object, const struct cache_member *rows)
{
	struct member v[MEMBERS_MOST];
	bool bad;
	size_t n = members_of(object, v, &bad);

	if (bad)
		k->why = "the body cannot be compared";
	for (const struct cache_member *row = rows; row->name; row++) {
		bool there = false;
		for (size_t i = 0; i < n && row->kind == MEMBER_NEEDED; i++)
			there |= span_is(v[i].name, row->name);
		if (row->kind == MEMBER_NEEDED && !there)
			k->why = "the provider stores the response, because the request lacks "
				 "`store: false`";
	}
	for (size_t i = 0; i < n && !k->why; i++) {
		const struct cache_member *row = rows;
		while (row->name && !span_is(v[i].name, row->name))
			row++;
		if (row->name)
			key_member(k, &v[i], row);
		else
			k->why = "the body has a member that the cache does not know";
	}
	/* marks the end of the object */
	hash_part(k, SPAN_LIT(""));
}

const char *
cache_key(const struct cache_ask *ask, const unsigned char secret[CACHE_KEY_BYTES],
	unsigned char out[CACHE_KEY_BYTES])
{
	const struct cache_member *rows = cache_members(ask->form);
	struct keying k = { .temperature = 1, .prompt = ask->prompt };

	if (!rows)
		return "requests of this API are not cached";
	crypto_generichash_init(&k.hash, secret, CACHE_KEY_BYTES, CACHE_KEY_BYTES);
	if (ask->prompt.n) { /* no format is named "near" */
		hash_part(&k, SPAN_LIT("near"));
		hash_part(&k, ask->same);
	}
	hash_part(&k, span_str(form_name(ask->form)));
	for (size_t i = 0; i < ask->nrest; i++)
		hash_part(&k, ask->rest[i]);
	key_members(&k, ask->body, rows);
	if (!k.why && k.temperature > ask->warmest)
		k.why = "the temperature is above the route's limit";
	if (!k.why && k.prompts != (ask->prompt.n > 0))
		k.why = "the body cannot be compared";
	crypto_generichash_final(&k.hash, out, CACHE_KEY_BYTES);
	return k.why;
}
