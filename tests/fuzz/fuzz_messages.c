/* Any bytes as the response of an MCP server, through the guard. The output must be the same
 * wherever the input is cut, and must contain no hidden entry, as another JSON reader (jansson)
 * sees it. The first byte selects the type and whether texts are inspected too, the second the
 * length of the pieces. */
#include <stdlib.h>

#include <jansson.h>

#include "answer/frames.h"
#include "answer/guard/guard.h"
#include "support/policy_fix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	const struct policy *policy;
	struct answer_request asked;
	struct tool_redacts redacts;
} set;

static void
set_up(void)
{
	static struct arena arena;
	static const char text[] =
		POLICY_HEAD "rules:\n"
			    "  - {name: a, phase: tool, when: 'tool.name.startsWith(\"x\") || "
			    "resource.uri.startsWith(\"x\")', deny: {hide: true}}\n"
			    "  - {name: b, phase: tool, redact: {classes: [pii]}}\n";

	set.policy = fix_asked(text, &arena, &set.asked);
	if (policy_tool_unknown(
		    set.policy, &set.asked, SPAN_LIT("s"), &arena, &set.redacts))
		abort();
}

static enum guard_result
run(uint8_t how, struct span in, size_t step, struct buf *out)
{
	struct guard_plan plan = { .format = &answer_mcp,
		.dialect = dialect_find(SPAN_LIT("mcp")),
		.path = SPAN_LIT("/mcp"),
		.rules = detect_fix()->rules,
		.scratch = detect_fix()->scratch,
		.inspects = how & 2,
		.policy = set.policy,
		.options = policy_detect_options(set.policy),
		.asked = &set.asked,
		.unread = how & 4 ? OUT_PERMIT : OUT_DENY,
		.messages = { .is = true,
			.awaited = true,
			.filters = true,
			.listens = how & 8,
			.server = SPAN_LIT("s"),
			.id = SPAN_LIT("1"),
			.tool = how & 32 ? in : SPAN_LIT(""), /* the schema of the same tool */
			.own = how & 16 ? &set.redacts : NULL,
			.others = how & 2 ? &set.redacts : NULL } };
	struct guard_head head = { .status = 200,
		.content_type = how & 1 ? SPAN_LIT("text/event-stream")
					: SPAN_LIT("application/json") };
	struct guard *g = guard_new(&plan, &head);
	enum guard_result got = GUARD_PASS;

	if (!g)
		abort();
	for (size_t at = 0; at < in.n && !got; at += step)
		got = guard_feed(g, span_cut(in, at, at + step), out);
	if (!got)
		got = guard_end(g, out);
	guard_drop(&g);
	return got;
}

static void
hides(const json_t *list, const char *member)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		const char *s = json_string_value(json_object_get(o, member));
		if (!s || *s == 'x')
			abort();
	}
}

static void
look(struct span json)
{
	static const char *const lists[][2] = { { "tools", "name" }, { "prompts", "name" },
		{ "resources", "uri" }, { "resourceTemplates", "uriTemplate" } };
	json_t *o = json_loadb(json.p, json.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	for (size_t i = 0; o && i < COUNT_OF(lists); i++)
		hides(json_object_get(json_object_get(o, "result"), lists[i][0]), lists[i][1]);
	json_decref(o);
}

/* Checks the whole output by its type: events; a message, or one per line. */
static void
look_at_all(bool events, struct span out)
{
	struct span in = out;
	struct frames frames;
	struct frame f;

	if (!events)
		look(out);
	frames_init(&frames, events ? FRAMES_SSE : FRAMES_LINES, 0);
	while (frames_next(&frames, &in, &f) > 0)
		if (f.has_data)
			look(f.data);
	while (frames_end(&frames, &f) > 0)
		if (f.has_data)
			look(f.data);
	frames_free(&frames);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf one, two;

	if (size < 2)
		return 0;
	if (!set.policy)
		set_up();
	struct span in = span_of(data + 2, size - 2);
	buf_init(&one, 0);
	buf_init(&two, 0);
	enum guard_result a = run(data[0], in, in.n + 1, &one);
	enum guard_result b = run(data[0], in, 1 + data[1] % 64, &two);
	/* of a refused response, the part before the refusal may have been forwarded */
	if (!a != !b || (!a && !span_eq(buf_view(&one), buf_view(&two))))
		abort();
	look_at_all(data[0] & 1, buf_view(&one));
	look_at_all(data[0] & 1, buf_view(&two));
	buf_free(&one);
	buf_free(&two);
	return 0;
}
