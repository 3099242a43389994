/* Runs the admin server's HTTP: opens the doors, admits callers, reads requests and calls the
 * endpoint.
 *
 * libmicrohttpd calls handle_request() several times for one request: with the head, with each
 * part of the body, and once at the end. At the end the door decides who the caller is, the
 * parameters are checked against the table, and the endpoint answers or suspends the
 * connection. Requests that change something are POSTs.
 *
 * The first section has the certificates of admin.tls: ours, chosen by a callback at each handshake
 * so that new files need no restart; and those of clients, verified against their authorities. */
#include "operator/admin/admin.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/keyfile.h"
#include "base/log.h"
#include "base/scoped.h"
#include "net/listen.h"
#include "operator/admin/allowances.h"
#include "operator/admin/caches.h"
#include "operator/admin/change.h"
#include "operator/admin/decisions.h"
#include "operator/admin/door.h"
#include "operator/admin/endpoint.h"
#include "operator/admin/reader.h"
#include "operator/admin/tls.h"
#include "operator/admin/verifying.h"
#include "operator/console/asset.h"
#include "operator/server/server.h"
#include "operator/telemetry/openmetrics.h"
#include "record/audit/audit.h"

/* ---- certificates ---- */

enum {
	PEM_MAX = 1 << 20,
	CHAIN = 8,
	FILES = 3,
	/* replaced certificates that are kept, because a handshake may still use one */
	KEPT = 4
};

/* A certificate chain with its key. */
struct pair {
	gnutls_pcert_st chain[CHAIN];
	unsigned n;
	gnutls_privkey_t key;
	int64_t end_s; /* Unix seconds; end of the first certificate in the chain */
};

/* owner: the thread of the TLS door */
struct tls {
	/* certificate, key, authorities of clients; the last may be NULL */
	const char *file[FILES];
	struct stat seen[FILES];
	struct pair pair[KEPT];
	/* index of the pair in use */
	unsigned now;
	gnutls_x509_trust_list_t clients; /* NULL: clients need no certificate */
	/* the authorities at the start, whose names are sent to clients; NULL: none */
	char *trust;
	_Atomic int64_t *end_s;
};

static struct tls *in_force; /* the callback of GnuTLS has no argument for it */

/* ---- files ---- */

static void
pair_free(struct pair *p)
{
	for (unsigned i = 0; i < p->n; i++)
		gnutls_pcert_deinit(&p->chain[i]);
	if (p->key)
		gnutls_privkey_deinit(p->key);
	memset(p, 0, sizeof(*p));
}

static bool
read_pem(const char *file, bool secret, gnutls_datum_t *out, struct buf *why)
{
	struct stat st;

	SCOPED_BUF(b, PEM_MAX);
	if (secret && stat(file, &st) == 0 &&
		keyfile_wide(file, st.st_mode, "a private key", why))
		return false;
	if (!buf_regular_file(&b, file))
		buf_printf(why, "%s: %s", file, strerror(errno));
	else if (buf_failed(&b))
		buf_printf(why, "%s: the file is larger than %d bytes", file, PEM_MAX);
	else if ((out->data = gnutls_malloc(b.n + 1)) != NULL) {
		out->size = (unsigned)b.n;
		memcpy(out->data, buf_view(&b).p ? buf_view(&b).p : "", b.n);
	}
	if (b.n)
		explicit_bzero((char *)(uintptr_t)buf_view(&b).p, b.n);
	return out->data != NULL;
}

/* Returns true if the key belongs to the certificate. */
static bool
key_belongs_to_certificate(const struct pair *p)
{
	gnutls_pubkey_t mine = NULL;
	unsigned char a[64], b[64];
	size_t na = sizeof(a), nb = sizeof(b);

	bool same = gnutls_pubkey_init(&mine) == 0 &&
		    gnutls_pubkey_import_privkey(mine, p->key, 0, 0) == 0 &&
		    gnutls_pubkey_get_key_id(mine, 0, a, &na) == 0 &&
		    gnutls_pubkey_get_key_id(p->chain[0].pubkey, 0, b, &nb) == 0 && na == nb &&
		    !memcmp(a, b, na);
	if (mine)
		gnutls_pubkey_deinit(mine);
	return same;
}

/* Returns the end of the text's first certificate in Unix seconds, or 0 if it cannot be read.
 */
static int64_t
certificate_end(const gnutls_datum_t *pem)
{
	gnutls_x509_crt_t crt;
	int64_t end = 0;

	if (gnutls_x509_crt_init(&crt) == 0) {
		if (gnutls_x509_crt_import(crt, pem, GNUTLS_X509_FMT_PEM) == 0)
			end = (int64_t)gnutls_x509_crt_get_expiration_time(crt);
		gnutls_x509_crt_deinit(crt);
	}
	return end > 0 ? end : 0;
}

static bool
pair_load(const struct tls *t, struct pair *p, struct buf *why)
{
	gnutls_datum_t cert = { NULL, 0 }, key = { NULL, 0 };
	int err;

	memset(p, 0, sizeof(*p));
	if (!read_pem(t->file[0], false, &cert, why))
		return false;
	p->end_s = certificate_end(&cert);
	p->n = CHAIN;
	err = gnutls_pcert_list_import_x509_raw(p->chain, &p->n, &cert, GNUTLS_X509_FMT_PEM, 0);
	gnutls_free(cert.data);
	if (err) {
		p->n = 0;
		buf_printf(why, "%s: %s", t->file[0], gnutls_strerror(err));
		return false;
	}
	bool fine = read_pem(t->file[1], true, &key, why);
	if (fine && (gnutls_privkey_init(&p->key) ||
			    (err = gnutls_privkey_import_x509_raw(
				     p->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0)))) {
		buf_printf(why, "%s: %s", t->file[1], gnutls_strerror(err));
		fine = false;
	} else if (fine && !key_belongs_to_certificate(p)) {
		buf_printf(why, "%s: this is not the key of %s", t->file[1], t->file[0]);
		fine = false;
	}
	if (key.data) {
		explicit_bzero(key.data, key.size);
		gnutls_free(key.data);
	}
	if (!fine)
		pair_free(p);
	return fine;
}

static gnutls_x509_trust_list_t
trust_load(const char *file, struct buf *why)
{
	gnutls_x509_trust_list_t list = NULL;
	gnutls_datum_t pem = { NULL, 0 };

	if (!read_pem(file, false, &pem, why))
		return NULL;
	int n = gnutls_x509_trust_list_init(&list, 0);
	if (n == 0)
		n = gnutls_x509_trust_list_add_trust_mem(
			list, &pem, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
	gnutls_free(pem.data);
	if (n > 0)
		return list;
	buf_printf(why, "%s: %s", file,
		n < 0 ? gnutls_strerror(n)
		      : "the file contains no "
			"certificate");
	if (list)
		gnutls_x509_trust_list_deinit(list, 1);
	return NULL;
}

static bool
has_changed(struct tls *t)
{
	bool changed = false;

	for (size_t i = 0; i < FILES; i++) {
		struct stat st = { .st_ino = 0 };
		if (!t->file[i])
			continue;
		if (stat(t->file[i], &st) < 0)
			memset(&st, 0, sizeof(st));
		changed = changed || st.st_ino != t->seen[i].st_ino ||
			  st.st_size != t->seen[i].st_size ||
			  st.st_mtim.tv_sec != t->seen[i].st_mtim.tv_sec ||
			  st.st_mtim.tv_nsec != t->seen[i].st_mtim.tv_nsec;
		t->seen[i] = st;
	}
	return changed;
}

/* Replaces certificate and authorities together, or neither. */
static bool
load_certificate(struct tls *t, struct buf *why)
{
	gnutls_x509_trust_list_t clients = NULL;
	struct pair next;

	if (!pair_load(t, &next, why))
		return false;
	if (t->file[2] && !(clients = trust_load(t->file[2], why))) {
		pair_free(&next);
		return false;
	}
	t->now = (t->now + 1) % KEPT;
	pair_free(&t->pair[t->now]);
	t->pair[t->now] = next;
	if (t->end_s)
		atomic_store_explicit(t->end_s, next.end_s, memory_order_relaxed);
	if (t->clients)
		gnutls_x509_trust_list_deinit(t->clients, 1);
	t->clients = clients;
	return true;
}

static void
look_at_files(struct tls *t)
{
	if (!has_changed(t))
		return;
	SCOPED_BUF(why, 4096);
	bool fine = load_certificate(t, &why);
	buf_putc(&why, '\0');
	if (fine)
		log_event(LOG_INFO, "admin.tls", LS("certificate", t->file[0]));
	else
		log_event(LOG_ERROR, "admin.tls_refused", LS("why", buf_view(&why).p));
}

/* For MHD_start_daemon: the values of MHD_OPTION_HTTPS_CERT_CALLBACK, _PRIORITIES and, unless
 * NULL, _MEM_TRUST, which is valid as long as *t. */
static int
tls_on_handshake(gnutls_session_t s, const gnutls_datum_t *dn, int n,
	const gnutls_pk_algorithm_t *algos, int nalgos, gnutls_pcert_st **chain,
	unsigned *length, gnutls_privkey_t *key)
{
	struct tls *t = in_force;

	(void)s, (void)dn, (void)n, (void)algos, (void)nalgos;
	look_at_files(t);
	*chain = t->pair[t->now].chain;
	*length = t->pair[t->now].n;
	*key = t->pair[t->now].key;
	return 0;
}

/* ---- clients ---- */

/* Returns true if the name has only printable characters, so that records and logs can show it.
 */
static bool
is_plain_path(const char *s, size_t n)
{
	return n > 0 && span_past(span_of(s, n), 0, is_graph) == n;
}

static bool
cert_name(gnutls_x509_crt_t crt, char *name, size_t size)
{
	size_t n = size;
	unsigned type;
	int kind;

	if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &n) ==
		0)
		return is_plain_path(name, n) && n < size;
	for (unsigned i = 0; i < 16; i++) {
		n = size;
		kind = gnutls_x509_crt_get_subject_alt_name2(crt, i, name, &n, &type, NULL);
		if (kind == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return false;
		if ((kind == GNUTLS_SAN_DNSNAME || kind == GNUTLS_SAN_RFC822NAME) && n < size) {
			name[n] = '\0';
			return is_plain_path(name, n);
		}
	}
	return false;
}

bool
tls_client(struct MHD_Connection *c, char *name, size_t size)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	const gnutls_datum_t *raw;
	gnutls_x509_crt_t crt[CHAIN];
	unsigned n = 0, sent = 0, status = ~0u;
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (void *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT };

	name[0] = '\0';
	if (!info || !in_force || !in_force->clients)
		return false;
	raw = gnutls_certificate_get_peers(info->tls_session, &sent);
	for (; raw && n < sent && n < CHAIN; n++) {
		if (gnutls_x509_crt_init(&crt[n]))
			break;
		if (gnutls_x509_crt_import(crt[n], &raw[n], GNUTLS_X509_FMT_DER)) {
			gnutls_x509_crt_deinit(crt[n]);
			break;
		}
	}
	bool fine = n > 0 && n == sent &&
		    gnutls_x509_trust_list_verify_crt2(
			    in_force->clients, crt, n, &purpose, 1, 0, &status, NULL) == 0 &&
		    status == 0 && cert_name(crt[0], name, size);
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(crt[i]);
	if (!fine)
		name[0] = '\0';
	return fine;
}

/* ---- creation and end ---- */

static void
tls_free(struct tls **tp)
{
	struct tls *t = *tp;

	if (!t)
		return;
	if (in_force == t)
		in_force = NULL;
	for (size_t i = 0; i < KEPT; i++)
		pair_free(&t->pair[i]);
	if (t->clients)
		gnutls_x509_trust_list_deinit(t->clients, 1);
	free(t->trust);
	free(t);
	*tp = NULL;
}

/* Reads the files. Returns NULL with a message in *why. There can be only one struct tls.
 * *end_s receives the end of the certificate in Unix seconds, also after a change, and must
 * live as long as the result. */
static struct tls *
tls_new(const struct admin_tls *files, _Atomic int64_t *end_s, struct buf *why)
{
	struct tls *t = calloc(1, sizeof(*t));
	gnutls_datum_t trust = { NULL, 0 };

	if (!t) {
		buf_str(why, "out of memory");
		return NULL;
	}
	t->end_s = end_s;
	t->file[0] = files->certificate;
	t->file[1] = files->key;
	t->file[2] = files->clients;
	has_changed(t);
	if (!load_certificate(t, why) ||
		(t->file[2] && !read_pem(t->file[2], false, &trust, why))) {
		tls_free(&t);
		return NULL;
	}
	t->trust = trust.data ? strndup((const char *)trust.data, trust.size) : NULL;
	gnutls_free(trust.data);
	in_force = t;
	return t;
}

int64_t
tls_look(const struct admin_tls *files, struct buf *why)
{
	_Atomic int64_t end_s = 0;
	struct tls *before = in_force, *t = tls_new(files, &end_s, why);
	bool fine = t != NULL;

	tls_free(&t);
	in_force = before;
	return fine ? end_s : 0;
}

/* ---- limits, and objects of a request ---- */

#define JSON_TYPE "application/json"

/* Bounds: bytes of a request body; seconds of silence and µs for a whole body before the
 * connection is closed; connections below CAP_ADMIN_CONNS at which idle ones are closed. */
enum { UPLOAD_BYTES = 64 << 10, SILENCE_S = 10, BODY_US = 20000000, CONNS_SPARE = 16 };
enum { DOORS = DOOR_TLS + 1 };

/* A connection, from accept to close. owner: the thread of its door */
struct caller {
	struct caller *prev, *next; /* a ring in order of age, the oldest first */
	int fd;
	/* the caller is authenticated, so the connection is not closed to make room */
	bool kept;
	struct caller_id who; /* valid if `kept` */
	size_t held;	      /* bytes of a response that the caller has not read yet */
};

/* One door: its socket and its connections. owner: the door's thread, from serve_side() on */
struct side {
	struct admin *admin;
	struct MHD_Daemon *daemon;
	enum admin_door door;
	const struct address *at;
	int fd;		       /* -1: the door is not configured */
	struct caller callers; /* head of the ring of connections */
	unsigned ncallers;
};

/* The admin server, created at start. Its parts have locks of their own; `side` is written at
 * start and stop. */
struct admin {
	struct server *server;
	const struct config *cfg;
	struct door *door;
	struct tls *tls;
	struct decisions *decisions; /* NULL: the daemon writes no records */
	struct children *children;
	struct caches *caches;
	struct allowances *allowances;
	struct side side[DOORS];
};

/* A request from its head until the response is sent. owner: the thread of its door */
struct upload {
	struct buf body;
	struct asking q;
	/* monotonic */
	uint64_t began_us;
	/* the endpoint's `begin` was called, so further calls continue it */
	bool begun;
	bool nul; /* the path has a NUL byte, at which the decoded path ends */
};

/* The address that marks a request whose raw path has an encoded NUL byte. */
static char path_has_nul;

/* Looks at the raw URI, because libmicrohttpd passes on the decoded path without its length.
 * libmicrohttpd's callback; the result is the first value of the request's `con`. */
static void *
look_at_uri(void *cls UNUSED, const char *uri, struct MHD_Connection *c UNUSED)
{
	struct span rest = span_str(uri), path = span_next(&rest, '?');

	return memmem(path.p, path.n, "%00", 3) ? &path_has_nul : NULL;
}

/* ---- responses ---- */

void
asking_fields(const struct asking *q, struct MHD_Response *r)
{
	static const struct {
		const char *name, *value;
	} fields[] = {
		{ "content-security-policy", CONSOLE_CSP },
		{ "x-content-type-options", "nosniff" },
		{ "referrer-policy", "no-referrer" },
		{ "cross-origin-opener-policy", "same-origin" },
		{ "cross-origin-resource-policy", "same-origin" },
	};
	char seconds[16];

	for (size_t i = 0; i < COUNT_OF(fields); i++)
		MHD_add_response_header(r, fields[i].name, fields[i].value);
	if (q->retry_after_s) {
		snprintf(seconds, sizeof(seconds), "%u", q->retry_after_s);
		MHD_add_response_header(r, "retry-after", seconds);
	}
	if (q->closes)
		MHD_add_response_header(r, "connection", "close");
	if (q->allow[0])
		MHD_add_response_header(r, "allow", q->allow);
	if (q->cookie[0])
		MHD_add_response_header(r, "set-cookie", q->cookie);
}

bool
asking_still(const struct asking *q)
{
	return door_still(q->admin->door, q);
}

static struct caller *
caller_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static enum MHD_Result
queue_answer(const struct asking *q, unsigned status, const char *type, const struct buf *b)
{
	struct span s = buf_view(b);
	struct caller *one = caller_of(q->connection);
	struct MHD_Response *r = MHD_create_response_from_buffer(
		s.n, (void *)(uintptr_t)(s.p ? s.p : ""), MHD_RESPMEM_MUST_COPY);

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "content-type", type);
	MHD_add_response_header(r, "cache-control", "no-store");
	if (status == MHD_HTTP_UNAUTHORIZED) /* RFC 9110 11.6.1 requires this field */
		MHD_add_response_header(r, "www-authenticate", "Bearer realm=\"tollgate\"");
	asking_fields(q, r);
	if (one)
		one->held = s.n;
	enum MHD_Result ok = MHD_queue_response(q->connection, status, r);
	MHD_destroy_response(r);
	return ok;
}

enum MHD_Result
asking_answer(struct asking *q, unsigned status, const struct buf *b)
{
	const char *type = q->endpoint->type ? q->endpoint->type : JSON_TYPE;

	return queue_answer(q, status, type, b);
}

enum MHD_Result
asking_refuse(struct asking *q, unsigned status, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	SCOPED_BUF(b, 0);
	calls_error(&b, status, "%s", line);
	return queue_answer(q, status, JSON_TYPE, &b);
}

/* ---- requests ---- */

struct children *
admin_children(struct admin *a)
{
	return a->children;
}

struct caches *
admin_caches(struct admin *a)
{
	return a->caches;
}

/* Counts the caller's connections and unsent bytes on this door. Returns false if the caller
 * has too many of either. */
static bool
keep_caller(const struct side *s, struct MHD_Connection *c, const struct asking *q)
{
	struct caller *one = caller_of(c);
	unsigned own = 0;
	size_t held = 0;

	if (!one || !q->endpoint->role)
		return true;
	for (const struct caller *o = s->callers.next; o != &s->callers; o = o->next)
		if (o != one && o->kept && !memcmp(&o->who, &q->peer.who, sizeof(o->who))) {
			own++;
			held += o->held;
		}
	one->who = q->peer.who;
	one->kept = own < CAP_ADMIN_CONNS_EACH && held < CAP_ADMIN_HELD;
	return one->kept;
}

/* Frees a request, with any secrets in its body. */
static void
request_completed(void *cls UNUSED, struct MHD_Connection *c, void **con,
	enum MHD_RequestTerminationCode why UNUSED)
{
	struct upload *u = *con;
	struct caller *one = caller_of(c);

	if (one)
		one->held = 0;
	if (!u || *con == &path_has_nul)
		return;
	if (u->q.drop)
		u->q.drop(u->q.state);
	json_decref(u->q.in);
	buf_free(&u->body);
	free(u);
	*con = NULL;
}

/* Reads and checks the parameters. Returns false if they are invalid; *ok is then the result of
 * queueing the refusal. */
static bool
take_params(struct upload *u, enum MHD_Result *ok)
{
	const struct admin_endpoint *e = u->q.endpoint;
	struct span body = buf_view(&u->body);
	json_error_t error;
	json_t *in = NULL;

	bool own = e->own || (e->change && !e->checked);

	if (!e->params && !own) {
		u->q.in = json_object();
		return true;
	}
	if (!strcmp(e->method, MHD_HTTP_METHOD_POST)) {
		if (buf_failed(&u->body)) {
			*ok = asking_refuse(&u->q, MHD_HTTP_CONTENT_TOO_LARGE,
				"the body is longer than 64 KB: "
				"send less");
			return false;
		}
		if (!body.n && !own) /* a missing member is reported by name below */
			body = SPAN_LIT("{}");
		in = json_loadb(body.p ? body.p : "", body.n, JSON_REJECT_DUPLICATES, &error);
		if (!json_is_object(in)) {
			json_decref(in);
			*ok = asking_refuse(
				&u->q, MHD_HTTP_BAD_REQUEST, "the body must be a JSON object");
			return false;
		}
	}
	SCOPED_BUF(why, 2048);
	u->q.in = in && own ? in : admin_endpoint_params(e, u->q.connection, in, &why);
	if (!u->q.in)
		*ok = asking_refuse(
			&u->q, MHD_HTTP_BAD_REQUEST, "%.*s", SPAN_ARG(buf_view(&why)));
	return u->q.in != NULL;
}

static enum MHD_Result
run_endpoint(struct upload *u)
{
	const struct admin_endpoint *e = u->q.endpoint;

	if (e->begin)
		return e->begin(&u->q);
	SCOPED_BUF(b, 0);
	if (e->open && openmetrics_wanted(MHD_lookup_connection_value(
			       u->q.connection, MHD_HEADER_KIND, "Accept"))) {
		e->open(u->q.server, &b);
		return queue_answer(&u->q, MHD_HTTP_OK, OPENMETRICS_TYPE, &b);
	}
	if (e->show) {
		e->show(u->q.server, &b);
		return asking_answer(&u->q, MHD_HTTP_OK, &b);
	}
	unsigned status = e->change
				  ? change_call(e->change, u->q.server, &u->q.peer, u->q.in, &b)
			  : e->call ? e->call(u->q.server, &u->q.peer, u->q.in, &b)
				    : e->write(u->q.server, &b);
	if (u->q.peer.child && e->change == &admin_read && status == MHD_HTTP_OK)
		reader_told(u->q.admin->children, &u->q.peer);
	return asking_answer(&u->q, status, &b);
}

static enum MHD_Result
nothing_there(struct upload *u, bool path_known)
{
	const char *last = NULL;

	if (path_known)
		return asking_refuse(&u->q, MHD_HTTP_METHOD_NOT_ALLOWED, "%s only", u->q.allow);
	char line[256];
	snprintf(line, sizeof(line), "%.128s: no such endpoint; see `accepted` for the list",
		u->q.path);
	SCOPED_BUF(b, 0);
	json_put_form(&b, "{'error':%t,'accepted':[", span_str(line));
	for (size_t i = 0; i < admin_endpoint_count; i++) {
		const char *path = admin_endpoints[i].path;
		if (!str_same(path, last))
			json_put_str(&b, NULL, path);
		last = path;
	}
	buf_str(&b, "]}\n");
	return queue_answer(&u->q, MHD_HTTP_NOT_FOUND, JSON_TYPE, &b);
}

static struct upload *
upload_new(const struct side *s, struct MHD_Connection *c, const char *url, const char *method)
{
	struct upload *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	buf_init(&u->body, UPLOAD_BYTES);
	u->began_us = clock_mono_us();
	u->q.server = s->admin->server;
	u->q.admin = s->admin;
	u->q.door = s->admin->door;
	u->q.connection = c;
	u->q.method = method;
	u->q.path = url;
	u->q.peer.door = s->door;
	return u;
}

/* libmicrohttpd's callback. It calls this function once with the head, once for each part of
 * the body, once after the body, and again when a suspended connection resumes. `con` holds the
 * request's struct upload across these calls. The caller is checked after the body, whose
 * size and time are limited. */
static enum MHD_Result
handle_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
	const char *version UNUSED, const char *bytes, size_t *upload_size, void **con)
{
	const struct side *s = cls;
	bool nul = *con == &path_has_nul;
	struct upload *u = nul ? NULL : *con;
	enum MHD_Result ok = MHD_NO;
	bool known;

	if (!u) { /* the call with the head; the response follows the body */
		*con = u = upload_new(s, c, url, method);
		if (u)
			u->nul = nul;
		return u ? MHD_YES : MHD_NO;
	}
	if (u->begun) /* the connection was suspended and resumes */
		return u->q.endpoint->begin(&u->q);
	if (clock_mono_us() > u->began_us + BODY_US)
		return MHD_NO; /* MHD_NO closes the connection */
	if (*upload_size) {
		buf_put(&u->body, bytes, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	SCOPED_BUF(allow, sizeof(u->q.allow));
	u->q.endpoint = admin_endpoint_find(method, u->nul ? "" : url, &known, &allow);
	if (!u->q.endpoint)
		snprintf(u->q.allow, sizeof(u->q.allow), "%.*s", SPAN_ARG(buf_view(&allow)));
	if (!door_enter(s->admin->door, &u->q, &ok))
		return ok;
	if (u->nul)
		return asking_refuse(
			&u->q, MHD_HTTP_BAD_REQUEST, "the path contains a NUL byte: remove %%00");
	if (!u->q.endpoint)
		return nothing_there(u, known);
	reader_on_behalf(s->admin->children, &u->q.peer);
	if (!keep_caller(s, c, &u->q)) {
		metric_inc(&u->q.server->metrics, M_ADMIN_SHARE);
		u->q.closes = true;
		return asking_refuse(&u->q, MHD_HTTP_SERVICE_UNAVAILABLE,
			"%d of your connections are open already, or %u MB of responses are "
			"not read yet: close connections or read the responses",
			CAP_ADMIN_CONNS_EACH, CAP_ADMIN_HELD >> 20);
	}
	if (!u->q.endpoint->show && !u->q.endpoint->write && !take_params(u, &ok))
		return ok;
	u->begun = u->q.endpoint->begin != NULL;
	return run_endpoint(u);
}

/* ---- connections ---- */

/* If connections run short, the oldest one without an authenticated request is closed.
 * Otherwise idle browsers and silent connections could lock out a scraper or a command. */
static void
on_connection(void *cls, struct MHD_Connection *c, void **socket_context,
	enum MHD_ConnectionNotificationCode what)
{
	struct side *s = cls;
	struct caller *one = *socket_context;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (!one)
			return;
		one->prev->next = one->next;
		one->next->prev = one->prev;
		s->ncallers--;
		free(one);
		*socket_context = NULL;
		return;
	}
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	one = calloc(1, sizeof(*one));
	if (!one || !info) {
		free(one);
		return;
	}
	one->fd = info->connect_fd;
	one->next = &s->callers;
	one->prev = s->callers.prev;
	one->prev->next = s->callers.prev = one;
	*socket_context = one;
	if (++s->ncallers < CAP_ADMIN_CONNS - CONNS_SPARE)
		return;
	for (struct caller *old = s->callers.next; old != &s->callers; old = old->next)
		if (!old->kept && old != one) {
			shutdown(old->fd, SHUT_RDWR);
			old->kept = true; /* closed already; `kept` prevents a second attempt */
			metric_inc(&s->admin->server->metrics, M_ADMIN_CROWDED);
			return;
		}
}

static int
open_side(struct admin *a, enum admin_door door, const struct address *at, struct buf *why)
{
	struct side *s = &a->side[door];

	s->admin = a;
	s->door = door;
	s->callers.next = s->callers.prev = &s->callers;
	s->at = at;
	s->fd = listen_open(at, door_is_shared(a->door) ? 0666 : 0600, NULL, why);
	return s->fd < 0 ? ERR_IO : 0;
}

static int
serve_side(struct side *s, struct buf *why)
{
	const enum admin_door door = s->door;
	const char *trust = door == DOOR_TLS ? s->admin->tls->trust : NULL;

	s->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
					     (door == DOOR_TLS ? MHD_USE_TLS : 0),
		0, NULL, NULL, handle_request, s, MHD_OPTION_LISTEN_SOCKET, s->fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CAP_ADMIN_CONNS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_S, MHD_OPTION_NOTIFY_COMPLETED,
		request_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
		MHD_OPTION_URI_LOG_CALLBACK, look_at_uri, NULL,
		/* libmicrohttpd ignores all options after MHD_OPTION_END */
		door == DOOR_TLS ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END,
		tls_on_handshake, MHD_OPTION_HTTPS_PRIORITIES, TLS_PRIORITIES,
		trust ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, trust, MHD_OPTION_END);
	if (!s->daemon) {
		buf_printf(why,
			"%s: the admin server cannot start on this address: see the "
			"daemon's log for the reason",
			s->at->text);
		return ERR_IO;
	}
	return 0;
}

/* Stops in an order that libmicrohttpd needs: no connection may be suspended while
 * MHD_stop_daemon() runs, so children and viewers end first. Objects that requests
 * use are freed after the servers have stopped. */
static void
admin_stop(void *front)
{
	struct admin *a = front;

	if (!a)
		return;
	if (a->children)
		/* from now on no connection is suspended for a child */
		children_stop(a->children);
	caches_stop(a->caches);
	erasing_serves(&a->server->erasing, NULL, NULL);
	/* from now on no connection is suspended for live decisions */
	decisions_end(a->decisions);
	for (int i = 0; i < DOORS; i++) {
		if (a->side[i].daemon)
			/* also closes the listening socket */
			MHD_stop_daemon(a->side[i].daemon);
		else if (a->side[i].fd >= 0)
			close(a->side[i].fd);
	}
	children_free(&a->children);
	caches_free(&a->caches);
	verifying_free();
	allowances_free(&a->allowances);
	decisions_free(&a->decisions);
	if (a->cfg->has_admin)
		listen_unlink(&a->cfg->admin);
	tls_free(&a->tls);
	door_free(&a->door);
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

/* Creates what the endpoints need and then opens the listening sockets, so that the first
 * request finds everything in place. After an error admin_stop() releases what exists. */
static void *
admin_start(const struct config *cfg, struct server *server, struct buf *why)
{
	struct admin *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->server = server;
	a->cfg = cfg;
	for (int i = 0; i < DOORS; i++)
		a->side[i].fd = -1;
	struct children_limits limits = children_default;
	limits.metrics = &server->metrics;
	a->children = children_start(&limits);
	a->caches = server->caches = caches_new();
	const struct decisions_options live = { .journal = cfg->journal,
		.node = cfg->node,
		.end = journal_end,
		.arg = server->audit,
		.metrics = &server->metrics };
	a->door = door_new(cfg, server, why);
	a->allowances = allowances_new(server, change_summed);
	if (!a->children || !a->caches || !a->door || !a->allowances ||
		(server->audit && !(a->decisions = decisions_new(&live))) ||
		(cfg->has_admin_tls && !(a->tls = tls_new(&cfg->admin_tls_section,
						 &server->certificate_end_s, why))) ||
		(cfg->has_admin && open_side(a, DOOR_UNIX, &cfg->admin, why) < 0) ||
		(cfg->has_admin_tcp && open_side(a, DOOR_TCP, &cfg->admin_tcp, why) < 0) ||
		(cfg->has_admin_tls && open_side(a, DOOR_TLS, &cfg->admin_tls, why) < 0)) {
		admin_stop(a);
		return NULL;
	}
	erasing_serves(&server->erasing, &caches_of_erasures, server);
	erasing_again(&server->erasing);
	return a;
}

static int
admin_serve(void *front, struct buf *why)
{
	struct admin *a = front;
	int err = 0;

	for (int i = 0; i < DOORS && !err; i++)
		if (a->side[i].fd >= 0)
			err = serve_side(&a->side[i], why);
	return err;
}

static void
admin_reloaded(void *front, const struct config *cfg)
{
	struct admin *a = front;

	door_reload(a->door, cfg);
	if (a->cfg->has_admin &&
		chmod(a->cfg->admin.path, door_is_shared(a->door) ? 0666 : 0600) < 0)
		log_event(LOG_WARN, "admin.mode", LS("socket", a->cfg->admin.path));
}

/* Stops accepting after a hand-over. Open connections are served until they end. */
static void
admin_handed(void *front)
{
	struct admin *a = front;

	for (int i = 0; i < DOORS; i++) {
		if (!a->side[i].daemon)
			continue;
		MHD_socket fd = MHD_quiesce_daemon(a->side[i].daemon);
		if (fd != MHD_INVALID_SOCKET)
			close(fd);
	}
}

const struct server_front admin_front = { admin_start, admin_serve, admin_reloaded,
	admin_handed, admin_stop };

/* ---- access for endpoints ---- */

struct allowances *
admin_allowances(const struct server *s)
{
	const struct admin *a = s->front;

	return a ? a->allowances : NULL;
}

void
admin_metrics(struct server *s, struct buf *out)
{
	struct admin *a = s->front;

	if (a)
		door_metrics(a->door, out);
}
