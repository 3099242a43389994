/* Admits callers to the admin server, and knows who has which role.
 *
 * The checks run in this order: the Host name under which the caller addresses us, the page
 * that a browser's request comes from, the caller's identity, and the role for the endpoint. A
 * request with Origin or Sec-Fetch-Site comes from a browser; only a session counts for it,
 * because the browser may have been sent by a page of another site.
 *
 * Wrong tokens are counted in a leaky bucket for each source.
 *
 * The first section has the roles. User names are compared at each request, because a directory
 * service may learn of a user after the daemon has started. The tokens' file is read again if its
 * metadata changed. If the file is then missing or invalid, all tokens lose their roles: a broken
 * file must not keep a removed token alive. */
#include "operator/admin/door.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "operator/admin/access.h"
#include "operator/admin/change.h"
#include "operator/admin/guesses.h"
#include "operator/admin/sessions.h"
#include "operator/admin/tls.h"
#include "operator/server/opens.h"
#include "operator/server/server.h"

/* ---- roles ---- */

/* owner: admin; all members except `server` are guarded by `lock`. */
struct access {
	struct server *server;
	pthread_mutex_t lock;
	struct arena arena; /* holds users and hosts */
	struct admin_user *users;
	size_t nusers;
	const char **hosts;
	size_t nhosts;
	char file[4096]; /* path of the tokens' file; "": none */
	/* the file's metadata when it was last read */
	struct stat seen;
	struct admin_tokens *tokens; /* NULL: no valid file */
	/* changes of the file are recorded from now on */
	bool started;
};

/* ---- the tokens' file ---- */

static bool
is_seen(const struct access *a, const struct stat *st)
{
	return st->st_ino == a->seen.st_ino && st->st_dev == a->seen.st_dev &&
	       st->st_size == a->seen.st_size && st->st_mtim.tv_sec == a->seen.st_mtim.tv_sec &&
	       st->st_mtim.tv_nsec == a->seen.st_mtim.tv_nsec &&
	       st->st_ctim.tv_sec == a->seen.st_ctim.tv_sec &&
	       st->st_ctim.tv_nsec == a->seen.st_ctim.tv_nsec;
}

/* Reads the tokens' file if its metadata changed. The caller holds the lock. A file that is
 * unreadable or invalid counts as a file without tokens. */
static void
look_at_file(struct access *a)
{
	struct stat st = { .st_ino = 0 };

	if (!a->file[0] || (stat(a->file, &st) == 0 && a->tokens && is_seen(a, &st)))
		return;
	bool known = is_seen(a, &st);
	a->seen = st;
	if (known)
		return; /* still missing or invalid, which was reported before */
	SCOPED_BUF(why, 4096);
	struct admin_tokens *next = admin_tokens_load(a->file, &why);
	buf_putc(&why, '\0');
	if (next)
		log_event(LOG_INFO, "admin.tokens", LS("file", a->file), LI("tokens", next->n));
	else
		log_event(LOG_ERROR, "admin.tokens_refused", LS("why", buf_view(&why).p));
	if (a->started) /* the tokens at the start are not a change */
		change_tokens(a->server, a->tokens, next);
	free(a->tokens);
	a->tokens = next;
}

/* Returns the roles of the token with this hash and stores its name and end (Unix time in ns;
 * 0: never). Returns 0 if the token does not exist, has ended or is revoked. If the file has
 * changed, it is read first. */
static unsigned
access_of_token(struct access *a, const unsigned char sha256[SHA256_BYTES],
	char name[TOKEN_NAME + 1], int64_t *end_ns)
{
	SCOPED_LOCK(&a->lock);
	look_at_file(a);
	const struct admin_token *t = a->tokens ? admin_tokens_find(a->tokens, sha256) : NULL;
	if (!t || !admin_token_live(t, wall_now_ns()))
		return 0;
	memcpy(name, t->name, sizeof(t->name));
	*end_ns = t->end_ns;
	return t->roles;
}

/* ---- users ---- */

static bool
is_digits(const char *s)
{
	return s[strspn(s, "0123456789")] == '\0';
}

unsigned
access_of_uid(struct access *a, uid_t uid, const char *user)
{
	char number[16];
	unsigned roles = 0;
	bool named = false;

	snprintf(number, sizeof(number), "%u", (unsigned)uid);
	SCOPED_LOCK(&a->lock);
	for (size_t i = 0; i < a->nusers; i++) {
		const char *name = a->users[i].name;
		if (is_digits(name) ? strcmp(name, number) != 0 : !str_same(name, user))
			continue;
		named = true;
		roles |= a->users[i].roles;
	}
	return named || (uid != 0 && uid != geteuid())
		       ? roles
		       : ROLE_VIEWER | ROLE_OPERATOR | ROLE_AUDITOR;
}

unsigned
access_of_name(struct access *a, const char *name)
{
	unsigned roles = 0;

	SCOPED_LOCK(&a->lock);
	for (size_t i = 0; i < a->nusers && !is_digits(name); i++)
		if (!strcmp(a->users[i].name, name))
			roles |= a->users[i].roles;
	return roles;
}

/* Returns true if admin.users names anybody. */
static bool
access_has_users(struct access *a)
{
	SCOPED_LOCK(&a->lock);
	return a->nusers > 0;
}

/* ---- hosts ---- */

/* Returns the host without port and brackets. *six is true for an IPv6 address in brackets. */
static struct span
bare_host(struct span host, bool *six)
{
	size_t close = span_chr(host, ']'), colon = span_chr(host, ':');

	*six = host.n && host.p[0] == '[' && close < host.n;
	if (*six)
		return span_cut(host, 1, close);
	return span_cut(host, 0, colon);
}

bool
access_host(struct access *a, struct span host)
{
	unsigned char bin[16];
	char text[256];
	bool six;
	struct span name = bare_host(host, &six);

	while (name.n && !six && name.p[name.n - 1] == '.')
		name.n--;
	if (!name.n || name.n >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(name));
	/* Addresses and names without a dot can lead here only within this network, so DNS
	 * rebinding cannot use them. */
	if (inet_pton(six ? AF_INET6 : AF_INET, text, bin) == 1 ||
		span_chr(name, '.') == name.n)
		return true;
	if (name.n > 10 &&
		span_ieq(span_cut(name, name.n - 10, name.n), SPAN_LIT(".localhost")))
		return true;
	SCOPED_LOCK(&a->lock);
	for (size_t i = 0; i < a->nhosts; i++)
		if (span_ieq(span_str(a->hosts[i]), name))
			return true;
	return false;
}

/* Returns true if admin.tokens or admin.hosts is configured; requests must then use one of our
 * host names. */
static bool
access_is_named(struct access *a)
{
	SCOPED_LOCK(&a->lock);
	return a->file[0] || a->nhosts;
}

/* ---- roles: creation and reload ---- */

/* The configuration is freed with its snapshot, so users and hosts are copied. */
void
access_reload(struct access *a, const struct config *cfg)
{
	SCOPED_LOCK(&a->lock);
	arena_reset(&a->arena);
	a->nusers = a->nhosts = 0;
	a->users = arena_array(&a->arena, cfg->nadmin_users + 1, sizeof(*a->users));
	a->hosts = arena_array(&a->arena, cfg->nadmin_hosts + 1, sizeof(*a->hosts));
	for (size_t i = 0; a->users && i < cfg->nadmin_users; i++) {
		struct admin_user one = cfg->admin_users[i];
		if ((one.name = arena_strdup(&a->arena, one.name)))
			a->users[a->nusers++] = one;
	}
	for (size_t i = 0; a->hosts && i < cfg->nadmin_hosts; i++)
		if ((a->hosts[a->nhosts] = arena_strdup(&a->arena, cfg->admin_hosts[i])))
			a->nhosts++;
	snprintf(a->file, sizeof(a->file), "%s", cfg->admin_tokens ? cfg->admin_tokens : "");
	memset(&a->seen, 0, sizeof(a->seen));
	/* no file has this inode, so the next request reads the file */
	a->seen.st_ino = (ino_t)-1;
	if (!a->file[0]) {
		free(a->tokens);
		a->tokens = NULL;
	}
}

struct access *
access_new(const struct config *cfg, struct server *s, struct buf *why)
{
	struct access *a = calloc(1, sizeof(*a));

	if (!a) {
		buf_str(why, "out of memory");
		return NULL;
	}
	a->server = s;
	pthread_mutex_init(&a->lock, NULL);
	arena_init(&a->arena, 0, false);
	access_reload(a, cfg);
	SCOPED_LOCK(&a->lock);
	look_at_file(a); /* an invalid file must not stop the daemon: its tokens have no role */
	a->started = true;
	return a;
}

void
access_free(struct access **ap)
{
	struct access *a = *ap;

	if (!a)
		return;
	free(a->tokens);
	arena_reset(&a->arena);
	pthread_mutex_destroy(&a->lock);
	free(a);
	*ap = NULL;
}

/* ---- callers ---- */

#define FULL	10u	 /* wrong tokens that a source may send in a burst */
#define EACH_US 6000000u /* time after which one wrong token is forgotten */

/* Buckets by source, guarded by `lock`. */
struct guesses {
	pthread_mutex_t lock;
	size_t n;
	struct bucket {
		struct source from;
		uint64_t empty_us; /* monotonic; when the bucket will be empty */
	} row[CAP_ADMIN_SOURCES];
};

struct guesses *
guesses_new(void)
{
	struct guesses *g = calloc(1, sizeof(*g));

	if (g)
		pthread_mutex_init(&g->lock, NULL);
	return g;
}

void
guesses_free(struct guesses **gp)
{
	if (!*gp)
		return;
	pthread_mutex_destroy(&(*gp)->lock);
	free(*gp);
	*gp = NULL;
}

static struct bucket *
find_bucket(struct guesses *g, const struct source *from)
{
	for (size_t i = 0; i < g->n; i++)
		if (!memcmp(&g->row[i].from, from, sizeof(*from)))
			return &g->row[i];
	return NULL;
}

unsigned
guesses_wait(struct guesses *g, const struct source *from, uint64_t now_us)
{
	SCOPED_LOCK(&g->lock);
	const struct bucket *b = find_bucket(g, from);
	if (!b || b->empty_us <= now_us + (FULL - 1) * EACH_US)
		return 0;
	return (unsigned)((b->empty_us - now_us - (FULL - 1) * EACH_US + 999999) / 1000000);
}

/* Returns a new bucket. If the table is full, it replaces the one that will be empty first. */
static struct bucket *
new_bucket(struct guesses *g, const struct source *from)
{
	struct bucket *b = &g->row[0];

	INVARIANT(g->n <= CAP_ADMIN_SOURCES);
	if (g->n < CAP_ADMIN_SOURCES)
		b = &g->row[g->n++];
	else
		for (size_t i = 1; i < g->n; i++)
			if (g->row[i].empty_us < b->empty_us)
				b = &g->row[i];
	*b = (struct bucket){ .from = *from };
	return b;
}

void
guesses_wrong(struct guesses *g, const struct source *from, uint64_t now_us)
{
	SCOPED_LOCK(&g->lock);
	struct bucket *b = find_bucket(g, from);
	if (!b)
		b = new_bucket(g, from);
	b->empty_us = (b->empty_us > now_us ? b->empty_us : now_us) + EACH_US;
}

#define COOKIE "__Host-tollgate"
#define OURS   "x-tollgate-console"

/* The parts of the door; each has a lock of its own. */
struct door {
	struct server *server;
	struct access *access;
	struct sessions *sessions;
	struct guesses *guesses;
	bool has_tcp_token;
	unsigned char tcp_token[SHA256_BYTES]; /* hash of the token in admin.token_file */
};

static const char *
asking_field(const struct asking *q, const char *name)
{
	return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

static bool
is_change(const struct asking *q)
{
	return q->method && strcmp(q->method, MHD_HTTP_METHOD_GET) != 0 &&
	       strcmp(q->method, MHD_HTTP_METHOD_HEAD) != 0;
}

static bool
refuse_asking(struct door *d, struct asking *q, enum metric why, unsigned status,
	const char *text, enum MHD_Result *ok)
{
	metric_inc(&d->server->metrics, why);
	*ok = asking_refuse(q, status, "%s", text);
	return false;
}

/* ---- the source of a request ---- */

static void
set_address(struct admin_peer *p, const struct sockaddr *sa, struct source *from)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)sa;
	const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)sa;

	if (sa->sa_family == AF_INET) {
		memcpy(from->bytes, &four->sin_addr, 4);
		inet_ntop(AF_INET, &four->sin_addr, p->from, sizeof(p->from));
	} else if (sa->sa_family == AF_INET6) {
		bool mapped = IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);
		memcpy(from->bytes, &six->sin6_addr.s6_addr[mapped ? 12 : 0], mapped ? 4 : 8);
		inet_ntop(AF_INET6, &six->sin6_addr, p->from, sizeof(p->from));
	}
}

static void
set_user(struct admin_peer *p, int fd, struct source *from)
{
	struct ucred who;
	socklen_t n = sizeof(who);
	struct passwd pw, *found = NULL;
	char room[4096];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
		return;
	p->pid = who.pid;
	p->uid = who.uid;
	memcpy(from->bytes + 8, &who.uid, sizeof(who.uid));
	getpwuid_r(who.uid, &pw, room, sizeof(room), &found);
	if (found)
		snprintf(p->user, sizeof(p->user), "%s", pw.pw_name);
}

static void
set_source(struct asking *q, struct source *from)
{
	const union MHD_ConnectionInfo *info;

	memset(from, 0, sizeof(*from));
	from->bytes[15] = (unsigned char)(1 + q->peer.door);
	q->peer.uid = (uid_t)-1;
	if (q->peer.door == DOOR_UNIX) {
		info = MHD_get_connection_info(
			q->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		if (info)
			set_user(&q->peer, info->connect_fd, from);
	} else {
		info = MHD_get_connection_info(
			q->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
		if (info && info->client_addr)
			set_address(&q->peer, info->client_addr, from);
	}
}

/* ---- browsers ---- */

static bool
is_browser(const struct asking *q)
{
	return asking_field(q, "Origin") || asking_field(q, "Sec-Fetch-Site");
}

/* The origin of our own pages: https://HOST on admin.tls, and http://HOST on the socket, to
 * which `ssh -L` may forward a port. */
static bool
is_our_origin(const struct asking *q, const char *origin)
{
	const char *host = asking_field(q, "Host");
	struct span o = span_str(origin),
		    scheme = span_str(q->peer.door == DOOR_TLS ? "https://" : "http://");

	return host && span_starts(o, scheme) &&
	       span_ieq(span_cut(o, scheme.n, o.n), span_str(host));
}

/* Checks what a page of another site, or a plain form, cannot send. */
static bool
from_our_page(struct door *d, struct asking *q, enum MHD_Result *ok)
{
	const char *origin = asking_field(q, "Origin"),
		   *site = asking_field(q, "Sec-Fetch-Site"), *ours = asking_field(q, OURS);

	if (origin && !is_our_origin(q, origin))
		return refuse_asking(d, q, M_ADMIN_ORIGIN, MHD_HTTP_FORBIDDEN,
			"the request comes from a page of another origin: open the console "
			"under the host name that you use for its requests",
			ok);
	if (site && strcmp(site, "same-origin") != 0 &&
		(is_change(q) || strcmp(site, "none") != 0))
		return refuse_asking(d, q, M_ADMIN_ORIGIN, MHD_HTTP_FORBIDDEN,
			"the request comes from a page of another site (Sec-Fetch-Site): open "
			"the console itself",
			ok);
	if (is_change(q) && (!origin || !ours || strcmp(ours, "1") != 0))
		return refuse_asking(d, q, M_ADMIN_ORIGIN, MHD_HTTP_FORBIDDEN,
			"a change from a browser needs the fields Origin and " OURS ": 1", ok);
	return true;
}

/* ---- tokens ---- */

/* Refuses a wrong token and counts it. Callers with a right token do not get here, so wrong
 * tokens from the same address cannot lock them out; 256 bits cannot be guessed. */
static bool
wrong_token(struct door *d, struct asking *q, const struct source *from, const char *text,
	enum MHD_Result *ok)
{
	uint64_t now_us = clock_mono_us();
	unsigned wait = guesses_wait(d->guesses, from, now_us);

	if (wait) {
		metric_inc(&d->server->metrics, M_ADMIN_RATE);
		q->retry_after_s = wait;
		*ok = asking_refuse(q, MHD_HTTP_TOO_MANY_REQUESTS,
			"too many wrong tokens came from this source: try again in %u s", wait);
		return false;
	}
	guesses_wrong(d->guesses, from, now_us);
	log_event(LOG_WARN, "admin.wrong_token", LS("from", q->peer.from),
		LS("user", q->peer.user), LS("path", q->endpoint->path));
	return refuse_asking(d, q, M_ADMIN_TOKEN, MHD_HTTP_UNAUTHORIZED, text, ok);
}

static bool
authenticate_token(struct door *d, struct asking *q, struct span token)
{
	struct admin_peer *p = &q->peer;

	sha256(token, p->token);
	p->roles = access_of_token(d->access, p->token, p->name, &p->end_ns);
	p->by = BY_TOKEN;
	return p->roles != 0;
}

/* Returns the token of a Bearer field (RFC 6750 2.1), or an empty span. The scheme is
 * case-insensitive (RFC 9110 11.1). */
static struct span
bearer(const char *field)
{
	return span_str(field && !strncasecmp(field, "Bearer ", 7) ? field + 7 : "");
}

/* Authenticates on admin.tcp, which accepts only the token of admin.token_file. */
static bool
enter_tcp(struct door *d, struct asking *q, const struct source *from, enum MHD_Result *ok)
{
	const char *got = asking_field(q, "Authorization");
	unsigned char hash[SHA256_BYTES];

	struct span token = bearer(got);
	sha256(token, hash);
	if (!d->has_tcp_token || !token.n ||
		sodium_memcmp(hash, d->tcp_token, sizeof(hash)) != 0) {
		if (got)
			return wrong_token(d, q, from,
				"wrong bearer token: send the one in "
				"admin.token_file",
				ok);
		return refuse_asking(d, q, M_ADMIN_TOKEN, MHD_HTTP_UNAUTHORIZED,
			"send the bearer token in admin.token_file", ok);
	}
	q->peer.by = BY_TOKEN;
	snprintf(q->peer.name, sizeof(q->peer.name), "admin.token_file");
	/* applies only to endpoints with `tcp` */
	q->peer.roles = ROLE_VIEWER | ROLE_OPERATOR | ROLE_AUDITOR;
	return true;
}

/* Returns the value of our cookie, or an empty span if there is none or more than one. */
static struct span
cookie_value(const struct asking *q)
{
	const char *all = asking_field(q, "Cookie");
	struct span rest = span_str(all), found = { .n = 0 };
	unsigned n = 0;

	while (rest.n) {
		struct span one = span_trim(span_next(&rest, ';'), " ");
		if (!span_starts(one, SPAN_LIT(COOKIE "=")))
			continue;
		found = span_cut(one, sizeof(COOKIE), one.n);
		n++;
	}
	return n == 1 ? found : span_str("");
}

static bool
authenticate_session(struct door *d, struct asking *q, struct span value)
{
	struct admin_peer *p = &q->peer;
	const char *ours = asking_field(q, OURS);
	bool used =
		/* requests that a page sends by itself do not prolong the session */
		!ours || strcmp(ours, "poll") != 0;

	sha256(value, p->session);
	if (!sessions_find(d->sessions, p->session, clock_mono_us(), used, p->token))
		return false;
	p->roles = access_of_token(d->access, p->token, p->name, &p->end_ns);
	p->by = BY_SESSION;
	if (!p->roles)
		sessions_end(d->sessions, p->session);
	return p->roles != 0;
}

static void
enter_quietly(struct door *d, struct asking *q)
{
	struct admin_peer *p = &q->peer;

	if (p->door == DOOR_UNIX && p->uid != (uid_t)-1) {
		p->by = BY_USER;
		p->roles = access_of_uid(d->access, p->uid, p->user);
	} else if (p->door == DOOR_TLS && tls_client(q->connection, p->name, sizeof(p->name))) {
		p->by = BY_CERTIFICATE;
		p->roles = access_of_name(d->access, p->name);
	}
}

/* Identifies the caller. Returns false if the request was answered. */
static bool
enter_somehow(struct door *d, struct asking *q, const struct source *from, enum MHD_Result *ok)
{
	const char *got = asking_field(q, "Authorization");
	struct span value = cookie_value(q), token = bearer(got);

	if (is_browser(q) || (value.n && !got)) {
		if (!from_our_page(d, q, ok))
			return false;
		/* Most wrong cookies belong to sessions that are over, so they do not count as
		 * guesses. */
		return (value.n && authenticate_session(d, q, value)) ||
		       refuse_asking(d, q, M_ADMIN_TOKEN, MHD_HTTP_UNAUTHORIZED,
			       value.n ? "the session or its token has ended: log in again "
					 "(POST /session with a token)"
				       : "a browser needs a session: log in with a token "
					 "(POST /session)",
			       ok);
	}
	if (got)
		return (token.n && authenticate_token(d, q, token)) ||
		       wrong_token(d, q, from,
			       "this token is not in admin.tokens, or it has ended or is "
			       "revoked: ask the operator for a new one (tollgate admin-token "
			       "new)",
			       ok);
	enter_quietly(d, q);
	return q->peer.by != BY_NOBODY ||
	       refuse_asking(d, q, M_ADMIN_TOKEN, MHD_HTTP_UNAUTHORIZED,
		       "identify yourself with a token of admin.tokens (Authorization: Bearer "
		       "TOKEN) or with a client certificate",
		       ok);
}

static bool
has_role(struct door *d, struct asking *q, enum MHD_Result *ok)
{
	const struct admin_peer *p = &q->peer;
	char has[ROLES_TEXT], needs[ROLES_TEXT], text[512];

	if (p->roles & q->endpoint->role)
		return true;
	roles_text(p->roles, has);
	roles_text(q->endpoint->role, needs);
	if (p->by == BY_USER)
		snprintf(text, sizeof(text),
			"this needs the role %s; user %s (%u) has %s: ask the operator to "
			"change admin.users in tollgate.yaml",
			needs, p->user[0] ? p->user : "?", (unsigned)p->uid,
			has[0] ? has : "none");
	else
		snprintf(text, sizeof(text), "this needs the role %s; %s has %s%s", needs,
			p->name[0] ? p->name : "?", has[0] ? has : "none",
			p->by == BY_CERTIFICATE ? ": admin.users" : "");
	return refuse_asking(d, q, M_ADMIN_ROLE, MHD_HTTP_FORBIDDEN, text, ok);
}

static bool
called_by_our_name(struct door *d, struct asking *q, enum MHD_Result *ok)
{
	const char *host = asking_field(q, "Host");

	/* Without tokens and hosts, admin.tcp accepts any name, as scrapers use. */
	if (!host || access_host(d->access, span_str(host)) ||
		(q->peer.door == DOOR_TCP && !access_is_named(d->access)))
		return true;
	metric_inc(&d->server->metrics, M_ADMIN_HOST);
	*ok = asking_refuse(q, MHD_HTTP_FORBIDDEN,
		"%.100s: this host name is not accepted: add it to admin.hosts in "
		"tollgate.yaml",
		host);
	return false;
}

static bool
door_opens(struct door *d, struct asking *q, enum MHD_Result *ok)
{
	const struct admin_endpoint *e = q->endpoint;
	struct source from;

	set_source(q, &from);
	if (!called_by_our_name(d, q, ok))
		return false;
	if (!e || (!e->role && (e->tcp || q->peer.door != DOOR_TCP))) {
		if (e && !e->role && is_change(q) && (is_browser(q) || cookie_value(q).n))
			return from_our_page(d, q, ok);
		return true;
	}
	if (q->peer.door != DOOR_TCP)
		return enter_somehow(d, q, &from, ok) && has_role(d, q, ok);
	if (!enter_tcp(d, q, &from, ok))
		return false;
	if (e->tcp)
		return is_browser(q) ? from_our_page(d, q, ok) : true;
	return refuse_asking(d, q, M_ADMIN_ROLE, MHD_HTTP_FORBIDDEN,
		"this endpoint is only on the Unix socket (admin.listen)", ok);
}

/* Sets the caller's identity from their name, so that a session counts for its token. */
static void
set_who(struct admin_peer *p)
{
	unsigned char hash[SHA256_BYTES];
	char text[128];

	if (p->by == BY_USER)
		snprintf(text, sizeof(text), "user %u", (unsigned)p->uid);
	else
		snprintf(text, sizeof(text), "%s %s",
			p->by == BY_CERTIFICATE ? "certificate"
			: p->by == BY_NOBODY	? "from"
						: "token",
			p->by == BY_NOBODY ? p->from : p->name);
	sha256(span_str(text), hash);
	memcpy(p->who.b, hash, sizeof(p->who.b));
}

bool
door_enter(struct door *d, struct asking *q, enum MHD_Result *ok)
{
	bool in = door_opens(d, q, ok);

	set_who(&q->peer);
	return in;
}

bool
door_still(struct door *d, const struct asking *q)
{
	const struct admin_peer *p = &q->peer;
	unsigned char token[SHA256_BYTES];
	char name[TOKEN_NAME + 1];
	unsigned roles = 0;
	int64_t end;

	switch (p->by) {
	case BY_NOBODY: return !q->endpoint->role;
	case BY_USER: roles = access_of_uid(d->access, p->uid, p->user); break;
	case BY_CERTIFICATE: roles = access_of_name(d->access, p->name); break;
	case BY_SESSION:
		if (!sessions_find(d->sessions, p->session, clock_mono_us(), false, token))
			return false;
		/* fall through */
	case BY_TOKEN:
		if (p->door == DOOR_TCP)
			return true;
		roles = access_of_token(d->access, p->token, name, &end);
		break;
	}
	return (roles & q->endpoint->role) == q->endpoint->role;
}

/* ---- sessions ---- */

const char *const admin_doors[] = { "unix", "tcp", "tls" };

enum MHD_Result
door_who(struct asking *q)
{
	static const char *const by[] = { "nobody", "user", "token", "session", "certificate" };
	const struct admin_peer *p = &q->peer;
	char end[CLOCK_SECOND_LEN];

	SCOPED_BUF(b, 1024);
	json_put_form(&b, "{'name':%t,'roles':[", span_str(p->name[0] ? p->name : p->user));
	for (size_t i = 0; i < ROLES; i++)
		if (p->roles >> i & 1)
			json_put_str(&b, NULL, role_names[i]);
	json_put_form(&b, "],'by':%s,'door':%s,'idle_s':%u", by[p->by], admin_doors[p->door],
		(uint64_t)SESSION_IDLE_S);
	json_put_bool(&b, "opens", q->server->shared_cfg->console_open);
	clock_second(p->end_ns, end);
	json_put_opt(&b, "ends", p->end_ns ? end : NULL);
	buf_str(&b, "}\n");
	return asking_answer(q, MHD_HTTP_OK, &b);
}

enum MHD_Result
door_login(struct asking *q)
{
	struct door *d = q->door;
	struct span token = json_span(json_object_get(q->in, "token"));
	char text[SESSION_TEXT];
	struct source from;
	enum MHD_Result ok = MHD_NO;

	set_source(q, &from);
	bool fine = authenticate_token(d, q, token) ||
		    wrong_token(d, q, &from,
			    "this token is not in admin.tokens, or it has ended or is revoked: "
			    "ask the operator for a new one (tollgate admin-token new)",
			    &ok);
	explicit_bzero((char *)(uintptr_t)token.p, token.n);
	if (!fine)
		return ok;
	set_who(&q->peer);
	if ((q->retry_after_s = change_wait(d->server, &q->peer, 0))) {
		metric_inc(&d->server->metrics, M_ADMIN_SHARE);
		return asking_refuse(q, MHD_HTTP_TOO_MANY_REQUESTS,
			"too many sessions of this token have begun: try again after "
			"Retry-After seconds");
	}
	sessions_begin(d->sessions, q->peer.token, clock_mono_us(), text);
	snprintf(q->cookie, sizeof(q->cookie),
		COOKIE "=%s; Path=/; Secure; HttpOnly; SameSite=Strict", text);
	sodium_memzero(text, sizeof(text));
	log_event(LOG_INFO, "admin.session", LS("token", q->peer.name),
		LS("from", q->peer.from), LS("user", q->peer.user));
	q->peer.by = BY_SESSION;
	ok = door_who(q);
	sodium_memzero(q->cookie, sizeof(q->cookie));
	return ok;
}

enum MHD_Result
door_logout(struct asking *q)
{
	unsigned char id[SHA256_BYTES];
	struct span value = cookie_value(q);

	if (value.n) {
		sha256(value, id);
		sessions_end(q->door->sessions, id);
	}
	snprintf(q->cookie, sizeof(q->cookie),
		COOKIE "=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
	SCOPED_BUF(b, 64);
	buf_str(&b, "{\"ended\":true}\n");
	return asking_answer(q, MHD_HTTP_OK, &b);
}

void
door_metrics(struct door *d, struct buf *out)
{
	metrics_head(out, "admin_sessions", "gauge", "Browser sessions of the admin server.");
	buf_printf(out, "tollgate_admin_sessions %zu\n",
		sessions_count(d->sessions, clock_mono_us()));
}

/* ---- creation and reload ---- */

struct door *
door_new(const struct config *cfg, struct server *s, struct buf *why)
{
	struct door *d = calloc(1, sizeof(*d));

	if (d) {
		d->server = s;
		d->sessions = sessions_new();
		d->guesses = guesses_new();
		d->access = access_new(cfg, s, why);
	}
	if (!d || !d->sessions || !d->guesses || !d->access ||
		(cfg->admin_token_file &&
			opens_admin_token(cfg->admin_token_file, d->tcp_token, why)))
		door_free(&d);
	else
		d->has_tcp_token = cfg->admin_token_file != NULL;
	return d;
}

void
door_free(struct door **dp)
{
	struct door *d = *dp;

	if (!d)
		return;
	sessions_free(&d->sessions);
	guesses_free(&d->guesses);
	access_free(&d->access);
	free(d);
	*dp = NULL;
}

void
door_reload(struct door *d, const struct config *cfg)
{
	access_reload(d->access, cfg);
}

bool
door_is_shared(const struct door *d)
{
	return access_has_users(d->access);
}
