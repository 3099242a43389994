/* A policy from text for tests: the shipped detectors, a configuration with
 * three backends. */
#ifndef TESTS_POLICY_FIX_H
#define TESTS_POLICY_FIX_H

#include "policy/decide.h"

struct policy_fix {
	struct arena a;
	struct diag d;
	const struct policy *p;
};

/* What most policies of the tests begin with; 4 lines, then rules and the like
 * follow from line 5. */
#define POLICY_HEAD                                                                            \
	"tollgate: 1\n"                                                                        \
	"name: t\n"                                                                            \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, backend: "     \
	"openai}\n"

static struct detect_rules *fix_rules;
static const char *fix_backends[] = { "openai", "anthropic", "local" };
static struct config fix_config = {
	.file = "tollgate.yaml", .backends = fix_backends, .nbackends = 3, .relay = true
};

static inline struct detect_rules *
fix_detectors(void)
{
	if (!fix_rules) {
		struct buf errors;
		buf_init(&errors, 0);
		fix_rules = detect_load(NULL, &errors);
		buf_free(&errors);
	}
	return fix_rules;
}

static inline const struct policy *
fix_load(struct policy_fix *f, const struct config *cfg, const char *text)
{
	arena_init(&f->a, 0, false);
	diag_init(&f->d);
	const struct yaml_node *root = yaml_load(&f->a, "t.yaml", span_str(text), &f->d);
	f->p = root ? policy_compile(&f->a, root, "t.yaml", cfg, fix_detectors(), &f->d) : NULL;
	return f->p;
}

static inline void
fix_done(struct policy_fix *f)
{
	diag_free(&f->d);
	arena_reset(&f->a);
}

#endif
