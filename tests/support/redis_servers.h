/* Redis servers of a test on TCP: plain, with TLS, Sentinels, and nodes of a cluster.
 * REDIS_SERVER names another program than redis-server (Valkey, a newer Redis). */
#ifndef TESTS_REDIS_SERVERS_H
#define TESTS_REDIS_SERVERS_H

#include <stdbool.h>
#include <hiredis/hiredis.h>

#include "base/err.h"
#include "support/child.h"

struct server {
	char dir[128];
	unsigned port, tls_port; /* 0: no TLS */
	pid_t pid;
	redisContext *c; /* the test's own connection, without TLS; NULL: none */
};

/* Returns true if the server program exists. */
bool server_installed(void);

/* Runs one test, which is skipped, instead of the tests of a program that needs servers.
 * Returns what cmocka_run_group_tests() returns. */
int servers_missing(void);

/* Returns a port on which nothing listens. It is below 55536, because a cluster's bus uses the
 * port plus 10000, and below the ports that the kernel assigns. */
unsigned free_port(void);

/* Makes, in `below`, an authority (ca.pem), another one (other.pem), and for "server" and
 * "client" a certificate of the first for redis.test and localhost. */
bool certificates_made(const char *below);

#define TLS_CONF_MAX 1024

/* Writes lines of redis.conf for TLS on a port of its own, with the certificates of
 * certificates_made(). `more`: further lines. */
void tls_conf(struct server *s, const char *below, const char *more, char out[TLS_CONF_MAX]);

/* Starts the process of a server whose folder and configuration exist. */
void server_exec(struct server *s, bool sentinel);

/* Waits until the server answers on its plain port. */
void server_dial(struct server *s);

/* Starts a server in its own folder below `below`. `conf`: further lines of redis.conf. s->port
 * 0: a free port. */
void server_start(struct server *s, const char *below, bool sentinel, const char *conf);

/* Kills the server, also a stopped one, and closes the connection to it. */
void server_kill(struct server *s);

/* Runs a command. */
__attribute__((format(printf, 2, 3))) const char *server_do(
	struct server *s, const char *fmt, ...);

/* Runs a command of words with spaces between. */
const char *server_line(struct server *s, const char *line);

#endif
