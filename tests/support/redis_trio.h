/* A master, its replica, and three Sentinels that fail it over. `sentinel_conf`: further lines
 * of the Sentinels. */
#ifndef TESTS_REDIS_TRIO_H
#define TESTS_REDIS_TRIO_H

#include "support/redis_servers.h"

enum { SENTINELS = 3, TRIO_URL_MAX = 200 };

struct trio {
	struct server server[2], sentinel[SENTINELS];
	bool tls;
};

/* tls: also among themselves, with the files of certificates_made(). */
void trio_start_tls(struct trio *t, const char *below, const char *sentinel_conf, bool tls);

/* Starts the trio without TLS. */
void trio_start(struct trio *t, const char *below, const char *sentinel_conf);

/* The first Sentinel in the URL does not exist. */
void trio_url(const struct trio *t, char url[TRIO_URL_MAX]);

/* From now on, a server that is silent for half a second is considered lost. Before, a pause of
 * the machine has no effect. */
void trio_loses_soon(struct trio *t);

/* Kills all servers. */
void trio_kill(struct trio *t);

#endif
