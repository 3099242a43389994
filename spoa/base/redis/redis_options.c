/* The options of a Redis connection: its URL, which has the schemes "redis" and "rediss" of the
 * IANA registry without their query, the same for Sentinel and Cluster, and "unix:" followed by a
 * path; and its login. The password can be in a file, which is read at each connect. */
#include "base/redis/redis_options.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/buf.h"
#include "base/codec/uri.h"
#include "base/err.h"
#include "base/keyfile.h"
#include "base/scoped.h"
#include "base/span.h"
#include "base/why.h"

/* ---- the URL ---- */

_Static_assert(REDIS_URL_PATH_MAX == sizeof(((struct sockaddr_un *)0)->sun_path), "sun_path");

/* Copies s with a NUL. With `decode`, decodes percent-encoding. */
static int
copy_url_part(char *out, size_t size, struct span s, bool decode)
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
number_within(struct span s, uint64_t max, unsigned *out)
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
			   number_within(span_cut(s, 3, s.n), 65535, &out->db)))
		return ERR_SYNTAX;
	return copy_url_part(out->path, sizeof(out->path), path, false);
}

/* server = ( "[" IPv6 "]" / name ) [ ":" port ] */
static int
parse_server(struct span s, struct redis_server *out)
{
	struct span host = s, port = { NULL, 0 };

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
	if (port.n && (number_within(port, 65535, &out->port) || out->port == 0))
		return ERR_SYNTAX;
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] <= ' ' || host.p[i] == 127 || host.p[i] == '?' ||
			host.p[i] == '#')
			return ERR_SYNTAX;
	return host.n ? copy_url_part(out->host, sizeof(out->host), host, false) : ERR_SYNTAX;
}

/* userinfo = [ user ] [ ":" password ], but not empty */
static int
parse_user(struct span s, struct redis_url *out)
{
	struct span user = span_next(&s, ':');
	bool password = s.p != NULL;

	if (copy_url_part(out->user, sizeof(out->user), user, true) ||
		copy_url_part(out->password, sizeof(out->password), s, true))
		return ERR_SYNTAX;
	return (password ? out->password : out->user)[0] ? 0 : ERR_SYNTAX;
}

/* tcp = [ userinfo "@" ] server *( "," server ) [ "/" [ master [ "/" ] ] [ db ] ] */
static int
parse_tcp(struct span s, struct redis_url *out)
{
	/* The last @ before the path counts, because a password may have an unescaped @. */
	size_t at = span_behind(span_cut(s, 0, span_chr(s, '/')), '@');

	if (at && parse_user(span_cut(s, 0, at - 1), out))
		return ERR_SYNTAX;
	s = span_cut(s, at, s.n);

	struct span servers = span_next(&s, '/');
	do {
		struct span one = span_next(&servers, ',');
		if (out->nservers == (out->kind == REDIS_ONE ? 1 : REDIS_SERVERS_MAX))
			return ERR_SYNTAX;
		struct redis_server *to = &out->server[out->nservers++];
		to->port = out->kind == REDIS_SENTINEL ? 26379 : 6379;
		if (parse_server(one, to))
			return ERR_SYNTAX;
	} while (servers.p);
	if (out->kind == REDIS_SENTINEL) {
		struct span master = span_next(&s, '/');
		/* These are the names that Sentinel accepts in "sentinel monitor". */
		if (!master.n || !span_is_alnum(master, ".-_") ||
			copy_url_part(out->master, sizeof(out->master), master, false))
			return ERR_SYNTAX;
	}
	if (s.n && number_within(s, 65535, &out->db))
		return ERR_SYNTAX;
	return out->kind == REDIS_CLUSTER && out->db ? ERR_SYNTAX : 0;
}

static const struct {
	struct span name;
	enum redis_kind kind;
	bool tls;
} schemes[] = {
	{ { "redis", 5 }, REDIS_ONE, false },
	{ { "rediss", 6 }, REDIS_ONE, true },
	{ { "redis+sentinel", 14 }, REDIS_SENTINEL, false },
	{ { "rediss+sentinel", 15 }, REDIS_SENTINEL, true },
	{ { "redis+cluster", 13 }, REDIS_CLUSTER, false },
	{ { "rediss+cluster", 14 }, REDIS_CLUSTER, true },
};

int
redis_url_parse(const char *url, struct redis_url *out)
{
	struct span s = span_str(url), after = s, scheme = span_next(&after, ':');

	*out = (struct redis_url){ .kind = REDIS_ONE };
	if (span_is(scheme, "unix") && after.p)
		return parse_unix(after, out);
	if (!span_starts(after, SPAN_LIT("//")))
		return ERR_SYNTAX;
	for (size_t i = 0; i < COUNT_OF(schemes); i++)
		if (span_eq(scheme, schemes[i].name)) {
			out->kind = schemes[i].kind;
			out->tls = schemes[i].tls;
			return parse_tcp(span_cut(after, 2, after.n), out);
		}
	return ERR_SYNTAX;
}

void
redis_url_text(const struct redis_url *u, char out[REDIS_URL_TEXT_MAX])
{
	static const char *const kinds[] = {
		[REDIS_ONE] = "", [REDIS_SENTINEL] = "+sentinel", [REDIS_CLUSTER] = "+cluster"
	};

	SCOPED_BUF(b, REDIS_URL_TEXT_MAX - 1);
	if (u->path[0])
		buf_printf(&b, "unix:%s", u->path);
	else
		buf_printf(&b, "redis%s%s://", u->tls ? "s" : "", kinds[u->kind]);
	for (size_t i = 0; i < u->nservers; i++) {
		bool v6 = strchr(u->server[i].host, ':') != NULL;
		buf_printf(&b, "%s%s%s%s:%u", i ? "," : "", v6 ? "[" : "", u->server[i].host,
			v6 ? "]" : "", u->server[i].port);
	}
	if (u->kind == REDIS_SENTINEL)
		buf_printf(&b, "/%s", u->master);
	if (!u->path[0] && u->kind != REDIS_CLUSTER)
		buf_printf(&b, "/%u", u->db);
	snprintf(out, REDIS_URL_TEXT_MAX, "%.*s", SPAN_ARG(buf_view(&b)));
}

/* ---- options and login ---- */

int
redis_options_url(struct redis_options *o, const char *url)
{
	*o = (struct redis_options){ 0 };
	return redis_url_parse(url, &o->url);
}

/* Reads the password, which is the file's first line. */
static int
read_password(const char *file, char out[REDIS_NAME_MAX], struct buf *why)
{
	SCOPED_BUF(text, 4096);
	int err = keyfile_text(file, "a password", &text, why);
	if (err)
		return err;
	struct span s = buf_view(&text), line = span_trim(span_next(&s, '\n'), "\r");
	if (line.n == 0 || line.n >= REDIS_NAME_MAX || memchr(line.p, '\0', line.n))
		return why_err(why, ERR_RANGE, "%s: a line of 1 to %d bytes is expected", file,
			REDIS_NAME_MAX - 1);
	memcpy(out, line.p, line.n);
	out[line.n] = '\0';
	return 0;
}

int
redis_login(
	const struct redis_options *o, bool sentinel, struct redis_login *out, struct buf *why)
{
	const char *file = sentinel ? o->sentinel_password_file : o->password_file;
	int err = 0;

	sodium_memzero(out, sizeof(*out));
	strcpy(out->user, sentinel ? o->sentinel_user : o->url.user);
	if (file[0])
		err = read_password(file, out->password, why);
	else if (!sentinel)
		strcpy(out->password, o->url.password);
	/* For a user without a password, Redis accepts any password. */
	out->asked = out->user[0] || out->password[0];
	return err;
}
