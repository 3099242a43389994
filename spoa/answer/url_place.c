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
	{ "data:", true, false },
	{ "script:", true, false }, /* javascript: */
	{ "//", true, false },
	{ "www.", true, false }, /* a link to who shows it */
	{ "dev/tcp/", true, false },
	{ "dev/udp/", true, false },
	{ "@import", false, false },
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
	{ "nifest=", false, true }, /* manifest */
	{ "debase=", false, true }, /* codebase */
	{ "cite=", false, true },
};
/* What HTML calls the signs of a URL (WHATWG HTML 13.5). */
static const struct {
	const char *name;
	char c;
} entities[] = {
	{ "colon", ':' },
	{ "sol", '/' },
	{ "bsol", '\\' },
	{ "period", '.' },
	{ "commat", '@' },
	{ "lpar", '(' },
	{ "rsqb", ']' },
	{ "equals", '=' },
};
/* Nothing is fetched from these. */
static const char *const harmless[] = { "mailto:", "tel:" };
enum { HARMLESS_MOST = sizeof("mailto:") - 1 };
/* Of a call a name alone is a host's where it ends so: file names and members of code end
 * otherwise. */
static const char *const domains[] = { ".com", ".net", ".org", ".info", ".biz", ".edu", ".gov",
	".mil", ".arpa", ".app", ".club", ".cloud", ".dev", ".fun", ".link", ".live", ".online",
	".page", ".pro", ".shop", ".site", ".space", ".store", ".tech", ".top", ".website",
	".work", ".world", ".xyz", ".onion", ".local", ".example", ".invalid", ".test", ".ai",
	".au", ".br", ".ca", ".ch", ".cn", ".co", ".cz", ".de", ".dk", ".es", ".eu", ".fi",
	".fr", ".gg", ".hk", ".ie", ".il", ".io", ".ir", ".jp", ".kr", ".lt", ".lv", ".mx",
	".nl", ".nu", ".nz", ".pt", ".ro", ".ru", ".se", ".sg", ".sk", ".su", ".tk", ".tv",
	".tw", ".ua", ".uk", ".us", ".vn", ".ws", ".za", ".icu", ".cc", ".me", ".mov", ".foo",
	".vip", ".lol", ".cyou", ".cfd", ".sbs", ".buzz", ".bond", ".monster", ".ly", ".im",
	".it", ".in", ".at", ".be", ".no", ".gr", ".hu", ".tr", ".th", ".my" };

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
begin_url(struct url_place *p, bool whole)
{
	p->whole = whole;
	p->at = whole || p->based ? URL_IN : URL_FRESH;
	p->brackets = 0;
	p->close = whole ? closes(p->before) : 0;
	p->bytes = 0;
	p->host.slashes = 0;
}

/* share = slash slash host ( slash | "?" | ":" | "@" ), one of the slashes a backslash:
 * Windows' name of a share, and a URL for browsers. Escapes in strings look so too:
 * \\nHello\\n. */
static bool
is_share(struct url_place *p, char c)
{
	bool slash = c == '/' || c == '\\';

	if (p->host.slashes == 2 && (is_alnum(c) || c == '.' || c == '-')) {
		p->host.maybe_escape |= p->host.n == 0 && strchr("nrtbfux", c);
		p->host.dotted |= c == '.';
		p->host.n++;
		return false;
	}
	if (p->host.n && (slash || c == '?' || c == ':' || c == '@') &&
		(p->host.dotted || !p->host.maybe_escape) && p->host.backslash)
		return true;
	unsigned n = !slash ? 0 : p->host.n || p->host.slashes == 2 ? 1 : p->host.slashes + 1;
	bool backslash = c == '\\' || (slash && (p->tail >> 8 & 0xff) == '\\');
	memset(&p->host, 0, sizeof(p->host));
	p->host.slashes = n;
	p->host.backslash = backslash;
	return false;
}

/* Whether a host's name may begin with the next character: after what is no part of a path, of
 * an address or of another word. A tool takes user@host and tcp:host, too. */
static bool
may_begin_name(const struct url_place *p, char last)
{
	const char *parts = p->mode == URL_CALL ? "/\\_.-" : "/\\@_~:.-";

	return !last || (!strchr(parts, last) && !is_alnum(last) && !(last & 0x80));
}

/* A top-level domain is letters, two at least, or its name in ASCII (RFC 3696 2, RFC 5890
 * 2.3.2.1); or it is an address of four numbers. All of it may end with the root's dot. */
static bool
names_host(const struct url_place *p)
{
	if (!p->name.label)
		return p->name.root;
	if (!p->name.words)
		return p->name.dots == 3;
	return p->name.dots && (p->name.letters >= 2 || p->name.puny);
}

/* One more character of the name. */
static void
name_step(struct url_place *p, char c, bool letter)
{
	if (c == '.') {
		p->name.root = p->name.label && names_host(p);
		p->name.dots++;
		p->name.label = p->name.letters = 0;
		p->name.puny = false;
		return;
	}
	p->name.end = p->tail;
	p->name.label++;
	p->name.letters = letter ? p->name.letters + 1 : 0;
	p->name.words |= !is_digit(c);
	p->name.puny |= p->name.label == 4 && ends_with(p->tail, "xn--");
	if (p->name.label == 2 && !p->name.dots)
		p->name.hex = ends_with(p->tail, "0x");
	else
		p->name.hex &= is_hex(c);
}

/* An address as one number, of nine digits or ten, or 0x and seven or eight. */
static bool
is_number(const struct url_place *p)
{
	return !p->name.dots && (!p->name.words || p->name.hex) &&
	       (p->name.label == 9 || p->name.label == 10);
}

/* Hexadecimal digits and colons, two of them next to each other or seven: an address of IPv6.
 */
static bool
is_ipv6(struct url_place *p, char c)
{
	bool part = is_hex(c) || c == ':' || c == '.';

	if (part || is_alnum(c) || c == '_' || c == '-' || (c & 0x80)) {
		p->v6.other |= !part;
		p->v6.digits |= is_hex(c);
		p->v6.colons += c == ':';
		p->v6.pair |= ends_with(p->tail, "::");
		return false;
	}
	bool is = !p->v6.other && p->v6.digits && (p->v6.pair || p->v6.colons == 7);
	memset(&p->v6, 0, sizeof(p->v6));
	return is;
}

/* Four numbers, or a name in a domain of the table: a host without anything after it. An
 * address of mail is none. */
static bool
is_host_alone(const struct url_place *p)
{
	if (p->mode != URL_CALL || p->name.mailbox)
		return false;
	if (!p->name.words)
		return true;
	for (size_t i = 0; i < COUNT_OF(domains); i++)
		if (ends_with(p->name.end, domains[i]))
			return true;
	return false;
}

/* A letter, a digit or a hyphen of a host's name; of a call's arguments also an underscore. */
static bool
is_name_part(const struct url_place *p, char c)
{
	return is_alnum(c) || (c & 0x80) || c == '-' || (p->mode == URL_CALL && c == '_');
}

/* Starts a name if the byte may begin one where it stands. */
static bool
begin_name(struct url_place *p, char c)
{
	char last = (char)(p->tail >> 8 & 0xff), before = (char)(p->tail >> 16 & 0xff);

	if (c == '-' || !is_name_part(p, c) || !may_begin_name(p, last))
		return false;
	p->name.at = NAME_LABELS;
	p->name.mailbox = last == '@';
	p->name.user = p->mode == URL_CALL && last == '@' && is_alnum(before);
	return true;
}

/* Returns true if a port or a path may follow the labels that were read: the labels of a host. In a call,
 * several labels are enough, or one label that is not a number. */
static bool
may_have_port(const struct url_place *p)
{
	return names_host(p) ||
	       (p->mode == URL_CALL && (p->name.dots || (p->name.words && p->name.label > 1)));
}

/* Returns true if the byte `c`, after a name or after the colon of its port, makes the name a URL. */
static bool
makes_url(const struct url_place *p, char c)
{
	bool call = p->mode == URL_CALL, host = names_host(p);

	if ((host || p->name.user) && (c == '/' || c == '?' || c == '#'))
		return true;
	if (p->name.at == NAME_LABELS)
		return (host && is_host_alone(p)) || (call && is_number(p));
	return (is_digit(c) && may_have_port(p)) ||
	       (host && call && (is_name_part(p, c) || c == '~'));
}

/* name = label 1*( "." label ) [ ":" digits ] ( "/" | "?" | "#" ), a word of its own that ends
 * as a host's name does: example.org/, but no path's a.txt/ and no address's @a.org/. Of a call
 * also one label ":" digit, name ":" path, user "@" label, and as is_host_alone() and
 * is_number() say. */
static bool
is_named_url(struct url_place *p, char c)
{
	bool port = p->name.at == NAME_PORT, part = is_name_part(p, c);

	if (p->name.at == NAME_NONE && !begin_name(p, c))
		return false;
	if (!port && (part || c == '.')) {
		name_step(p, c, is_alpha(c) || (c & 0x80));
		return false;
	}
	if (!port && c == ':' && may_have_port(p)) {
		p->name.at = NAME_PORT;
		return false;
	}
	if (port && is_digit(c) && p->mode != URL_CALL)
		return false;
	bool is = makes_url(p, c);
	memset(&p->name, 0, sizeof(p->name));
	/* After a colon that begins no port, another name may begin. */
	return is || (port && part && is_named_url(p, c));
}

static void
step_out(struct url_place *p, char c)
{
	bool attribute = c == '=' && p->html;
	bool named = is_named_url(p, c), v6 = p->mode == URL_CALL && is_ipv6(p, c);

	if (is_share(p, c) || named || v6) {
		begin_url(p, true);
		p->found = true;
		return;
	}
	p->based |= p->html && ends_with(p->tail, "<base");

	for (size_t i = 0; i < COUNT_OF(begins); i++) {
		if ((begins[i].html && !p->html) ||
			!ends_with(attribute ? p->word : p->tail, begins[i].text))
			continue;
		begin_url(p, begins[i].scheme);
		p->value = attribute;
		return;
	}
	if (!is_alnum(c) && !strchr(":/.-+\\", c))
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
	for (size_t i = 0; !p->whole && i < COUNT_OF(harmless); i++)
		if (p->bytes == strlen(harmless[i]) && ends_with(p->tail, harmless[i]))
			return true;
	return false;
}

/* It and nothing else: to a blank, a quote or a bracket that it did not open. In quotes to its
 * own, and an attribute's holds blanks. */
static bool
ends_itself(struct url_place *p, char c)
{
	if (c == '<' || c == '>' || (p->close && c == p->close))
		return true;
	if ((unsigned char)c <= ' ')
		return !p->close || !p->value;
	if (p->close || closes(c))
		return !p->close;
	if (strchr("([{", c))
		p->brackets++;
	return strchr(")]}", c) && p->brackets-- == 0;
}

/* In quotes a URL may hold blanks. In a sentence it ends at an empty line at the latest; an
 * attribute goes on, and what a program adds to a string up to the end of its line. */
static bool
step_in(struct url_place *p, char c)
{
	bool blank = (unsigned char)c <= ' ', line = c == '\n' && (p->tail >> 8 & 0xff) == '\n';

	p->bytes++;
	if (p->mode == URL_KEPT)
		return ends_itself(p, c);
	if (p->joined)
		return c == '\n' || c == ';';
	return p->close ? c == p->close || (line && !p->value) : blank || c == '<' || c == '>';
}

/* After a URL in quotes: "…" + x, "…" % x, "…".format(x). */
static void
step_join(struct url_place *p, char c)
{
	bool dot = (p->tail >> 8 & 0xff) == '.';

	if (c == '+' || c == '%' || (dot && is_alpha(c))) {
		p->at = URL_IN;
		p->joined = true;
		p->bytes = 1;
		return;
	}
	if (c == ' ' || c == '\t' || (c == '.' && !dot))
		return;
	p->at = URL_OUT;
	step_out(p, c);
}

bool
url_place_found(const struct url_place *p)
{
	struct url_place end = *p;

	if (p->at == URL_IN && !p->whole)
		return true;
	if (p->at == URL_OUT)
		url_place_step(&end, '\n');
	return end.found;
}

static void
step_url(struct url_place *p, char now)
{
	bool ends, none;

	p->html |= is_alpha(now) && (p->tail & 0xff) == '<';
	p->tail = p->tail << 8 | (unsigned char)now;
	if ((unsigned char)now > ' ')
		p->word = p->word << 8 | (unsigned char)now;
	switch (p->at) {
	case URL_FRESH: step_fresh(p, now); break;
	case URL_JOIN: step_join(p, now); break;
	case URL_IN:
		ends = step_in(p, now);
		none = now == ':' && is_harmless(p);
		/* A scheme alone ("Profile: ") is none; a destination is one once it can be
		 * no mailto:. */
		if (p->whole)
			p->found |= !ends;
		else
			p->found |= !none && (ends ? p->bytes > 1 : p->bytes > HARMLESS_MOST);
		if (!ends && !none)
			break;
		p->at = p->close && now == p->close && !p->joined && p->mode != URL_KEPT
				? URL_JOIN
				: URL_OUT;
		p->joined = false;
		p->before = now;
		break;
	case URL_OUT: step_out(p, now); break;
	}
}

/* ---- characters in other spellings ---- */

/* reference = "&#" digits [ ";" ] | "&#x" hexdigits [ ";" ] | "&" name ";"
 *           | "\u" 4 hexdigits | "\x" 2 hexdigits
 * True where c is a part of one; *done: it is at its end, before c or with it. */
static bool
spell(struct url_place *p, char c, bool *done)
{
	int hex = hex_value(c);

	*done = false;
	switch (p->ref.at) {
	case REF_NONE:
		p->ref.at = c == '&' ? REF_AMP : c == '\\' ? REF_BACK : REF_NONE;
		p->ref.value = p->ref.n = 0;
		return p->ref.at != REF_NONE;
	case REF_AMP:
		p->ref.at = c == '#' ? REF_NUMBER : REF_NAME;
		return c == '#' || spell(p, c, done);
	case REF_NUMBER:
		if (c == 'x' && !p->ref.n) {
			p->ref.at = REF_HEX;
			return true;
		}
		*done = p->ref.n && !is_digit(c);
		if (!is_digit(c))
			return false;
		p->ref.value = p->ref.value * 10 + (uint32_t)hex;
		return p->ref.n++ < 8;
	case REF_HEX:
		*done = p->ref.n && hex < 0;
		if (hex < 0)
			return false;
		p->ref.value = p->ref.value << 4 | (uint32_t)hex;
		return p->ref.n++ < 8;
	case REF_NAME:
		*done = c == ';';
		if (p->ref.n < sizeof(p->ref.name))
			p->ref.name[p->ref.n] = c;
		return is_alpha(c) && p->ref.n++ < sizeof(p->ref.name);
	case REF_BACK:
		if (c == '\\')
			return true;
		p->ref.at = c == 'u' ? REF_4 : REF_2;
		return c == 'u' || c == 'x';
	default:
		p->ref.value = p->ref.value << 4 | (uint32_t)(hex & 15);
		*done = hex >= 0 && ++p->ref.n == (p->ref.at == REF_4 ? 4 : 2);
		return hex >= 0;
	}
}

/* The character that the reference means; 0: none that is looked for. */
static char
spelled(const struct url_place *p)
{
	if (p->ref.at != REF_NAME)
		return p->ref.value > ' ' && p->ref.value < 0x7f ? to_lower((char)p->ref.value)
								 : 0;
	for (size_t i = 0; i < COUNT_OF(entities); i++)
		if (p->ref.n == strlen(entities[i].name) &&
			!memcmp(p->ref.name, entities[i].name, p->ref.n))
			return entities[i].c;
	return 0;
}

/* A reference that is whole counts as the character that it spells. */
static void
step_spelled(struct url_place *p, char c)
{
	bool was = p->ref.at != REF_NONE, done, part = spell(p, c, &done);
	char stands = done ? spelled(p) : 0;

	if (!was && part) {
		p->ref.tail = p->tail;
		p->ref.word = p->word;
		p->ref.before = p->before;
	}
	if (stands) {
		p->tail = p->ref.tail;
		p->word = p->ref.word;
		p->before = p->ref.before;
		step_url(p, stands);
	}
	if (done || !part)
		p->ref.at = REF_NONE;
	/* The last digit of \u002f and the ; of &#47; are used up. */
	if (stands && (part || c == ';'))
		return;
	if (was && !part && (c == '&' || c == '\\')) {
		step_spelled(p, c);
		return;
	}
	step_url(p, c);
}

/* A letter or sign of full width, or another dot, as hosts are read (UTS #46); 0: none. */
static char
narrow(uint32_t c)
{
	if (c == 0x3002 || c == 0xff61)
		return '.';
	return c > 0xff00 && c < 0xff5f ? (char)(c - 0xfee0) : 0;
}

static void
step_narrow(struct url_place *p, char c)
{
	if (p->at == URL_OUT)
		step_spelled(p, to_lower(c));
	else
		step_url(p, to_lower(c));
}

void
url_place_step(struct url_place *p, int c)
{
	unsigned n = p->wide.n;
	bool leads = c == 0xe3 || c == 0xef, goes_on = n && c >= 0x80 && c < 0xc0;

	if (p->mode != URL_CALL || c < 0) {
		char as = c < -1 && p->mode == URL_CALL ? narrow((uint32_t)-c) : 0;
		step_narrow(p, as ? as : c < 0 ? (char)0x80 : (char)c);
		return;
	}
	if (goes_on && n == 2) {
		char as = narrow((p->wide.bytes[0] & 15u) << 12 |
				 (p->wide.bytes[1] & 63u) << 6 | ((unsigned)c & 63));
		p->wide.n = as ? 0 : n;
		c = as ? as : c;
	} else if (goes_on || (leads && !n)) {
		p->wide.bytes[p->wide.n++] = (unsigned char)c;
		return;
	}
	for (unsigned i = 0; i < p->wide.n; i++)
		step_narrow(p, (char)p->wide.bytes[i]);
	p->wide.n = 0;
	step_narrow(p, (char)c);
}
