/* Pages of MCP lists, and tools that a chat request offers: the filtered result is JSON in
 * which nothing more is hidden. */
#include <stdlib.h>

#include "policy/verdict/tool_filter.h"
#include "support/policy_fix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	const struct policy *policy;
	struct answer_request asked;
} set;

static void
set_up(void)
{
	static struct policy_fix fix;
	static struct arena arena;
	static const char text[] = POLICY_HEAD
		"rules:\n"
		"  - {name: a, phase: tool, when: 'tool.arguments.a == 1', deny: {hide: "
		"true}}\n"
		"  - {name: b, phase: tool, when: 'tool.name < \"n\" || "
		"tool.description.contains(\"x\") || resource.uri.startsWith(\"f\")', deny: "
		"{hide: true}}\n";

	set.policy = fix_load(&fix, &fix_config, text);
	if (!set.policy)
		abort();
	struct policy_facts facts = { .route = set.policy->routes, .whole = true };
	arena_init(&arena, 0, false);
	if (policy_answer_request(set.policy, &facts, &arena, &set.asked))
		abort();
}

typedef int filter_of(
	const struct tool_filter *f, struct span in, struct arena *a, struct tool_cuts *out);

static struct tool_cuts
filter(filter_of *of, struct span in, struct arena *a, struct buf *out)
{
	struct tool_filter f = { .judge = tool_list_new(set.policy, &set.asked, a),
		.server = SPAN_LIT("s") };
	struct tool_cuts cuts = { 0 };

	if (!f.judge || of(&f, in, a, &cuts))
		return cuts;
	for (size_t i = 0; i < cuts.n; i++)
		if (cuts.v[i].start > cuts.v[i].end || cuts.v[i].end > in.n ||
			(i && cuts.v[i].start < cuts.v[i - 1].end))
			abort();
	if (splice_apply(in, cuts.v, cuts.n, out))
		abort();
	return cuts;
}

static void
twice(filter_of *of, struct span in)
{
	struct arena a;
	struct buf once, again;

	arena_init(&a, 0, false);
	buf_init(&once, 0);
	buf_init(&again, 0);
	struct tool_cuts cuts = filter(of, in, &a, &once);
	if (once.n) {
		struct tool_cuts then = filter(of, buf_view(&once), &a, &again);
		if (then.hidden || then.shown != cuts.shown ||
			!span_eq(buf_view(&once), buf_view(&again)))
			abort();
	}
	buf_free(&once);
	buf_free(&again);
	arena_reset(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!set.policy)
		set_up();
	twice(tool_filter_list, span_of(data, size));
	twice(tool_filter_offered, span_of(data, size));
	return 0;
}
