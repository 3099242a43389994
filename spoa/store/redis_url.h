/* Where a Redis is: the URL forms of tollgate.yaml and --redis, taken apart once
 * for the asynchronous client and the synchronous one. */
#ifndef STORE_REDIS_URL_H
#define STORE_REDIS_URL_H

#define REDIS_URL_PATH_MAX   108 /* sizeof(sun_path) */
#define REDIS_URL_HOST_MAX   256
#define REDIS_URL_SECRET_MAX 256

struct redis_url {
	char path[REDIS_URL_PATH_MAX];	     /* unix socket; "": TCP */
	char host[REDIS_URL_HOST_MAX];	     /* name or address, IPv6 without brackets */
	unsigned port;			     /* default 6379 */
	unsigned db;			     /* SELECT, default 0 */
	char user[REDIS_URL_SECRET_MAX];     /* AUTH's first word; "": the default user */
	char password[REDIS_URL_SECRET_MAX]; /* "": no AUTH. Secret: never log the struct or the
						URL */
};

/* "unix:/path[?db=N]" or "redis://[[user]:password@]host[:port][/db]"; user and
 * password may be percent-encoded (RFC 3986 2.1). 0, or ERR_SYNTAX. */
int redis_url_parse(const char *url, struct redis_url *out);
/* The URL without its credentials, for messages: "unix:/path", "redis://host:port/db". */
#define REDIS_URL_TEXT_MAX 300
void redis_url_text(const struct redis_url *u, char out[REDIS_URL_TEXT_MAX]);

#endif
