/* Any response through the guard: wherever it is cut, the output or the failure must be the
 * same. The first byte selects the format, the second the framing, the third the length of the
 * pieces, the fourth whether it is inspected, restored or both. */
#include <stdlib.h>

#include "answer/guard/guard.h"
#include "base/err.h"
#include "support/policy_fix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct answer_format *const formats[] = { &answer_openai, &answer_openai_responses,
	&answer_anthropic, &answer_invoke, &answer_conversations, &answer_gemini,
	&answer_bedrock, &answer_cohere, &answer_ollama, &answer_tgi, &answer_any };
static const char *const types[] = { "application/json", "text/event-stream",
	"application/x-ndjson", "application/vnd.amazon.eventstream", "text/plain",
	"audio/mpeg" };

static struct {
	const struct policy *policy;
	struct answer_request asked;
	struct vault *vault;
} set;

static void
set_up(void)
{
	static struct arena arena;
	static const char text[] = POLICY_HEAD
		"rules:\n"
		"  - {name: a, phase: response, when: 'response.tool_calls.exists(c, c.name == "
		"\"drop\")', deny: true}\n"
		"  - {name: b, phase: response, when: '\"secret\" in response.classes', deny: "
		"true}\n"
		"  - {name: c, phase: response, redact: {classes: [pii], with: mask}}\n";

	set.policy = fix_asked(text, &arena, &set.asked);
	set.vault = vault_new();
	if (!set.vault ||
		vault_add(
			set.vault, SPAN_LIT("<EMAIL_ADDRESS_1>"), SPAN_LIT("a\"b@example.org")))
		abort();
}

/* A list of models permits names that do not begin with n. */
static bool
may_use(void *arg, struct span model, struct arena *a)
{
	(void)arg;
	(void)a;
	return !model.n || model.p[0] != 'n';
}

static enum guard_result
run(const uint8_t *how, struct span in, size_t step, struct buf *out)
{
	struct guard_plan plan = { .format = formats[how[0] % COUNT_OF(formats)],
		.dialect = dialect_find(SPAN_LIT("openai")),
		.path = how[0] & 0x80 ? SPAN_LIT("/m:streamGenerateContent") : SPAN_LIT("/x"),
		.hide_usage = how[3] & 4,
		.rules = detect_fix()->rules,
		.scratch = detect_fix()->scratch,
		.inspects = how[3] & 1,
		.policy = set.policy,
		.options = policy_detect_options(set.policy),
		.asked = &set.asked,
		.scores = how[3] & 8,
		.unread = how[3] & 16 ? OUT_PERMIT : OUT_DENY,
		.vault = how[3] & 2 ? set.vault : NULL,
		.may_use = how[3] & 64 ? may_use : NULL };
	struct guard_head head = { .status = how[3] & 32 ? 500 : 200,
		.content_type = span_str(types[how[1] % COUNT_OF(types)]) };
	struct guard *g = guard_new(&plan, &head);
	enum guard_result got = GUARD_PASS;

	if (!g)
		abort();
	for (size_t at = 0; at < in.n && !got; at += step)
		got = guard_feed(g, span_cut(in, at, at + step), out);
	if (!got)
		got = guard_end(g, out);
	if (got && !guard_report(g)->why)
		abort();
	guard_say_error(g, "x", SPAN_LIT("y"), SPAN_LIT("z"), false, out);
	guard_drop(&g);
	return got;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf one, two;

	if (size < 4)
		return 0;
	if (!set.policy)
		set_up();
	struct span in = span_of(data + 4, size - 4);
	buf_init(&one, 0);
	buf_init(&two, 0);
	enum guard_result a = run(data, in, in.n + 1, &one);
	enum guard_result b = run(data, in, 1 + data[2] % 64, &two);
	bool edits = data[3] & (7 | 64);
	/* A response that is only metered passes unchanged. */
	if (a != b || (edits && !span_eq(buf_view(&one), buf_view(&two))))
		abort();
	buf_free(&one);
	buf_free(&two);
	return 0;
}
