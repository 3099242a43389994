/* scan/text/origin over any texts. The first line is a value, the others are texts. A value that
 * was added as a text is found in it. A value that is looked up alone and among others has the
 * same origin, and the pieces of a URL lie in the URL. */
#include <stdlib.h>

#include "base/scoped.h"
#include "scan/text/origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_pieces(struct span text)
{
	struct span rest = origin_url(text), piece;

	while (rest.n && origin_url_piece(&rest, &piece))
		if (!piece.n || piece.p < text.p || piece.p + piece.n > text.p + text.n)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED_ARENA(a, 64u << 20, true);
	struct span rest = span_of(data, size), value = span_next(&rest, '\n'), name;
	struct origins *o = origins_new(&a);
	struct origin_value alone = { .text = value }, v[2] = { { .text = rest }, alone };
	enum origin_kind kind = ORIGIN_USER;

	if (!o || origins_source(o, ORIGIN_OTHER, SPAN_LIT("other"), 1))
		return 0;
	while (rest.n) {
		if (origins_text(o, span_next(&rest, '\n')) ||
			origins_source(o, kind, SPAN_LIT("next"), 2))
			return 0;
		kind = (enum origin_kind)((kind + 1) % 3);
	}
	if (origins_find(o, &a, &alone, 1) || origins_find(o, &a, v, 2))
		return 0;
	if (alone.user != v[1].user || alone.shown != v[1].shown || alone.first.p != v[1].first.p)
		abort();
	origins_repeats(o, value, &name);
	check_pieces(value);
	/* a text that has the value as a whole */
	struct origin_value again = { .text = value };
	if (origin_is_small(value) || origins_source(o, ORIGIN_USER, SPAN_LIT("user"), 3) ||
		origins_text(o, value) || origins_find(o, &a, &again, 1))
		return 0;
	/* the letter of an escape such as \n is no word */
	for (size_t i = 0; i < value.n && !again.user && !memchr(value.p, '\\', value.n); i++)
		if ((value.p[i] >= '0' && value.p[i] <= '9') ||
			(value.p[i] >= 'a' && value.p[i] <= 'z'))
			abort();
	return 0;
}
