/* Reads the token counts of responses, and counts each token in one kind only.
 *
 * A family's rows name the places of its counts. The reader of a document reports the place of
 * each value; this file compares the place with the rows and keeps the counts. Unknown members
 * are skipped, and null counts as absent. If one count is not a plain integer, or occurs twice,
 * the whole usage is unknown: the remaining counts would be too low. The reservation is then
 * charged instead.
 *
 * A family has at most 48 rows, so a set of rows is a bit mask. usage_begin() starts with all
 * rows. usage_member() keeps the rows whose path continues with the member's key, until a path
 * ends and the value counts. Example: below "usage" all rows of "usage.*" remain, below
 * "usage.prompt_tokens" one.
 *
 * usage_split() then separates the counts. Example: 100 input tokens of which 80 were cached
 * become 20 PRICE_INPUT and 80 PRICE_CACHED. Which counts are parts of which total is the same
 * for all families, because the rows map them to common fields. */
#include "scan/dialect/usage.h"

#include "base/among.h"
#include "base/clock.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "scan/dialect/family.h"

/* ---- the places of counts ----
 *
 * Rows of one field are summed, except rows with `instead`. Parts of the input and the output
 * have fields of their own; usage_split() subtracts them from the totals, so that each token is
 * charged once. */

/* clang-format off */
/* OpenAI's chat completions and compatible servers; responses, images and transcriptions; Groq;
 * llama.cpp's own endpoint. https://platform.openai.com/docs/api-reference */
const struct usage_row usage_openai[] = {
	{ "usage.prompt_tokens",                       USAGE_INPUT,  false },
	{ "usage.input_tokens",                        USAGE_INPUT,  true },
	{ "x_groq.usage.prompt_tokens",                USAGE_INPUT,  true },
	{ "tokens_evaluated",                          USAGE_INPUT,  true },
	{ "usage.completion_tokens",                   USAGE_OUTPUT, false },
	{ "usage.output_tokens",                       USAGE_OUTPUT, true },
	{ "x_groq.usage.completion_tokens",            USAGE_OUTPUT, true },
	{ "tokens_predicted",                          USAGE_OUTPUT, true },
	{ "usage.total_tokens",                        USAGE_TOTAL,  false },
	{ "x_groq.usage.total_tokens",                 USAGE_TOTAL,  true },
	{ "usage.prompt_tokens_details.cached_tokens", USAGE_CACHED, false },
	{ "usage.input_tokens_details.cached_tokens",  USAGE_CACHED, true },
	{ "usage.prompt_cache_hit_tokens",             USAGE_CACHED, true }, /* DeepSeek */
	{ "usage.cached_tokens",                       USAGE_CACHED, true }, /* Moonshot */
	{ "x_groq.usage.prompt_tokens_details.cached_tokens", USAGE_CACHED, true },
	{ "usage.prompt_tokens_details.cache_write_tokens", USAGE_WRITE, false },
	{ "usage.input_tokens_details.cache_write_tokens",  USAGE_WRITE, true },
	{ "usage.prompt_tokens_details.audio_tokens",  USAGE_AUDIO_IN, false },
	{ "usage.input_tokens_details.audio_tokens",   USAGE_AUDIO_IN, true },
	{ "usage.input_token_details.audio_tokens",    USAGE_AUDIO_IN, true }, /* transcriptions */
	{ "usage.input_token_details.cached_tokens",   USAGE_CACHED, true }, /* realtime */
	{ "usage.input_token_details.image_tokens",    USAGE_IMAGE_IN, true },
	{ "usage.output_token_details.audio_tokens",   USAGE_AUDIO_OUT, true },
	{ "usage.input_token_details.cached_tokens_details.audio_tokens", USAGE_CACHED_AUDIO, false },
	{ "usage.input_token_details.cached_tokens_details.image_tokens", USAGE_CACHED_IMAGE, false },
	{ "usage.prompt_tokens_details.image_tokens",  USAGE_IMAGE_IN, false },
	{ "usage.input_tokens_details.image_tokens",   USAGE_IMAGE_IN, true },
	{ "usage.completion_tokens_details.reasoning_tokens", USAGE_REASONING, false },
	{ "usage.output_tokens_details.reasoning_tokens", USAGE_REASONING, true },
	{ "usage.completion_tokens_details.audio_tokens", USAGE_AUDIO_OUT, false },
	{ "usage.output_tokens_details.audio_tokens",  USAGE_AUDIO_OUT, true },
	{ "usage.output_tokens_details.image_tokens",  USAGE_IMAGE_OUT, false },
	{ "output[].web_search_call",                    USAGE_SEARCHES, false },
	{ "output[].code_interpreter_call",              USAGE_SESSIONS, false },
	{ "output[].x_search_call",                      USAGE_SEARCHES, false }, /* xAI */
	{ "usage.num_sources_used",                    USAGE_SEARCHES, false }, /* xAI's live search */
	{ "usage.server_tool_use.web_search_requests", USAGE_SEARCHES, false }, /* OpenRouter */
	{ "output[].file_search_call",                   USAGE_FILES, false },
	{ "output[].image_generation_call",              USAGE_DRAWN, false },
	{ "data[].image",                                USAGE_IMAGES, false },
	{ "usage.seconds",                             USAGE_SECONDS, false }, /* transcriptions */
	{ "usage.prompt_audio_seconds",                USAGE_SECONDS, false }, /* Mistral */
	{ "duration",                                  USAGE_LENGTH, false },
	{ 0 },
};

/* Anthropic's input_tokens exclude cached tokens, so the cache counts are added to the input.
 * https://docs.anthropic.com/en/api/messages */
#define ANTHROPIC(instead) \
	{ "usage.input_tokens",                        USAGE_INPUT,  instead }, \
	{ "usage.cache_creation_input_tokens",         USAGE_INPUT,  false }, \
	{ "usage.cache_read_input_tokens",             USAGE_INPUT,  false }, \
	{ "usage.cache_read_input_tokens",             USAGE_CACHED, instead }, \
	{ "usage.cache_creation_input_tokens",         USAGE_WRITE,  instead }, \
	{ "usage.cache_creation.ephemeral_1h_input_tokens", USAGE_WRITE_1H, instead }, \
	{ "usage.output_tokens_details.thinking_tokens", USAGE_REASONING, instead }, \
	{ "usage.server_tool_use.web_search_requests", USAGE_SEARCHES, instead }, \
	{ "usage.output_tokens",                       USAGE_OUTPUT, instead }
const struct usage_row usage_anthropic[] = { ANTHROPIC(false), { 0 } };

/* Candidates exclude thought tokens, so both are summed. The prompt includes cached tokens.
 * https://ai.google.dev/api/generate-content#UsageMetadata */
const struct usage_row usage_gemini[] = {
	{ "usageMetadata.promptTokenCount",            USAGE_INPUT,  false },
	{ "usageMetadata.toolUsePromptTokenCount",     USAGE_INPUT,  false },
	{ "usageMetadata.candidatesTokenCount",        USAGE_OUTPUT, false },
	{ "usageMetadata.responseTokenCount",          USAGE_OUTPUT, true }, /* live */
	{ "usageMetadata.thoughtsTokenCount",          USAGE_OUTPUT, false },
	{ "usageMetadata.responseTokensDetails[].AUDIO", USAGE_AUDIO_OUT, true },
	{ "usageMetadata.responseTokensDetails[].IMAGE", USAGE_IMAGE_OUT, true },
	{ "usageMetadata.totalTokenCount",             USAGE_TOTAL,  false },
	{ "usageMetadata.cachedContentTokenCount",     USAGE_CACHED, false },
	{ "usageMetadata.thoughtsTokenCount",          USAGE_REASONING, false },
	/* embeddings: the total equals the input */
	{ "usageMetadata.promptTokenCount",            USAGE_TOTAL,  true },
	{ "predictions[].token_count",                 USAGE_INPUT,  true }, /* Vertex */
	{ "predictions[].token_count",                 USAGE_TOTAL,  true },
	{ "predictions[].image",                       USAGE_IMAGES, false },
	{ "usageMetadata.totalTokenCount",             USAGE_KEPT,   false },
	/* interactions: the output excludes thought tokens here too */
	{ "usage.total_input_tokens",                  USAGE_INPUT,  false },
	{ "usage.total_tool_use_tokens",               USAGE_INPUT,  false },
	{ "usage.total_output_tokens",                 USAGE_OUTPUT, false },
	{ "usage.total_thought_tokens",                USAGE_OUTPUT, false },
	{ "usage.total_thought_tokens",                USAGE_REASONING, false },
	{ "usage.total_cached_tokens",                 USAGE_CACHED, false },
	{ "usage.input_tokens_by_modality[].audio",    USAGE_AUDIO_IN, false },
	{ "usage.input_tokens_by_modality[].image",    USAGE_IMAGE_IN, false },
	{ "usage.cached_tokens_by_modality[].audio",   USAGE_CACHED_AUDIO, false },
	{ "usage.cached_tokens_by_modality[].image",   USAGE_CACHED_IMAGE, false },
	{ "usage.output_tokens_by_modality[].audio",   USAGE_AUDIO_OUT, false },
	{ "usage.output_tokens_by_modality[].image",   USAGE_IMAGE_OUT, false },
	{ "usage.grounding_tool_count[].google_search", USAGE_SEARCHES, false },
	{ "usage.grounding_tool_count[].google_maps",  USAGE_MAPS, false },
	{ "candidates[].maps",                         USAGE_MAPS, false },
	/* models up to 2.5 are charged by request, not by query */
	{ "candidates[].webSearchQueries",             USAGE_SEARCHES, false },
	{ "usageMetadata.promptTokensDetails[].AUDIO",   USAGE_AUDIO_IN, false },
	{ "usageMetadata.promptTokensDetails[].IMAGE",   USAGE_IMAGE_IN, false },
	{ "usageMetadata.cacheTokensDetails[].AUDIO",    USAGE_CACHED_AUDIO, false },
	{ "usageMetadata.cacheTokensDetails[].IMAGE",    USAGE_CACHED_IMAGE, false },
	{ "usageMetadata.candidatesTokensDetails[].AUDIO", USAGE_AUDIO_OUT, false },
	{ "usageMetadata.candidatesTokensDetails[].IMAGE", USAGE_IMAGE_OUT, false },
	{ 0 },
};

/* Converse, and invoke of Claude, Nova, Llama, Titan and models with OpenAI's format. Other
 * models report usage in response headers, or in the last event of a stream.
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html */
const struct usage_row usage_bedrock[] = {
	{ "usage.inputTokens",                         USAGE_INPUT,  false },
	{ "usage.cacheReadInputTokens",                USAGE_APART,  false },
	{ "usage.cacheWriteInputTokens",               USAGE_APART,  false },
	{ "usage.cacheReadInputTokens",                USAGE_CACHED, false },
	{ "usage.cacheWriteInputTokens",               USAGE_WRITE,  false },
	{ "usage.cacheDetails[].1h",                     USAGE_WRITE_1H, false },
	{ "usage.outputTokens",                        USAGE_OUTPUT, false },
	{ "usage.totalTokens",                         USAGE_TOTAL,  false },
	ANTHROPIC(true),
	{ "prompt_token_count",                        USAGE_INPUT,  true },
	{ "generation_token_count",                    USAGE_OUTPUT, true },
	{ "inputTextTokenCount",                       USAGE_INPUT,  true },
	{ "totalOutputTextTokenCount",                 USAGE_OUTPUT, true },
	{ "usage.prompt_tokens",                       USAGE_INPUT,  true },
	{ "usage.prompt_tokens_details.cached_tokens", USAGE_CACHED, true },
	{ "usage.completion_tokens",                   USAGE_OUTPUT, true },
	{ "usage.completion_tokens_details.reasoning_tokens", USAGE_REASONING, true },
	{ "amazon-bedrock-invocationMetrics.inputTokenCount",  USAGE_INPUT,  true },
	{ "amazon-bedrock-invocationMetrics.outputTokenCount", USAGE_OUTPUT, true },
	{ 0 },
};

/* Tokens, or billed units if no tokens are reported (embed): then the total equals the input.
 * https://docs.cohere.com/reference/chat */
const struct usage_row usage_cohere[] = {
	{ "usage.tokens.input_tokens",                 USAGE_INPUT,  false },
	{ "meta.tokens.input_tokens",                  USAGE_INPUT,  true },
	{ "meta.billed_units.input_tokens",            USAGE_INPUT,  true },
	{ "usage.tokens.output_tokens",                USAGE_OUTPUT, false },
	{ "meta.tokens.output_tokens",                 USAGE_OUTPUT, true },
	{ "meta.billed_units.output_tokens",           USAGE_OUTPUT, true },
	{ "meta.billed_units.input_tokens",            USAGE_TOTAL,  false },
	{ "usage.cached_tokens",                       USAGE_CACHED, false },
	{ "meta.billed_units.search_units",            USAGE_SEARCHES, false },
	{ 0 },
};

/* For embed the total equals the input.
 * https://github.com/ollama/ollama/blob/main/docs/api.md */
const struct usage_row usage_ollama[] = {
	{ "prompt_eval_count",                         USAGE_INPUT,  false },
	{ "prompt_eval_count",                         USAGE_TOTAL,  false },
	{ "eval_count",                                USAGE_OUTPUT, false },
	{ 0 },
};

/* https://huggingface.github.io/text-generation-inference */
const struct usage_row usage_tgi[] = {
	{ "details.input_length",                      USAGE_INPUT,  false },
	{ "details.generated_tokens",                  USAGE_OUTPUT, false },
	{ 0 },
};
/* clang-format on */

/* ---- reading counts ---- */

/* Highest count that is believed. A larger one is a provider's mistake that could exhaust a
 * budget, so the usage becomes unknown. Sums of a few counts stay far below overflow. */
#define TOKENS_MAX (INT64_C(1) << 32)

/* A cache that was changed within this time of its creation (in ns) was created by this
 * request. */
#define MADE_NS (INT64_C(60) * 1000000000)

/* Bits of a row mask: the family's rows are below bit 48, said_rows follow. */
enum { SAID = 48 };
#define OF_FAMILY ((UINT64_C(1) << SAID) - 1)

/* Words in responses that affect the price: service tier, speed, region, and the times of a
 * cache. If the tier is stated more than once, the last one counts. */
enum said { SAID_SERVICE, SAID_SPEED, SAID_REGION, SAID_MADE, SAID_CHANGED, SAID_UNTIL };
static const struct {
	const char *path;
	enum said what;
} said_rows[] = {
	{ "service_tier", SAID_SERVICE },
	{ "usage.service_tier", SAID_SERVICE },
	{ "serviceTier", SAID_SERVICE },
	{ "serviceTier.type", SAID_SERVICE },
	{ "usageMetadata.serviceTier", SAID_SERVICE },
	{ "usageMetadata.trafficType", SAID_SERVICE },
	{ "usage.speed", SAID_SPEED },
	{ "usage.inference_geo", SAID_REGION },
	{ "createTime", SAID_MADE },
	{ "updateTime", SAID_CHANGED },
	{ "expireTime", SAID_UNTIL },
};

/* The counts of one document, in the reader's arena. Created when the first value counts. */
struct usage_counts {
	const struct usage_row *rows;
	uint64_t read; /* mask of the rows that have a value */
	int64_t of_row[SAID];
	enum price_service service;
	bool fast, us_only;
	bool spoilt;
	struct span id;
	/* a cache: last change and expiry, ns since 1970; 0: unknown */
	int64_t began_ns, until_ns;
	int64_t made_ns;
};

/* Returns the counts, creating them first if needed; NULL: no memory. */
static struct usage_counts *
counts_of(struct usage_reader *r)
{
	if (!r->counts && (r->counts = arena_new(r->a, struct usage_counts)))
		r->counts->rows = r->d->usage;
	r->failed |= !r->counts;
	return r->counts;
}

/* ---- the place of a value ---- */

static const char *
path_of(const struct usage_reader *r, unsigned row)
{
	return row < SAID ? r->d->usage[row].path : said_rows[row - SAID].path;
}

/* One index a family: the mask of all rows (the family's and said_rows), and of the rows by the
 * low five bits of the path's first letter. */
enum { LETTER = 31 };
struct usage_index {
	const struct usage_row *rows;
	uint64_t all, begins[LETTER + 1];
};
static struct usage_index indexes[] = { { .rows = usage_openai }, { .rows = usage_anthropic },
	{ .rows = usage_gemini }, { .rows = usage_bedrock }, { .rows = usage_cohere },
	{ .rows = usage_ollama }, { .rows = usage_tgi } };

static void
index_row(struct usage_index *x, unsigned row, const char *path)
{
	x->all |= UINT64_C(1) << row;
	x->begins[path[0] & LETTER] |= UINT64_C(1) << row;
}

__attribute__((constructor)) static void
fill_indexes(void)
{
	for (size_t i = 0; i < COUNT_OF(indexes); i++) {
		struct usage_index *x = &indexes[i];
		for (unsigned n = 0; x->rows[n].path; n++) {
			/* a failure means that a table of this program is wrong */
			INVARIANT(n < SAID);
			index_row(x, n, x->rows[n].path);
		}
		for (unsigned n = 0; n < COUNT_OF(said_rows); n++)
			index_row(x, SAID + n, said_rows[n].path);
	}
}

struct usage_place
usage_begin(struct usage_reader *r, const struct dialect *d, struct span json, struct arena *a)
{
	size_t i = 0;

	*r = (struct usage_reader){ .d = d, .json = json, .a = a };
	if (!d || !d->usage)
		return (struct usage_place){ 0 };
	while (i < COUNT_OF(indexes) && indexes[i].rows != d->usage)
		i++;
	INVARIANT(i < COUNT_OF(indexes)); /* every family's rows are listed in `indexes` */
	r->index = &indexes[i];
	return (struct usage_place){ .part = USAGE_ROWS, .top = true, .below = r->index->all };
}

/* Returns the place of a member of a list's element, or of a nested object that can count. */
static struct usage_place
element_member(struct usage_place at, struct span key)
{
	static const struct {
		const char *key;
		enum usage_part part;
	} parts[] = {
		{ "modality", USAGE_NAME },
		{ "ttl", USAGE_NAME },
		{ "type", USAGE_NAME },
		{ "tokenCount", USAGE_COUNT },
		{ "inputTokens", USAGE_COUNT },
		{ "tokens", USAGE_COUNT },
		{ "count", USAGE_COUNT },
		{ "token_count", USAGE_NAMED_COUNT },
		{ "b64_json", USAGE_IMAGE },
		{ "url", USAGE_IMAGE },
		{ "bytesBase64Encoded", USAGE_IMAGE },
		{ "groundingMetadata", USAGE_ELEMENT }, /* Gemini */
		{ "webSearchQueries", USAGE_QUERIES },
		{ "groundingChunks", USAGE_CHUNKS },
		{ "embeddings", USAGE_ELEMENT }, /* Vertex */
		{ "statistics", USAGE_ELEMENT },
	};

	for (size_t i = 0; i < COUNT_OF(parts); i++)
		if (span_is(key, parts[i].key))
			return (struct usage_place){ .part = parts[i].part,
				.element = at.element };
	return (struct usage_place){ 0 };
}

static bool
begins(const char *path, struct span key)
{
	size_t n = 0;

	while (n < key.n && path[n] && path[n] == key.p[n])
		n++;
	return n == key.n;
}

struct usage_place
usage_member(const struct usage_reader *r, struct usage_place at, struct span key)
{
	/* Members that contain the whole response or the changed part of it: Anthropic's
	 * message_start, Cohere's message-end, the last event of OpenAI's responses. The rows
	 * start again below them. */
	static const char *const holders[] = { "message", "delta", "response", "interaction" };
	struct usage_place in = { .part = USAGE_ROWS,
		.at = (unsigned short)(at.at + key.n + 1) };

	if (at.part == USAGE_ELEMENT)
		return element_member(at, key);
	if (at.part == USAGE_CHUNK)
		at.element->mapped |= span_is(key, "maps");
	if (at.part != USAGE_ROWS || !at.below)
		return (struct usage_place){ 0 };
	if (at.top && span_is(key, "id"))
		return (struct usage_place){ .part = USAGE_ID };
	if (at.top && SPAN_IN(key, holders))
		return (struct usage_place){ .part = USAGE_ROWS, .below = at.below };
	uint64_t left = at.below;
	if (!at.at && key.n)
		left &= r->index->begins[*key.p & LETTER];
	for (; left; left &= left - 1) {
		const char *path = path_of(r, (unsigned)__builtin_ctzll(left)) + at.at;
		uint64_t row = left & -left;
		if (!key.n || *path != *key.p || !begins(path, key))
			continue;
		in.here |= path[key.n] == '\0' ? row : 0;
		in.below |= path[key.n] == '.' ? row : 0;
		in.list |= path[key.n] == '[' ? row : 0;
	}
	in.leads = in.below & OF_FAMILY;
	if (!in.leads && !span_is(key, "serviceTier"))
		in.below = 0;
	return (in.here | in.below | in.list) ? in : (struct usage_place){ 0 };
}

struct usage_place
usage_element(const struct usage_place *at, struct usage_element *e)
{
	struct usage_place in = { 0 };

	if (at->part == USAGE_QUERIES) {
		at->element->queries++;
	} else if (at->part == USAGE_CHUNKS) {
		in = (struct usage_place){ .part = USAGE_CHUNK, .element = at->element };
	} else if (at->list) {
		*e = (struct usage_element){ .tok = JSON_NULL };
		in = (struct usage_place){ .part = USAGE_ELEMENT, .element = e };
	}
	return in;
}

/* ---- the value there ---- */

/* Parses seconds from a number or a string, rounded up: "1.2" is 2. */
static bool
seconds(struct span text, uint64_t *v)
{
	struct span whole = span_next(&text, '.');
	bool more = false;

	for (size_t i = 0; i < text.n; i++) {
		if (!is_digit(text.p[i]))
			return false;
		more |= text.p[i] != '0';
	}
	if (span_u64(whole, v) || *v > TOKENS_MAX)
		return false;
	*v += more;
	return true;
}

static void
hear(struct usage_counts *c, enum said what, struct span text)
{
	int64_t ns = 0;

	if (what >= SAID_MADE && clock_parse(text.p, text.n, &ns))
		return;
	switch (what) {
	case SAID_SERVICE: c->service = price_service_of(text); break;
	case SAID_SPEED: c->fast = span_is(text, "fast"); break;
	case SAID_REGION: c->us_only = span_is(text, "us"); break;
	case SAID_UNTIL: c->until_ns = ns; break;
	case SAID_MADE: c->made_ns = ns; /* fall through */
	case SAID_CHANGED: c->began_ns = ns > c->began_ns ? ns : c->began_ns; break;
	}
}

static void
count_value(struct usage_reader *r, const struct usage_place *at, const struct json_event *ev)
{
	struct usage_counts *c = counts_of(r);
	struct span literal = span_cut(r->json, ev->start, ev->end);

	if (!c)
		return;
	for (uint64_t left = at->here; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		uint64_t row = left & -left, v = 0;
		if (i >= SAID) {
			if (ev->tok == JSON_STRING)
				hear(c, said_rows[i - SAID].what, json_text(r->a, r->json, ev));
			continue;
		}
		enum usage_field field = c->rows[i].field;
		if (field == USAGE_SECONDS || field == USAGE_LENGTH) {
			bool ok = seconds(literal, &v);
			c->spoilt |= field == USAGE_SECONDS && !ok;
			c->read |= ok ? row : 0;
			c->of_row[i] = ok ? (int64_t)v : 0;
			continue;
		}
		if (ev->tok != JSON_NUMBER || span_u64(literal, &v) != 0 || v > TOKENS_MAX ||
			c->read & row)
			c->spoilt = true;
		c->read |= row;
		c->of_row[i] = v > TOKENS_MAX ? 0 : (int64_t)v;
	}
	c->spoilt |= at->leads && ev->tok != JSON_OBJECT;
}

void
usage_value(struct usage_reader *r, const struct usage_place *at, const struct json_event *ev)
{
	struct usage_element *e = at->element;
	bool string = ev->tok == JSON_STRING;

	switch (at->part) {
	case USAGE_ROWS:
		if ((at->here || at->leads) && ev->tok != JSON_NULL)
			count_value(r, at, ev);
		break;
	case USAGE_ID:
		if (string && counts_of(r))
			r->counts->id = json_text(r->a, r->json, ev);
		break;
	case USAGE_NAME: e->name = string ? json_text(r->a, r->json, ev) : e->name; break;
	case USAGE_IMAGE: e->name = string && !e->name.n ? SPAN_LIT("image") : e->name; break;
	case USAGE_NAMED_COUNT: e->name = SPAN_LIT("token_count"); /* fall through */
	case USAGE_COUNT:
		e->tok = ev->tok;
		e->count = span_cut(r->json, ev->start, ev->end);
		break;
	case USAGE_QUERIES: e->searched |= ev->tok == JSON_ARRAY; break;
	default: break;
	}
}

/* Adds the number of an element to the rows of its name. */
static void
count_element(struct usage_reader *r, const struct usage_place *at, struct span name,
	uint64_t n, bool spoilt)
{
	for (uint64_t left = name.n ? at->list : 0; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		if (!span_is(name, path_of(r, i) + at->at + strlen("].")) || !counts_of(r))
			continue;
		struct usage_counts *c = r->counts;
		int64_t *v = &c->of_row[i];
		c->read |= left & -left;
		c->spoilt |= spoilt || n > TOKENS_MAX || *v + (int64_t)n > TOKENS_MAX;
		*v = c->spoilt ? 0 : *v + (int64_t)n;
	}
}

void
usage_element_end(
	struct usage_reader *r, const struct usage_place *at, const struct usage_element *e)
{
	uint64_t n = 0;
	bool counted = e->tok == JSON_NUMBER && span_u64(e->count, &n) == 0;

	if (e->searched)
		count_element(r, at, SPAN_LIT("webSearchQueries"), e->queries, false);
	if (e->mapped)
		count_element(r, at, SPAN_LIT("maps"), 1, false);
	if (e->tok == JSON_NULL)
		n = e->count.n ? 0 : 1; /* a count of null is 0 */
	count_element(r, at, e->name, n, e->tok != JSON_NULL && !counted);
}

/* ---- totals ---- */

struct totals {
	bool seen[USAGE_FIELDS];
	int64_t v[USAGE_FIELDS]; /* indexed by usage_row.field */
	uint64_t kept_s;
};

static struct totals
add_up(const struct usage_counts *c)
{
	struct totals t = { 0 };
	int64_t *v = t.v;

	for (uint64_t left = c->read; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		const struct usage_row *u = &c->rows[i];
		if (u->instead && t.seen[u->field])
			continue;
		v[u->field] += c->of_row[i];
		t.seen[u->field] = true;
	}
	/* Bedrock's total shows whether the input includes the cached tokens */
	if (!t.seen[USAGE_TOTAL] || v[USAGE_TOTAL] != v[USAGE_INPUT] + v[USAGE_OUTPUT])
		v[USAGE_INPUT] += v[USAGE_APART];
	/* xAI's total shows that the output excludes reasoning tokens */
	if (t.seen[USAGE_TOTAL] && t.seen[USAGE_OUTPUT] && v[USAGE_REASONING] > 0 &&
		v[USAGE_TOTAL] == v[USAGE_INPUT] + v[USAGE_OUTPUT] + v[USAGE_REASONING])
		v[USAGE_OUTPUT] += v[USAGE_REASONING];
	/* Reranking and some embeddings report a total alone, which is the input. The total of a
	 * stored cache is not (count_pieces()). */
	if (t.seen[USAGE_TOTAL] && !t.seen[USAGE_INPUT] && !t.seen[USAGE_OUTPUT] &&
		!t.seen[USAGE_KEPT]) {
		v[USAGE_INPUT] = v[USAGE_TOTAL];
		t.seen[USAGE_INPUT] = true;
	}
	/* only the total reveals the output; embeddings have none */
	if (!t.seen[USAGE_OUTPUT] && t.seen[USAGE_INPUT] && t.seen[USAGE_TOTAL] &&
		v[USAGE_TOTAL] >= v[USAGE_INPUT]) {
		v[USAGE_OUTPUT] = v[USAGE_TOTAL] - v[USAGE_INPUT];
		t.seen[USAGE_OUTPUT] = true;
	}
	return t;
}

/* Converts counts by piece. Images count only if no tokens were reported. If only pieces were
 * reported, input and output are known to be 0. */
static void
count_pieces(const struct usage_counts *c, struct totals *t)
{
	bool tokens = t->seen[USAGE_INPUT] || t->seen[USAGE_OUTPUT], pieces = false;
	int64_t *v = t->v;

	if (!tokens && !t->seen[USAGE_SECONDS] && t->seen[USAGE_LENGTH]) {
		v[USAGE_SECONDS] = v[USAGE_LENGTH];
		t->seen[USAGE_SECONDS] = true;
	}
	pieces |= t->seen[USAGE_SECONDS];
	/* A stored cache: its tokens are written once, and then kept for the time until it
	 * expires. */
	if (!tokens && t->seen[USAGE_KEPT] && c->until_ns > c->began_ns && c->began_ns > 0) {
		if (c->began_ns - c->made_ns < MADE_NS)
			v[USAGE_INPUT] = v[USAGE_WRITE] = v[USAGE_KEPT];
		t->kept_s = (uint64_t)(c->until_ns - c->began_ns + 999999999) / 1000000000;
		pieces = true;
	}
	if (tokens || pieces)
		v[USAGE_IMAGES] = 0;
	else
		pieces = v[USAGE_IMAGES] || t->seen[USAGE_SEARCHES];
	if (!tokens && pieces)
		t->seen[USAGE_INPUT] = t->seen[USAGE_OUTPUT] = true;
}

/* The usage field of each price kind; 0: none. */
static const enum usage_field field_of[PRICE_KINDS] = {
	[PRICE_CACHED] = USAGE_CACHED,
	[PRICE_WRITE] = USAGE_WRITE,
	[PRICE_WRITE_1H] = USAGE_WRITE_1H,
	[PRICE_AUDIO_IN] = USAGE_AUDIO_IN,
	[PRICE_IMAGE_IN] = USAGE_IMAGE_IN,
	[PRICE_CACHED_AUDIO] = USAGE_CACHED_AUDIO,
	[PRICE_CACHED_IMAGE] = USAGE_CACHED_IMAGE,
	[PRICE_REASONING] = USAGE_REASONING,
	[PRICE_AUDIO_OUT] = USAGE_AUDIO_OUT,
	[PRICE_IMAGE_OUT] = USAGE_IMAGE_OUT,
	[PRICE_IMAGES] = USAGE_IMAGES,
	[PRICE_SEARCHES] = USAGE_SEARCHES,
	[PRICE_MAPS] = USAGE_MAPS,
	[PRICE_SESSIONS] = USAGE_SESSIONS,
	[PRICE_FILES] = USAGE_FILES,
	[PRICE_DRAWN] = USAGE_DRAWN,
	[PRICE_SECONDS] = USAGE_SECONDS,
};

/* Raises the details to these counts, because the counts of a stream are totals so far. */
static void
raise_details(struct usage *u, const struct usage_counts *c, const struct totals *t)
{
	for (enum price_kind k = 0; k < PRICE_KINDS; k++)
		if (field_of[k] && (uint64_t)t->v[field_of[k]] > u->details.n[k])
			u->details.n[k] = (uint64_t)t->v[field_of[k]];
	if (t->kept_s)
		u->details.n[PRICE_STORED] = (uint64_t)t->v[USAGE_KEPT] * t->kept_s;
	if (c->service || c->fast)
		u->details.service = c->fast ? PRICE_FAST : c->service;
	u->details.us_only |= c->us_only;
}

void
usage_whole(const struct usage_counts *c, struct usage *u)
{
	*u = (struct usage){ 0 };
	if (!c)
		return;
	struct totals t = add_up(c);
	if (c->id.p)
		u->made = file_name_of(c->id);
	count_pieces(c, &t);
	u->known = !c->spoilt && t.seen[USAGE_INPUT] && t.seen[USAGE_OUTPUT];
	if (!u->known)
		return;
	u->input_tokens = t.v[USAGE_INPUT];
	u->output_tokens = t.v[USAGE_OUTPUT];
	u->cached_tokens = t.v[USAGE_CACHED];
	raise_details(u, c, &t);
}

static void
raise_to(int64_t *v, int64_t to)
{
	if (to > *v)
		*v = to;
}

bool
usage_event(const struct usage_counts *c, struct span event, struct usage *u)
{
	if (!c)
		return false;
	struct totals t = add_up(c);
	raise_to(&u->input_tokens, t.v[USAGE_INPUT]);
	raise_to(&u->output_tokens, t.v[USAGE_OUTPUT]);
	raise_to(&u->cached_tokens, t.v[USAGE_CACHED]);
	raise_details(u, c, &t);
	u->spoilt |= c->spoilt;
	u->input_seen |= t.seen[USAGE_INPUT];
	/* The output in message_start is only a start value. If the stream is cut after it, the
	 * usage is unknown. */
	bool counts = t.seen[USAGE_OUTPUT] && !span_is(event, "message_start");
	u->output_seen |= counts;
	u->known = u->input_seen && u->output_seen && !u->spoilt;
	return counts;
}

void
usage_spoil(const struct dialect *d, struct usage *u)
{
	u->spoilt |= d->usage != NULL;
	u->known &= !u->spoilt;
}

bool
usage_key_counts(struct span key)
{
	static const char *const tells[] = { "sage", "oken", "_count" };

	return SPAN_AMONG(key, tells, span_holds);
}

/* ---- one kind for each token ---- */

/* Limits a part to the rest of the total, and subtracts the part from the rest. */
static void
take_part(struct price_usage *s, enum price_kind k, uint64_t *left)
{
	s->n[k] = s->n[k] > *left ? *left : s->n[k];
	*left -= s->n[k];
}

/* Cached audio tokens are reported as audio tokens and as cached ones. They are counted as
 * neither then, but as a kind of their own. */
static void
take_cached_part(
	struct price_usage *s, enum price_kind k, enum price_kind fresh, uint64_t *left)
{
	uint64_t most = s->n[PRICE_CACHED] < s->n[fresh] ? s->n[PRICE_CACHED] : s->n[fresh];

	s->n[k] = s->n[k] > most ? most : s->n[k];
	s->n[PRICE_CACHED] -= s->n[k];
	s->n[fresh] -= s->n[k];
	take_part(s, k, left);
}

struct price_usage
usage_split(const struct usage *u)
{
	/* the most expensive kinds first, so that they are kept if the parts exceed the
	 * total */
	static const enum price_kind prompt[] = { PRICE_WRITE_1H, PRICE_WRITE, PRICE_AUDIO_IN,
		PRICE_IMAGE_IN, PRICE_CACHED };
	static const enum price_kind answer[] = { PRICE_AUDIO_OUT, PRICE_IMAGE_OUT,
		PRICE_REASONING };
	struct price_usage s = u->details;

	if (!u->known)
		return (struct price_usage){ 0 };
	uint64_t in = (uint64_t)u->input_tokens, out = (uint64_t)u->output_tokens;
	/* the tokens kept for an hour are included in the written ones */
	s.n[PRICE_WRITE] -=
		s.n[PRICE_WRITE] > s.n[PRICE_WRITE_1H] ? s.n[PRICE_WRITE_1H] : s.n[PRICE_WRITE];
	take_cached_part(&s, PRICE_CACHED_AUDIO, PRICE_AUDIO_IN, &in);
	take_cached_part(&s, PRICE_CACHED_IMAGE, PRICE_IMAGE_IN, &in);
	for (size_t i = 0; i < COUNT_OF(prompt); i++)
		take_part(&s, prompt[i], &in);
	for (size_t i = 0; i < COUNT_OF(answer); i++)
		take_part(&s, answer[i], &out);
	s.n[PRICE_INPUT] = in;
	s.n[PRICE_OUTPUT] = out;
	s.n[PRICE_REQUESTS] = 1;
	return s;
}
