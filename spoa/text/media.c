/* Content-Type: type "/" subtype *( OWS ";" OWS name "=" ( token / quoted ) ).
 * Lenient in what does not matter, so that a value that somebody's server would
 * understand is not understood otherwise here. */
#include "text/media.h"

/* The bytes up to the next ; outside quotes; *bad: a comma outside them, or
 * quotes that stay open. */
static struct span
next_piece(struct span *rest, bool *bad)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < rest->n && (quoted || rest->p[i] != ';'); i++) {
		if (rest->p[i] == '"')
			quoted = !quoted;
		else if (rest->p[i] == '\\' && quoted)
			i++;
		else if (rest->p[i] == ',' && !quoted)
			*bad = true;
	}
	if (quoted)
		*bad = true;
	struct span piece = span_cut(*rest, 0, i);
	*rest = span_cut(*rest, i + 1, rest->n);
	return span_trim(piece, " \t");
}

static bool
charset_is_utf8(struct span value)
{
	value = span_trim(value, " \t");
	if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
		value = span_cut(value, 1, value.n - 1);
	return span_ieq(value, SPAN_LIT("utf-8")) || span_ieq(value, SPAN_LIT("utf8"));
}

static bool
ends_in_json(struct span type)
{
	struct span tail = span_cut(type, type.n > 5 ? type.n - 5 : type.n, type.n);

	return span_chr(type, '/') < type.n && span_ieq(tail, SPAN_LIT("+json"));
}

enum media_kind
media_kind(struct span ct)
{
	bool bad = false, charset = false;
	struct span type = next_piece(&ct, &bad);

	while (ct.n) {
		struct span value = next_piece(&ct, &bad);
		struct span name = span_trim(span_next(&value, '='), " \t");
		if (span_ieq(name, SPAN_LIT("charset")) && !charset_is_utf8(value))
			charset = true;
	}
	if (bad)
		return MEDIA_TWO;
	if (charset)
		return MEDIA_CHARSET;
	if (span_ieq(type, SPAN_LIT("application/json")) ||
		span_ieq(type, SPAN_LIT("text/json")) || ends_in_json(type))
		return MEDIA_JSON;
	if (span_ieq(type, SPAN_LIT("application/x-www-form-urlencoded")))
		return MEDIA_FORM;
	return MEDIA_OTHER;
}
