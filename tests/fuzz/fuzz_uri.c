/* codec/uri_normal over any bytes. A normal URI is printable ASCII, is its own template, and
 * lacks no slash. If a letter of its scheme changes case, it is not normal any more. */
#include <ctype.h>
#include <stdlib.h>

#include "base/codec/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_normal(struct span uri)
{
	char *other = malloc(uri.n + 1);

	for (size_t i = 0; i < uri.n; i++)
		if (!isgraph((unsigned char)uri.p[i]) || strchr("\"<>\\^`{|}", uri.p[i]))
			abort();
	if (uri_lacks_slash(uri) || span_chr(uri, ':') == uri.n ||
		(uri.n <= URI_TEMPLATE_BYTES && !uri_template_is_normal(uri)))
		abort();
	memcpy(other, uri.p, uri.n);
	other[0] = (char)toupper((unsigned char)other[0]);
	other[uri.n] = ' ';
	if (uri_is_normal(span_of(other, uri.n)) || uri_is_normal(span_of(other, uri.n + 1)))
		abort();
	free(other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);

	if (uri_is_normal(text))
		check_normal(text);
	else if (!uri_template_is_normal(text))
		uri_lacks_slash(text);
	return 0;
}
