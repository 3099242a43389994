/* How a Redis is reached and with which login: redis.* of tollgate.yaml. Counters, data sources,
 * the mirror of records and the commands that read it use the same options. */
#ifndef BASE_REDIS_REDIS_OPTIONS_H
#define BASE_REDIS_REDIS_OPTIONS_H

#include "base/buf.h"
#include "base/redis/redis_url.h"

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
	char tls_ca[REDIS_FILE_MAX];		     /* "": the system's authorities */
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
