/* Character by character, since answers come in pieces. Separate from restore.c, which knows
 * what a placeholder is. */
#include "answer/url_place.h"

#include "base/ascii.h"

/* What a URL comes after, by its last character: a scheme is a part of it. */
static const struct {
	const char *text;
	bool scheme;
} begins[] = {
	{ "http:", true },
	{ "https:", true },
	{ "ftp:", true },
	{ "ws:", true },
	{ "wss:", true },
	{ "file:", true },
	{ "//", true },
	{ "](", false },
	{ "]:", false },
	{ "url(", false },
	{ "src=", false },
	{ "srcset=", false },
	{ "href=", false },
	{ "action=", false },
	{ "poster=", false },
	{ "content=", false },
};
/* Nothing is fetched from these. */
static const char *const harmless[] = { "mailto:", "tel:" };

static bool
ends_with(const struct url_place *p, const char *text)
{
	uint64_t tail = p->tail;

	for (size_t n = strlen(text); n-- > 0; tail >>= 8)
		if ((char)(tail & 0xff) != text[n])
			return false;
	return true;
}

static char
closes(char c)
{
	return c == '<' ? '>' : c == '"' || c == '\'' || c == '`' ? c : 0;
}

static void
step_out(struct url_place *p, char c)
{
	for (size_t i = 0; i < COUNT_OF(begins); i++) {
		if (!ends_with(p, begins[i].text))
			continue;
		p->at = begins[i].scheme ? URL_IN : URL_FRESH;
		p->close = begins[i].scheme ? closes(p->before) : 0;
		p->bytes = 0;
		return;
	}
	if (!is_alnum(c) && c != ':' && c != '/' && c != '.' && c != '-' && c != '+')
		p->before = c;
}

/* Before its first character: a quote or a bracket says what ends it. */
static void
step_fresh(struct url_place *p, char c)
{
	if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
		return;
	if (!p->close && closes(c)) {
		p->close = closes(c);
		return;
	}
	p->at = URL_IN;
	p->bytes = 1;
}

static bool
is_harmless(const struct url_place *p)
{
	for (size_t i = 0; i < COUNT_OF(harmless); i++)
		if (p->bytes == strlen(harmless[i]) && ends_with(p, harmless[i]))
			return true;
	return false;
}

/* In quotes a URL may hold blanks, and ends at an empty line at the latest. */
static bool
step_in(struct url_place *p, char c)
{
	bool blank = (unsigned char)c <= ' ', line = c == '\n' && (p->tail >> 8 & 0xff) == '\n';

	p->bytes++;
	return p->close ? c == p->close || line : blank || c == '<' || c == '>';
}

void
url_place_step(struct url_place *p, int c)
{
	char now = c < 0 ? (char)0x80 : to_lower((char)c);

	p->tail = p->tail << 8 | (unsigned char)now;
	switch (p->at) {
	case URL_FRESH: step_fresh(p, now); break;
	case URL_IN:
		if (!step_in(p, now) && !(now == ':' && is_harmless(p)))
			break;
		p->at = URL_OUT;
		p->before = now;
		break;
	case URL_OUT: step_out(p, now); break;
	}
}
