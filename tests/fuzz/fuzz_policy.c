/* Any bytes as a policy: it compiles without errors, or is refused with errors. A compiled
 * policy also decides. The detectors are the ones that are compiled in. */
#include <stddef.h>
#include <stdint.h>

#include "base/codec/yaml.h"
#include "base/err.h"
#include "policy/policy.h"
#include "policy/verdict/decide.h"
#include "support/detect_fix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A permitted request has one target, a denied one has none. */
static void
chosen(const struct policy_verdict *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->ncandidates; i++)
		if (v->candidates[i].fate == CANDIDATE_CHOSEN) {
			INVARIANT(v->changes.target == v->candidates[i].target);
			INVARIANT(v->ruled.trace == v->candidates[i].trace);
			n++;
		}
	INVARIANT(n == (v->ruled.effect != RULE_DENY));
	INVARIANT((v->changes.require & ~v->may_require) == 0);
}

static void
decide(const struct policy *p, bool whole)
{
	static const struct identity alice = {
		.method = "jwt", .person = { "alice", 5 }, .verified = true
	};
	struct arena a;
	struct policy_verdict v;
	struct policy_limit_hit *hits;
	size_t n;
	struct policy_facts f = { .identity = &alice,
		.method = SPAN_LIT("POST"),
		.host = SPAN_LIT("h"),
		.path = SPAN_LIT("/v1/chat/completions"),
		.now_wall_ns = 1700000000000000000,
		.whole = whole,
		.rules = detect_fix()->rules };

	arena_init(&a, 16 << 20, false);
	f.route = policy_route(p, f.method, f.host, f.path);
	if (policy_decide(p, &f, &a, &v) == 0) {
		INVARIANT(v.ruled.effect != RULE_DENY || v.waits ||
			  (v.ruled.status >= 400 && v.ruled.reason));
		chosen(&v);
	}
	if (policy_limits(p, &f, &a, &hits, &n) == 0)
		INVARIANT(n <= p->nlimits);
	arena_reset(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct diag d;

	arena_init(&a, 64 << 20, false);
	diag_init(&d);
	const struct yaml_node *root = yaml_load(&a, "fuzz.yaml", span_of(data, size), &d);
	const struct policy *p =
		root ? policy_compile(&a, root, "fuzz.yaml", NULL, detect_fix()->rules, &d)
		     : NULL;
	INVARIANT((p != NULL) == (d.errors == 0));
	if (p) {
		decide(p, true);
		decide(p, false);
	}
	diag_free(&d);
	arena_reset(&a);
	return 0;
}
