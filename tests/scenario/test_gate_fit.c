/* Context windows through the gate. A prompt longer than the model's window is refused with the
 * error of its dialect, and the requested output is lowered to what the model can write. */
#include "policy/config/models.h"
#include "scenario/gate_stage.h"

#define POLICY                                                                                 \
	"providers:\n"                                                                         \
	"  openai: {backend: openai, dialect: openai}\n"                                       \
	"  anthropic: {backend: anthropic, dialect: anthropic}\n"                              \
	"  gemini: {backend: gemini, dialect: gemini}\n"                                       \
	"  bedrock: {backend: bedrock, dialect: bedrock}\n"                                    \
	"  cohere: {backend: cohere, dialect: cohere}\n"                                       \
	"  mistral: {backend: mistral, dialect: mistral}\n"                                    \
	"  ollama: {backend: ollama, dialect: ollama}\n"                                       \
	"  tgi: {backend: tgi, dialect: tgi}\n"                                                \
	"  other: {backend: other, dialect: openai}\n"                                         \
	"routes:\n"                                                                            \
	"  - {name: o, match: {path_prefix: /v1}, targets: openai, reserve: estimate}\n"       \
	"  - {name: a, match: {path_prefix: /a}, targets: anthropic, reserve: estimate}\n"     \
	"  - {name: g, match: {path_prefix: /v1beta}, targets: gemini, reserve: estimate}\n"   \
	"  - {name: b, match: {path_prefix: /model}, targets: bedrock, reserve: estimate}\n"   \
	"  - {name: c, match: {path_prefix: /c}, targets: cohere, reserve: estimate}\n"        \
	"  - {name: m, match: {path_prefix: /m}, targets: mistral, reserve: estimate}\n"       \
	"  - {name: l, match: {path_prefix: /api}, targets: ollama, reserve: estimate}\n"      \
	"  - {name: t, match: {path_prefix: /t}, targets: [{provider: tgi, model: small}], "   \
	"reserve: estimate}\n"                                                                 \
	"  - {name: same, match: {path: /same/v1/chat/completions}, targets: [{provider: "     \
	"openai, model: large}, {provider: other, model: small}], reserve: estimate}\n"        \
	"  - {name: two, match: {path: /two/v1/chat/completions}, targets: [{provider: "       \
	"openai, model: small}, {provider: other, model: large}], reserve: estimate}\n"        \
	"rules:\n"                                                                             \
	"  - {name: other, when: 'model.name == \"asked\"', route: {model: small}}\n"          \
	"  - {name: cap, when: 'model.name == \"capped\"', max_output_tokens: 5}\n"            \
	"  - {name: no, when: 'model.name == \"no\"', deny: true}\n"                           \
	"default: permit\noutput_default: 100\n"                                               \
	"limits:\n  - {name: tokens, per: [identity.person], tokens: 100000000, window: 1m}\n"
/* No vocabulary is configured for these models: pieces of text are counted. */
#define MODELS                                                                                 \
	"families: {f: {encoding: none}}\n"                                                    \
	"models:\n"                                                                            \
	"  - {model: [small, no], window: 100, output: 50}\n"                                  \
	"  - {model: capped, output: 50}\n"                                                    \
	"  - {model: large, window: 100000}\n"                                                 \
	"unknown: f\n"

static const char
	wide[] = "{\"model\":\"%s\",%s\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
	contents[] = "{%.0s%s\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"%s\"}]}]}",
	converse[] =
		"{%.0s%s\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"%s\"}]}]}",
	input[] = "{\"model\":\"%s\",%s\"input\":\"%s\"}",
	inputs[] = "{%.0s%s\"inputs\":\"%s\"}";

/* clang-format off */
static const struct {
	const char *name, *path, *form, *model, *more;
	int words;
	const char *error; /* part of the error document; NULL: the request passes */
} prompts[] = {
	{ "a prompt that fills the window fits", CHAT, wide, "small", "", 100, NULL },
	{ "OpenAI's chat", CHAT, wide, "small", "", 101,
		"{\"error\":{\"message\":\"This model's maximum context length is 100 tokens. However, your messages resulted in 101 tokens. "
		"Please reduce the length of the messages. (decision " },
	{ "OpenAI's error code", CHAT, wide, "small", "", 101, "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"context_length_exceeded\"}" },
	{ "a dated version of the model", CHAT, wide, "small-2026-01-31", "", 101, "maximum context length is 100 tokens" },
	{ "OpenAI's responses", "/v1/responses", input, "small", "", 101, "Your input exceeds the context window of this model." },
	{ "Anthropic", "/a/v1/messages", wide, "small", "\"max_tokens\":9,", 101,
		"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 101 tokens > 100 maximum (decision " },
	{ "Gemini", "/v1beta/models/small:generateContent", contents, "", "", 102,
		"The input token count (102) exceeds the maximum number of tokens allowed (100)." },
	{ "Bedrock", "/model/small/converse", converse, "", "", 101, "Input is too long for requested model." },
	{ "Cohere", "/c/v2/chat", wide, "small", "", 101, "too many tokens: total number of tokens in the prompt cannot exceed 100 - received 101." },
	{ "Mistral", "/m/v1/chat/completions", wide, "small", "", 101,
		"Prompt contains 101 tokens and 0 draft tokens, too large for model with 100 maximum context length" },
	{ "Ollama", "/api/chat", wide, "small", "", 103, "{\"error\":\"prompt too long; exceeded max context length by 3 tokens" },
	{ "TGI, by its target's model", "/t/generate", inputs, "", "", 101, "Input validation error: `inputs` must have less than 100 tokens. Given: 101" },
	{ "the model that a rule sends", CHAT, wide, "asked", "", 101, "maximum context length is 100 tokens" },
	{ "a larger model", CHAT, wide, "large", "", 5000, NULL },
	{ "a model without a row", CHAT, wide, "other", "", 5000, NULL },
	{ "a name with a suffix", CHAT, wide, "small-two", "", 101, NULL },
	{ "a provider that truncates the prompt itself", "/v1/responses", input, "small", "\"truncation\":\"auto\",", 101, NULL },
	{ "truncation is disabled in the request", "/v1/responses", input, "small", "\"truncation\":\"disabled\",", 101, "exceeds the context window" },
	{ "a request that edits earlier turns", "/a/v1/messages", wide, "small", "\"max_tokens\":9,\"context_management\":{\"edits\":[]},", 101, NULL },
	{ "tokens are counted, and not refused", "/a/v1/messages/count_tokens", wide, "small", "", 101, NULL },
	{ "embeddings are truncated by their own rules", "/v1/embeddings", input, "small", "", 101, NULL },
	{ "a denial by a rule comes first", CHAT, wide, "no", "", 101, "\"code\":\"content_policy_violation\"" },
};

#define BATCHES "/a/v1/messages/batches"

static const struct {
	const char *name, *path, *body, *sent; /* NULL: unchanged */
	const char *says;		       /* target_cap of the record */
} caps[] = {
	{ "more output than the model can write", CHAT, "{\"model\":\"small\",\"max_tokens\":51,\"messages\":[]}",
		"{\"model\":\"small\",\"max_tokens\":50,\"messages\":[]}", "50" },
	{ "by the newer name of the field", CHAT, "{\"max_completion_tokens\": 4096 ,\"model\":\"small\",\"messages\":[]}",
		"{\"max_completion_tokens\": 50 ,\"model\":\"small\",\"messages\":[]}", "50" },
	{ "as much output as the model can write", CHAT, "{\"model\":\"small\",\"max_tokens\":50,\"messages\":[]}", NULL, "" },
	{ "no limit stays no limit", CHAT, "{\"model\":\"small\",\"messages\":[]}", NULL, "" },
	{ "null stays null", CHAT, "{\"model\":\"small\",\"max_tokens\":null,\"messages\":[]}", NULL, "" },
	{ "both names of the field, one of them null", CHAT, "{\"model\":\"small\",\"max_tokens\":null,\"max_completion_tokens\":99,\"messages\":[]}",
		"{\"model\":\"small\",\"max_tokens\":null,\"max_completion_tokens\":50,\"messages\":[]}", "50" },
	{ "Anthropic", "/a/v1/messages", "{\"model\":\"small\",\"max_tokens\":64000,\"messages\":[]}",
		"{\"model\":\"small\",\"max_tokens\":50,\"messages\":[]}", "50" },
	{ "Gemini", "/v1beta/models/small:generateContent", "{\"generationConfig\":{\"maxOutputTokens\":99},\"contents\":[]}",
		"{\"generationConfig\":{\"maxOutputTokens\":50},\"contents\":[]}", "50" },
	{ "Bedrock", "/model/small/converse", "{\"inferenceConfig\":{\"maxTokens\":99},\"messages\":[]}",
		"{\"inferenceConfig\":{\"maxTokens\":50},\"messages\":[]}", "50" },
	{ "a model without a limit", "/api/chat", "{\"model\":\"small\",\"options\":{\"num_predict\":-1},\"messages\":[]}", NULL, "" },
	{ "a rule's limit is lower", CHAT, "{\"model\":\"capped\",\"max_tokens\":99,\"messages\":[]}",
		"{\"model\":\"capped\",\"max_tokens\":5,\"messages\":[]}", "50" },
	{ "the limit of the model that a rule sends", CHAT, "{\"model\":\"asked\",\"max_tokens\":99,\"messages\":[]}",
		"{\"model\":\"small\",\"max_tokens\":50,\"messages\":[]}", "50" },
	{ "a model without a row", CHAT, "{\"model\":\"other\",\"max_tokens\":99999,\"messages\":[]}", NULL, "" },
	{ "each request of a batch has its own limit", BATCHES, BATCH("small", "small", "99"), NULL, "" },
};
/* clang-format on */

/* With several targets, those whose window is too small are left out. */
static const struct {
	const char *name;
	int words;
	const char *more, *target, *record,
		*sent; /* target NULL: refused; sent: the output limit */
} choices[] = {
	{ "the first fits", 10, "", "openai",
		"{\"target\":\"openai\",\"model\":\"small\",\"fate\":\"chosen\"", NULL },
	{ "the first's window is too small", 200, "", "other",
		"{\"target\":\"openai\",\"model\":\"small\",\"fate\":\"out\",\"out\":"
		"\"window\"",
		NULL },
	{ "both windows are too small", 100001, "", NULL, NULL, NULL },
	{ "each target has its own limit: the first's", 10, "\"max_tokens\":90,", "openai", "",
		"\"max_tokens\":50," },
	{ "each target has its own limit: none", 200, "\"max_tokens\":90,", "other", "",
		"\"max_tokens\":90," },
};

struct fit {
	struct stage s;
	struct arena a;
};

static void
up(struct fit *f)
{
	char file[128];
	struct diag d;

	stage_up(&f->s, POLICY);
	snprintf(file, sizeof(file), "%s/models.yaml", f->s.dir);
	stage_write(file, MODELS);
	arena_init(&f->a, 0, false);
	diag_init(&d);
	f->s.snap->models = models_load(&f->a, file, &d);
	if (!f->s.snap->models)
		fail_msg("%.*s", SPAN_ARG(buf_view(&d.text)));
	diag_free(&d);
	unlink(file);
}

static void
down(struct fit *f)
{
	stage_settle(&f->s);
	stage_down(&f->s);
	arena_reset(&f->a);
}

static void
prompt_over_the_window_gets_the_dialects_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(prompts); i++) {
		struct fit f;
		struct call c;
		struct pass p;
		struct buf text, body;
		up(&f);
		buf_init(&text, 0);
		buf_init(&body, 0);
		for (int k = 0; k < prompts[i].words; k++)
			buf_str(&text, k ? " w" : "w");
		buf_putc(&text, '\0');
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		buf_printf(&body, prompts[i].form, prompts[i].model, prompts[i].more,
			buf_view(&text).p);
#pragma GCC diagnostic pop
		buf_putc(&body, '\0');
		struct note n = {
			.person = "alice", .path = prompts[i].path, .body = buf_view(&body).p
		};
		call_do(&f.s, &n, &c);
		bool denied = !strcmp(call_var(&c, "decision"), "deny");
		if (denied != (prompts[i].error != NULL) ||
			(denied && !strstr(call_var(&c, "error"), prompts[i].error)))
			fail_msg("%s: %s %s", prompts[i].name, call_var(&c, "decision"),
				call_var(&c, "error"));
		if (denied && strcmp(prompts[i].model, "no")) {
			assert_string_equal(call_var(&c, "status"), "400");
			assert_string_equal(stage_field(0, "code"), "context_length_exceeded");
		}
		if (denied)
			assert_int_equal(stage_charged(&f.s, "tokens", "alice"), 0);
		if (!strcmp(call_var(&c, "via"), "relay")) {
			assert_int_equal(
				pass_claim(&f.s, 0, &p, &c, (int64_t)strlen(n.body)), 0);
			pass_finish(&p, END_COMPLETE, 200, -1, -1);
		}
		buf_free(&text);
		buf_free(&body);
		down(&f);
	}
}

static void
requested_output_is_lowered_to_the_models_limit(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(caps); i++) {
		struct fit f;
		struct call c;
		struct pass p;
		struct note n = {
			.person = "alice", .path = caps[i].path, .body = caps[i].body
		};
		up(&f);
		call_do(&f.s, &n, &c);
		if (strcmp(call_var(&c, "decision"), "permit"))
			fail_msg("%s: %s", caps[i].name, call_var(&c, "error"));
		const char *says = stage_field(0, "target_cap");
		if (strcmp(says, caps[i].says))
			fail_msg("%s: the record has %s", caps[i].name, says);
		/* the response to a batch has URLs of the provider, which the relay changes */
		bool relayed = caps[i].sent || !strcmp(caps[i].path, BATCHES);
		if (strcmp(call_var(&c, "via"), relayed ? "relay" : "direct"))
			fail_msg("%s: via %s", caps[i].name, call_var(&c, "via"));
		if (relayed) {
			assert_int_equal(
				pass_claim(&f.s, 0, &p, &c, (int64_t)strlen(n.body)), 0);
			if (gate_plan(p.x)->body_mode != (caps[i].sent ? BODY_SWAP : BODY_COPY))
				fail_msg("%s: body mode %d", caps[i].name,
					(int)gate_plan(p.x)->body_mode);
			if (caps[i].sent && !span_is(gate_plan(p.x)->body, caps[i].sent))
				fail_msg("%s: %.*s", caps[i].name,
					SPAN_ARG(gate_plan(p.x)->body));
			pass_finish(&p, END_COMPLETE, 200, -1, -1);
		}
		down(&f);
	}
}

static void
targets_with_smaller_windows_are_left_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(choices); i++) {
		struct fit f;
		struct call c;
		struct pass p;
		struct buf body;
		up(&f);
		buf_init(&body, 0);
		buf_printf(&body,
			"{\"model\":\"x\",%s\"messages\":[{\"role\":\"user\",\"content\":\"w",
			choices[i].more);
		for (int k = 1; k < choices[i].words; k++)
			buf_str(&body, " w");
		buf_str(&body, "\"}]}");
		buf_putc(&body, '\0');
		struct note n = { .person = "alice",
			.path = "/two/v1/chat/completions",
			.body = buf_view(&body).p };
		call_do(&f.s, &n, &c);
		if (!choices[i].target) {
			assert_string_equal(call_var(&c, "status"), "400");
			assert_non_null(strstr(call_var(&c, "error"),
				"maximum context length is 100000 tokens"));
		} else if (strcmp(stage_field(0, "target"), choices[i].target) ||
			   !strstr(stage_field(0, "candidates"), choices[i].record)) {
			fail_msg("%s: %s %s", choices[i].name, stage_field(0, "target"),
				stage_field(0, "candidates"));
		}
		if (choices[i].target) {
			assert_int_equal(
				pass_claim(&f.s, 0, &p, &c, (int64_t)strlen(n.body)), 0);
			struct span sent = gate_plan(p.x)->body;
			if (choices[i].sent && !memmem(sent.p, sent.n, choices[i].sent,
						       strlen(choices[i].sent)))
				fail_msg("%s: %.*s", choices[i].name, SPAN_ARG(sent));
			pass_finish(&p, END_COMPLETE, 200, -1, -1);
		}
		buf_free(&body);
		down(&f);
	}
}

static void
on_again(void *arg, enum again what)
{
	*(int *)arg = (int)what;
}

/* The provider may count more tokens than the gateway's lower bound. */
static void
prompt_refused_as_too_long_goes_to_a_larger_window(void **state)
{
	static const struct {
		const char *name, *path, *document;
		enum again what;
		const char *target; /* of the next attempt */
	} tries[] = {
		{ "a larger window is available", "/two/v1/chat/completions",
			"{\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\"}}",
			AGAIN_GOES, "other" },
		{ "no larger window is available", "/same/v1/chat/completions",
			"{\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\"}}",
			AGAIN_STAYS, NULL },
		{ "the caller's own mistake", "/two/v1/chat/completions",
			"{\"error\":{\"message\":\"x\",\"type\":\"invalid_request_error\"}}",
			AGAIN_STAYS, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(tries); i++) {
		struct fit f;
		struct call c;
		struct pass p;
		int what = -1;
		struct note n = { .person = "alice",
			.path = tries[i].path,
			.body = "{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":"
				"\"hi\"}]}" };
		up(&f);
		call_do(&f.s, &n, &c);
		assert_int_equal(pass_claim(&f.s, 0, &p, &c, (int64_t)strlen(n.body)), 0);
		struct attempt_end e = { .result = { .end = END_COMPLETE, .status = 400 },
			.said = ATTEMPT_ANSWERED,
			.document = span_str(tries[i].document) };
		gate_again(p.x, &e, on_again, &what);
		stage_settle(&f.s);
		if (what != (int)tries[i].what)
			fail_msg("%s: %d", tries[i].name, what);
		if (tries[i].target) {
			struct span sent = gate_plan(p.x)->body;
			assert_non_null(memmem(sent.p, sent.n, "\"large\"", 7));
		}
		pass_finish(&p, END_COMPLETE, tries[i].target ? 200 : 400, -1, -1);
		stage_settle(&f.s);
		const char *attempts = stage_field(disk_records - 1, "attempts");
		if (!strstr(attempts, tries[i].target ? "\"cause\":\"refused_us\""
						      : "\"cause\":\"final\""))
			fail_msg("%s: %s", tries[i].name, attempts);
		down(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prompt_over_the_window_gets_the_dialects_error),
		cmocka_unit_test(requested_output_is_lowered_to_the_models_limit),
		cmocka_unit_test(targets_with_smaller_windows_are_left_out),
		cmocka_unit_test(prompt_refused_as_too_long_goes_to_a_larger_window),
	};

	return cmocka_run_group_tests_name("gate_fit", tests, NULL, NULL);
}
