/* A small HTTP/1.1 server for tests. One thread accepts connections, and each connection has a
 * thread that reads requests and calls the test's function. */
#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/http_rig.h"

bool
http_rig_send(struct rig_conn *c, const char *p, size_t n)
{
	while (n) {
		ssize_t k = c->ssl ? SSL_write(c->ssl, p, n > 16384 ? 16384 : (int)n)
				   : send(c->fd, p, n, MSG_NOSIGNAL);
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

bool
http_rig_answer(struct rig_conn *c, int status, const char *fields, struct span body)
{
	char head[512];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n",
		status, body.n, fields);

	return http_rig_send(c, head, (size_t)n) && http_rig_send(c, body.p, body.n);
}

void
http_rig_hang(struct rig_conn *c)
{
	char b[256];

	while (!atomic_load(&c->rig->stopping) && recv(c->fd, b, sizeof(b), 0) > 0)
		;
}

/* Reads one request into `buf`. Returns true if a whole request was read. */
static bool
http_rig_read(struct rig_conn *c, char *buf, struct rig_request *q)
{
	size_t got = 0, head = 0, length = 0;

	while (!head || got < head + length) {
		ssize_t k = c->ssl ? SSL_read(c->ssl, buf + got, (int)(RIG_REQUEST - 1 - got))
				   : recv(c->fd, buf + got, RIG_REQUEST - 1 - got, 0);
		if (k <= 0)
			return false;
		got += (size_t)k;
		buf[got] = '\0';
		char *end = head ? NULL : strstr(buf, "\r\n\r\n");
		if (!end)
			continue;
		head = (size_t)(end - buf) + 4;
		char *cl = strcasestr(buf, "\r\ncontent-length:");
		length = cl && cl < end ? (size_t)strtoul(cl + 17, NULL, 10) : 0;
	}
	struct span line = span_of(buf, head), first = line;
	first = span_next(&line, '\r');
	q->method = span_next(&first, ' ');
	q->path = span_next(&first, ' ');
	q->head = span_of(buf, head);
	q->body = span_of(buf + head, length);
	return true;
}

static void *
http_rig_serve(void *arg)
{
	struct rig_conn *c = arg;
	struct rig_request q;
	char *buf = malloc(RIG_REQUEST);
	bool more = buf && (!c->ssl || SSL_accept(c->ssl) == 1);

	while (more && http_rig_read(c, buf, &q)) {
		atomic_fetch_add(&c->rig->requests, 1);
		more = c->rig->handle(c->rig->arg, c, &q);
	}
	if (c->ssl)
		SSL_shutdown(c->ssl);
	shutdown(c->fd, SHUT_RDWR);
	free(buf);
	return NULL;
}

static void *
http_rig_accept(void *arg)
{
	struct http_rig *r = arg;

	while (!atomic_load(&r->stopping)) {
		int fd = accept(r->fd, NULL, NULL);
		if (fd < 0)
			break;
		unsigned i = atomic_load(&r->conns);
		if (i == RIG_CONNS || atomic_load(&r->stopping)) {
			close(fd);
			continue;
		}
		struct rig_conn *c = &r->conn[i];
		c->rig = r;
		c->fd = fd;
		c->ssl = r->tls ? SSL_new(r->tls) : NULL;
		if (c->ssl)
			SSL_set_fd(c->ssl, fd);
		if (pthread_create(&c->thread, NULL, http_rig_serve, c) != 0)
			abort();
		atomic_store(&r->conns, i + 1);
	}
	return NULL;
}

SSL_CTX *
http_rig_tls(const char *name, const char *ca_file)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	char san[64];

	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_set_version(x, 2);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	snprintf(san, sizeof(san), "%s:%s", name[0] >= '0' && name[0] <= '9' ? "IP" : "DNS",
		name);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	X509_sign(x, key, EVP_sha256());
	SSL_CTX_use_certificate(ctx, x);
	SSL_CTX_use_PrivateKey(ctx, key);
	FILE *f = fopen(ca_file, "w");
	if (!f || !PEM_write_X509(f, x))
		abort();
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
	return ctx;
}

struct http_rig *
http_rig_start(rig_handler *handle, void *arg, SSL_CTX *tls, const char *path)
{
	struct http_rig *r = calloc(1, sizeof(*r));
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t n = sizeof(in);

	if (!r)
		abort();
	r->handle = handle;
	r->arg = arg;
	r->tls = tls;
	r->fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (path) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
		unlink(path);
	}
	if (bind(r->fd, path ? (void *)&un : (void *)&in, path ? sizeof(un) : sizeof(in)) < 0 ||
		listen(r->fd, 128) < 0)
		abort();
	if (!path && getsockname(r->fd, (void *)&in, &n) == 0)
		r->port = ntohs(in.sin_port);
	if (pthread_create(&r->thread, NULL, http_rig_accept, r) != 0)
		abort();
	return r;
}

void
http_rig_stop(struct http_rig **rp)
{
	struct http_rig *r = *rp;

	atomic_store(&r->stopping, true);
	shutdown(r->fd, SHUT_RDWR);
	pthread_join(r->thread, NULL);
	close(r->fd);
	for (unsigned i = 0; i < atomic_load(&r->conns); i++) {
		shutdown(r->conn[i].fd, SHUT_RDWR);
		pthread_join(r->conn[i].thread, NULL);
		SSL_free(r->conn[i].ssl);
		close(r->conn[i].fd);
	}
	SSL_CTX_free(r->tls);
	free(r);
	*rp = NULL;
}
