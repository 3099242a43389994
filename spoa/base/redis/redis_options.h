/* How a Redis is reached and who we are there: redis.* of tollgate.yaml. The same for
 * counters, data sources, the mirror of records and the commands that read it. */
#ifndef BASE_REDIS_REDIS_OPTIONS_H
#define BASE_REDIS_REDIS_OPTIONS_H

#include "base/buf.h"
#include "base/redis/redis_url.h"

#define REDIS_FILE_MAX 512
#define REDIS_NAME_MAX 256

struct redis_options {
	struct redis_url url;
	/* Read at each connect, so that it can be changed while we run. "": the URL's. */
	char password_file[REDIS_FILE_MAX];
	char sentinel_user[REDIS_NAME_MAX];
	char sentinel_password_file[REDIS_FILE_MAX]; /* "": Sentinels ask for none */
	char client_name[REDIS_NAME_MAX];	     /* CLIENT SETNAME; "": none */
	char tls_ca[REDIS_FILE_MAX];		     /* "": the system's */
	char tls_cert[REDIS_FILE_MAX], tls_key[REDIS_FILE_MAX];
	bool may_evict; /* what it forgets is made anew: its memory is asked for once a second
			 */
	char tls_name[REDIS_NAME_MAX]; /* what certificates must name; "": the server's host */
};

/* Of a URL alone: 0, or ERR_SYNTAX. */
int redis_options_url(struct redis_options *o, const char *url);

struct redis_login {
	char user[REDIS_NAME_MAX], password[REDIS_NAME_MAX];
	bool asked; /* AUTH is sent */
};

/* Who we are: to the server, or with `sentinel` to a Sentinel. 0, or negative with *why, which
 * names the file. Secret: zero it after use. */
int redis_login(
	const struct redis_options *o, bool sentinel, struct redis_login *out, struct buf *why);

#endif
