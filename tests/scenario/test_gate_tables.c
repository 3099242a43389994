/* A long table in a request is read in windows. No value that a scan of the whole text finds
 * may reach the provider. */
#include "base/ascii.h"
#include "scenario/gate_stage.h"
#include "support/detect_fix.h"
#include "support/table_docs.h"

enum { BYTES = 300000 }; /* more than one window */

#define POLICY                                                                                 \
	"routes: [{name: api, match: {path_prefix: /}, dialect: rest, backend: b}]\n"          \
	"rules: [{name: all, redact: {classes: [pii, phi, secret]}}]\n"                        \
	"default: permit\n"                                                                    \
	"limits: []\n"

/* Returns true if the value occurs in the text as a word of its own. */
static bool
has_word(struct span text, struct span v)
{
	for (const char *at; (at = memmem(text.p, text.n, v.p, v.n));) {
		size_t from = (size_t)(at - text.p), to = from + v.n;
		if ((from == 0 || !is_alnum(at[-1])) && (to == text.n || !is_alnum(text.p[to])))
			return true;
		text = span_cut(text, from + 1, text.n);
	}
	return false;
}

/* Returns how many of the values that a scan of the whole text finds are in the body that the
 * provider receives. *values becomes the number looked for. */
static size_t
left_in_body(struct span text, size_t *values)
{
	struct detect_fix *f = detect_fix();
	struct findings whole;
	struct stage s;
	struct call c;
	struct pass p;
	struct arena a;
	char length[64];
	size_t left = 0;

	arena_init(&a, 0, false);
	assert_int_equal(detect_scan(f->rules, f->scratch, text, NULL, &a, &whole), 0);
	stage_up(&s, POLICY);
	snprintf(length, sizeof(length), "content-length: %zu", text.n);
	struct note n = { .person = "alice",
		.path = "/x",
		.headers = { "content-type: text/plain", length },
		.body = text.p,
		.body_n = text.n,
		.no_length = true };
	call_send(&s, 0, &n, &c);
	stage_settle(&s);
	if (strcmp(call_var(&c, "decision"), "redact") != 0)
		fail_msg("%s, %s", call_var(&c, "decision"), call_var(&c, "error"));
	assert_int_equal(pass_claim(&s, 0, &p, &c, (int64_t)text.n), 0);
	struct span body = gate_plan(p.x)->body;
	*values = 0;
	for (size_t i = 0; i < whole.n; i++) {
		struct span v = span_cut(text, whole.v[i].start, whole.v[i].end);
		if (v.n < 6)
			continue;
		++*values;
		left += has_word(body, v);
	}
	pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
	stage_down(&s);
	arena_reset(&a);
	return left;
}

static void
value_in_a_long_table_is_never_sent(void **state)
{
	size_t bad = 0;

	(void)state;
	for (size_t k = 0; k < COUNT_OF(doc_kinds); k++)
		for (size_t i = 0; i < COUNT_OF(doc_shapes); i++) {
			const struct doc_shape *shape = &doc_shapes[i];
			uint64_t random = k * 100 + i + 1;
			struct buf b;
			size_t values;
			/* Each kind and each shape once; test_table_cuts.c tests all pairs. */
			if (i > 0 && i != k)
				continue;
			buf_init(&b, 0);
			doc_put(&b, &random, &doc_kinds[k], shape,
				(size_t)BYTES / (shape->note + 90) / (shape->second ? 2 : 1));
			size_t left = left_in_body(buf_view(&b), &values);
			if (left)
				print_message(
					"%s, %s: %zu of %zu values are left in %zu bytes\n",
					doc_kinds[k].name, shape->name, left, values, b.n);
			bad += left > 0;
			buf_free(&b);
		}
	if (bad)
		fail_msg("%zu documents differ", bad);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_in_a_long_table_is_never_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
