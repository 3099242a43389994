/* Restoring placeholders: any cut gives the same text, held text is bounded, JSON stays JSON,
 * and the bytes that would be restored are those that are counted. The first byte selects the
 * form, the second the width of the pieces and whether the text belongs to a call. */
#include <stdlib.h>

#include "answer/restore.h"
#include "base/arena.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "scan/text/placeholder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned call; /* if not 0, the texts are arguments of a call */

static size_t
run(const struct vault *v, enum restore_form form, struct span in, size_t step, struct buf *out)
{
	struct restorer *r = restorer_new(v, form);
	size_t most = call ? (size_t)call * 8 : 0;

	if (call)
		restorer_arguments(r, call % 4 == 3, most);
	for (size_t at = 0; at < in.n; at += step) {
		if (restorer_feed(r, span_cut(in, at, at + step), out) ||
			restorer_held(r) > RESTORE_HELD_MOST + most)
			abort();
	}
	if (restorer_end(r, out) || restorer_held(r))
		abort();
	size_t count = restorer_count(r);
	restorer_free(&r);
	return count;
}

static int
json_fault(struct span in)
{
	struct arena a;
	struct json_event ev;
	int err;

	arena_init(&a, 0, false);
	struct json *j = json_open(&a, in);
	while (json_next(j, &ev) != JSON_END && ev.tok != JSON_ERROR)
		;
	err = json_error(j, NULL, NULL);
	arena_reset(&a);
	return err;
}

static void
check_taken(struct span in)
{
	struct arena a;

	arena_init(&a, 0, false);
	struct placeholders *p = placeholders_new(&a);
	placeholders_taken(p, in);
	struct span got = placeholder_get(p, SPAN_LIT("E_A"), SPAN_LIT("v"), false);
	if (span_is(got, "<E_A_1>"))
		abort();
	arena_reset(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut;
	struct vault *v = vault_new();

	if (size < 2 || !v) {
		vault_free(&v);
		return 0;
	}
	enum restore_form form = data[0] % 3;
	struct span in = span_of(data + 2, size - 2);
	buf_init(&whole, 0);
	buf_init(&cut, 0);
	if (run(v, form, in, (size_t)data[1] % 16 + 1, &whole) ||
		!span_eq(buf_view(&whole), in))
		abort();
	buf_clear(&whole);
	vault_add(v, SPAN_LIT("<E_A_1>"), SPAN_LIT("a \"quoted\\ <&> value\n\x01\xc3\xa9"));
	size_t first = run(v, RESTORE_TEXT, in, in.n ? in.n : 1, &whole);
	if (first)
		check_taken(in);
	vault_add(v, SPAN_LIT("<E_A_12>"), SPAN_LIT(""));
	vault_add(v, SPAN_LIT("<E_2>"), SPAN_LIT("<E_A_1>"));
	buf_clear(&whole);
	call = data[1] / 16;
	size_t n = run(v, form, in, in.n ? in.n : 1, &whole);
	if (run(v, form, in, (size_t)data[1] % 16 + 1, &cut) != n ||
		!span_eq(buf_view(&whole), buf_view(&cut)))
		abort();
	call = 0;
	if (n == 0 && !span_eq(buf_view(&whole), in))
		abort();
	if (form == RESTORE_JSON && json_fault(in) == 0) {
		int err = json_fault(buf_view(&whole));
		if (err && err != ERR_DUPLICATE)
			abort();
	}
	buf_free(&whole);
	buf_free(&cut);
	vault_free(&v);
	return 0;
}
