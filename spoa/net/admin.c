/* Admin HTTP on libmicrohttpd: a table of paths. What changes anything is a POST; keys and limits
 * change by the unix socket alone. */
#include "net/admin.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/err.h"
#include "net/listen.h"
#include "net/admin_live.h"
#include "net/server.h"

enum { UPLOAD_BYTES = 64 << 10 };

struct admin {
	struct server *server;
	const struct config *cfg;
	char token[256]; /* empty: nothing needs one */
	struct side {
		struct admin *admin;
		struct MHD_Daemon *daemon;
		bool tcp;
		int fd;
	} side[2];
};

struct page {
	const char *path, *type;
	bool open; /* without the token on TCP too */
	bool post; /* it changes something */
	unsigned (*write)(struct server *s, struct buf *out);
	/* In its place: takes a JSON object, on the unix socket alone. */
	admin_call_fn *call;
};

/* What a POST brings. */
struct upload {
	struct buf body;
};

static unsigned
page_metrics(struct server *s, struct buf *out)
{
	server_metrics(s, out);
	return MHD_HTTP_OK;
}

static unsigned
page_healthz(struct server *s UNUSED, struct buf *out)
{
	buf_str(out, "ok\n");
	return MHD_HTTP_OK;
}

static unsigned
page_readyz(struct server *s, struct buf *out)
{
	return server_ready(s, out) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned
page_reload(struct server *s, struct buf *out)
{
	return reload_ask(&s->reloading, out) ? MHD_HTTP_OK : 422 /* RFC 9110 15.5.21 */;
}

static unsigned
page_status(struct server *s, struct buf *out)
{
	server_status(s, out);
	return MHD_HTTP_OK;
}

static unsigned
page_recent(struct server *s, struct buf *out)
{
	server_recent(s, out);
	return MHD_HTTP_OK;
}

/* clang-format off */
static const struct page pages[] = {
	{ "/metrics", "text/plain; version=0.0.4; charset=utf-8", true,  false, page_metrics, NULL },
	{ "/healthz", "text/plain; charset=utf-8",                true,  false, page_healthz, NULL },
	{ "/readyz",  "text/plain; charset=utf-8",                true,  false, page_readyz,  NULL },
	{ "/status",  "application/json",                         false, false, page_status,  NULL },
	{ "/recent",  "application/json",                         false, false, page_recent,  NULL },
	{ "/reload",  "application/json",                         false, true,  page_reload,  NULL },
	{ "/keys",    "application/json",                         false, false, admin_keys,   NULL },
	{ "/keys/new",    "application/json",                     false, true,  NULL, admin_key_new    },
	{ "/keys/change", "application/json",                     false, true,  NULL, admin_key_change },
	{ "/keys/rotate", "application/json",                     false, true,  NULL, admin_key_rotate },
	{ "/keys/revoke", "application/json",                     false, true,  NULL, admin_key_revoke },
	{ "/quota",       "application/json",                     false, true,  NULL, admin_quota },
	{ "/limits",      "application/json",                     false, false, admin_limits, NULL },
	{ "/limits/set",  "application/json",                     false, true,  NULL, admin_limit_set  },
	{ "/limits/clear", "application/json",                    false, true,  NULL, admin_limit_clear },
	{ "/targets",     "application/json",                     false, false, admin_targets, NULL },
	{ "/targets/eject", "application/json",                   false, true,  NULL, admin_target_eject },
	{ "/tools",       "application/json",                     false, false, admin_tools, NULL },
	{ "/tools/show",  "application/json",                     false, true,  NULL, admin_tool_show },
	{ "/tools/approve", "application/json",                   false, true,  NULL, admin_tool_approve },
	{ "/audit/read",  "application/json",                     false, true,  NULL, admin_read },
	{ "/audit/text",  "application/json",                     false, true,  NULL, admin_text_hash },
	{ "/audit/export", "application/json",                    false, true,  NULL, admin_export },
	{ "/targets/admit", "application/json",                   false, true,  NULL, admin_target_admit },
};
/* clang-format on */

static enum MHD_Result
answer(struct MHD_Connection *c, unsigned status, const char *type, struct buf *b)
{
	struct span s = buf_view(b);
	struct MHD_Response *r = MHD_create_response_from_buffer(
		s.n, (void *)(uintptr_t)(s.p ? s.p : ""), MHD_RESPMEM_MUST_COPY);

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "content-type", type);
	MHD_add_response_header(r, "cache-control", "no-store");
	enum MHD_Result ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result
plain(struct MHD_Connection *c, unsigned status, const char *text)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, text);
	enum MHD_Result ok = answer(c, status, "text/plain; charset=utf-8", &b);
	buf_free(&b);
	return ok;
}

static bool
authorized(const struct side *s, struct MHD_Connection *c)
{
	const char *got = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
	char want[sizeof(s->admin->token) + 8];

	if (!s->tcp)
		return true; /* the socket's mode is the permission */
	if (!s->admin->token[0] || !got)
		return false;
	size_t n = (size_t)snprintf(want, sizeof(want), "Bearer %s", s->admin->token);
	return strlen(got) == n && sodium_memcmp(got, want, n) == 0;
}

/* Who is at the other end of the unix socket. */
static struct admin_peer
peer_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred who;
	socklen_t n = sizeof(who);

	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
		return (struct admin_peer){ .pid = 0, .uid = (uid_t)-1 };
	return (struct admin_peer){ .pid = who.pid, .uid = who.uid };
}

static unsigned
call_page(const struct side *s, struct MHD_Connection *c, const struct page *p,
	const struct upload *u, struct buf *out)
{
	const struct admin_peer peer = peer_of(c);
	struct span body = buf_view(&u->body);
	json_error_t error;

	if (s->tcp) {
		buf_str(out, "{\"error\":\"on the unix socket only (admin.listen)\"}\n");
		return MHD_HTTP_FORBIDDEN;
	}
	if (buf_failed(&u->body)) {
		buf_str(out, "{\"error\":\"longer than 64 KB\"}\n");
		return MHD_HTTP_CONTENT_TOO_LARGE;
	}
	json_t *in = json_loadb(body.p ? body.p : "", body.n, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(in)) {
		buf_str(out, "{\"error\":\"a JSON object is expected\"}\n");
		json_decref(in);
		return MHD_HTTP_BAD_REQUEST;
	}
	unsigned status = p->call(s->admin->server, &peer, in, out);
	json_decref(in);
	return status;
}

/* What was brought goes, secrets in it too. */
static void
completed(void *cls UNUSED, struct MHD_Connection *c UNUSED, void **con,
	enum MHD_RequestTerminationCode why UNUSED)
{
	struct upload *u = *con;

	if (u)
		buf_free(&u->body);
	free(u);
	*con = NULL;
}

static enum MHD_Result
handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
	const char *version UNUSED, const char *bytes, size_t *upload_size, void **con)
{
	const struct side *s = cls;
	struct upload *u = *con;

	if (!u) { /* the head; answer once the body, if any, is through */
		*con = u = calloc(1, sizeof(*u));
		if (u)
			buf_init(&u->body, UPLOAD_BYTES);
		return u ? MHD_YES : MHD_NO;
	}
	if (*upload_size) {
		buf_put(&u->body, bytes, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	for (size_t i = 0; i < COUNT_OF(pages); i++) {
		if (strcmp(url, pages[i].path))
			continue;
		if (pages[i].post ? strcmp(method, "POST")
				  : strcmp(method, "GET") && strcmp(method, "HEAD"))
			return plain(c, MHD_HTTP_METHOD_NOT_ALLOWED,
				pages[i].post ? "POST only\n" : "GET only\n");
		if (!pages[i].open && !authorized(s, c))
			return plain(c, MHD_HTTP_UNAUTHORIZED,
				"bearer token of admin.token_file needed\n");
		struct buf b;
		buf_init(&b, 0);
		unsigned status = pages[i].call ? call_page(s, c, &pages[i], u, &b)
						: pages[i].write(s->admin->server, &b);
		enum MHD_Result ok = answer(c, status, pages[i].type, &b);
		buf_free(&b);
		return ok;
	}
	return plain(c, MHD_HTTP_NOT_FOUND,
		"no such page: /metrics /healthz /readyz /status /recent /reload /keys /limits /quota /targets /tools\n");
}

static int
read_token(struct admin *a, struct buf *why)
{
	int fd = open(a->cfg->admin_token_file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, a->token, sizeof(a->token) - 1);

	if (fd >= 0)
		close(fd);
	while (n > 0 && (a->token[n - 1] == '\n' || a->token[n - 1] == ' '))
		n--;
	if (n <= 0) {
		buf_printf(why, "%s: cannot read the admin token", a->cfg->admin_token_file);
		return ERR_IO;
	}
	a->token[n] = '\0';
	return 0;
}

static int
start_side(struct admin *a, struct side *s, const struct address *at, bool tcp, struct buf *why)
{
	s->admin = a;
	s->tcp = tcp;
	s->fd = listen_open(at, 0600, NULL, why);
	if (s->fd < 0)
		return ERR_IO;
	s->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, handle, s,
		MHD_OPTION_LISTEN_SOCKET, s->fd, MHD_OPTION_CONNECTION_LIMIT, 64u,
		MHD_OPTION_CONNECTION_TIMEOUT, 10u, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
		MHD_OPTION_END);
	if (!s->daemon) {
		buf_printf(why, "%s: the admin server does not start", at->text);
		return ERR_IO;
	}
	return 0;
}

struct admin *
admin_start(const struct config *cfg, struct server *server, struct buf *why)
{
	struct admin *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->server = server;
	a->cfg = cfg;
	a->side[0].fd = a->side[1].fd = -1;
	if ((cfg->admin_token_file && read_token(a, why) < 0) ||
		(cfg->has_admin && start_side(a, &a->side[0], &cfg->admin, false, why) < 0) ||
		(cfg->has_admin_tcp &&
			start_side(a, &a->side[1], &cfg->admin_tcp, true, why) < 0))
		admin_stop(&a);
	return a;
}

void
admin_stop(struct admin **ap)
{
	struct admin *a = *ap;

	if (!a)
		return;
	for (int i = 0; i < 2; i++) {
		if (a->side[i].daemon)
			MHD_stop_daemon(a->side[i].daemon); /* closes its socket */
		else if (a->side[i].fd >= 0)
			close(a->side[i].fd);
	}
	if (a->cfg->has_admin)
		listen_unlink(&a->cfg->admin);
	sodium_memzero(a->token, sizeof(a->token));
	free(a);
	*ap = NULL;
}
