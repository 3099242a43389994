/* Parses the URL of a Redis, in tollgate.yaml and --redis, for the asynchronous and the blocking
 * client. */
#ifndef BASE_REDIS_REDIS_URL_H
#define BASE_REDIS_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>

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

#endif
