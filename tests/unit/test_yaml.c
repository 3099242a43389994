/* YAML trees: positions, core-schema scalars, and refusals with their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/codec/yaml.h"
#include "support/guard.h"

struct fix {
	struct arena a;
	struct diag d;
};

static struct yaml_node *
load(struct fix *f, struct span text)
{
	arena_init(&f->a, 0, false);
	diag_init(&f->d);
	return yaml_load(&f->a, "t.yaml", text, &f->d);
}

static void
done(struct fix *f)
{
	diag_free(&f->d);
	arena_reset(&f->a);
}

/* Writes a compact form with positions: {k@1:1=v@1:4,...}. */
static void
show(const struct yaml_node *n, struct buf *out)
{
	if (n->key)
		buf_printf(
			out, "%.*s@%u:%u=", SPAN_ARG(n->key->s), n->key->line, n->key->column);
	if (n->kind == YAML_SCALAR) {
		buf_printf(out, "%s%.*s%s@%u:%u", n->quoted ? "'" : "", SPAN_ARG(n->s),
			n->quoted ? "'" : "", n->line, n->column);
		return;
	}
	buf_putc(out, n->kind == YAML_MAPPING ? '{' : '[');
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		if (c != n->child)
			buf_putc(out, ',');
		show(c, out);
	}
	buf_putc(out, n->kind == YAML_MAPPING ? '}' : ']');
}

static void
trees_keep_each_position(void **state)
{
	static const struct {
		const char *name, *in, *want;
	} rows[] = {
		{ "a mapping of scalars", "a: 1\nbb: 'x'\n", "{a@1:1=1@1:4,bb@2:1='x'@2:5}" },
		{ "nested blocks", "a:\n  - b: c\n  - d\n", "{a@1:1=[{b@2:5=c@2:8},d@3:5]}" },
		{ "flow style", "{a: [1, {b: 2}]}", "{a@1:2=[1@1:6,{b@1:10=2@1:13}]}" },
		{ "columns count characters", "é: [ü, x]\n", "{é@1:1=[ü@1:5,x@1:8]}" },
		{ "an alias stands where it is written", "a: &x [1]\nb: *x\n",
			"{a@1:1=[1@1:8],b@2:1=[1@1:8]}" },
		{ "an anchored scalar is copied", "a: &x v\nb: *x\n",
			"{a@1:1=v@1:4,b@2:1=v@2:4}" },
		{ "a name anchored again means the newest", "[&x 1, *x, &x 2, *x]",
			"[1@1:2,1@1:8,2@1:12,2@1:18]" },
		{ "a missing value is nothing", "a:\nb: 1", "{a@1:1=@1:3,b@2:1=1@2:4}" },
		{ "a scalar alone", "x", "x@1:1" },
		{ "the merge key is an ordinary key", "<<: 1", "{<<@1:1=1@1:5}" },
		{ "a comment shifts nothing", "# c\n\na: 1 # d\n", "{a@3:1=1@3:4}" },
		{ "YAML 1.2 may be named", "%YAML 1.2\n---\na: 1\n", "{a@3:1=1@3:4}" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fix f;
		struct buf out;
		struct yaml_node *n = load(&f, span_str(rows[i].in));
		buf_init(&out, 0);
		if (n)
			show(n, &out);
		buf_putc(&out, 0);
		if (!n || strcmp(buf_view(&out).p, rows[i].want))
			fail_msg("%s: got %s %.*s", rows[i].name, buf_view(&out).p,
				SPAN_ARG(buf_view(&f.d.text)));
		buf_free(&out);
		done(&f);
	}
}

static void
yaml_errors_have_their_position(void **state)
{
	static const struct {
		const char *name, *in, *want;
	} rows[] = {
		{ "empty text", "", "t.yaml:1:1: is empty\n" },
		{ "comments only", "# x\n", "t.yaml:1:1: is empty\n" },
		{ "a duplicate key", "a: 1\nb: 2\na: 3\n",
			"t.yaml:3:1: a: given twice (first in line 1)\n" },
		{ "a duplicate key spelt otherwise", "{a: 1, \"\\x61\": 2}",
			"t.yaml:1:8: a: given twice (first in line 1)\n" },
		{ "every duplicate", "a: {x: 1, x: 2}\nb: {y: 1, y: 2}\n",
			"t.yaml:1:11: x: given twice (first in line 1)\n"
			"t.yaml:2:11: y: given twice (first in line 2)\n" },
		{ "a second document", "a: 1\n---\nb: 2\n",
			"t.yaml:2:1: a second document: a file can have only one\n" },
		{ "a tag", "a: !!str 1\n",
			"t.yaml:1:4: tags are not supported: tag:yaml.org,2002:str\n" },
		{ "a local tag on a list", "a: !x [1]\n",
			"t.yaml:1:4: tags are not supported: !x\n" },
		{ "a tag directive", "%TAG ! x\n--- a\n",
			"t.yaml:1:1: tags are not supported\n" },
		{ "an old version", "%YAML 1.1\n---\na\n",
			"t.yaml:1:1: YAML 1.1: only YAML 1.2 is supported\n" },
		{ "an alias to nowhere", "a: *x\n",
			"t.yaml:1:4: no anchor &x before this alias\n" },
		{ "an anchor inside itself", "a: &x [1, *x]\n",
			"t.yaml:1:11: the anchor &x contains itself\n" },
		{ "a list as key", "? [1]\n: 2\n", "t.yaml:1:3: a key must be a string\n" },
		{ "a mapping as key, and what follows is still read", "{{a: 1}: 2, b: 1, b: 2}",
			"t.yaml:1:2: a key must be a string\nt.yaml:1:19: b: given twice "
			"(first in line 1)\n" },
		{ "an empty key", "{\"\": 1}", "t.yaml:1:2: an empty key\n" },
		{ "a NUL", "a: \"\\0\"\n", "t.yaml:1:4: a NUL character is not allowed\n" },
		{ "a tab as indentation", "a:\n\tb: 1\n",
			"t.yaml:2:1: the line is indented with a tab: use spaces, because YAML "
			"permits no tabs there\n" },
		{ "an open bracket", "a: [1\n",
			"t.yaml:2:1: while parsing a flow sequence that begins at 1:4: did not "
			"find expected ',' or ']'\n" },
		{ "a value whose quotes end before it does", "a: \"b\" in c\nd: e\n",
			"t.yaml:1:8: a value that begins with a quote ends with it: put the "
			"whole value into quotes, '…'\n" },
		{ "what is no such value", "a: {b: 'c' d: e}\n",
			"t.yaml:1:12: a value that begins with a quote ends with it: put the "
			"whole value into quotes, '…'\n" },
		{ "a bracket after quotes", "a: \"b\" ]\n",
			"t.yaml:1:8: while parsing a block mapping: did not find expected "
			"key\n" },
		{ "bytes that are not UTF-8", "a: x\nb: \xff\n",
			"t.yaml:2:4: invalid leading UTF-8 octet\n" },
		{ "a control character", "a: \x01\n",
			"t.yaml:1:4: control characters are not allowed\n" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fix f;
		struct yaml_node *n = load(&f, span_str(rows[i].in));
		struct span got = buf_view(&f.d.text);
		if (n || f.d.errors == 0 || !span_is(got, rows[i].want))
			fail_msg("%s: got %.*s", rows[i].name, SPAN_ARG(got));
		done(&f);
	}
}

static void
core_schema_determines_types(void **state)
{
	static const struct {
		const char *in;
		const char *type;
	} rows[] = {
		{ "true", "true or false" },
		{ "TRUE", "true or false" },
		{ "yes", "a string" },
		{ "on", "a string" },
		{ "'true'", "a string" },
		{ "~", "nothing" },
		{ "null", "nothing" },
		{ "''", "a string" },
		{ "12", "a number" },
		{ "-12", "a number" },
		{ "0o17", "a number" },
		{ "0x1F", "a number" },
		{ "0x", "a string" },
		{ "1_000", "a string" },
		{ "1.5", "a number" },
		{ ".5", "a number" },
		{ "1e3", "a number" },
		{ "1e", "a string" },
		{ ".", "a string" },
		{ ".inf", "a number" },
		{ ".nan", "a number" },
		{ "12:30", "a string" },
		{ "1m", "a string" },
		{ "+", "a string" },
		{ "[1]", "a list" },
		{ "{a: 1}", "a mapping" },
		{ "99999999999999999999", "a number" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fix f;
		struct yaml_node *n = load(&f, span_str(rows[i].in));
		assert_non_null(n);
		if (strcmp(yaml_type_name(n), rows[i].type))
			fail_msg("%s is %s", rows[i].in, yaml_type_name(n));
		done(&f);
	}
	struct fix f;
	int64_t v = 0;
	double x = 0;
	assert_true(yaml_int(load(&f, SPAN_LIT("0o17")), &v) && v == 15);
	done(&f);
	assert_true(yaml_int(load(&f, SPAN_LIT("0777")), &v) && v == 777);
	done(&f);
	assert_true(yaml_int(load(&f, SPAN_LIT("-9223372036854775808")), &v) && v == INT64_MIN);
	done(&f);
	assert_false(yaml_int(load(&f, SPAN_LIT("9223372036854775808")), &v));
	done(&f);
	assert_true(yaml_double(load(&f, SPAN_LIT("-1.5e1")), &x) && x == -15.0);
	done(&f);
}

/* Nine levels of nine aliases: 387 million scalars from 300 bytes. */
static void
yaml_bombs_are_refused(void **state)
{
	struct buf b;
	struct fix f;

	(void)state;
	buf_init(&b, 0);
	buf_str(&b, "a: &a [x, x, x, x, x, x, x, x, x]\n");
	for (char c = 'b'; c <= 'i'; c++) {
		buf_printf(&b, "%c: &%c [", c, c);
		for (int i = 0; i < 9; i++)
			buf_printf(&b, "%s*%c", i ? ", " : "", c - 1);
		buf_str(&b, "]\n");
	}
	assert_null(load(&f, buf_view(&b)));
	assert_non_null(
		strstr(buf_view(&f.d.text).p, "more than 500000 nodes, aliases expanded"));
	assert_true(f.a.used_bytes < 1 << 20);
	done(&f);

	buf_clear(&b);
	for (int i = 0; i < CAP_YAML_DEPTH; i++)
		buf_putc(&b, '[');
	for (int i = 0; i < CAP_YAML_DEPTH; i++)
		buf_putc(&b, ']');
	assert_non_null(load(&f, buf_view(&b)));
	done(&f);
	buf_clear(&b);
	for (int i = 0; i < 100000; i++)
		buf_putc(&b, '[');
	assert_null(load(&f, buf_view(&b)));
	assert_memory_equal(
		buf_view(&f.d.text).p, "t.yaml:1:65: nested deeper than 64 levels\n", 42);
	done(&f);

	/* depth through aliases counts too */
	buf_clear(&b);
	buf_str(&b, "a: &a [[[[[[[[[[1]]]]]]]]]]\n");
	for (char c = 'b'; c <= 'h'; c++)
		buf_printf(&b, "%c: &%c [[[[[[[[[[*%c]]]]]]]]]]\n", c, c, c - 1);
	assert_null(load(&f, buf_view(&b)));
	assert_non_null(strstr(buf_view(&f.d.text).p, "nested deeper than 64 levels"));
	done(&f);

	buf_clear(&b);
	char *big = buf_reserve(&b, CAP_YAML_BYTES + 1);
	memset(big, ' ', CAP_YAML_BYTES + 1);
	buf_commit(&b, CAP_YAML_BYTES + 1);
	assert_null(load(&f, buf_view(&b)));
	assert_int_equal(f.d.errors, 1);
	done(&f);
	buf_free(&b);
}

/* Every prefix of a file loads or is refused with an error, never both or neither. */
static void
cut_file_loads_or_has_an_error(void **state)
{
	static const char text[] = "a: &x {b: [1, 'two', \"thr\\u00e9e\"]}\n"
				   "c: |\n  block\n  text\n? d\n: *x\n# é\n";
	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		struct fix f;
		char *copy = guard_dup(text, n);
		bool ok = load(&f, span_of(copy, n)) != NULL;
		assert_int_equal(ok, f.d.errors == 0);
		guard_free(copy, n);
		done(&f);
	}
}

static void
places_in_a_scalar_map_to_the_file(void **state)
{
	static const struct {
		const char *name, *in;
		unsigned line, column;
		const char *want;
	} rows[] = {
		{ "plain", "w: a + b", 1, 3, "t.yaml:1:6: m\n" },
		{ "single quotes", "w: 'a + b'", 1, 3, "t.yaml:1:7: m\n" },
		{ "doubled quotes before it", "w: '''a'' + b'", 1, 7, "t.yaml:1:13: m\n" },
		{ "the doubled quote itself", "w: '''a'''", 1, 1, "t.yaml:1:5: m\n" },
		{ "double quotes without escapes", "w: \"a + b\"", 1, 5, "t.yaml:1:9: m\n" },
		{ "double quotes with escapes", "w: \"\\x61 + b\"", 1, 5,
			"t.yaml:1:4: m (line 1, column 5 of this text)\n" },
		{ "a block", "w: |\n  a\n  b\n", 2, 1,
			"t.yaml:1:4: m (line 2, column 1 of this text)\n" },
		{ "behind the end", "w: ab", 1, 3, "t.yaml:1:6: m\n" },
		{ "far behind the end", "w: ab", 1, 9,
			"t.yaml:1:4: m (line 1, column 9 of this text)\n" },
		{ "several lines", "w: 'a\n  b'", 1, 3,
			"t.yaml:1:4: m (line 1, column 3 of this text)\n" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fix f;
		struct yaml_node *n = yaml_get(load(&f, span_str(rows[i].in)), "w");
		assert_non_null(n);
		diag_within(&f.d, n, rows[i].line, rows[i].column, "m");
		if (!span_is(buf_view(&f.d.text), rows[i].want))
			fail_msg("%s: got %.*s", rows[i].name, SPAN_ARG(buf_view(&f.d.text)));
		done(&f);
	}
}

static void
yaml_errors_are_sorted_by_position(void **state)
{
	struct fix f;
	struct yaml_node at[] = {
		{ .file = "b:1", .line = 10, .column = 2 },
		{ .file = "b:1", .line = 9, .column = 30 },
		{ .file = "a", .line = 1, .column = 1 },
		{ .file = "b:1", .line = 9, .column = 4 },
		{ .file = "b:1", .line = 9, .column = 4 },
	};

	(void)state;
	arena_init(&f.a, 0, false);
	diag_init(&f.d);
	diag_sort(&f.d);
	for (size_t i = 0; i < 5; i++)
		diag_at(&f.d, &at[i], "m%zu: x:1:1: y", i);
	diag_sort(&f.d);
	assert_int_equal(f.d.errors, 5);
	assert_true(span_is(buf_view(&f.d.text),
		"b:1:9:4: m3: x:1:1: y\nb:1:9:4: m4: x:1:1: y\nb:1:9:30: m1: x:1:1: y\n"
		"b:1:10:2: m0: x:1:1: y\na:1:1: m2: x:1:1: y\n"));
	done(&f);
}

static void
missing_yaml_file_is_an_error(void **state)
{
	struct fix f;

	(void)state;
	arena_init(&f.a, 0, false);
	diag_init(&f.d);
	assert_null(yaml_load_file(&f.a, "/nonexistent/x.yaml", &f.d));
	assert_true(span_is(buf_view(&f.d.text),
		"/nonexistent/x.yaml:1:1: cannot open: No such file or directory\n"));
	diag_free(&f.d);
	diag_init(&f.d);
	assert_null(yaml_load_file(&f.a, "/", &f.d));
	assert_int_equal(f.d.errors, 1);
	done(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees_keep_each_position),
		cmocka_unit_test(yaml_errors_have_their_position),
		cmocka_unit_test(core_schema_determines_types),
		cmocka_unit_test(yaml_bombs_are_refused),
		cmocka_unit_test(cut_file_loads_or_has_an_error),
		cmocka_unit_test(places_in_a_scalar_map_to_the_file),
		cmocka_unit_test(yaml_errors_are_sorted_by_position),
		cmocka_unit_test(missing_yaml_file_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
