/* A name that stands for a provider's model: responses contain it, and lists of models list
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "answer/guard/guard.h"
#include "policy/route.h"

#define SSE  "text/event-stream"
#define JSON "application/json"
#define CHAT "openai", "/v1/chat/completions"
#define CHUNK(model, text)                                                                     \
	"data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"" model          \
	"\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text                          \
	"\"},\"finish_reason\":null}]}\n\n"
#define FINISH(model)                                                                          \
	"data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"" model          \
	"\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: "    \
	"[DONE]\n\n"
#define WHOLE(model)                                                                           \
	"{\"id\": \"1\", \"object\":\"chat.completion\",\"model\" : \"" model "\","            \
	"\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"the "     \
	"model m-1 says model\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3," \
	"\"completion_tokens\":4,\"total_tokens\":7}}"
#define CLAUDE(model)                                                                          \
	"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\","   \
	"\"type\":\"message\",\"role\":\"assistant\",\"model\":\"" model                       \
	"\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":3,\"output_"       \
	"tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_"        \
	"start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"         \
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"     \
	"\"delta\":{\"type\":\"text_delta\",\"text\":\"m-1\"}}\n\n"                            \
	"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"   \
	"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"  \
	"\"end_turn\"},\"usage\":{\"output_tokens\":4}}\n\n"                                   \
	"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

/* clang-format off */
static const struct {
	const char *name, *dialect, *path, *type, *in, *want;
	long input; /* tokens that are known for it; -1: none */
} rows[] = {
	{ "a whole answer", CHAT, JSON, WHOLE("m-1-2026"), WHOLE("fast"), 3 },
	{ "a name that is longer", CHAT, JSON, WHOLE("m"), WHOLE("fast"), 3 },
	{ "a name that is empty", CHAT, JSON, WHOLE(""), WHOLE("fast"), 3 },
	{ "each event of a stream", CHAT, SSE, CHUNK("m-1", "a") CHUNK("m-1", "bc") CHUNK("m-1-b", "\\n") FINISH("m"),
		CHUNK("fast", "a") CHUNK("fast", "bc") CHUNK("fast", "\\n") FINISH("fast"), -1 },
	{ "Anthropic's", "anthropic", "/v1/messages", SSE, CLAUDE("claude-1"), CLAUDE("fast"), 3 },
	{ "Gemini's", "gemini", "/v1beta/models/m:generateContent", JSON,
		"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":\"model\"},\"finishReason\":\"STOP\"}],"
		"\"modelVersion\":\"m-001\"}",
		"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":\"model\"},\"finishReason\":\"STOP\"}],"
		"\"modelVersion\":\"fast\"}", -1 },
	{ "a response, and its object in an event", "openai", "/v1/responses", SSE,
		"event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"m-1\"}}\n\n"
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"model\":\"m-1\"}}\n\n",
		"event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"fast\"}}\n\n"
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"model\":\"fast\"}}\n\n", -1 },
	{ "embeddings", "openai", "/v1/embeddings", JSON,
		"{\"object\":\"list\",\"data\":[{\"index\":0,\"embedding\":[0.25,-1]}],\"model\":\"m\",\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}",
		"{\"object\":\"list\",\"data\":[{\"index\":0,\"embedding\":[0.25,-1]}],\"model\":\"fast\",\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}", 3 },
	{ "no model is added", CHAT, JSON, "{\"choices\":[]}", "{\"choices\":[]}", -1 },
	{ "a model that is no text stays", CHAT, JSON, "{\"model\":null,\"choices\":[]}", "{\"model\":null,\"choices\":[]}", -1 },
	{ "sound passes", "openai", "/v1/audio/speech", "audio/mpeg", "\xff\xfb\"model\":\"m\"", "\xff\xfb\"model\":\"m\"", -1 },
};
/* Invalid JSON passes as long as no rule reads it. */
static const struct {
	const char *name, *type, *in;
} passing[] = {
	{ "a JSON type without JSON", JSON, "{\"model\":\"m\",}" },
	{ "a text", "text/plain", "\"model\":\"m\"" },
	{ "an event that is none", SSE, "data: {\"model\":\n\ndata: [DONE]\n\n" },
};
/* clang-format on */

static void
answered(const char *name, struct guard_plan plan, const char *type, int status,
	struct span in, size_t step, const char *want, long input)
{
	const struct guard_head head = { .status = status, .content_type = span_str(type) };
	struct guard *g = guard_new(&plan, &head);
	enum guard_result r = GUARD_PASS;
	struct buf out;

	assert_non_null(g);
	buf_init(&out, 0);
	for (; in.n && !r; in = span_cut(in, step, in.n))
		r = guard_feed(g, span_cut(in, 0, step), &out);
	r = r ? r : guard_end(g, &out);
	if (r || !span_is(buf_view(&out), want))
		fail_msg("%s, %zu bytes each: %d\n%.*s\n%s", name, step, (int)r,
			SPAN_ARG(buf_view(&out)), want);
	struct usage u = guard_usage(g);
	if (input >= 0 && (!u.known || u.input_tokens != input))
		fail_msg("%s: usage %ld", name, (long)u.input_tokens);
	buf_free(&out);
	guard_drop(&g);
}

static struct guard_plan
plan_of(const char *dialect, const char *path)
{
	return (struct guard_plan){
		.format = answer_format_find(span_str(dialect), span_str(path)),
		.dialect = dialect_find(span_str(dialect)),
		.path = span_str(path),
		.alias = "fast",
	};
}

static void
responses_have_the_requested_name(void **state)
{
	static const size_t steps[] = { 1, 7, 1 << 20 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows) * COUNT_OF(steps); i++) {
		size_t at = i / COUNT_OF(steps), step = steps[i % COUNT_OF(steps)];
		struct guard_plan plan = plan_of(rows[at].dialect, rows[at].path);
		struct span in = span_str(rows[at].in);
		answered(rows[at].name, plan, rows[at].type, 200, in, step, rows[at].want,
			rows[at].input);
		plan.hide_usage = true;
		answered(rows[at].name, plan, rows[at].type, 200, in, step, rows[at].want,
			rows[at].input);
		plan.alias = NULL; /* without an alias the name is unchanged */
		plan.hide_usage = false;
		answered(rows[at].name, plan, rows[at].type, 200, in, step, rows[at].in,
			rows[at].input);
	}
	for (size_t i = 0; i < COUNT_OF(passing); i++)
		answered(passing[i].name, plan_of(CHAT), passing[i].type, 200,
			span_str(passing[i].in), 3, passing[i].in, -1);
	answered("an error", plan_of(CHAT), JSON, 404, SPAN_LIT("{\"model\":\"m\"}"), 5,
		"{\"model\":\"m\"}", -1);
}

/* Also if texts are restored: the gateway's own events have the name too. */
static void
edited_responses_have_the_requested_name(void **state)
{
	struct guard_plan plan = plan_of(CHAT);
	struct vault *v = vault_new();

	(void)state;
	assert_int_equal(vault_add(v, SPAN_LIT("<PERSON_1>"), SPAN_LIT("Ada")), 0);
	plan.vault = v;
	answered("put back", plan, SSE, 200,
		span_str(CHUNK("m-1", "a <PER") CHUNK("m-1", "SON_1> b") FINISH("m-1")), 11,
		CHUNK("fast", "a ") CHUNK("fast", "Ada b") FINISH("fast"), -1);
	answered("held to the end", plan, SSE, 200,
		span_str(CHUNK("m-1", "a <PER") FINISH("m-1")), 11,
		CHUNK("fast", "a ") CHUNK("fast", "<PER") FINISH("fast"), -1);
	answered("whole", plan, JSON, 200, SPAN_LIT(WHOLE("m-1")), 11, WHOLE("fast"), 3);
	vault_free(&v);
}

/* ---- lists ---- */

static bool
may_use(void *arg, struct span model, struct arena *a)
{
	(void)arg;
	(void)a;
	return !span_starts(model, SPAN_LIT("no"));
}

#define LIST(list) "{\"object\":\"list\",\"data\":[" list "],\"last_id\":\"no\"}"
#define M(name)	   "{\"id\":\"" name "\"}"
#define ALIAS(name)                                                                            \
	"{\"id\":\"" name "\",\"object\":\"model\",\"created\":0,\"owned_by\":\"tollgate\"}"
#define ADDED(list, id) "{\"object\":\"list\",\"data\":[" list "],\"last_id\":" id "}"

static void
lists_of_models_have_the_permitted_names(void **state)
{
	static const struct route aliases[] = { { .alias = "fast" }, { .alias = "no-fast" },
		{ .alias = "x/y" } };
	/* clang-format off */
	static const struct {
		const char *name, *dialect, *in, *want;
	} lists[] = {
		{ "at its end", "openai", LIST(M("a") "," M("no")), ADDED(M("a") "," ALIAS("fast") "," ALIAS("x/y"), "\"a\"") },
		{ "of a list of nothing", "openai", LIST(""), ADDED(ALIAS("fast") "," ALIAS("x/y"), "null") },
		{ "of one of which nothing stays", "openai", LIST(M("no1") " , " M("no2")), ADDED(ALIAS("fast") "," ALIAS("x/y"), "null") },
		{ "once", "openai", "{\"data\":[" M("a") "],\"models\":[" M("a") "]}", "{\"data\":[" M("a") "," ALIAS("fast") "," ALIAS("x/y") "],\"models\":[" M("a") "]}" },
		{ "of texts", "openai", "{\"data\":[\"a\"]}", "{\"data\":[\"a\",\"fast\",\"x/y\"]}" },
		{ "without a name", "openai", "[" M("a") "]", "[" M("a") "," ALIAS("fast") "," ALIAS("x/y") "]" },
		{ "not in an element", "openai", "{\"data\":[{\"id\":\"a\",\"aliases\":[\"b\"]}]}",
			"{\"data\":[{\"id\":\"a\",\"aliases\":[\"b\"]}," ALIAS("fast") "," ALIAS("x/y") "]}" },
		{ "not in other lists", "openai", "{\"x\":[1]}", "{\"x\":[1]}" },
		{ "Anthropic's", "anthropic", "{\"data\":[]}",
			"{\"data\":[{\"type\":\"model\",\"id\":\"fast\",\"display_name\":\"fast\",\"created_at\":\"1970-01-01T00:00:00Z\"},"
			"{\"type\":\"model\",\"id\":\"x/y\",\"display_name\":\"x/y\",\"created_at\":\"1970-01-01T00:00:00Z\"}]}" },
		{ "Gemini's", "gemini", "{\"models\":[{\"name\":\"models/no\"}]}",
			"{\"models\":[{\"name\":\"models/fast\",\"displayName\":\"fast\",\"supportedGenerationMethods\":[\"generateContent\"]},"
			"{\"name\":\"models/x/y\",\"displayName\":\"x/y\",\"supportedGenerationMethods\":[\"generateContent\"]}]}" },
		{ "Ollama's", "ollama", "{\"models\":[]}", "{\"models\":[{\"name\":\"fast\",\"model\":\"fast\"},{\"name\":\"x/y\",\"model\":\"x/y\"}]}" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		struct guard_plan plan = plan_of(lists[i].dialect, "/v1/models");
		plan.alias = NULL;
		plan.may_use = may_use;
		plan.aliases = aliases;
		plan.naliases = COUNT_OF(aliases);
		answered(lists[i].name, plan, JSON, 200, span_str(lists[i].in), 5,
			lists[i].want, -1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(responses_have_the_requested_name),
		cmocka_unit_test(edited_responses_have_the_requested_name),
		cmocka_unit_test(lists_of_models_have_the_permitted_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
