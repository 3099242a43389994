/* Character by character, since answers come in pieces. Separate from restore.c, which knows
 * what a placeholder is. */
#include "answer/url_place.h"

#include "base/ascii.h"

/* What a URL comes after, by its last character: a scheme is a part of it. */
static const struct {
	const char *text;
	bool scheme, html; /* html: only where there are tags; code has such names too */
} begins[] = {
	{ "http:", true, false },
	{ "https:", true, false },
	{ "ftp:", true, false },
	{ "ws:", true, false },
	{ "wss:", true, false },
	{ "file:", true, false },
	{ "//", true, false },
	{ "](", false, false },
	{ "]:", false, false },
	{ "url(", false, false },
	{ "src=", false, false },
	{ "srcset=", false, false },
	{ "href=", false, false },
	{ "action=", false, false },
	{ "poster=", false, false },
	{ "content=", false, false },
	{ "data=", false, true },
	{ "ground=", false, true }, /* background */
	{ "ping=", false, true },
};
/* Nothing is fetched from these. */
static const char *const harmless[] = { "mailto:", "tel:" };

static bool
ends_with(uint64_t tail, const char *text)
{
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
	bool attribute = c == '=' && p->html;

	for (size_t i = 0; i < COUNT_OF(begins); i++) {
		if ((begins[i].html && !p->html) ||
			!ends_with(attribute ? p->word : p->tail, begins[i].text))
			continue;
		p->at = begins[i].scheme ? URL_IN : URL_FRESH;
		p->close = begins[i].scheme ? closes(p->before) : 0;
		p->bytes = 0;
		p->value = attribute;
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
		if (p->bytes == strlen(harmless[i]) && ends_with(p->tail, harmless[i]))
			return true;
	return false;
}

/* In quotes a URL may hold blanks. In a sentence it ends at an empty line at the latest; an
 * attribute goes on. */
static bool
step_in(struct url_place *p, char c)
{
	bool blank = (unsigned char)c <= ' ', line = c == '\n' && (p->tail >> 8 & 0xff) == '\n';

	p->bytes++;
	return p->close ? c == p->close || (line && !p->value) : blank || c == '<' || c == '>';
}

void
url_place_step(struct url_place *p, int c)
{
	char now = c < 0 ? (char)0x80 : to_lower((char)c);

	p->html |= is_alpha(now) && (p->tail & 0xff) == '<';
	p->tail = p->tail << 8 | (unsigned char)now;
	if ((unsigned char)now > ' ')
		p->word = p->word << 8 | (unsigned char)now;
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
