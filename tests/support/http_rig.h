/* A small HTTP/1.1 server on its own threads, with TLS if requested. The test's function
 * determines the responses, which may be slow, cut, huge or wrong. */
#ifndef TESTS_HTTP_RIG_H
#define TESTS_HTTP_RIG_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "base/span.h"

enum { RIG_CONNS = 256, RIG_REQUEST = 1 << 20 };

struct rig_conn {
	struct http_rig *rig;
	int fd;
	SSL *ssl;
	pthread_t thread;
};

struct rig_request {
	struct span method, path, head, body;
};

/* Answers with rig_send(). false closes the connection. */
typedef bool rig_handler(void *arg, struct rig_conn *c, const struct rig_request *q);

struct http_rig {
	int fd;
	unsigned port;
	SSL_CTX *tls;
	pthread_t thread;
	_Atomic bool stopping;
	_Atomic unsigned conns, requests;
	rig_handler *handle;
	void *arg;
	struct rig_conn conn[RIG_CONNS];
};

/* Sends n bytes. Returns false if the connection is closed. */
bool http_rig_send(struct rig_conn *c, const char *p, size_t n);

/* Sends a response with a length. `fields`: further header fields, each with CRLF. */
bool http_rig_answer(struct rig_conn *c, int status, const char *fields, struct span body);

/* Hangs until the rig stops or the peer disconnects. */
void http_rig_hang(struct rig_conn *c);

/* Makes a key and a self-signed certificate for `name`. The PEM is written to `ca_file`. */
SSL_CTX *http_rig_tls(const char *name, const char *ca_file);

/* `path`: a Unix socket instead of a port of 127.0.0.1. Takes ownership of `tls`. */
struct http_rig *http_rig_start(rig_handler *handle, void *arg, SSL_CTX *tls, const char *path);

/* Closes all connections, joins the threads, frees the server and sets *rp to NULL. */
void http_rig_stop(struct http_rig **rp);

#endif
