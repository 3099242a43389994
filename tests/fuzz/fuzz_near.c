/* Any bytes as a prompt, and as two prompts with a NUL between them. The normalized form of a
 * prompt must be its own normalized form, must not change with a polite phrase before it, and
 * must consist of bytes of the prompt. The similarity of two texts is a share and does not
 * depend on their order. */
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/err.h"
#include "gate/cache/near.h"
#include "support/courtesy_shipped.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
near_to(struct span text, struct buf *out)
{
	buf_clear(out);
	return !near_text(shipped_courtesy(), text, out);
}

/* Returns true if the bytes of a are in b in the same order, except for the case of the first
 * letter. */
static bool
is_left_of(struct span a, struct span b)
{
	size_t i = 0;

	for (size_t k = 0; k < b.n && i < a.n; k++)
		i += a.p[i] == b.p[k] || (!i && a.p[i] == to_lower(b.p[k]));
	return i == a.n;
}

static void
near_itself(struct span text)
{
	struct buf one, two, three, said;

	buf_init(&one, 0);
	buf_init(&two, 0);
	buf_init(&three, 0);
	buf_init(&said, 0);
	if (near_to(text, &one)) {
		INVARIANT(one.n && one.n <= text.n && is_left_of(buf_view(&one), text));
		/* only a word that could be a name keeps its capital the first time */
		INVARIANT(near_to(buf_view(&one), &two) && two.n == one.n);
		INVARIANT(!memcmp(one.p + 1, two.p + 1, one.n - 1));
		INVARIANT(near_to(buf_view(&two), &three));
		INVARIANT(span_eq(buf_view(&two), buf_view(&three)));
		buf_printf(&said, "please %.*s", SPAN_ARG(buf_view(&two)));
		if (near_to(buf_view(&said), &three))
			INVARIANT(span_eq(buf_view(&two), buf_view(&three)));
		INVARIANT(!near_speaks(shipped_courtesy(), SPAN_LIT("")));
	}
	near_speaks(shipped_courtesy(), text);
	buf_free(&one);
	buf_free(&two);
	buf_free(&three);
	buf_free(&said);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	size_t nul = span_chr(in, '\0');
	struct span a = span_cut(in, 0, nul), b = span_cut(in, nul + 1, size);
	double like = near_similarity(a, b), self = near_similarity(a, a);

	near_itself(a);
	near_itself(b);
	INVARIANT(like >= 0 && like <= 1 && like == near_similarity(b, a));
	INVARIANT(self == 0 || self == 1);
	return 0;
}
