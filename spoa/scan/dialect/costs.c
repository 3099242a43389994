/* Facts of a request that determine its cost, from the parsed body:
 *
 *  - parameters that prices depend on: the size and quality of images, how much context a web
 *    search may read, and the region in a path or a model's name;
 *  - how often the request permits the use of tools that the provider runs and charges by use.
 *    The result bounds the reservation. Messages to MCP servers run no model;
 *  - whether the model may generate reasoning tokens that are charged but do not appear in the
 *    response, so that the gateway cannot count them itself. Unknown models may reason;
 *  - whether the response arrives later (in the background, as a batch), and the files of a
 *    batch.
 *
 * https://platform.openai.com/docs/api-reference/images/create,
 * https://platform.openai.com/docs/api-reference/responses/create (tools, max_tool_calls),
 * https://platform.openai.com/docs/guides/tools-web-search (search_context_size),
 * https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool (max_uses),
 * https://ai.google.dev/api/caching#Tool,
 * https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api */
#include "base/among.h"
#include "base/attr.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/sha256.h"
#include "scan/dialect/family.h"

/* ---- parameters that prices depend on ---- */

enum { WORD_MAX_BYTES = 64 };

/* The places of each enum price_ask. "tools.size" is the size in any element of `tools`. */
/* clang-format off */
static const struct json_place places[] = {
	{ "size", ASKED_SIZE },
	{ "quality", ASKED_QUALITY },
	{ "tools.size", ASKED_SIZE },
	{ "tools.quality", ASKED_QUALITY },
	{ "tools.search_context_size", ASKED_CONTEXT },
	{ "web_search_options.search_context_size", ASKED_CONTEXT },
	{ "parameters.sampleImageSize", ASKED_SIZE },
	{ "generationConfig.imageConfig.imageSize", ASKED_SIZE },
	{ "generation_config.image_config.image_size", ASKED_SIZE },
	{ "imageGenerationConfig.quality", ASKED_QUALITY },
};
/* clang-format on */

/* The argument of note_asked(). */
struct asking {
	struct arena *a;
	struct price_asked *out;
};

/* Records a value. If two values differ, or the value is longer than a word, "auto" (the
 * provider's choice) is recorded. The value is copied, because the body is released before the
 * response arrives. */
static void
note_asked(void *arg, int ask, struct span v, const struct json_event *at UNUSED)
{
	const struct asking *r = arg;
	struct span *to = &r->out->v[ask];

	if (v.n)
		*to = v.n > WORD_MAX_BYTES || (to->n && !span_eq(*to, v)) ? SPAN_LIT("auto")
									  : arena_dup(r->a, v);
}

int
dialect_price_parameters(
	const struct body *b, struct span raw, struct arena *a, struct price_asked *out)
{
	struct asking r = { a, out };

	for (size_t i = 0; i < b->nparams; i++) /* also the fields of a form */
		for (size_t k = 0; k < COUNT_OF(places); k++)
			if (b->params[i].kind == PARAM_STRING &&
				span_is(b->params[i].name, places[k].path))
				note_asked(&r, places[k].what, b->params[i].text, NULL);
	for (size_t i = 0; i < b->marks.nrequests; i++) {
		size_t top = b->marks.request[i].top;
		/* Bytes after this request belong to the following requests; the reader stops
		 * at its end. */
		if (top && top <= raw.n)
			json_strings(span_cut(raw, top - 1, raw.n), places, COUNT_OF(places),
				false, a, note_asked, &r);
	}
	return arena_failed(a) ? ERR_NOMEM : 0;
}

/* Returns the area of a Bedrock inference profile: "eu" of "eu.anthropic.claude". Empty for
 * "anthropic.claude", which runs in the account's own region. */
static struct span
profile(struct span model)
{
	static const char *const areas[] = { "us", "us-gov", "eu", "apac", "jp", "au", "ca",
		"global" };
	struct span rest = model, area = span_next(&rest, '.');

	return rest.n && SPAN_IN(area, areas) ? area : (struct span){ NULL, 0 };
}

struct span
dialect_region(struct span path, struct span model)
{
	static const char at[] = "/locations/";
	const char *p = memmem(path.p, path.n, at, sizeof(at) - 1);
	struct span arn = model;

	if (p) {
		struct span rest =
			span_cut(path, (size_t)(p - path.p) + sizeof(at) - 1, path.n);
		return span_next(&rest, '/');
	}
	if (!span_starts(model, SPAN_LIT("arn:")))
		return profile(model);
	while (span_chr(model, '/') < model.n)
		span_next(&model, '/');
	if (profile(model).n)
		return profile(model);
	for (int i = 0; i < 3; i++)
		span_next(&arn, ':');
	return span_next(&arn, ':');
}

/* ---- tools that the provider charges by use ---- */

/* The charged tools if the price list has no `tools`. */
/* clang-format off */
static const struct price_tool usual[] = {
	{ "web_search*", PRICE_SEARCHES }, /* _preview, _20250305, _options, … */
	{ "code_interpreter", PRICE_SESSIONS },
	{ "googleSearch*", PRICE_SEARCHES }, /* …Retrieval */ { "google_search*", PRICE_SEARCHES },
	{ "googleMaps*", PRICE_MAPS },
	{ "google_maps*", PRICE_MAPS },
	{ "enterpriseWebSearch", PRICE_SEARCHES },
	{ "enterprise_web_search", PRICE_SEARCHES },
};
/* clang-format on */

enum { USES_MAX = 1000000 };

/* The tools of one request. */
struct offers {
	struct json *j;
	struct span in;
	struct arena *a;
	const struct price_tool *tools;
	size_t ntools;
	uint64_t uses[PRICE_KINDS]; /* stated maximum uses, summed by kind */
	uint64_t open[PRICE_KINDS]; /* number of tools without a stated maximum */
	bool capped;
	uint64_t cap; /* max_tool_calls: the maximum of all tools together */
};

/* Returns true if a name is that of a charged tool, and sets *kind. The name is a tool's type,
 * Gemini's member, or a member of the request. The most specific pattern counts. */
static bool
kind_of(const struct offers *o, struct span name, enum price_kind *kind)
{
	const struct price_tool *best = NULL;

	for (size_t i = 0; i < o->ntools; i++)
		if (price_better(best ? best->name : NULL, o->tools[i].name, name))
			best = &o->tools[i];
	if (best)
		*kind = best->kind;
	return best;
}

static bool
offered_number(const struct offers *o, const struct json_event *ev, uint64_t *n)
{
	if (ev->tok != JSON_NUMBER || span_u64(span_cut(o->in, ev->start, ev->end), n) != 0)
		return false;
	*n = *n > USES_MAX ? USES_MAX : *n;
	return true;
}

/* Reads a tool from behind its opening brace to its end. `kind`: the kind that the member's
 * name implies; PRICE_KINDS: none. */
static int
read_tool(struct offers *o, enum price_kind kind)
{
	static const char *const names[] = { "type", "id" }; /* id: OpenRouter's plugins */
	static const char *const bounds[] = { "max_uses", "max_search_results" }; /* xAI */
	struct json_event ev;
	struct json_member m;
	uint64_t uses = 0;
	bool says = false;
	int err = 0;

	for (; json_member(o->j, o->a, o->in, &m, &ev, &err); json_skip(o->j, &ev)) {
		if (SPAN_IN(m.key, names) && ev.tok == JSON_STRING) {
			struct span type = json_text(o->a, o->in, &ev);
			if (!type.p)
				return ERR_NOMEM;
			kind_of(o, type, &kind);
		} else if (SPAN_IN(m.key, bounds)) {
			says = offered_number(o, &ev, &uses);
		} else if (ev.tok == JSON_OBJECT) {
			kind_of(o, m.key, &kind);
		}
	}
	if (kind != PRICE_KINDS) {
		o->uses[kind] += says ? uses : 0;
		o->open[kind] += !says;
	}
	return err;
}

static int
read_tools(struct offers *o)
{
	struct json_event ev;
	int err = 0;

	for (enum json_tok tok; !err && (tok = json_next(o->j, &ev)) != JSON_ARRAY_END;) {
		if (tok == JSON_OBJECT)
			err = read_tool(o, PRICE_KINDS);
		else if (json_skip(o->j, &ev) == JSON_ERROR)
			err = json_error(o->j, NULL, NULL);
	}
	return err;
}

/* Reads one request from its opening brace to its end. */
static int
read_request(struct offers *o)
{
	static const char *const lists[] = { "tools", "plugins" };
	struct json_event ev;
	struct json_member m;
	enum price_kind kind;
	int err = 0;

	if (!(o->j = json_open(o->a, o->in)))
		return ERR_NOMEM;
	json_next(o->j, &ev);
	while (json_member(o->j, o->a, o->in, &m, &ev, &err)) {
		if (SPAN_IN(m.key, lists) && ev.tok == JSON_ARRAY) {
			err = read_tools(o);
		} else if (ev.tok == JSON_OBJECT && kind_of(o, m.key, &kind)) {
			err = read_tool(o, kind);
		} else {
			if (span_is(m.key, "max_tool_calls"))
				o->capped = offered_number(o, &ev, &o->cap);
			json_skip(o->j, &ev);
		}
	}
	return err;
}

int
dialect_count_tool_uses(const struct body *b, struct span raw, const struct price_tool *tools,
	size_t n, uint64_t otherwise, struct arena *a, struct price_usage *out)
{
	const struct offers none = {
		.a = a, .tools = n ? tools : usual, .ntools = n ? n : COUNT_OF(usual)
	};
	uint64_t choices = b->choices > 1 ? (uint64_t)b->choices : 1;
	enum price_kind kind;
	bool any = false;

	/* Only a body with a short string that names such a tool is parsed again; almost no
	 * body has one. */
	for (size_t i = 0; i < b->nsegments && !any; i++)
		any = b->segments[i].text.n < 64 && kind_of(&none, b->segments[i].text, &kind);
	for (size_t i = 0; any && i < b->marks.nrequests; i++) {
		size_t top = b->marks.request[i].top;
		if (!top || top > raw.n)
			continue;
		struct offers o = none;
		o.in = span_cut(raw, top - 1, raw.n);
		int err = read_request(&o);
		if (err)
			return err;
		for (enum price_kind k = 0; k < PRICE_KINDS; k++) {
			uint64_t uses = o.uses[k] + o.open[k] * otherwise;
			if (o.capped && (o.uses[k] || o.open[k]))
				uses = o.cap;
			out->n[k] += uses * choices;
		}
	}
	return 0;
}

bool
dialect_is_mcp(struct span raw, struct arena *a)
{
	static const char *const methods[] = { "initialize", "ping", "completion/complete",
		"logging/setLevel", "tools/list", "tools/call", "prompts/list", "prompts/get",
		"resources/list", "resources/read", "resources/templates/list",
		"resources/subscribe", "resources/unsubscribe", "notifications/initialized",
		"notifications/cancelled", "notifications/progress",
		"notifications/roots/list_changed" };
	bool rpc = false, method = false;
	struct json *j = json_open(a, raw);
	struct json_event ev;

	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return false;
	while (json_next(j, &ev) == JSON_KEY) {
		struct span name = json_text(a, raw, &ev);
		if (!span_is(name, "jsonrpc") && !span_is(name, "method")) {
			json_skip(j, &ev);
			continue;
		}
		if (json_next(j, &ev) != JSON_STRING)
			return false;
		struct span text = json_text(a, raw, &ev);
		if (span_is(name, "method"))
			method = SPAN_IN(text, methods);
		else
			rpc = span_is(text, "2.0");
	}
	return rpc && method;
}

/* ---- reasoning tokens, and responses that arrive later ---- */

/* Prefixes of models that reason only on request, after the prefixes of region and vendor
 * ("us.", "anthropic."). "": all models of the dialect. Reasons: OpenAI's o series and GPT-5
 * reason without showing it. Claude since version 4 and Gemini since 2.5 return a summary if
 * thinking was requested. Servers of open models return every generated token. */
/* clang-format off */
static const struct {
	const char *dialect, *prefixes[14];
} open[] = {
	{ "openai", { "gpt-3.5", "gpt-4", "chatgpt-4o", "davinci", "babbage" } },
	{ "anthropic", { "claude-2", "claude-3", "claude-opus-4", "claude-sonnet-4",
		"claude-haiku-4" } },
	{ "bedrock", { "claude-3", "claude-opus-4", "claude-sonnet-4", "claude-haiku-4",
		"nova-micro", "nova-lite", "nova-pro", "titan", "llama3", "llama4",
		"mistral", "mixtral", "command" } },
	{ "gemini", { "gemini-1.", "gemini-2.0", "gemma" } },
	{ "cohere", { "command" } },
	{ "mistral", { "" } },
	{ "ollama", { "" } },
	{ "tgi", { "" } },
};
/* clang-format on */

/* Members of requests that ask for reasoning, at any depth, and parts of model names that
 * indicate it. */
static const char *const asks[] = { "thinking", "thinkingConfig", "thinking_config",
	"reasoning", "reasoning_effort", "reasoningConfig", "reasoning_config",
	"reasoningContent" };
static const char *const tells[] = { "think", "reason" };

static bool
has_key(const struct body *b, const char *const *names, size_t n)
{
	for (size_t i = 0; i < b->nsegments; i++)
		if (b->segments[i].role == ROLE_KEY &&
			span_find(b->segments[i].text, names, n) < n)
			return true;
	return false;
}

/* Removes prefixes that end with a dot before a letter: "us.anthropic.claude-3-5" becomes
 * "claude-3-5"; "gemini-1.5" stays. */
static struct span
bare_reason_model(struct span model)
{
	for (size_t i = 0; i + 1 < model.n; i++)
		if (model.p[i] == '.' && model.p[i + 1] >= 'a' && model.p[i + 1] <= 'z')
			return bare_reason_model(span_cut(model, i + 1, model.n));
	return model;
}

bool
dialect_may_reason(const struct dialect *d, struct span model, const struct body *b)
{
	struct span name = d == &dialect_bedrock ? bare_reason_model(model) : model;

	if (SPAN_AMONG(model, tells, span_holds))
		return true;
	for (size_t i = 0; i < COUNT_OF(open); i++)
		for (const char *const *p = open[i].prefixes;
			*p && !strcmp(open[i].dialect, d->name); p++)
			if (span_starts(name, span_str(*p)))
				return b && has_key(b, asks, COUNT_OF(asks));
	return true;
}

bool
dialect_bills_on(const struct dialect *d)
{
	return d && d->bills_on;
}

bool
dialect_responds_later(const struct endpoint *e, const struct body *b)
{
	static const char *const names[] = { "background" };

	return has_key(b, names, COUNT_OF(names)) || dialect_batches(e);
}

bool
dialect_in_background(const struct body *b, struct span raw, struct arena *a)
{
	static const char *const names[] = { "background" };
	struct json_member m;
	struct json_event ev;
	int err = 0;

	if (!has_key(b, names, COUNT_OF(names)))
		return false;
	struct json *j = json_open(a, raw);
	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return false;
	while (json_member(j, a, raw, &m, &ev, &err)) {
		if (span_is(m.key, names[0]))
			return ev.tok == JSON_TRUE;
		json_skip(j, &ev);
	}
	return false;
}

/* ---- batches whose requests are in a file ----
 *
 * The file is uploaded first, and the response names it. A job then refers to the file by this
 * id (OpenAI "Batch API"; Mistral "Batch inference"). */

struct file_name
file_name_of(struct span id)
{
	unsigned char h[SHA256_BYTES];
	struct file_name f;

	sha256(id, h);
	memcpy(f.hash, h, sizeof(f.hash));
	return f;
}

bool
file_name_known(const struct file_name *f)
{
	static const struct file_name none;

	return memcmp(f, &none, sizeof(none)) != 0;
}

bool
dialect_batches(const struct endpoint *e)
{
	return e->table && (e->table->batch || e->table->line);
}

bool
dialect_batch_file(const struct endpoint *e, const struct body *b)
{
	for (size_t i = 0; e->table && e->table->line && i < b->nsegments; i++)
		if (span_is(segment_key(b->segments, &b->segments[i]), "purpose") &&
			span_is(b->segments[i].text, "batch"))
			return true;
	return false;
}

size_t
dialect_job_files(
	const struct endpoint *e, const struct body *b, struct file_name *out, size_t max)
{
	static const char *const files[][2] = {
		[false] = { "input_file_id", "input_files" },
		/* Gemini's jobs contain the requests, or name the file */
		[true] = { "fileName", "file_name" },
	};
	size_t n = 0;

	bool jobs = e->name && (!strcmp(e->name, "batches") || !strcmp(e->name, "batch"));
	if (!jobs || !e->table)
		return 0;
	const char *const *names = files[e->table->batch];
	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		if (span_find(segment_key(b->segments, s), names, 2) == 2)
			continue;
		if (n < max)
			out[n] = file_name_of(s->text);
		n++;
	}
	return n;
}
