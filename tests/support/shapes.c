/* Generates texts that are expensive to search from pieces of the rules and of decoders. */
#include <string.h>

#include "support/shapes.h"

/* clang-format off */
static const char *const shape_pieces[] = {
	/* runs of alphabets, of lengths near the decoders' own */
	"abababababababab", "abababababababababababababababab", "aaaaaaaa", "AbCdEfGhIjKlMnOpQrStUvWxYz",
	"abababababababababababababababababababababababababababababababababababababababab",
	"4142434445464748", "dGhlIHBhc3N3b3JkIGlz", "MFRGGZDFMZTWQ2LK", "0123456789abcdef",
	"00000000", "01000001", "x", "xx", "0x", "k_", "x/", "-x", "=", "==", "+", "/", "_", "-",
	/* text that joins their lines */
	" ", "  ", "\n", "\r\n", "\\n", "\\r\\n", "\",\n\"", "', '", "> ", "| ", "# ", "\t", ";", ",",
	/* codes of characters */
	"52,53,", "0x34 ", "chr(52)&", "\\x34", "\\064", "\\u0034", "\\u{34}", "&#52;", "&#x34;", "%34",
	"&commat;", "&amp;", "%25", "\\\\", "\\", "\\34 ", "=34", "=\n", "%u0040",
	/* Unicode */
	"\xE2\x80\x8B", "\xC2\xAD", "\xEF\xBC\x94", "\xF0\x9D\x9F\x92", "\xD0\xB0", "\xCE\xB1", "\xE2\x80\xAE",
	"\xE2\x80\xAC", "\xF3\xA0\x81\xA1", "\xCC\x81", "\xC2\xA0", "\xE2\x80\x93", "\xFF", "\xC0\xAF",
	"\xE4\xB8\xAD\xE6\x96\x87", "\xD9\xA4", "\xF0\x9F\x8F\xB4",
	/* spelling, joints, markup */
	"\" + \"", "' . '", "\".concat(\"", "['a','b'].join('')", "f\"", "{'a'}", "${", "**", "~~", "`", "<b>", "</b>",
	"<wbr>", "<!--", "-->", "<![CDATA[", "]]>", "<td>", "</td>", "[at]", " at ", " dot ", "(at)", "@", "#at#", "_at_",
	"four ", "double ", "forty-", "vier", "a b c d ", "4-1-", "4.1 ", "4111 ", "4O12 ", "88l3", "1e15", ".4111",
	"data: {\"delta\":\"", "\"}\n", "4111111111111111", "4 1 1 1 ", "(4)", "[1]", "4|", "4\n",
	/* tables, labels, keys */
	"a,b\n", "1,2\n", "name;", "|", "|---|", "key: ", "key=", "\"key\": \"", "password=", "passport no. ",
	"card_number", "order ", "phone", "token:", "api_key = \"", "Authorization: Bearer ", "-----BEGIN PRIVATE KEY-----",
	"-----END", "-----", "curl -u ", "--user", "://", "https://", "www.", "user:pass@", "::", "1.1.1.1", "fe80::", "+1 ", "(212) ",
	/* names and places */
	"Dr. ", "Anna ", "Miller, ", "van den ", "lives in ", "Oslo ", "12 Main Street ", "St. ", "GmbH ", "Hospital ", "John",
	"A. ", "Mr ", "anna ", "ANNA ", "O'", "né ", "\xE7\x8E\x8B", "January 1, ", "2024-05-11", "aged 9",
	/* delimiters of all kinds */
	"{", "}", "[", "]", "(", ")", "\"", "'", "<", ">", ".", ":", "!", "?", "a", "A", "1", "0", "z9", "and ",
};

/* clang-format on */

static uint32_t
shape_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

/* Returns a token of the rules: a literal, a context word or an example. */
static struct span
shape_rule_token(const struct detect_rules *r, uint64_t *random)
{
	const struct prefilter *f = &r->prefilter;

	for (;;) {
		const struct pattern *p = &r->patterns[shape_random(random) % r->npatterns];
		const struct entity_rule *e = &r->entities[p->entity];
		const struct words *w =
			shape_random(random) % 2 ? &e->context.words : &e->context.against;
		uint32_t at = shape_random(random);
		switch (shape_random(random) % 3) {
		case 0: return f->heads[at % f->slots[(1u << LITERAL_BITS) - 1].to].literal->text;
		case 1:
			if (w->n)
				return w->v[at % w->n];
			break;
		default:
			if (e->nexamples)
				return e->examples[at % e->nexamples].text;
		}
	}
}

void
shape_make(const struct detect_rules *r, uint32_t number, struct shape *s)
{
	const size_t npieces = sizeof(shape_pieces) / sizeof(shape_pieces[0]);
	uint64_t random = number * UINT64_C(0x9E3779B97F4A7C15) + 1;

	s->n = 0;
	shape_random(&random);
	for (uint32_t n = 2 + shape_random(&random) % (SHAPE_TOKENS - 1); n; n--) {
		struct span t =
			shape_random(&random) % 4
				? span_str(shape_pieces[shape_random(&random) % npieces])
				: shape_rule_token(r, &random);
		/* one of four tokens is repeated up to 16 times */
		uint32_t times = shape_random(&random) % 4 ? 1 : 1 + shape_random(&random) % 16;
		t = span_cut(t, 0, SHAPE_TOKEN_BYTES);
		for (; times && s->n + t.n <= sizeof(s->unit); times--) {
			memcpy(s->unit + s->n, t.p, t.n);
			s->n += t.n;
		}
	}
}

void
shape_fill(const struct shape *s, char *to, size_t n)
{
	for (size_t i = 0; i < n; i += s->n)
		memcpy(to + i, s->unit, n - i < s->n ? n - i : s->n);
}

void
shape_print(FILE *to, const struct shape *s)
{
	for (size_t i = 0; i < s->n; i++) {
		unsigned char c = (unsigned char)s->unit[i];
		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			fprintf(to, "\\x%02x", c);
		else
			putc(c, to);
	}
}
