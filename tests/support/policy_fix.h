/* Compiles a policy from text for tests, with the shipped detectors and a configuration with
 * three backends. */
#ifndef TESTS_POLICY_FIX_H
#define TESTS_POLICY_FIX_H

#include <stdio.h>
#include <stdlib.h>

#include "policy/config/config.h"
#include "policy/own.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/verdict/answer.h"
#include "policy/verdict/decide.h"
#include "support/detect_fix.h"

struct policy_fix {
	struct arena a;
	struct diag d;
	const struct policy *p;
	struct detect_rules *own; /* of a policy with classes of its own */
};

/* The beginning of most test policies: 4 lines. Rules and other sections follow from line 5. */
#define POLICY_HEAD                                                                            \
	"tollgate: 1\n"                                                                        \
	"name: t\n"                                                                            \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, backend: "     \
	"openai}\n"

static const char *fix_backends[] = { "openai", "anthropic", "local" };
static struct config fix_config = {
	.file = "tollgate.yaml", .backends = fix_backends, .nbackends = 3, .relay = true
};

static inline const struct policy *
fix_load(struct policy_fix *f, const struct config *cfg, const char *text)
{
	arena_init(&f->a, 0, false);
	diag_init(&f->d);
	const struct yaml_node *root = yaml_load(&f->a, "t.yaml", span_str(text), &f->d);
	const struct detect_extra *extra =
		root ? policy_own(&f->a, root, "t.yaml", &f->d) : NULL;
	struct buf errors;
	f->own = NULL;
	f->p = NULL;
	buf_init(&errors, 0);
	if (extra && extra->n) {
		f->own = detect_load_with(NULL, extra, &errors);
		for (size_t i = 0; i < errors.n; i++)
			f->d.errors += buf_view(&errors).p[i] == '\n';
		buf_span(&f->d.text, buf_view(&errors));
	}
	buf_free(&errors);
	if (root)
		f->p = policy_compile(&f->a, root, "t.yaml", cfg,
			f->own ? f->own : detect_fix()->rules, &f->d);
	if (f->d.errors)
		f->p = NULL;
	return f->p;
}

/* Compiles a text that must have no error. */
static inline const struct policy *
fix_must_load(struct policy_fix *f, const char *text)
{
	if (!fix_load(f, &fix_config, text)) {
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&f->d.text)));
		abort();
	}
	return f->p;
}

/* Compiles the policy in a file, with the files that it names. */
static inline const struct policy *
fix_load_file(struct policy_fix *f, const char *file)
{
	arena_init(&f->a, 0, false);
	diag_init(&f->d);
	f->own = NULL;
	f->p = policy_load(&f->a, file, &fix_config, detect_fix()->rules, &f->d);
	return f->p;
}

static inline void
fix_done(struct policy_fix *f)
{
	detect_free(&f->own);
	diag_free(&f->d);
	arena_reset(&f->a);
}

/* A policy with one error, and the report of the error after the file's name. */
struct policy_mistake {
	const char *name, *in, *want;
};

/* Returns how many of the rows are reported differently. */
static inline unsigned
fix_mistakes(const struct policy_mistake *rows, size_t n)
{
	unsigned bad = 0;

	for (size_t i = 0; i < n; i++) {
		struct policy_fix f;
		char want[512];
		fix_load(&f, &fix_config, rows[i].in);
		struct span got = buf_view(&f.d.text);
		snprintf(want, sizeof(want), "t.yaml%s", rows[i].want);
		if (f.p || f.d.errors != 1 || !span_starts(got, span_str(want))) {
			fprintf(stderr, "%s: %u errors, want %s, got %.*s\n", rows[i].name,
				f.d.errors, want, SPAN_ARG(got));
			bad++;
		}
		fix_done(&f);
	}
	return bad;
}

/* Compiles a fuzzer's rules and prepares a request of its first route. The policy is never
 * freed. */
static inline const struct policy *
fix_asked(const char *text, struct arena *a, struct answer_request *asked)
{
	static struct policy_fix fix;
	static struct identity id = { .verified = true };
	const struct policy *p = fix_load(&fix, &fix_config, text);

	if (!p)
		abort();
	struct policy_facts facts = { .identity = &id,
		.route = &p->routes[0],
		.whole = true,
		.rules = detect_fix()->rules };
	arena_init(a, 0, false);
	if (policy_answer_request(p, &facts, a, asked))
		abort();
	return p;
}

#endif
