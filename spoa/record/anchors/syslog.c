/* Sends a checkpoint as a syslog message (RFC 5424): over TCP or TLS (RFC 5425) with octet
 * counting (RFC 6587 3.4.1), because a note has line ends, or as a datagram to a Unix socket.
 *
 * Syslog does not acknowledge messages. The closest substitute is that the receiver reads up
 * to our end of the stream and then closes the connection, so each message has a connection
 * of its own. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/resolve.h"
#include "base/scoped.h"
#include "record/anchors/place.h"

#define PRI 109 /* facility "log audit", severity "notice" */
#define STEP_US                                                                                \
	5000000 /* µs to connect to one address; the whole exchange has anchor_syslog_us */
#define RESOLVE_US 2000000 /* µs to resolve the receiver's name */

uint64_t anchor_syslog_us = ANCHOR_DEADLINE_US;

static int
syslog_failed(char why[PLACE_WHY], const char *what, const char *reason)
{
	snprintf(why, PLACE_WHY, "%s: %s", what, reason);
	return ERR_IO;
}

/* Builds HEADER STRUCTURED-DATA MSG. RFC 5424 permits at most six digits of a second's
 * fraction. */
static void
put_syslog_message(struct buf *out, const char *node, struct span note)
{
	char when[CLOCK_RFC3339_LEN];

	clock_rfc3339(clock_wall_ns(), when);
	buf_printf(out, "<%d>1 %.26sZ %s tollgate %ld checkpoint - ", PRI, when, node,
		(long)getpid());
	buf_span(out, note);
}

static int
send_datagram(const char *path, struct span m, char why[PLACE_WHY])
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	SCOPED_FD(fd, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	ssize_t n =
		fd < 0 ? -1
		       : sendto(fd, m.p, m.n, MSG_NOSIGNAL, (struct sockaddr *)&un, sizeof(un));
	return n < 0 ? syslog_failed(why, path, strerror(errno)) : 0;
}

/* ---- connections ---- */

/* Waits until the socket is ready, at most until `until_us` (monotonic µs), so that a peer
 * that sends a byte now and then cannot prolong the exchange. */
static bool
wait_socket(int fd, short events, uint64_t until_us)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now;
	int n = 0;

	do {
		now = clock_mono_us();
		n = now < until_us ? poll(&p, 1, (int)((until_us - now) / 1000 + 1)) : 0;
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0;
}

/* Connects to one address. The socket remains nonblocking. Returns a descriptor, or -1 with
 * errno set. */
static int
dial_one(const struct resolved_address *a)
{
	int fd = socket(a->place.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t n = sizeof(int);
	int why = 0;

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&a->place, a->length) < 0 &&
		errno != EINPROGRESS)
		why = errno;
	else if (!wait_socket(fd, POLLOUT, clock_mono_us() + STEP_US) ||
		 getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &n) < 0)
		why = errno;
	if (!why)
		return fd;
	close(fd);
	errno = why;
	return -1;
}

static int
dial_syslog(struct span host, const char *port, char why[PLACE_WHY])
{
	struct resolved found;
	const char *reason;
	char name[256];
	int fd = -1;

	snprintf(name, sizeof(name), "%.*s", SPAN_ARG(host));
	if (resolve_name(name, port, RESOLVE_US, &found, &reason)) {
		syslog_failed(why, name, reason);
		return -1;
	}
	for (size_t i = 0; i < found.n && fd < 0; i++)
		fd = dial_one(&found.at[i]);
	if (fd < 0)
		syslog_failed(why, name, strerror(errno));
	return fd;
}

static bool
syslog_again(int fd, short events, uint64_t until_us)
{
	return (errno == EAGAIN || errno == EINTR) && wait_socket(fd, events, until_us);
}

/* Sends the message, then reads until the peer closes, at most 64 reads. Returns 0, or ERR_IO
 * with the reason in `why`. */
static int
send_and_drain(int fd, struct span m, uint64_t until_us, char why[PLACE_WHY])
{
	char junk[4096];
	size_t sent = 0, most = 64;
	ssize_t n = 0;

	while (sent < m.n)
		if ((n = send(fd, m.p + sent, m.n - sent, MSG_NOSIGNAL)) > 0)
			sent += (size_t)n;
		else if (!syslog_again(fd, POLLOUT, until_us))
			break;
	if (sent < m.n || shutdown(fd, SHUT_WR) < 0)
		return syslog_failed(why, "sending", strerror(errno));
	while ((n = recv(fd, junk, sizeof(junk), 0)) > 0
			? --most > 0
			: n < 0 && syslog_again(fd, POLLIN, until_us))
		;
	if (n == 0)
		return 0;
	return syslog_failed(why, "the receiver did not close the connection after the message",
		n < 0 ? strerror(errno) : "the receiver keeps sending data");
}

/* ---- TLS ---- */

/* Sets the reason: a failed check of the certificate, a timeout, or OpenSSL's last error. */
static int
tls_failed(SSL *ssl, char why[PLACE_WHY], const char *what, uint64_t until_us)
{
	long verdict = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
	unsigned long e = ERR_peek_last_error();
	char text[160] = "the connection ended";

	if (clock_mono_us() >= until_us)
		snprintf(text, sizeof(text), "%s", strerror(ETIMEDOUT));
	else if (e)
		ERR_error_string_n(e, text, sizeof(text));
	return syslog_failed(why, what,
		verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : text);
}

static bool
tls_again(SSL *ssl, int n, uint64_t until_us)
{
	int e = SSL_get_error(ssl, n);

	return (e == SSL_ERROR_WANT_READ && wait_socket(SSL_get_fd(ssl), POLLIN, until_us)) ||
	       (e == SSL_ERROR_WANT_WRITE && wait_socket(SSL_get_fd(ssl), POLLOUT, until_us));
}

static int
tls_converse(SSL *ssl, struct span m, uint64_t until_us, char why[PLACE_WHY])
{
	char junk[4096];
	int n, most = 64;

	while ((n = SSL_connect(ssl)) != 1 && tls_again(ssl, n, until_us))
		;
	if (n != 1)
		return tls_failed(ssl, why, "TLS", until_us);
	while ((n = SSL_write(ssl, m.p, (int)m.n)) <= 0 && tls_again(ssl, n, until_us))
		;
	if (n != (int)m.n)
		return tls_failed(ssl, why, "sending", until_us);
	SSL_shutdown(ssl);
	shutdown(SSL_get_fd(ssl), SHUT_WR);
	ERR_clear_error();
	while ((n = SSL_read(ssl, junk, sizeof(junk))) > 0 ? --most > 0
							   : tls_again(ssl, n, until_us))
		;
	int end = SSL_get_error(ssl, n);
	bool cut = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
	if (end == SSL_ERROR_ZERO_RETURN || (end == SSL_ERROR_SSL && cut))
		return 0;
	return tls_failed(ssl, why,
		"the receiver did not close the connection after the message", until_us);
}

static int
tls_send(int fd, struct span host, const char *ca, struct span m, uint64_t until_us,
	char why[PLACE_WHY])
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = NULL;
	char name[256];
	int err = ERR_NOMEM;

	snprintf(name, sizeof(name), "%.*s", SPAN_ARG(host));
	ERR_clear_error();
	bool ok = ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
		  (ca ? SSL_CTX_load_verify_locations(ctx, ca, NULL)
		      : SSL_CTX_set_default_verify_paths(ctx)) == 1;
	if (ok) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		ssl = SSL_new(ctx);
	}
	if (ssl && SSL_set_fd(ssl, fd) == 1) {
		X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
		bool ip = X509_VERIFY_PARAM_set1_ip_asc(p, name) == 1;
		ok = ip || (SSL_set1_host(ssl, name) == 1 &&
				   SSL_set_tlsext_host_name(ssl, name) == 1);
		ERR_clear_error();
		if (ok)
			err = tls_converse(ssl, m, until_us, why);
	}
	if (err == ERR_NOMEM)
		err = tls_failed(NULL, why, "TLS", until_us);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return err;
}

int
anchor_syslog(const char *to, const char *tls_ca, const char *node, struct span note,
	char why[PLACE_WHY])
{
	struct span host = span_str(to);
	bool tls = span_starts(host, SPAN_LIT("tls://"));
	uint64_t until_us = clock_mono_us() + anchor_syslog_us;
	int err;

	SCOPED_BUF(m, 0);
	SCOPED_BUF(framed, 0);
	put_syslog_message(&m, node, note);
	buf_printf(&framed, "%zu ", m.n);
	buf_span(&framed, buf_view(&m));
	if (buf_failed(&m) || buf_failed(&framed)) {
		err = syslog_failed(why, to, "out of memory");
	} else if (span_starts(host, SPAN_LIT("unix:"))) {
		err = send_datagram(to + 5, buf_view(&m), why);
	} else {
		const char *port = strrchr(to, ':') + 1;
		host = span_cut(host, 6, host.n - strlen(port) - 1);
		if (host.n > 2 && host.p[0] == '[')
			host = span_cut(host, 1, host.n - 1);
		SCOPED_FD(fd, dial_syslog(host, port, why));
		err = fd < 0 ? ERR_IO
		      : tls  ? tls_send(fd, host, tls_ca, buf_view(&framed), until_us, why)
			     : send_and_drain(fd, buf_view(&framed), until_us, why);
	}
	return err;
}
