/* URIs. The first section encodes and decodes percent encoding and forms (RFC 3986 section 2,
 * WHATWG URL section 5). The other sections check that a URI has only one spelling: first its
 * scheme and host, then its path. */
#include "base/codec/uri.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "base/err.h"

/* ---- encoding ---- */

bool
uri_unreserved(char c)
{
	return is_alnum(c) || is_one_of(c, "-._~");
}

int
uri_escape_at(const char *p, const char *end)
{
	if (end - p < 3 || p[0] != '%')
		return -1;
	int high = hex_value(p[1]), low = hex_value(p[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

struct span
uri_unescape(struct span s, struct arena *a)
{
	char *out = arena_alloc(a, s.n);
	size_t n = 0;

	for (size_t i = 0; out && i < s.n; n++) {
		int c = uri_escape_at(s.p + i, s.p + s.n);
		out[n] = c < 0 ? s.p[i] : (char)c;
		i += c < 0 ? 1 : 3;
	}
	return span_of(out, n);
}

int
uri_decode(struct span in, bool plus, struct arena *a, struct span *out)
{
	bool copy = span_chr(in, '%') != in.n || (plus && span_chr(in, '+') != in.n);

	*out = in;
	if (copy) {
		char *to = arena_alloc(a, in.n);
		const char *end = in.p + in.n;
		size_t n = 0;
		if (!to)
			return ERR_NOMEM;
		for (const char *p = in.p; p < end; p++) {
			char c = *p;
			if (c == '+' && plus) {
				c = ' ';
			} else if (c == '%') {
				int byte = uri_escape_at(p, end);
				if (byte < 0)
					return ERR_SYNTAX;
				c = (char)byte;
				p += 2;
			}
			to[n++] = c;
		}
		*out = span_of(to, n);
	}
	return utf8_valid(*out) ? 0 : ERR_ENCODING;
}

void
uri_encode(struct buf *out, struct span in, bool plus)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];
		if (uri_unreserved((char)c)) {
			buf_putc(out, (char)c);
		} else if (c == ' ' && plus) {
			buf_putc(out, '+');
		} else {
			char esc[3] = { '%', digits[c >> 4], digits[c & 15] };
			buf_put(out, esc, 3);
		}
	}
}

bool
uri_pair_next(struct span *rest, struct uri_pair *pair)
{
	while (rest->n) {
		struct span one = span_next(rest, '&');
		if (!one.n)
			continue;
		size_t eq = span_chr(one, '=');
		pair->has_value = eq < one.n;
		pair->name = span_cut(one, 0, eq);
		pair->value = span_cut(one, eq + 1, one.n);
		return true;
	}
	return false;
}

/* ---- normal URIs ---- */

/* Checks whether a URI has only one spelling, by RFC 3986 section 6.2.2 and
 * https://url.spec.whatwg.org/ sections 3.5 (hosts) and 4.4 (the parser). The code accepts only
 * what both treat alike. Examples: https://a.example/x is normal; HTTPS://a.example/x,
 * https://a.example and https://a.example/%78 are not. */

/* WHATWG's special schemes with their default ports; 0: none. */
static const struct special {
	const char *scheme;
	unsigned port;
} specials[] = {
	{ "http", 80 },
	{ "https", 443 },
	{ "ws", 80 },
	{ "wss", 443 },
	{ "ftp", 21 },
	{ "file", 0 },
};

static const char sub_delims[] = "!$&'()*+,;=";

/* Returns true if s consists of unreserved characters, characters of `more`, and escapes with
 * capital digits of bytes that need an escape. */
static bool
has_only(struct span s, const char *more)
{
	for (size_t i = 0; i < s.n; i++) {
		int byte = uri_escape_at(s.p + i, s.p + s.n);
		if (byte >= 0) {
			if (uri_unreserved((char)byte) || is_lower(s.p[i + 1]) ||
				is_lower(s.p[i + 2]))
				return false;
			i += 2;
		} else if (!uri_unreserved(s.p[i]) && !is_one_of(s.p[i], more)) {
			return false;
		}
	}
	return true;
}

/* ---- hosts ---- */

/* scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) */
static bool
scheme_is_normal(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_lower(s.p[i]) &&
			(!i || !(is_digit(s.p[i]) || is_one_of(s.p[i], "+-."))))
			return false;
	return s.n > 0;
}

/* Returns true if the address is printed again in the same form. An IPv6 address with a dotted
 * end is not normal, because WHATWG does not print that form. */
static bool
address_is_normal(int family, struct span s)
{
	char text[INET6_ADDRSTRLEN], again[INET6_ADDRSTRLEN];
	unsigned char ip[16];

	if (s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return strlen(text) == s.n && inet_pton(family, text, ip) == 1 &&
	       inet_ntop(family, ip, again, sizeof(again)) && !strcmp(text, again) &&
	       (family == AF_INET || !strchr(text, '.'));
}

/* Returns true for a normal DNS name. A name whose last label WHATWG takes for a number must be
 * an IPv4 address. */
static bool
domain_is_normal(struct span host)
{
	struct span rest = host, label = { NULL, 0 };

	for (size_t i = 0; i < host.n; i++)
		if (!is_lower(host.p[i]) && !is_digit(host.p[i]) &&
			!is_one_of(host.p[i], "-_."))
			return false;
	while (rest.p) {
		label = span_next(&rest, '.');
		if (!label.n || span_starts(label, SPAN_LIT("xn--")))
			return false;
	}
	return (!span_is_digits(label) && !span_starts(label, SPAN_LIT("0x"))) ||
	       address_is_normal(AF_INET, host);
}

/* Returns true for a normal reg-name, whose bytes have no further meaning. */
static bool
name_is_normal(struct span host)
{
	for (size_t i = 0; i < host.n; i++)
		if (is_upper(host.p[i]) && !(i && host.p[i - 1] == '%') &&
			!(i > 1 && host.p[i - 2] == '%'))
			return false;
	return has_only(host, sub_delims);
}

static bool
host_is_normal(struct span host, const struct special *special)
{
	if (host.n && host.p[0] == '[')
		return host.n > 2 && host.p[host.n - 1] == ']' &&
		       address_is_normal(AF_INET6, span_cut(host, 1, host.n - 1));
	return special ? domain_is_normal(host) : name_is_normal(host);
}

static bool
port_is_normal(struct span port, const struct special *special)
{
	unsigned n = 0;

	if (!port.n || port.n > 5 || !span_is_digits(port) || (port.p[0] == '0' && port.n > 1))
		return false;
	for (size_t i = 0; i < port.n; i++)
		n = n * 10 + (unsigned)(port.p[i] - '0');
	return n <= 65535 && (!special || n != special->port);
}

/* authority = [ userinfo "@" ] host [ ":" port ] */
static bool
authority_is_normal(struct span s, const struct special *special)
{
	bool file = special && !special->port;
	size_t at = span_chr(s, '@'), end;
	struct span user = span_cut(s, 0, at), host = at < s.n ? span_cut(s, at + 1, s.n) : s;

	if (at < s.n) {
		struct span name = span_next(&user, ':');
		/* A rule for https://host/ would not match https://user@host/. */
		if (special || !name.n || !has_only(name, "!$&'()*+,") || (user.p && !user.n) ||
			!has_only(user, "!$&'()*+,"))
			return false;
	}
	for (end = host.n; end && is_digit(host.p[end - 1]);)
		end--;
	bool port = end && host.p[end - 1] == ':' && host.p[0] != '[';
	port |= end > 1 && host.p[end - 1] == ':' && host.p[end - 2] == ']';
	if (port && (file || !port_is_normal(span_cut(host, end, host.n), special)))
		return false;
	host = port ? span_cut(host, 0, end - 1) : host;
	if (!host.n)
		return (file || !special) && !port && at == s.n;
	return host_is_normal(host, special) && !(file && span_is(host, "localhost"));
}

/* ---- paths ---- */

/* Returns true if the path has a segment "." or "..", also one that ends at an escaped slash or
 * backslash. */
static bool
has_dot_segment(struct span path)
{
	size_t from = 0;

	for (size_t i = 0; i <= path.n; i++) {
		int byte = uri_escape_at(path.p + i, path.p + path.n);
		bool ends = i == path.n || path.p[i] == '/' || byte == '/' || byte == '\\';
		struct span segment = span_cut(path, from, i);
		if (ends && (span_is(segment, ".") || span_is(segment, "..")))
			return true;
		from = ends ? i + (byte >= 0 ? 3 : 1) : from;
	}
	return false;
}

/* URI = scheme ":" hier-part [ "?" query ] [ "#" fragment ] */
bool
uri_is_normal(struct span text)
{
	struct span rest = text, scheme = span_next(&rest, ':');
	const struct special *special = NULL;

	if (!rest.p || !scheme_is_normal(scheme))
		return false;
	for (size_t i = 0; i < COUNT_OF(specials); i++)
		if (span_is(scheme, specials[i].scheme))
			special = &specials[i];
	struct span before = span_next(&rest, '#'), fragment = rest;
	struct span path = span_next(&before, '?'), query = before;
	bool authority = span_starts(path, SPAN_LIT("//"));
	if (authority) {
		struct span all = span_cut(path, 2, path.n);
		size_t slash = span_chr(all, '/');
		path = span_cut(all, slash, all.n);
		if (!authority_is_normal(span_cut(all, 0, slash), special))
			return false;
	}
	if (special &&
		(!authority || !path.n || (!special->port && memmem(path.p, path.n, "//", 2))))
		return false;
	return has_only(path, "!$&'()*+,;=:@/") && !has_dot_segment(path) &&
	       has_only(query, special ? "!$&()*+,;=:@/?" : "!$&'()*+,;=:@/?") &&
	       has_only(fragment, "!$&'()*+,;=:@/?");
}

bool
uri_template_is_normal(struct span text)
{
	char plain[URI_TEMPLATE_BYTES];
	size_t n = 0;

	if (text.n > sizeof(plain))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		plain[n++] = text.p[i];
		if (text.p[i] != '{')
			continue;
		size_t from = i + 1;
		while (++i < text.n &&
			(is_alnum(text.p[i]) || is_one_of(text.p[i], "_.,:*%+#/;?&")))
			;
		if (i == text.n || text.p[i] != '}' || i == from)
			return false;
		plain[n - 1] = 'x';
	}
	return uri_is_normal(span_of(plain, n));
}

bool
uri_lacks_slash(struct span text)
{
	char whole[1024];

	if (text.n >= sizeof(whole) || uri_is_normal(text))
		return false;
	memcpy(whole, text.p, text.n);
	whole[text.n] = '/';
	return uri_is_normal(span_of(whole, text.n + 1));
}
