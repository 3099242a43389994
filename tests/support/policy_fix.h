/* Compiles a policy from text for tests, with the shipped detectors and a configuration with
 * three backends. */
#ifndef TESTS_POLICY_FIX_H
#define TESTS_POLICY_FIX_H

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

extern struct config fix_config;

/* Compiles a text, which may have errors. Returns NULL and counts them in f->d if it has. The
 * caller calls fix_done() in both cases. */
const struct policy *fix_load(struct policy_fix *f, const struct config *cfg, const char *text);

/* Compiles a text that must have no error. */
const struct policy *fix_must_load(struct policy_fix *f, const char *text);

/* Compiles POLICY_HEAD and these sections, which must have no error. */
const struct policy *fix_load_rules(struct policy_fix *f, const char *sections);

/* Compiles the policy in a file, with the files that it names. `cfg` NULL: without a
 * configuration. */
const struct policy *fix_load_file(
	struct policy_fix *f, const struct config *cfg, const char *file);

/* Frees the policy. */
void fix_done(struct policy_fix *f);

/* A policy with one error, and the report of the error after the file's name. */
struct policy_mistake {
	const char *name, *in, *want;
};

/* Returns how many of the rows are reported differently. */
unsigned fix_mistakes(const struct policy_mistake *rows, size_t n);

/* Compiles a fuzzer's rules and prepares a request of its first route. The policy is never
 * freed. */
const struct policy *fix_asked(const char *text, struct arena *a, struct answer_request *asked);

#endif
