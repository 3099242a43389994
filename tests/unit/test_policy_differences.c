/* The differences between two policy trees, as `tollgate status` prints them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/scoped.h"
#include "policy/differences.h"

static const struct yaml_node *
tree(struct arena *a, const char *text)
{
	SCOPED_DIAG(d);
	const struct yaml_node *n = text ? yaml_load(a, "p.yaml", span_str(text), &d) : NULL;

	assert_int_equal(d.errors, 0);
	return n;
}

static void
differences_between_policies_are_named(void **state)
{
	static const struct {
		const char *before, *after, *want;
	} rows[] = {
		{ "rules: [{name: a, effect: deny}]", "rules:\n- effect: 'deny' # no\n  name: a\n",
			"" },
		{ "rules: [{name: a, effect: deny}]", "rules: [{name: a, effect: permit}]",
			"rules a" },
		{ "rules: [{name: a}, {name: b}]", "rules: [{name: b}, {name: a}]",
			"rules (their order)" },
		{ "rules: [{name: a}, {name: b}]", "rules: [{name: b, when: x}, {name: c}]",
			"rules b, c (new), a (removed)" },
		{ "default: deny\nclasses: {pii: [EMAIL]}",
			"default: permit\nclasses: {pii: [EMAIL, SSN], secret: [KEY]}",
			"default; classes pii, secret (new)" },
		{ "limits: [{name: l}]", "name: x", "name (new); limits (removed)" },
		{ "identity: [{jwt: {a: 1}}, {none: {}}]", "identity: [{jwt: {a: 2}}, {none: {}}]",
			"identity #1" },
		{ NULL, "default: deny", "default (new)" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct differences d;
		SCOPED_ARENA(a, 0, false);
		SCOPED_BUF(out, 0);
		assert_true(policy_differences(
			&a, tree(&a, rows[i].before), tree(&a, rows[i].after), &d));
		policy_differences_print(&d, &out);
		buf_putc(&out, '\0');
		assert_string_equal(out.p, rows[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(differences_between_policies_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
