/* Parses Content-Type: type "/" subtype *( OWS ";" OWS name "=" ( token / quoted ) ).
 * The parser is lenient in unimportant details, so that it does not understand a value
 * differently from the server that receives it. */
#include "scan/text/media.h"

#include "base/among.h"

/* Returns the bytes up to the next ; outside quotes. *bad is set by a comma outside quotes, or
 * by quotes that stay open. */
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

bool
media_is_lines(struct span type)
{
	static const char *const lines[] = { "application/jsonl", "application/jsonlines",
		"application/x-jsonl", "application/x-jsonlines", "text/jsonl",
		"application/x-ndjson", "application/ndjson" };

	return SPAN_AMONG(type, lines, span_ieq);
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
		span_ieq(type, SPAN_LIT("text/json")) ||
		(span_chr(type, '/') < type.n && span_iends(type, SPAN_LIT("+json"))))
		return MEDIA_JSON;
	if (span_ieq(type, SPAN_LIT("application/x-www-form-urlencoded")))
		return MEDIA_FORM;
	if (media_is_lines(type))
		return MEDIA_LINES;
	return span_istarts(type, SPAN_LIT("multipart/")) ? MEDIA_PARTS : MEDIA_OTHER;
}

bool
media_is_form_data(struct span ct)
{
	bool bad = false;

	return span_ieq(next_piece(&ct, &bad), SPAN_LIT("multipart/form-data"));
}

struct span
media_boundary(struct span ct)
{
	struct span boundary = { NULL, 0 };
	bool bad = false;

	next_piece(&ct, &bad);
	while (ct.n) {
		struct span value = next_piece(&ct, &bad);
		struct span name = span_trim(span_next(&value, '='), " \t");
		if (!span_istarts(name, SPAN_LIT("boundary")))
			continue;
		if (boundary.n || name.n != strlen("boundary"))
			return (struct span){ NULL, 0 };
		boundary = span_trim(value, " \t");
		if (boundary.n > 2 && boundary.p[0] == '"' && boundary.p[boundary.n - 1] == '"')
			boundary = span_cut(boundary, 1, boundary.n - 1);
		/* bchars of RFC 2046 without the space: DIGIT / ALPHA / "'" / "(" / ")" / "+" /
		 * … */
		if (!span_is_alnum(boundary, "'()+_,-./:=?"))
			return (struct span){ NULL, 0 };
	}
	return bad ? (struct span){ NULL, 0 } : boundary;
}
