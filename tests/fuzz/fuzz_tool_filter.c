/* Pages of MCP's lists: what is left is JSON, in which nothing more is hidden. */
#include <stdlib.h>

#include "support/policy_fix.h"
#include "verdict/tool_filter.h"

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

static struct tool_cuts
filter(struct span in, struct arena *a, struct buf *out)
{
	struct tool_filter f = { .judge = tool_list_new(set.policy, &set.asked, a),
		.server = SPAN_LIT("s") };
	struct tool_cuts cuts = { 0 };

	if (!f.judge || tool_filter_list(&f, in, a, &cuts))
		return cuts;
	for (size_t i = 0; i < cuts.n; i++)
		if (cuts.v[i].start > cuts.v[i].end || cuts.v[i].end > in.n ||
			(i && cuts.v[i].start < cuts.v[i - 1].end))
			abort();
	if (splice_apply(in, cuts.v, cuts.n, out))
		abort();
	return cuts;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct buf once, twice;

	if (!set.policy)
		set_up();
	arena_init(&a, 0, false);
	buf_init(&once, 0);
	buf_init(&twice, 0);
	struct tool_cuts cuts = filter(span_of(data, size), &a, &once);
	if (once.n) {
		struct tool_cuts again = filter(buf_view(&once), &a, &twice);
		if (again.hidden || again.shown != cuts.shown ||
			!span_eq(buf_view(&once), buf_view(&twice)))
			abort();
	}
	buf_free(&once);
	buf_free(&twice);
	arena_reset(&a);
	return 0;
}
