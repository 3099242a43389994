/* Finds URLs in text, byte by byte, since responses arrive in pieces.
 *
 * url_place_step() first joins full-width characters (URL_CALL), then step_spelled() decodes
 * references such as &#47;, and step_url() advances the state machine of url_place.h. In state
 * OUT, step_out() looks for the beginning of a URL: a text of `begins`, a share, a host name
 * with a port or path, or an address. Uses no memory beyond struct url_place.
 *
 * Example: in "see [x](https://a.org/b) now" the state is FRESH after "](", IN from the "h" on,
 * and OUT after ")". */
#include "answer/url_place.h"

#include "base/ascii.h"

/* Texts that a URL follows, compared at their last byte. A scheme is part of the URL. */
static const struct {
	const char *text;
	bool scheme, html; /* html: only after a tag, since code has such names too */
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
	{ "www.", true, false }, /* a client that shows the text makes it a link */
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
/* Names of a URL's signs in HTML (WHATWG HTML 13.5). */
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
/* Schemes from which nothing is fetched. */
static const char *const harmless[] = { "mailto:", "tel:" };
enum { HARMLESS_MOST = sizeof("mailto:") - 1 };
/* In a call, a name alone is a host if it ends with one of these. File names and members in
 * code have other endings. */
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

/* ---- shares and host names ---- */

/* Returns true if the byte completes a share:
 *
 *   share = slash slash host ( slash | "?" | ":" | "@" )
 *
 * One of the slashes is a backslash. Windows reads a share there, and browsers read a URL.
 * Escapes in strings look similar and are excluded: \\nHello\\n. */
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

/* Returns true if a host name may begin after the byte `last`, which must not belong to a path,
 * an address or another word. In a call, user@host and tcp:host count too. */
static bool
may_begin_name(const struct url_place *p, char last)
{
	const char *parts = p->mode == URL_CALL ? "/\\_.-" : "/\\@_~:.-";

	return !last || (!strchr(parts, last) && !is_alnum(last) && !(last & 0x80));
}

/* Returns true if the labels end as a host name does. A top-level domain is at least two
 * letters, or its xn-- form (RFC 3696 2, RFC 5890 2.3.2.1). Four numbers are an address. The
 * root's dot may follow. */
static bool
names_host(const struct url_place *p)
{
	if (!p->name.label)
		return p->name.root;
	if (!p->name.words)
		return p->name.dots == 3;
	return p->name.dots && (p->name.letters >= 2 || p->name.puny);
}

/* Adds a byte to the name. */
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

/* Returns true if the name is an address written as one number: nine or ten digits, or 0x and
 * seven or eight hex digits. */
static bool
is_number(const struct url_place *p)
{
	return !p->name.dots && (!p->name.words || p->name.hex) &&
	       (p->name.label == 9 || p->name.label == 10);
}

/* Returns true if the byte ends an IPv6 address: hex digits and colons, with two adjacent
 * colons or seven in all. */
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

/* Returns true if the name is a host without anything after it: four numbers, or a name in one
 * of `domains`. A mail address is not a host. */
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

/* Returns true for a letter, digit or hyphen of a host name; in a call also for an
 * underscore. */
static bool
is_name_part(const struct url_place *p, char c)
{
	return is_alnum(c) || (c & 0x80) || c == '-' || (p->mode == URL_CALL && c == '_');
}

/* Begins a name if the byte may begin one at this place. Returns false if not. */
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

/* Returns true if the labels so far are those of a host, so that a port or a path may follow.
 * In a call, several labels are enough, or one label that is not a number. */
static bool
may_have_port(const struct url_place *p)
{
	return names_host(p) ||
	       (p->mode == URL_CALL && (p->name.dots || (p->name.words && p->name.label > 1)));
}

/* Returns true if the byte `c`, after a name or after the colon of its port, makes the name a
 * URL. */
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

/* Returns true if the byte completes a URL without a scheme:
 *
 *   name = label 1*( "." label ) [ ":" digits ] ( "/" | "?" | "#" )
 *
 * The name is a word of its own and ends as a host name does: example.org/, but not a.txt/ in a
 * path or @a.org/ in an address. In a call also: label ":" digit, name ":" path, user "@"
 * label, and names for which is_host_alone() or is_number() is true. */
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

/* ---- the states ---- */

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

/* Reads a byte before a destination's first character. A quote or a bracket determines the
 * end. */
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

/* Returns true if the byte ends the URL itself (URL_KEPT): a space, a quote, or a bracket that
 * the URL did not open. In quotes only the closing quote ends it, and an attribute's value may
 * contain spaces. */
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

/* Returns true if the byte ends the URL. In quotes a URL may contain spaces. It ends at an
 * empty line at the latest, except in an attribute. A string that code appends lasts to the end
 * of its line. */
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

/* Reads a byte after a quoted URL: "…" + x, "…" % x and "…".format(x) extend the URL. */
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
		/* A scheme alone ("Profile: ") is not a URL. A destination counts once it is
		 * too long for "mailto:". */
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

/* Reads a byte of a character reference:
 *
 *   reference = "&#" digits [ ";" ] | "&#x" hexdigits [ ";" ] | "&" name ";"
 *             | "\u" 4 hexdigits | "\x" 2 hexdigits
 *
 * Returns true if c is part of one. Sets *done if the reference ends before c or with c. */
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

/* Returns the character that the reference stands for, or 0 if it is of no interest. */
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

/* Advances by a byte. A complete reference counts as the character that it stands for. */
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
	/* The last digit of \u002f and the ; of &#47; are consumed. */
	if (stands && (part || c == ';'))
		return;
	if (was && !part && (c == '&' || c == '\\')) {
		step_spelled(p, c);
		return;
	}
	step_url(p, c);
}

/* Returns the ASCII form of a full-width character or of another dot, as host names are read
 * (UTS #46). 0: none. */
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
