/* A policy in a file of `dir`, and the keys that its identity section names. Include after
 * cmocka's header. */
#ifndef TESTS_IDENTITY_FIX_H
#define TESTS_IDENTITY_FIX_H

#include "policy/config/config.h"
#include "policy/identity/identity.h"
#include "support/policy_fix.h"
#include "support/temp_dir.h"

static struct policy_fix fix;
static struct identity_keys *keys;

static inline int
identity_load(const char *policy)
{
	struct diag d;

	(void)fix_config; /* this rig uses no configuration */
	put("policy.yaml", policy);
	arena_init(&fix.a, 0, false);
	diag_init(&fix.d);
	fix.p = policy_load(&fix.a, path("policy.yaml"), NULL, detect_fix()->rules, &fix.d);
	diag_init(&d);
	keys = fix.p ? identity_keys_load(fix.p, false, NULL, &d) : NULL;
	if (!keys)
		print_error("%.*s%.*s", SPAN_ARG(buf_view(&fix.d.text)),
			SPAN_ARG(buf_view(&d.text)));
	diag_free(&d);
	return keys ? 0 : -1;
}

static inline int
identity_unload(void **state)
{
	identity_keys_free(&keys);
	fix_done(&fix);
	return temp_dir_remove(state);
}

#endif
