/* Admin HTTP on libmicrohttpd: doors, who is let in, and the table of endpoints asked. What
 * changes anything is a POST. */
#include "admin/admin.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/decisions.h"
#include "admin/endpoint.h"
#include "admin/reader.h"
#include "audit/audit.h"
#include "base/attr.h"
#include "base/caps.h"
#include "base/err.h"
#include "net/listen.h"
#include "net/server.h"
#include "telemetry/openmetrics.h"

#define JSON_TYPE "application/json"

/* Of a door: those that look at decisions take none of the others' room. */
#define CONNECTIONS (64u + CAP_DECISION_VIEWERS)

enum { UPLOAD_BYTES = 64 << 10 };

struct admin {
	struct server *server;
	const struct config *cfg;
	struct decisions *decisions; /* NULL: no records */
	char token[256]; /* empty: nothing needs one */
	struct children *children;
	struct side {
		struct admin *admin;
		struct MHD_Daemon *daemon;
		bool tcp;
		int fd;
	} side[2];
};

/* What a request brings, until it is answered. */
struct upload {
	struct buf body;
	struct asking q;
	bool begun;
};

/* ---- answers ---- */

void
asking_fields(const struct asking *q UNUSED, struct MHD_Response *r)
{
	MHD_add_response_header(r, "cache-control", "no-store");
}

static enum MHD_Result
answer(const struct asking *q, unsigned status, const char *type, const struct buf *b)
{
	struct span s = buf_view(b);
	struct MHD_Response *r = MHD_create_response_from_buffer(
		s.n, (void *)(uintptr_t)(s.p ? s.p : ""), MHD_RESPMEM_MUST_COPY);

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "content-type", type);
	asking_fields(q, r);
	enum MHD_Result ok = MHD_queue_response(q->connection, status, r);
	MHD_destroy_response(r);
	return ok;
}

enum MHD_Result
asking_answer(struct asking *q, unsigned status, const struct buf *b)
{
	const char *type = q->endpoint->type ? q->endpoint->type : JSON_TYPE;

	return answer(q, status, type, b);
}

static void
put_error(struct buf *b, struct span text)
{
	buf_str(b, "{\"error\":");
	buf_json_str(b, text);
	buf_str(b, "}\n");
}

enum MHD_Result
asking_refuse(struct asking *q, unsigned status, const char *fmt, ...)
{
	char line[1024];
	struct buf b;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	buf_init(&b, 0);
	put_error(&b, span_str(line));
	enum MHD_Result ok = answer(q, status, JSON_TYPE, &b);
	buf_free(&b);
	return ok;
}

static enum MHD_Result
plain(const struct asking *q, unsigned status, const char *text)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, text);
	enum MHD_Result ok = answer(q, status, "text/plain; charset=utf-8", &b);
	buf_free(&b);
	return ok;
}

struct children *
admin_children(struct admin *a)
{
	return a->children;
}

/* ---- who asks ---- */

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
	return (struct admin_peer){ .pid = who.pid,
		.uid = who.uid,
		.roles = ROLE_VIEWER | ROLE_OPERATOR | ROLE_AUDITOR };
}

/* ---- requests ---- */

/* What was brought goes, secrets in it too. */
static void
completed(void *cls UNUSED, struct MHD_Connection *c UNUSED, void **con,
	enum MHD_RequestTerminationCode why UNUSED)
{
	struct upload *u = *con;

	if (!u)
		return;
	if (u->q.drop)
		u->q.drop(u->q.state);
	json_decref(u->q.in);
	buf_free(&u->body);
	free(u);
	*con = NULL;
}

/* The parameters; false: *ok is what answering with the reason came to. */
static bool
take_params(struct upload *u, enum MHD_Result *ok)
{
	const struct admin_endpoint *e = u->q.endpoint;
	struct span body = buf_view(&u->body);
	json_error_t error;
	json_t *in = NULL;
	struct buf why;

	if (!strcmp(e->method, MHD_HTTP_METHOD_POST)) {
		if (buf_failed(&u->body)) {
			*ok = asking_refuse(
				&u->q, MHD_HTTP_CONTENT_TOO_LARGE, "longer than 64 KB");
			return false;
		}
		in = json_loadb(body.p ? body.p : "", body.n, JSON_REJECT_DUPLICATES, &error);
		if (!json_is_object(in)) {
			json_decref(in);
			*ok = asking_refuse(
				&u->q, MHD_HTTP_BAD_REQUEST, "a JSON object is expected");
			return false;
		}
	}
	buf_init(&why, 2048);
	u->q.in = in && e->own ? in : admin_endpoint_params(e, u->q.connection, in, &why);
	if (!u->q.in)
		*ok = asking_refuse(
			&u->q, MHD_HTTP_BAD_REQUEST, "%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	return u->q.in != NULL;
}

static enum MHD_Result
run(struct upload *u)
{
	const struct admin_endpoint *e = u->q.endpoint;
	enum MHD_Result ok;
	struct buf b;

	if (e->begin)
		return e->begin(&u->q);
	buf_init(&b, 0);
	if (e->open && openmetrics_wanted(MHD_lookup_connection_value(
			       u->q.connection, MHD_HEADER_KIND, "Accept"))) {
		ok = answer(&u->q, e->open(u->q.server, &b), OPENMETRICS_TYPE, &b);
		buf_free(&b);
		return ok;
	}
	unsigned status = e->call ? e->call(u->q.server, &u->q.peer, u->q.in, &b)
				  : e->write(u->q.server, &b);
	if (u->q.peer.child && e->call == admin_read && status == MHD_HTTP_OK)
		reader_told(u->q.admin->children, &u->q.peer);
	ok = asking_answer(&u->q, status, &b);
	buf_free(&b);
	return ok;
}

static enum MHD_Result
nothing_there(struct upload *u, bool path_known, struct buf *allow)
{
	if (path_known)
		return plain(&u->q, MHD_HTTP_METHOD_NOT_ALLOWED,
			span_starts(buf_view(allow), SPAN_LIT("GET")) ? "GET only\n"
								      : "POST only\n");
	return plain(&u->q, MHD_HTTP_NOT_FOUND,
		"no such page: /metrics /healthz /readyz /status /recent /reload /keys /limits "
		"/quota /targets /tools\n");
}

static enum MHD_Result
handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
	const char *version UNUSED, const char *bytes, size_t *upload_size, void **con)
{
	const struct side *s = cls;
	struct upload *u = *con;
	enum MHD_Result ok = MHD_NO;
	struct buf allow;
	bool known;

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
	if (u->begun) /* its connection was suspended */
		return u->q.endpoint->begin(&u->q);
	u->q.server = s->admin->server;
	u->q.admin = s->admin;
	u->q.connection = c;
	u->q.path = url;
	u->q.peer = peer_of(c);
	u->q.peer.door = s->tcp ? DOOR_TCP : DOOR_UNIX;
	reader_on_behalf(s->admin->children, &u->q.peer);
	buf_init(&allow, 256);
	const struct admin_endpoint *e = u->q.endpoint =
		admin_endpoint_find(method, url, &known, &allow);
	if (!e)
		ok = nothing_there(u, known, &allow);
	else if (e->role && !authorized(s, c))
		ok = plain(&u->q, MHD_HTTP_UNAUTHORIZED,
			"bearer token of admin.token_file needed\n");
	else if (s->tcp && !e->tcp)
		ok = asking_refuse(
			&u->q, MHD_HTTP_FORBIDDEN, "on the unix socket only (admin.listen)");
	else if ((!e->call && !e->begin) || take_params(u, &ok)) {
		u->begun = e->begin != NULL;
		ok = run(u);
	}
	buf_free(&allow);
	return ok;
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
	s->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME,
		0, NULL, NULL, handle, s, MHD_OPTION_LISTEN_SOCKET, s->fd,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, 10u,
		MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END);
	if (!s->daemon) {
		buf_printf(why, "%s: the admin server does not start", at->text);
		return ERR_IO;
	}
	return 0;
}

static void
admin_stop(void *front)
{
	struct admin *a = front;

	if (!a)
		return;
	if (a->children)
		children_stop(a->children); /* no connection is suspended from now on */
	decisions_end(a->decisions); /* no connection stays suspended */
	for (int i = 0; i < 2; i++) {
		if (a->side[i].daemon)
			MHD_stop_daemon(a->side[i].daemon); /* closes its socket */
		else if (a->side[i].fd >= 0)
			close(a->side[i].fd);
	}
	children_free(&a->children);
	decisions_free(&a->decisions);
	if (a->cfg->has_admin)
		listen_unlink(&a->cfg->admin);
	sodium_memzero(a->token, sizeof(a->token));
	free(a);
}

static bool
journal_end(void *audit, struct follow_end *out)
{
	return audit_end(audit, out);
}

struct decisions *
admin_decisions(struct admin *a)
{
	return a->decisions;
}

static void *
admin_start(const struct config *cfg, struct server *server, struct buf *why)
{
	struct admin *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->server = server;
	a->cfg = cfg;
	a->side[0].fd = a->side[1].fd = -1;
	struct children_limits limits = children_default;
	limits.metrics = &server->metrics;
	a->children = children_start(&limits);
	const struct decisions_options live = { .journal = cfg->journal,
		.node = cfg->node,
		.end = journal_end,
		.arg = server->audit,
		.metrics = &server->metrics };
	if (!a->children ||
		(server->audit && !(a->decisions = decisions_new(&live)))) {
		admin_stop(a);
		return NULL;
	}
	if ((cfg->admin_token_file && read_token(a, why) < 0) ||
		(cfg->has_admin && start_side(a, &a->side[0], &cfg->admin, false, why) < 0) ||
		(cfg->has_admin_tcp &&
			start_side(a, &a->side[1], &cfg->admin_tcp, true, why) < 0)) {
		admin_stop(a);
		return NULL;
	}
	return a;
}

static void
admin_reloaded(void *front UNUSED, const struct config *cfg UNUSED)
{
}

const struct server_front admin_front = { admin_start, admin_reloaded, admin_stop };
