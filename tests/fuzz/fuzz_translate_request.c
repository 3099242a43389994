/* A request of each form translated to each other one: the output is JSON that its form reads
 * again. The same body gives the same bytes. */
#include <stdlib.h>

#include "answer/calls/tree.h"
#include "answer/translate/request.h"
#include "base/err.h"

static void
translate_one(enum form from, enum form to, struct span body)
{
	struct arena a;
	struct buf out, back, again;
	struct translated_request made;
	struct tree t;
	struct translate_ask ask = { .from = from,
		.to = to,
		.body = body,
		.model = SPAN_LIT("m"),
		.cap_tokens = 5 };

	arena_init(&a, 0, false);
	buf_init(&out, 0);
	buf_init(&back, 0);
	buf_init(&again, 0);
	int err = translate_request(&ask, &a, &out, &made);
	if (err && (!made.why || !made.refused.p))
		abort();
	if (!err) {
		if (tree_read(&t, &a, buf_view(&out)) || t.root->tok != JSON_OBJECT)
			abort();
		if (translate_request(&ask, &a, &again, &made) ||
			!span_eq(buf_view(&out), buf_view(&again)))
			abort();
		ask.from = to;
		ask.to = from;
		ask.body = buf_view(&out);
		if (translate_request(&ask, &a, &back, &made) == ERR_SYNTAX)
			abort();
	}
	buf_free(&out);
	buf_free(&back);
	buf_free(&again);
	arena_reset(&a);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	char *copy = malloc(n ? n : 1);

	memcpy(copy, data, n);
	for (enum form from = FORM_CHAT; from < FORMS; from++)
		for (enum form to = FORM_CHAT; to < FORMS; to++)
			if (from != to && forms_into(to) >> from & 1)
				translate_one(from, to, span_of(copy, n));
	free(copy);
	return 0;
}
