/* How a Redis is reached and with which login: redis.* of tollgate.yaml. Counters, data sources,
 * the mirror of records and the commands that read it use the same options. */
#ifndef BASE_REDIS_REDIS_OPTIONS_H
#define BASE_REDIS_REDIS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* ---- the URL, in tollgate.yaml and --redis, for both clients ---- */

#define REDIS_URL_PATH_MAX   108 /* sizeof(sun_path) */
#define REDIS_URL_HOST_MAX   256
#define REDIS_URL_SECRET_MAX 256
#define REDIS_URL_MASTER_MAX 64
#define REDIS_SERVERS_MAX    16 /* Sentinels, or the nodes of a cluster that are asked first */

enum redis_kind {
	REDIS_ONE,
	REDIS_SENTINEL, /* Sentinels report which server is the master */
	REDIS_CLUSTER,
};

struct redis_server {
	char host[REDIS_URL_HOST_MAX]; /* name or address; IPv6 without brackets */
	unsigned port;		       /* default 6379; for a Sentinel 26379 */
};

struct redis_url {
	enum redis_kind kind;
	bool tls;
	char path[REDIS_URL_PATH_MAX]; /* path of a unix socket; "": TCP */
	struct redis_server server[REDIS_SERVERS_MAX];
	size_t nservers;		     /* 0: a unix socket; more than 1: not REDIS_ONE */
	char master[REDIS_URL_MASTER_MAX];   /* REDIS_SENTINEL: the master's name there */
	unsigned db;			     /* for SELECT; default 0 */
	char user[REDIS_URL_SECRET_MAX];     /* first word of AUTH; "": the default user */
	/* "": none in the URL. Secret: never log the structure or the URL */
	char password[REDIS_URL_SECRET_MAX];
};

/* Parses "unix:/path[?db=N]", or SCHEME "://" [[user][":" password] "@"] followed by
 *   redis, rediss                      host[:port][/db]
 *   redis+sentinel, rediss+sentinel    host[:port],…/master[/db]
 *   redis+cluster, rediss+cluster      host[:port],…
 *
 * rediss means TLS. User and password may be percent-encoded (RFC 3986 2.1). Returns 0 or
 * ERR_SYNTAX. */
int redis_url_parse(const char *url, struct redis_url *out);
/* The forms of the URL, for messages. */
#define REDIS_URL_FORMS                                                                        \
	"unix:/path[?db=N], redis[s]://[USER[:PASSWORD]@]HOST[:PORT][/DB], "                   \
	"redis[s]+sentinel://HOST[:PORT],…/MASTER[/DB] or redis[s]+cluster://HOST[:PORT],…"
/* Writes the URL without its credentials, for messages: "unix:/path", "redis://host:port/db". */
#define REDIS_URL_TEXT_MAX 600
void redis_url_text(const struct redis_url *u, char out[REDIS_URL_TEXT_MAX]);

/* ---- options and login ---- */

#define REDIS_FILE_MAX 512
#define REDIS_NAME_MAX 256

struct redis_options {
	struct redis_url url;
	/* Read at each connect, so that the password can be changed at run time. "": the URL's
	 * password. */
	char password_file[REDIS_FILE_MAX];
	char sentinel_user[REDIS_NAME_MAX];
	char sentinel_password_file[REDIS_FILE_MAX]; /* "": Sentinels need no password */
	char client_name[REDIS_NAME_MAX];	     /* for CLIENT SETNAME; "": none */
	char tls_ca[REDIS_FILE_MAX];		     /* PEM file; "": the system's certificate authorities */
	char tls_cert[REDIS_FILE_MAX], tls_key[REDIS_FILE_MAX];
	/* evicted data can be made again: the memory in use is asked for once a second */
	bool may_evict;
	/* the name that certificates must have; "": the server's host */
	char tls_name[REDIS_NAME_MAX];
};

/* Sets the options from a URL alone. Returns 0 or ERR_SYNTAX. */
int redis_options_url(struct redis_options *o, const char *url);

/* Secret: zero it after use. */
struct redis_login {
	char user[REDIS_NAME_MAX], password[REDIS_NAME_MAX];
	bool asked; /* AUTH must be sent */
};

/* Reads the login for the server or, with `sentinel`, for a Sentinel. Returns 0, or a negative
 * error with *why, which names the file. */
int redis_login(
	const struct redis_options *o, bool sentinel, struct redis_login *out, struct buf *why);

#endif
