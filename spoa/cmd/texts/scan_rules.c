/* Loading what classify, redact and detectors work with. */
#include "cmd/texts/scan_rules.h"

#include <stdio.h>

#include "cmd/cmd.h"
#include "policy/own.h"

int
scan_rules_load(struct scan_rules *r, const char *command, const char *dir, const char *policy)
{
	*r = (struct scan_rules){ .rules = NULL };
	arena_init(&r->arena, 0, false);
	SCOPED_DIAG(d);
	SCOPED_BUF(errors, 1 << 20);
	if (policy)
		r->policy = policy_open(&r->arena, policy, NULL, dir, &r->rules, &d);
	else
		r->rules = detect_load(dir, &errors);
	fprintf(stderr, "%.*s%.*s", SPAN_ARG(buf_view(&d.text)), SPAN_ARG(buf_view(&errors)));
	if (r->rules && (r->policy || !policy))
		return EXIT_DONE;
	scan_rules_free(r);
	return cmd_fail(
		command, policy ? "the policy is not valid" : "the rules are not valid");
}

void
scan_rules_free(struct scan_rules *r)
{
	detect_free(&r->rules);
	arena_reset(&r->arena);
	r->policy = NULL;
}

const float *
scan_rules_thresholds(const struct scan_rules *r)
{
	return r->policy ? r->policy->thresholds : NULL;
}

bool
scan_rules_plain(const struct scan_rules *r)
{
	return r->policy && r->policy->plain_placeholders;
}

struct detect_options
scan_rules_options(const struct scan_rules *r)
{
	return r->policy ? policy_detect_options(r->policy) : (struct detect_options){ 0 };
}

void
scan_rules_classes(const struct scan_rules *r, size_t entity,
	void (*put)(void *arg, const char *class), void *arg)
{
	if (!r->policy)
		put(arg, detect_entity_class(r->rules, entity));
	/* The rule file's first, where the policy leaves it in. */
	const char *own = detect_entity_class(r->rules, entity);
	for (int others = 0; r->policy && others < 2; others++)
		for (size_t i = 0; i < r->policy->nclasses; i++) {
			const struct policy_class *c = &r->policy->classes[i];
			bool other = strcmp(c->name, own) != 0;
			if (other == (others == 1) && entity_in(&c->entities, entity))
				put(arg, c->name);
		}
}
