/* Takes a Redis URL apart (the scheme "redis" of the IANA registry without its
 * query, and "unix:" followed by a path). Separate because two clients use it. */
#include "store/redis_url.h"

#include <stdio.h>
#include <sys/un.h>

#include "base/ascii.h"
#include "base/err.h"
#include "base/span.h"
#include "codec/uri.h"

_Static_assert(REDIS_URL_PATH_MAX == sizeof(((struct sockaddr_un *)0)->sun_path), "sun_path");

/* Copies s, NUL-terminated; with `decode` undoes percent-encoding. */
static int
copy(char *out, size_t size, struct span s, bool decode)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (decode && c == '%') {
			int byte = uri_escape_at(s.p + i, s.p + s.n);
			if (byte < 0)
				return ERR_SYNTAX;
			c = (char)byte;
			i += 2;
		}
		if (c == '\0' || n + 1 >= size)
			return ERR_SYNTAX;
		out[n++] = c;
	}
	out[n] = '\0';
	return 0;
}

static int
number(struct span s, uint64_t max, unsigned *out)
{
	uint64_t v;

	if (span_u64(s, &v) || v > max)
		return ERR_SYNTAX;
	*out = (unsigned)v;
	return 0;
}

/* unix = "unix:" path [ "?db=" 1*DIGIT ] */
static int
parse_unix(struct span s, struct redis_url *out)
{
	struct span path = span_next(&s, '?');

	if (path.n == 0 || path.p[0] != '/')
		return ERR_SYNTAX;
	if (s.p && (!span_starts(s, SPAN_LIT("db=")) ||
			   number(span_cut(s, 3, s.n), 65535, &out->db)))
		return ERR_SYNTAX;
	return copy(out->path, sizeof(out->path), path, false);
}

/* tcp = "redis://" [ [ user ] ":" password "@" ] host [ ":" port ] [ "/" [ db ] ]
 * host = "[" IPv6 "]" / name */
static int
parse_tcp(struct span s, struct redis_url *out)
{
	size_t at = s.n, slash;

	/* The last @ before the path: a password may hold one unescaped. */
	slash = span_chr(s, '/');
	for (size_t i = 0; i < slash; i++)
		if (s.p[i] == '@')
			at = i;
	if (at < s.n) {
		struct span secret = span_cut(s, 0, at), user = span_next(&secret, ':');
		if (!secret.p || copy(out->user, sizeof(out->user), user, true) ||
			copy(out->password, sizeof(out->password), secret, true) ||
			!out->password[0])
			return ERR_SYNTAX;
		s = span_cut(s, at + 1, s.n);
	}
	struct span host = span_next(&s, '/'), port = { NULL, 0 };
	if (host.n && host.p[0] == '[') {
		size_t close = span_chr(host, ']');
		struct span rest = span_cut(host, close + 1, host.n);
		if (close == host.n || (rest.n && rest.p[0] != ':'))
			return ERR_SYNTAX;
		if (rest.n)
			port = span_cut(rest, 1, rest.n);
		if (rest.n == 1)
			return ERR_SYNTAX;
		host = span_cut(host, 1, close);
	} else {
		struct span name = span_next(&host, ':');
		port = host;
		if (port.p && port.n == 0)
			return ERR_SYNTAX;
		host = name;
	}
	if (port.n && (number(port, 65535, &out->port) || out->port == 0))
		return ERR_SYNTAX;
	if (s.n && number(s, 65535, &out->db))
		return ERR_SYNTAX;
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] <= ' ' || host.p[i] == 127 || host.p[i] == '?' ||
			host.p[i] == '#')
			return ERR_SYNTAX;
	return host.n ? copy(out->host, sizeof(out->host), host, false) : ERR_SYNTAX;
}

int
redis_url_parse(const char *url, struct redis_url *out)
{
	struct span s = span_str(url);

	*out = (struct redis_url){ .port = 6379 };
	if (span_starts(s, SPAN_LIT("unix:")))
		return parse_unix(span_cut(s, 5, s.n), out);
	if (span_starts(s, SPAN_LIT("redis://")))
		return parse_tcp(span_cut(s, 8, s.n), out);
	return ERR_SYNTAX;
}

void
redis_url_text(const struct redis_url *u, char out[REDIS_URL_TEXT_MAX])
{
	bool v6 = strchr(u->host, ':') != NULL;

	if (u->path[0])
		snprintf(out, REDIS_URL_TEXT_MAX, "unix:%s", u->path);
	else
		snprintf(out, REDIS_URL_TEXT_MAX, "redis://%s%s%s:%u/%u", v6 ? "[" : "",
			u->host, v6 ? "]" : "", u->port, u->db);
}
