/* Answers who has which role on the admin server.
 *
 * User names are compared at each request, because a directory service may learn of a user
 * after the daemon has started. The tokens' file is read again if its metadata changed. If the
 * file is then missing or invalid, all tokens lose their roles: a broken file must not keep a
 * removed token alive. */
#include "operator/admin/access.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "operator/admin/change.h"
#include "operator/server/server.h"

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

unsigned
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

bool
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

bool
access_is_named(struct access *a)
{
	SCOPED_LOCK(&a->lock);
	return a->file[0] || a->nhosts;
}

/* ---- creation and reload ---- */

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
