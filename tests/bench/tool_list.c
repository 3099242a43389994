/* The cost of a list of 500 tools on its way from an MCP server: milliseconds of CPU for the
 * inspection of its texts, and the additional cost of rules of phase: tool that select the
 * visible tools. In a separate process and without sockets; the best of several runs. No figure
 * makes it fail. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "answer/guard/guard.h"
#include "support/policy_fix.h"

enum { TOOLS = 500, RUNS = 15 };

static const char policy_text[] =
	"tollgate: 1\nname: bench\n"
	"routes: [{name: tools, match: {path: /mcp}, backend: openai, response: [inspect]}]\n"
	"rules:\n"
	"  - {name: out-secret, phase: response, when: '\"secret\" in response.classes', deny: "
	"true}\n"
	"  - {name: out-pii, phase: response, redact: {classes: [pii]}}\n"
	"  - {name: a, phase: tool, when: 'tool.name.startsWith(\"list_\")', permit: true}\n"
	"  - {name: b, phase: tool, when: 'tool.name == \"pay\" && tool.arguments.amount > "
	"100', deny: true}\n"
	"  - {name: c, phase: tool, when: 'tool.name.matches(\"^(delete|drop)_\") || "
	"tool.description.contains(\"irreversible\")', deny: {hide: true}}\n"
	"default: permit\n";

static struct {
	struct policy_fix fix;
	struct detect_scratch *scratch;
	struct detect_used *used;
	struct answer_request asked;
	struct arena life;
} set;

static void
load(void)
{
	struct identity id = { .verified = true };

	fix_must_load(&set.fix, policy_text);
	arena_init(&set.life, 0, false);
	const struct route *route = &set.fix.p->routes[0];
	set.scratch = detect_scratch_new(detect_fix()->rules);
	set.used = detect_used_new(
		detect_fix()->rules, route->uses.entities.bit, set.fix.p->thresholds);
	struct policy_facts facts = {
		.identity = &id, .route = route, .whole = true, .rules = detect_fix()->rules
	};
	if (!set.scratch || !set.used ||
		policy_answer_request(set.fix.p, &facts, &set.life, &set.asked))
		abort();
}

static void
list(bool all_shown, struct buf *out)
{
	static const char *const verbs[] = { "list", "read", "create", "update", "delete" };

	buf_str(out, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[");
	for (unsigned i = 0; i < TOOLS; i++)
		buf_printf(out,
			"%s{\"name\":\"%s_item_%u\",\"title\":\"Item "
			"%u\",\"description\":\"Works "
			"on one item of the store. Say which by its number; what is not there "
			"is "
			"an "
			"error.\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"id\":"
			"{\"type\":\"integer\",\"description\":\"its "
			"number\"},\"fields\":{\"type\":"
			"\"array\",\"items\":{\"type\":\"string\"}}},\"required\":[\"id\"]},"
			"\"annotations\":{\"readOnlyHint\":true}}",
			i ? "," : "", verbs[i % (COUNT_OF(verbs) - all_shown)], i, i);
	buf_str(out, "],\"nextCursor\":\"2\"}}");
}

static double
cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double
once(struct span in, const char *type, bool filters, size_t *hidden)
{
	struct guard_plan plan = { .format = &answer_mcp,
		.dialect = dialect_find(SPAN_LIT("mcp")),
		.path = SPAN_LIT("/mcp"),
		.rules = detect_fix()->rules,
		.scratch = set.scratch,
		.inspects = true,
		.policy = set.fix.p,
		.options = policy_detect_options(set.fix.p),
		.asked = &set.asked,
		.messages = { .is = true, .filters = filters, .server = SPAN_LIT("s") } };
	struct guard_head head = { .status = 200, .content_type = span_str(type) };
	struct buf out;

	plan.options.used = set.used;
	buf_init(&out, 0);
	double from = cpu_ms();
	struct guard *g = guard_new(&plan, &head);
	if (!g || guard_feed(g, in, &out) || guard_end(g, &out))
		abort();
	double took = cpu_ms() - from;
	*hidden = guard_report(g)->tools_hidden;
	guard_drop(&g);
	buf_free(&out);
	return took;
}

static double
best(struct span in, const char *type, bool filters, size_t *hidden)
{
	double least = 0;

	for (int i = 0; i < RUNS; i++) {
		double t = once(in, type, filters, hidden);
		least = i && least < t ? least : t;
	}
	return least;
}

static void
row(bool events, bool all_shown)
{
	struct buf in;
	size_t hidden;

	buf_init(&in, 0);
	buf_str(&in, events ? "event: message\ndata: " : "");
	list(all_shown, &in);
	buf_str(&in, events ? "\n\n" : "");
	const char *type = events ? "text/event-stream" : "application/json";
	double scan = best(buf_view(&in), type, false, &hidden);
	double all = best(buf_view(&in), type, true, &hidden);
	printf("a list of %d tools, %zu KB, %s: scanned in %.2f ms; filtered, %zu hidden: "
	       "%+.2f ms "
	       "(the aim is 2)\n",
		TOOLS, in.n >> 10, events ? "in a stream" : "whole", scan, hidden, all - scan);
	buf_free(&in);
}

int
main(void)
{
	load();
	for (int i = 0; i < 4; i++)
		row(i & 1, i & 2);
	return 0;
}
